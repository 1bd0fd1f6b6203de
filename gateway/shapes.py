"""What a request's fields may be, and what came instead, in words that repeat nothing of it.

Who sends what is refused has chosen it: saying why costs no more than reading it did, whatever names are in it.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sized
from functools import cache
from itertools import islice
from typing import Any, TypeGuard

import msgspec
from msgspec import UNSET, inspect

from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.fields import UNSEEN, plainly, words_of

_MISSING, _UNKNOWN, _PLACE = "Object missing required field `", "Object contains unknown field `", " - at `$"
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}\Z")  # what can be repeated
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]{1,9})\]|\[\.\.\.\]")
_POINT = re.compile(r"[+-]?[0-9]+\.[0-9]+\Z")
_NOT_SEEN = re.compile(rf"[\s{UNSEEN}]")
_HALF = re.compile("[\ud800-\udfff]")
_NAMES: dict[type, str] = {list: "a list", dict: "an object", bool: "true or false"}
_NAMED: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false", inspect.NoneType: "null", inspect.ListType: "a list",
    inspect.VarTupleType: "a list", inspect.DictType: "an object", inspect.StructType: "an object",
}  # fmt: skip
_BEGINNINGS = {b"[": "a list", b'"': "a text", b"t": "true or false", b"f": "true or false", b"n": "null"}
EXPLAINED = 8_192  # bytes of a body that cannot be read, at most, if it is said where
LONGEST_PLACE = 256  # characters
LOOKED_AT = 100  # names of an object, for the one that is meant
LONGEST_WHOLE = 4300  # digits of a whole number that Python reads
Place = tuple[str | int, ...]  # names and indices, from the outside in

LOST_PLUS = " (a `+` in an address is written %2B)"


def undecodable(error: Exception, values: Any, struct: type, *, before: int = 0) -> Refusal:
    """What is wrong with the fields of a request. `before`: how many elements of its list come before these."""
    shape = _shape(struct)
    said, place = _split_place(str(error))
    place = _resolved(shape, values, place)
    kind, value = _at(shape, values, place)
    place = (*place[:1], *(step + before if isinstance(step, int) else step for step in place[1:2]), *place[2:])
    if said.startswith(_MISSING):
        place = (*place, said[len(_MISSING) : -1])
        return wrong_kind(_text(place), _at(shape, UNSET, place)[0], UNSET)
    if said.startswith(_UNKNOWN):
        kind = _object_in(kind)
        of_a_name = not isinstance(kind, inspect.StructType)  # what looked like a place
        name = str(error) if of_a_name else said
        known = _fields_of(shape if of_a_name else kind or shape)
        return no_such(name[len(_UNKNOWN) : -1], "field", known, within=() if of_a_name else place)
    if not place or kind is None:
        return Refusal(ErrorCode.INVALID_PARAMS, plainly(said[:LONGEST_PLACE]))
    return wrong_kind(_text(place), kind, value)


def _object_in(kind: inspect.Type | None) -> inspect.Type | None:
    """Of a field that may be an object or something else, the object."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else ()
    return next((one for one in kinds if isinstance(one, inspect.StructType)), kind)


def wrong_kind(field: str, kind: Any, value: Any, *, more: str = "") -> Refusal:
    """A field whose value is not of its kind, a type or what msgspec knows of it."""
    kind = _shape(kind) if kind is None or not isinstance(kind, inspect.Type) else kind
    got = what_came(value, kind) + more
    return misfit(field, f"expected {in_words(kind)}, got {got}.", got=got)


def no_such(name: str, what: str, known: Iterable[str], *, within: Place = ()) -> Refusal:
    """A name that no field or parameter has. `within`: the place of what it was given in."""
    known, name = list(known), name[:LONGEST_PLACE]
    seen = _NOT_SEEN.sub("", name)
    for one in known if seen != name else ():
        if one.lower() == seen.lower():
            why = "its name was sent with a blank, or a character that is not seen, in it."
            return misfit(_text((*within, one)), why)
    names = ", ".join(f"`{one}`" for one in known)
    listed = f" The {what}s: {names}." if names else f" There is no {what} here."
    return misfit(_text((*within, name)), f"there is no such {what}.{listed}")


