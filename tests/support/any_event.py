"""Events of any topic as their types allow them, with texts that somebody chose wherever these fit."""

import re
from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect as shape

from bus_schemas.contract import AnyTopic


@cache
def any_event(topic: AnyTopic, texts: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """An event of a topic, as JSON says it. `texts`: what stands in it."""
    return _of(shape.type_info(topic.event), texts)


def _of(kind: shape.Type, texts: tuple[str, ...]) -> st.SearchStrategy[Any]:
    match kind:
        case shape.Metadata():
            return _of(kind.type, texts)
        case shape.UnionType():
            return st.one_of([_of(one, texts) for one in kind.types])
        case shape.ListType() | shape.VarTupleType() | shape.SetType() | shape.FrozenSetType():
            return st.lists(_of(kind.item_type, texts), min_size=max(1, kind.min_length or 0), max_size=2)
        case shape.DictType():
            keys = _of(kind.key_type, texts).map(str)
            return st.dictionaries(keys, _of(kind.value_type, texts), min_size=1, max_size=2)
        case shape.StructType():
            return st.fixed_dictionaries({one.encode_name: _of(one.type, texts) for one in kind.fields})
    return _value(kind, texts)


def _value(kind: shape.Type, texts: tuple[str, ...]) -> st.SearchStrategy[Any]:
    match kind:
        case shape.StrType():
            return _text(kind, texts)
        case shape.IntType():
            low = kind.ge or 0
            return st.integers(low, kind.le if kind.le is not None else low + 5)
        case shape.FloatType():
            return st.just(float(kind.ge or 1.0))
        case shape.BoolType():
            return st.booleans()
        case shape.EnumType():
            return st.sampled_from([one.value for one in kind.cls])
        case shape.LiteralType():
            return st.sampled_from(kind.values)
    return st.none()


def _text(kind: shape.StrType, texts: tuple[str, ...]) -> st.SearchStrategy[str]:
    low, high = kind.min_length or 0, kind.max_length or 10**6
    fit = [one for one in texts if low <= len(one) <= high and (not kind.pattern or re.search(kind.pattern, one))]
    return st.sampled_from(fit) if fit else st.from_regex(kind.pattern or "x")
