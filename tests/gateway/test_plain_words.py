"""What people are told of a text that does not fit: what it may be, and no pattern."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec import Meta, Struct

from actors.settings import Settings, SettingsError, load
from bus_schemas.catalogue import RPCS, TOPICS
from bus_schemas.fields import plainly
from gateway.shapes import undecodable


def patterns(kind: Any, seen: set[Any]) -> Iterator[tuple[Any, Meta]]:
    """Every type with a pattern that a struct has in it, however deep."""
    metas = [one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Meta) and one.pattern is not None]
    if metas:
        yield kind, metas[0]
    if isinstance(kind, type) and issubclass(kind, Struct) and kind not in seen:
        seen.add(kind)
        for inner in get_type_hints(kind, include_extras=True).values():
            yield from patterns(inner, seen)
    for inner in get_args(kind):
        yield from patterns(inner, seen)


def everywhere() -> dict[str, Any]:
    """By their pattern, the types of the contract and the settings."""
    asked = [kind for rpc in RPCS for kind in (rpc.request, rpc.reply)]
    structs = [Settings, *(topic.event for topic in TOPICS), *asked]
    seen: set[Any] = set()
    return {str(meta.pattern): kind for struct in structs for kind, meta in patterns(struct, seen)}


def test_every_pattern_has_words() -> None:
    found = everywhere()
    assert len(found) > 12
    for pattern, kind in found.items():
        with pytest.raises(msgspec.ValidationError, match="matching regex") as failed:
            msgspec.convert("\x00 \n", kind)
        said = plainly(failed.value)
        assert "regex" not in said and pattern not in said and said.startswith("Expected "), said


def test_a_user_name_is_refused_in_words() -> None:
    [create] = [rpc for rpc in RPCS if rpc.request.__name__ == "CreateUser"]
    with pytest.raises(msgspec.ValidationError) as failed:
        msgspec.convert({"username": "op 12", "password": "a long one", "role": "operator"}, create.request)
    said = undecodable(failed.value, {"username": "op 12"}, create.request).message
    assert said == "`username`: expected 1 to 64 letters (A-Z, a-z), digits, `_` or `-`, got a text with a blank in it."


def test_the_settings_are_refused_in_words() -> None:
    with pytest.raises(SettingsError) as failed:
        load(config=None, environment={"OTTB_HOST": "a host"})
    assert re.search(r"Expected 1 to 64 letters .* - at `\$.host`", str(failed.value))
    assert "regex" not in str(failed.value)