def unreadable(error: Exception, body: bytes, struct: type) -> Refusal:
    """A body that cannot be read. What Python reads of JSON and we do not (NaN, a number beyond all bounds, half of a
    character) is named by its field, where the body is not long."""
    if len(body) > EXPLAINED:
        return Refusal(ErrorCode.INVALID_PARAMS, f"The body is not a JSON object: {error}")
    try:
        values = json.loads(body)
        odd = _odd(values)
    except UnicodeDecodeError as bad:
        said = f"its byte {bad.start + 1} is not UTF-8."
        return Refusal(ErrorCode.INVALID_PARAMS, f"The body is not a JSON object: {said}")
    except (ValueError, RecursionError):
        return Refusal(ErrorCode.INVALID_PARAMS, f"The body is not a JSON object: {error}")
    if not isinstance(values, dict):
        return no_object(body)
    if odd is None:
        said = f"it is {json.detect_encoding(body)}, and must be UTF-8." if 0 in body else str(error)
        return Refusal(ErrorCode.INVALID_PARAMS, f"The body is not a JSON object: {said}")
    shape, (inside_out, value) = _shape(struct), odd
    place = tuple(reversed(inside_out))
    kind, _ = _at(shape, values, place)
    if kind is None:
        return no_such(_text(place), "field", _fields_of(shape))
    return wrong_kind(_text(place), kind, value)


def must_name_once(body: bytes, values: Sized) -> None:
    """Raise the Refusal of a JSON body, read as `values`, in which an object has a name twice: the last would count,
    without a word. With no more colons than names there is none, and most bodies are not read again."""
    if body.count(b":") <= len(values):
        return
    try:  # numbers are only measured: they can take long to be read
        json.loads(body, object_pairs_hook=_each_once, parse_int=len, parse_float=len)
    except RecursionError:
        raise Refusal(ErrorCode.INVALID_PARAMS, "The body is not a JSON object: it is too deep.") from None
    except ValueError:  # who reads the fields says what cannot be read of them
        return


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) < 2 or len(dict(pairs)) == len(pairs):
        return
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise misfit(name if _NAME.match(name) else "?", "it is given more than once.")
        seen.add(name)


def no_object(body: bytes) -> Refusal:
    """A JSON body that is something else: how it begins says what."""
    got = _BEGINNINGS.get(body.lstrip()[:1], "a number")
    return Refusal(ErrorCode.INVALID_PARAMS, f"The body is not a JSON object: it is {got}.")


def in_words(kind: inspect.Type) -> str:
    """What a value may be; null where it may be nothing else."""
    return _either([word for one in _alternatives(kind) for word in _words(one)])


