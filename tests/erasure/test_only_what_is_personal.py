"""Whoever words a lead does not choose what an erasure cuts out: only fields that can say something of a person change,
and each event stays one of its kind."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect as shape

from actors.erasure.logged import MOST_NAMED, About, about, to_delete
from actors.erasure.person import NOTHING_SAID, Person, Traces
from actors.erasure.redacting import Redactor, found_in
from actors.runtime.marks import Marks
from bus_schemas.catalogue import TOPICS, topic_of
from bus_schemas.contract import AnyTopic
from bus_schemas.log import LogWritten
from bus_schemas.personal import EACH, PERSONAL
from tests.support.any_event import any_event

MARKS = Marks(b"key")
DANISH, NUMBER = "+4520261127", "+380683212010"  # the first at home is a day's eight digits
AT = "2026-11-27T22:46:01.000Z"
KEPT = tuple(topic for topic in TOPICS if topic.kept)
WORDS = (
    "mallory", "admin", "ready", "ONLINE", "virtual", "local", "slot-44", "trunk-1", "recorded", "evo2-evo2", "UA",
    "POST /api/crm/leads", "2026-11-27", AT, "T22:46:01", "0683212010", "380683212010", NUMBER, DANISH, "http",
    '{"status":"new","assigned_seller":"mallory","text":"mallory"}', "10.0.0.1:17044", "0" * 64, "2", "601",
)  # fmt: skip


def person(name: str, custom: Mapping[str, str] = {}, numbers: tuple[str, ...] = (NUMBER,)) -> Person:
    """Who is found by a lead that somebody worded so."""
    lead = {"id": "mine", "numbers": numbers, "name": name, "custom": custom}
    said = msgspec.json.encode({"campaign": "nowhere", "leads": [lead]})
    return found_in("ottb.v1.evt.campaign.nowhere.leads_added", said, Person(numbers=frozenset(numbers)))


def after(subject: str, said: Any, who: Person) -> Any:
    """What an entry says afterwards. It is an event of its kind."""
    subject = f"ottb.v1.evt.{subject}"
    topic = topic_of(subject)
    assert topic is not None
    msgspec.convert(said, topic.event)
    found = Redactor(Traces(who, MARKS)).redacted(subject, msgspec.json.encode(said), {})
    if found is None:
        return said
    msgspec.json.decode(found[0], type=topic.event)
    return msgspec.json.decode(found[0])


def rest(said: Any, paths: frozenset[str]) -> Any:
    """What an event says beside those of its fields that can say something of a person."""
    match said:
        case list():
            return [rest(one, below(EACH, paths)) for one in said if "" not in below(EACH, paths)]
        case dict():
            of = {key: below(key, paths) | below(EACH, paths) for key in said}
            return {key: rest(one, of[key]) for key, one in said.items() if "" not in of[key]}
    return said


def below(key: str, paths: frozenset[str]) -> frozenset[str]:
    return frozenset(path.partition(".")[2] for path in paths if path.partition(".")[0] == key)


@pytest.mark.parametrize("topic", KEPT, ids=lambda topic: topic.subject.removeprefix("ottb.v1.evt."))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_an_event_stays_one_and_says_who_did_what_and_when(topic: AnyTopic, data: st.DataObject) -> None:
    said = data.draw(any_event(topic, WORDS))
    name = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
    who = person(name, {"birthday": data.draw(st.sampled_from(WORDS))}, (NUMBER, DANISH))
    subject = topic.pattern.replace("*", "x")
    event = msgspec.json.encode(msgspec.convert(said, topic.event))
    redactor = Redactor(Traces(who, MARKS))
    found = redactor.redacted(subject, event, {"Ottb-User": name})
    if found is not None:
        msgspec.json.decode(found[0], type=topic.event)
        assert found[1] == {"Ottb-User": name}
        paths = frozenset(PERSONAL.get(topic, {}))
        before, stays = rest(msgspec.json.decode(event), paths), rest(msgspec.json.decode(found[0]), paths)
        assert {**stays, "erased": before.get("erased")} == {**before, "erased": before.get("erased")}


@pytest.mark.parametrize(("topic", "path"), [(topic, path) for topic in PERSONAL for path in PERSONAL[topic]])
def test_what_is_personal_is_a_text_of_its_event_and_no_identity(topic: AnyTopic, path: str) -> None:
    assert not {"user", "by", "at", "status", "operator", "host", "hash"} & set(path.split("."))
    assert any(isinstance(one, shape.StrType) for one in kinds(shape.type_info(topic.event), path.split(".")))


def kinds(kind: shape.Type, path: list[str]) -> Iterator[shape.Type]:
    """The types that stand at a path."""
    match kind:
        case shape.Metadata():
            yield from kinds(kind.type, path)
        case shape.UnionType():
            for one in kind.types:
                yield from kinds(one, path)
        case shape.StructType() if path:
            for field in kind.fields:
                if field.encode_name == path[0]:
                    yield from kinds(field.type, path[1:])
        case shape.DictType() if path:
            yield from kinds(kind.value_type, path[1:])
        case shape.ListType() | shape.VarTupleType() if path and path[0] == EACH:
            yield from kinds(kind.item_type, path[1:])
        case _ if not path:
            yield kind


ENTRY = {"at": AT, "user": "mallory", "door": "http", "action": "POST /api/leads/ready", "result": "OK"}


def test_the_audit_says_who_did_what_and_when_whatever_a_lead_is_called() -> None:
    filtered = '{"assigned_seller":"mallory","campaign_id":"Petrenko","text":"petrenko"}'
    done = {**ENTRY, "subject": {"user": "mallory", "filter": filtered, "campaign_id": "mallory", "name": "Petrenko"}}
    said = {"first": 1, "entries": [done], "previous": "0" * 64, "hash": "1" * 64}
    for name in ("mallory", "admin", "recorded", "assigned_seller", f"POST /api/leads/ready {AT}"):
        assert after("audit.chain.recorded", said, person(name, {"birthday": "2026-11-27"})) == said
    found = after("audit.chain.recorded", said, person("Petrenko"))
    assert found["erased"] is True and found["entries"][0] == {
        **done, "subject": {**done["subject"], "filter": filtered.replace("petrenko", NOTHING_SAID)}  # type: ignore[dict-item]
    }  # fmt: skip


def test_a_slot_and_an_operator_stay_what_they_are_whatever_a_lead_is_called() -> None:
    linked = {"slot": 1, "at": AT, "status": "ONLINE", "detail": "virtual", "host": "local"}
    changed = {"user": "ready", "at": AT, "status": "ready", "by": "ready", "reason": "admin"}
    who = person("ONLINE virtual local ready admin", {"birthday": "2026-11-27", "x": "T22:46:01.0 "})
    for subject, said in (("slot.1.activated", linked), ("operator.ready.changed", changed)):
        found = Redactor(Traces(who, MARKS)).redacted(f"ottb.v1.evt.{subject}", msgspec.json.encode(said), {})
        assert found is None


def test_names_are_whole_words_of_what_people_write() -> None:
    done = {"slot": 1, "at": AT, "command_id": "k", "command": "echo Administrator and ADMIN-2, admin", "by": "admin"}
    found = after("slot.1.command_started", done, person("admin"))
    assert found == {**done, "command": f"echo Administrator and {NOTHING_SAID}-2, {NOTHING_SAID}"}


def test_a_text_that_is_full_loses_the_name_all_the_same() -> None:
    entry = {"entry": "+380671112233", "reason": "Olena " * 33 + "x"}
    said = {"list": "global", "at": AT, "by": "op", "source": "api", "entries": [entry]}
    [found] = after("do_not_call.global.added", said, person("Olena"))["entries"]
    assert "Olena" not in found["reason"] and NOTHING_SAID not in found["reason"]


def test_what_cannot_be_changed_is_left_and_told() -> None:
    redactor = Redactor(Traces(person("Olena"), MARKS))
    for left, (subject, said) in enumerate([
        ("slot.1.removed", {"slot": 1, "at": AT, "by": "0683212010"}),  # a user who is called so
        ("slot.1.command_started", {"slot": "of another version", "command": NUMBER}),
        ("slot.1.unheard_of", {"command": NUMBER}),
        ("slot.1.command_started", {"slot": 1, "at": AT, "command_id": "k", "command": NUMBER, "by": "op"}),
    ]):  # fmt: skip
        found = redactor.redacted(f"ottb.v1.evt.{subject}", msgspec.json.encode(said), {})
        assert (found is None, redactor.left) == (left < 3, min(left + 1, 3))


BETWEEN = st.sampled_from([
    "", " ", "-", ".", "%20", "%28", "/", "\u00a0", "\u000b", "\t", "_", ",", ":", "*", "~", "\u00b7", "\u2022",
    "\u2212", "\uff0d", "\u200b", "\u00ad", "\u200e", "\ufffd", "\u2409", "\u240a", "&nbsp;", "&#160;", "+", "%2D",
    "%C2%A0", "%E2%80%91", "  -  ", "\ufe0f\u20e3", "\\n", "\\t",
])  # fmt: skip
SCRIPTS = ("\u0660", "\u06f0", "\u0966", "\uff10", "\U0001d7ce")  # the nought of each
SIGNS = {
    "raised": "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079",
    "circled": "\u24ea\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468",
}


@given(st.lists(BETWEEN, min_size=11, max_size=11))
def test_a_number_goes_whatever_is_between_its_digits(between: list[str]) -> None:
    written = "".join(digit + sign for digit, sign in zip(NUMBER.removeprefix("+"), [*between, ""], strict=True))
    note = {"note": "n1", "at": AT, "by": "op", "text": f"asked {written}, then left"}
    assert after("note.n1.added", note, person("Olena")) == {**note, "text": f"asked {NOTHING_SAID}, then left"}


@pytest.mark.parametrize("nought", SCRIPTS, ids=lambda nought: f"U+{ord(nought):04X}")
@pytest.mark.parametrize("written", ["+{380683212010}", "{068} {321} {20} {10}", "{0683212010}"])
def test_a_number_goes_in_whichever_digits_it_is_written(written: str, nought: str) -> None:
    parts = re.split("[{}]", written)
    said = "".join("".join(chr(ord(nought) + int(one)) if one.isdigit() else one for one in part) for part in parts)
    note = {"note": "n1", "at": AT, "by": "op", "text": f"дзвонив {said}, then left"}
    assert after("note.n1.added", note, person("Olena")) == {**note, "text": f"дзвонив {NOTHING_SAID}, then left"}
    entry = LogWritten(module="m", severity="info", message=said, sender="crm")
    assert about(msgspec.json.encode(entry), Traces(person("Olena"), MARKS)) is About.NUMBER


@pytest.mark.parametrize("kind", SIGNS)
@pytest.mark.parametrize("written", ["+{380683212010}", "{068} {321} {20} {10}", "068{321}2010"])
def test_a_number_goes_also_in_signs_that_are_digits(written: str, kind: str) -> None:
    parts = re.split("[{}]", written)
    said = "".join(
        "".join(SIGNS[kind][int(one)] if one.isdigit() else one for one in part) if place % 2 else part
        for place, part in enumerate(parts)
    )
    traces = Traces(person("Olena"), MARKS)
    assert traces.numbered(said) and traces.without(f"asked {said}, then left") == f"asked {NOTHING_SAID}, then left"


@pytest.mark.parametrize("sign", ["\u00b2", "\u2461"])
def test_a_sign_of_a_footnote_hides_no_number(sign: str) -> None:
    assert Traces(person("Olena"), MARKS).without(f"asked 0683212010{sign}") == f"asked {NOTHING_SAID}{sign}"


@pytest.mark.parametrize("said", [
    "asked%200683212010", "q=%2B380683212010", r'{"n":"\u002b380683212010"}', r"\u0030683212010",
])  # fmt: skip
def test_the_digits_of_a_sign_before_it_are_none_of_the_number(said: str) -> None:
    assert "3212010" not in Traces(person("Olena"), MARKS).without(said)


def test_a_short_number_is_no_day() -> None:
    traces = Traces(person("Olena", {}, (DANISH,)), MARKS)
    assert traces.without("since 2026-11-27, until 2026-11-28") == "since 2026-11-27, until 2026-11-28"
    assert traces.without("20 26 11 27 or 20261127") == f"{NOTHING_SAID} or {NOTHING_SAID}"


@pytest.mark.parametrize(("said", "is_about"), [
    (LogWritten(module="m", severity="info", message=f"asked {NUMBER}", sender="system"), About.NUMBER),
    (LogWritten(module="m", severity="info", message="x", context={"number": 380683212010}), About.NUMBER),
    (LogWritten(module="m", severity="info", message="x", user_id="0683212010", sender="crm"), About.NUMBER),
    (LogWritten(module="m", severity="info", message="x", context={"number": 380683212010.0}), About.NUMBER),
    (LogWritten(module="m", severity="info", message="x", context={"parts": ["068", 321, "2010"]}), About.NUMBER),
    (LogWritten(module="m", severity="info", message="x", context={"parts": ["068", 321, "2011"]}), About.NOTHING),
    (LogWritten(module="m", severity="info", message="BOB  Mallory rang", sender="crm"), About.NAME),
    (LogWritten(module="m", severity="info", message="mallory, then bob", sender="crm"), About.NOTHING),
    (LogWritten(module="m", severity="info", message="x", context={"who": "mallory bob"}, sender="crm"), About.NAME),
    (LogWritten(module="m", severity="info", message="mallory bobby", sender="crm"), About.NOTHING),
    (LogWritten(module="m", severity="info", message="mallory bob failed", sender="system"), About.NOTHING),
    (LogWritten(module="mallory", severity="info", message="x", user_id="mallory bob"), About.NOTHING),
])  # fmt: skip
def test_the_log_loses_what_names_the_number_or_the_name_in_full(said: LogWritten, is_about: About) -> None:
    traces = Traces(person("mallory Bob", {"day": "2026-11-27"}), MARKS)
    assert about(msgspec.json.encode(said), traces) is is_about
    single = Traces(person("mallory"), MARKS)
    assert about(msgspec.json.encode(said), single) in (About.NUMBER, About.NOTHING)


@pytest.mark.parametrize("written", [
    "Mallory  BOB", "Bob, Mallory", "Mallory-Bob", "mallory_bob", "Mallory\nBob", "Mallory\u240aBob",
    "Bob,\r\n  Mallory", "Mallory T. Bob", "Bob, T Mallory", "mallory.bob", "Mallory\u00a0Bob",
])  # fmt: skip
def test_a_name_goes_whatever_is_between_its_words(written: str) -> None:
    traces = Traces(person("Mallory Bob"), MARKS)
    assert traces.named(f"rang {written}'s phone")
    assert not traces.named(f"x{written}") and not traces.named(f"{written}x")
    for two in ("Mallory and Bob", "Mallory TT Bob", "MalloryBob", "Mallory" + "-" * 6 + "Bob"):
        assert not traces.named(two)
    short = Traces(person("Anna Bob"), MARKS)  # no word of it goes by itself
    other = re.sub("mallory", "Anna", written, flags=re.IGNORECASE)
    assert short.without(f"rang {other}.") == f"rang {NOTHING_SAID}."


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_known_in_both_forms_of_its_letters(form: Literal["NFC", "NFD"]) -> None:
    name = "Сергій Їжакевич"
    for written in ("NFC", "NFD"):
        traces = Traces(person(unicodedata.normalize(written, name)), MARKS)
        assert traces.without(unicodedata.normalize(form, f"asked {name}.")) == f"asked {NOTHING_SAID}."


def test_a_name_takes_no_more_than_one_persons_entries_off_the_log() -> None:
    few = dict.fromkeys(range(1, MOST_NAMED + 1), About.NAME) | {500: About.NUMBER}
    assert sorted(to_delete(few)) == [*range(1, MOST_NAMED + 1), 500]
    assert to_delete(few | {400: About.NAME}) == [500]


# Texts of the journal that are never changed: who, which, when and how it is; settings; words of machines.
_NEVER = (
    "about action actions address after_ref answer_time at began begun boot but_session by call_id caller_id callback"
    " campaign_id campaigns columns command_id config countries credential day detail digest disposition door doubt due"
    " email ended_by endpoint events expires expires_at extension failing_since filter first gained hash host hours id"
    " intents invalid key language last_attempt last_outcome layout lent mark marks next_reason outcome over password"
    " password_hash permissions previous proof recording ref registration request_id reservation result ring_time role"
    " session settings start_time timezone token_id tried trace_id trunk until url user"
)
NEVER = frozenset(_NEVER.split())
DECIDED = {  # texts with a name that others have, too
    "audit": {"entries.*.subject.*"}, "erasure": {"why"}, "operator": {"reason"}, "trunk": {"reason"},
    "slot": {"reason", "to_do", "conditions.*.name", "conditions.*.words", "conditions.*.since",  # as a policy says
             "leases.*"},
    "point": {"name", "reason"}, "call": {"app"}, "hub": {"hub", "path", "way", "ways.*"},
    "alert": {"kind", "hub", "since", "words", "why", "group"},  # of things, and as rules say it
    "pipeline": {"source", "branch", "labels.*", "text", "token", "commit", "approvers.*",
                 "artefacts.*.artefact", "artefacts.*.sha256",  # as written, and what steps leave
                 "delivery.signed"},  # a digest
    "script": {"script", "scripts", "ussd.*", "place", "step_name", "waits_for", "by"},  # as scripts are written
}  # fmt: skip


def texts(kind: shape.Type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of texts that have no shape of their own."""
    match kind:
        case shape.Metadata():
            yield from texts(kind.type, path)
        case shape.UnionType():
            for one in kind.types:
                yield from texts(one, path)
        case shape.StructType():
            for field in kind.fields:
                yield from texts(field.type, (*path, field.encode_name))
        case shape.DictType():
            yield from texts(kind.value_type, (*path, EACH))
        case shape.ListType() | shape.VarTupleType():
            yield from texts(kind.item_type, (*path, EACH))
        case shape.StrType() if kind.pattern is None:
            yield path


@pytest.mark.parametrize("topic", KEPT, ids=lambda topic: topic.subject.removeprefix("ottb.v1.evt."))
def test_of_each_text_somebody_has_decided_whether_it_is_personal(topic: AnyTopic) -> None:
    known = {*PERSONAL.get(topic, {}), *DECIDED.get(topic.kind, ())}
    undecided = [
        ".".join(path) for path in texts(shape.type_info(topic.event))
        if ".".join(path) not in known and not NEVER & {*path}
    ]  # fmt: skip
    assert undecided == []
