"""What people are told of a text that does not fit: what it may be, and no pattern."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec import Meta, Struct

from actors.settings import Settings, SettingsError, load
from bus_schemas.campaign import ConfigureCampaign, RunCampaign
from bus_schemas.catalogue import RPCS, TOPICS
from bus_schemas.errors import Refusal
from bus_schemas.fields import plainly, shaped
from gateway.bodies import object_in, request_of
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


RUNS = [
    ({"leads": []}, "`leads`: expected a list of 1 to 100000, got an empty list."),
    ({"leads": [{"number": "1"}] * 3 + [{"number": "1", "extra": 1}]}, "`leads[3].extra`: there is no such field. "),
    ({"leads": [{"number": "1", "Name": "x"}]}, "`leads[0].Name`: there is no such field. "),
    ({"leads": [{"number": "1", "custom": {"a": "b", "c": 5}}]}, "`leads[0].custom.c`: expected a text, got a whole"),
    ({"leads": 5}, "`leads`: expected a list of 1 to 100000, got a whole number."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), RUNS)
def test_leads_that_cannot_be_are_named_by_their_row(given: dict[str, Any], said: str) -> None:
    assert refused({"campaign_id": "c", **given}, RunCampaign).startswith(said)


SETTINGS = [
    ({"retry_minutes": {"no_answer": 5, "busy": -1}},
     "`retry_minutes.busy`: expected a whole number from 0 to 525600, got a smaller one."),
    ({"retry_minutes": {"busy": "5"}},
     "`retry_minutes.busy`: expected a whole number from 0 to 525600, got a text of digits."),
    ({"dispositions": {}}, "`dispositions`: expected an object of 1 to 100 names, got an empty object."),
    ({"dispositions": {f"w{place}": "done" for place in range(101)}},
     "`dispositions`: expected an object of 1 to 100 names, got an object of 101."),
    ({"dispositions": {"a": "done", "b": "sold"}}, "`dispositions.b`: expected `done`, "),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), SETTINGS)
def test_what_stands_under_a_name_of_the_senders_is_named(given: dict[str, Any], said: str) -> None:
    assert refused({"campaign_id": "c", **given}, ConfigureCampaign).startswith(said)


def refused(given: dict[str, Any], struct: type) -> str:
    with pytest.raises(Refusal) as failed:
        request_of(object_in(msgspec.json.encode(given), struct), struct, {})
    return failed.value.message


def test_the_settings_are_refused_in_words() -> None:
    with pytest.raises(SettingsError) as failed:
        load(config=None, environment={"OTTB_HOST": "a host"})
    assert re.search(r"Expected 1 to 64 letters .* - at `\$.host`", str(failed.value))
    assert "regex" not in str(failed.value)


def test_one_pattern_has_one_name_whoever_says_it() -> None:
    shaped("^[q]{7}$", "seven times a q")
    shaped("^[q]{7}$", "seven times a q")
    with pytest.raises(ValueError, match="other words"):
        shaped("^[q]{7}$", "a name")