def what_came(value: Any, kind: inspect.Type) -> str:
    """The kind of a value that is none of these."""
    if value is UNSET:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, str):
        return _what_text(value, kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _what_number(value, kind)
    if isinstance(value, list | dict) and any(_is_counted(one) for one in _alternatives(kind)):
        what = "list" if isinstance(value, list) else "object"
        return f"{_NAMES[type(value)]} of {len(value)}" if value else f"an empty {what}"
    return _NAMES.get(type(value), "something else")


# --- types --------------------------------------------------------------------------------------------------------


@cache
def _shape(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    """What a value may be, each without what only describes it. Null stands for nothing else."""
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        yield from (one for part in kind.types for one in _alternatives(part) if part != inspect.NoneType())
    else:
        yield kind


def _words(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.StrType(pattern=str(pattern)):
            return [words_of(pattern)]
        case inspect.StrType():
            return [_of_length(kind.min_length, kind.max_length)]
        case inspect.IntType():
            return [f"a whole number{_bounds(_lowest(kind), _highest(kind))}"]
        case inspect.FloatType():
            return [f"a number{_bounds(_lowest(kind), _highest(kind))}"]
        case inspect.LiteralType() | inspect.EnumType():
            return [f"`{choice}`" if isinstance(choice, str) else str(choice) for choice in _choices(kind)]
    bounds = _bounds(kind.min_length, kind.max_length).replace(" from ", " of ") if _is_counted(kind) else ""
    bounds += " names" if bounds and isinstance(kind, inspect.DictType) else ""
    return [_NAMED.get(type(kind), "something else") + bounds]


def _is_counted(kind: inspect.Type) -> TypeGuard[inspect.ListType | inspect.VarTupleType | inspect.DictType]:
    """Whether it is a list, or an object with names of the sender's, of which the length is said."""
    if not isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.DictType):
        return False
    return (kind.min_length, kind.max_length) != (None, None)


def _choices(kind: inspect.Type) -> list[Any]:
    if isinstance(kind, inspect.EnumType):
        return [member.value for member in kind.cls]
    return list(kind.values) if isinstance(kind, inspect.LiteralType) else []


def _lowest(kind: inspect.IntType | inspect.FloatType) -> float | None:
    return kind.ge if kind.ge is not None else kind.gt


def _highest(kind: inspect.IntType | inspect.FloatType) -> float | None:
    return kind.le if kind.le is not None else kind.lt


def _bounds(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if least is not None:
        return f" of at least {least:g}"
    return f" of at most {most:g}" if most is not None else ""


def _of_length(least: int | None, most: int | None) -> str:
    if least is None and most is None:
        return "a text"
    return f"a text{_bounds(least, most).replace(' from ', ' of ')} characters"


def _either(words: list[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


# --- values -------------------------------------------------------------------------------------------------------


def _what_text(value: str, kind: inspect.Type) -> str:
    same = [choice for one in _alternatives(kind) for choice in _choices(one) if str(choice).lower() == value.lower()]
    if same:
        return f"`{same[0]}` in other letters"
    if not value:
        return "an empty text"
    if _HALF.search(value):
        return "a text with half of a character in it (a lone surrogate)"
    if value != value.strip():
        return "a text that begins or ends with a blank"
    if len(value.split(None, 1)) > 1:
        return "a text with a blank in it"
    if _POINT.match(value):
        return "a text of digits and a point"
    longest = max((one.max_length or 0 for one in _alternatives(kind) if isinstance(one, inspect.StrType)), default=0)
    if 0 < longest < len(value):
        return f"a text of {len(value)} characters"
    if value[0] in "+-" and value[1:].isdecimal():
        return "a text of a sign and digits"
    return "a text of digits" if value.isdecimal() else f"a text of {len(value)} characters"


def _what_number(value: float, kind: inspect.Type) -> str:
    whole = isinstance(value, int)  # of any length: no float
    if not whole and math.isnan(value):
        return "what is no number (NaN)"
    for one in _alternatives(kind):
        if isinstance(one, inspect.IntType | inspect.FloatType):
            lowest, highest = _lowest(one), _highest(one)
            if not whole and math.isfinite(value) and isinstance(one, inspect.IntType):
                break
            if lowest is not None and value <= lowest:
                return "a smaller one"
            if highest is not None and value >= highest:
                return "a larger one"
    if not whole:
        return "a number with a point" if math.isfinite(value) else "a number beyond all bounds"
    wholes = any(isinstance(choice, int) for one in _alternatives(kind) for choice in _choices(one))
    return "another whole number" if wholes else "a whole number"


def _odd(value: Any) -> tuple[list[str | int], Any] | None:
    """The first of a JSON value that Python alone reads, with its place from the inside out."""
    inside: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        if (name := next((name for name in value if _HALF.search(name)), None)) is not None:
            return [name], value[name]
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    elif (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, str) and _HALF.search(value)):
        return [], value
    for step, inner in inside:
        if (found := _odd(inner)) is not None:
            found[0].append(step)
            return found
    return None


def _fields_of(kind: inspect.Type) -> list[str]:
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []


def _split_place(said: str) -> tuple[str, Place]:
    """An error of msgspec's, and the place that it ends with (`lines[0].name`), if it is one: names of fields, which it
    repeats, may say anything."""
    words, at, text = said.rpartition(_PLACE)
    if not at or not text.endswith("`") or len(text) > LONGEST_PLACE:
        return said, ()
    steps, done = list[str | int](), 0
    for step in _STEP.finditer(text[:-1]):
        if step.start() != done:
            return said, ()
        done = step.end()
        steps.append(step[1] or (int(step[2]) if step[2] else ""))
    return (words, tuple(steps)) if done == len(text) - 1 else (said, ())


def _text(place: Place) -> str:
    """A place for people. A name that is not like ours is not repeated."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step if _NAME.match(step) else '?'}" for step in place)
    return "".join(steps).removeprefix(".")[:LONGEST_PLACE]


def _at(kind: inspect.Type | None, value: Any, place: Place) -> tuple[inspect.Type | None, Any]:
    """The type and the value at a place, as far as both are known; the value as it is seen."""
    kind, value = _reached(kind, value, place)
    return kind, _peeked(value)


def _reached(kind: inspect.Type | None, value: Any, place: Place) -> tuple[inspect.Type | None, Any]:
    for step in place:
        if kind is None:
            break
        kind = next((inner for one in _alternatives(kind) if (inner := _inner(one, step)) is not None), None)
        value = _part(_opened(value), step)
    return kind, value


def _resolved(shape: inspect.Type, values: Any, place: Place) -> Place:
    """A place in which a name is left out, as msgspec does where names are of the sender's choice: the first one whose
    value does not fit stands in for it."""
    for at, step in enumerate(place):
        if step != "":
            continue
        kind, value = _reached(shape, values, place[:at])
        names = _opened(value)
        kinds = _alternatives(kind) if kind is not None else ()
        inner = next((one.value_type for one in kinds if isinstance(one, inspect.DictType)), None)
        if inner is None or not isinstance(names, dict):
            break
        name = next((name for name, raw in islice(names.items(), LOOKED_AT) if not _fits(inner, _peeked(raw))), step)
        place = (*place[:at], name, *place[at + 1 :])
    return place


def _fits(kind: inspect.Type, value: Any) -> bool:
    """Whether a value may be one of these, as far as texts, numbers and choices go."""
    return any(_is_one(one, value) for one in _alternatives(kind))


def _is_one(kind: inspect.Type, value: Any) -> bool:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            least, most = _lowest(kind), _highest(kind)
            return is_number and not (least is not None and value < least) and not (most is not None and value > most)
        case inspect.EnumType() | inspect.LiteralType():
            return value in _choices(kind)
        case inspect.StrType():
            return isinstance(value, str) and (kind.pattern is None or re.search(kind.pattern, value) is not None)
    return True


def _inner(kind: inspect.Type, step: str | int) -> inspect.Type | None:
    if isinstance(kind, inspect.StructType):
        return next((field.type for field in kind.fields if field.encode_name == step), None)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return kind.item_type if isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType) else None


def _opened(value: Any) -> Any:
    """What stands in a part of a body that has not been read, one step deep."""
    if not isinstance(value, msgspec.Raw):
        return value
    kind = {b"{": dict[str, msgspec.Raw], b"[": list[msgspec.Raw]}.get(bytes(value)[:1])
    return UNSET if kind is None else msgspec.json.decode(value, type=kind)


def _peeked(value: Any) -> Any:
    """A part of a body that has not been read, for who asks of what kind it is."""
    if not isinstance(value, msgspec.Raw):
        return value
    text = bytes(value)
    if text[:1] in b"{[":
        return _opened(value)
    return json.loads(text.decode(errors="replace"), parse_int=_whole)


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_WHOLE else float(digits)


def _part(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step, UNSET)
    found = isinstance(step, int) and isinstance(value, list | tuple) and step < len(value)
    return value[step] if found else UNSET
