"""What of each entry says something of a person, and what stays of it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.record import evolve
from actors.erasure.person import NOTHING_SAID, Person, Traces
from actors.erasure.redacting import Redactor, found_in, pair_in, with_merged
from actors.runtime.marks import Marks, is_mark
from bus_schemas.campaign import CampaignCreated, CampaignLeadsAdded, CampaignSettings
from bus_schemas.catalogue import topic_of

MARKS = Marks(b"key")
NUMBER, SECOND, OTHER = "+380683212010", "+380683220001", "+380671112233"
NAME = "Olena Zhuravlivska"
PERSON = Person(
    numbers=frozenset({NUMBER, SECOND}), leads=frozenset({("c1", "l1")}), texts=frozenset({NAME, "Zhuravlivska"}),
    calls=frozenset({"c_1"}),
)  # fmt: skip
AT = "2026-01-01T00:00:00.000Z"


def redacted(subject: str, said: Any, headers: dict[str, str] | None = None) -> Any:
    """What an entry says afterwards; None: it stays. It can be read as before."""
    subject = f"ottb.v1.evt.{subject}"
    found = Redactor(Traces(PERSON, MARKS)).redacted(subject, msgspec.json.encode(said), headers or {})
    if found is None:
        return None
    if (topic := topic_of(subject)) is not None:
        msgspec.json.decode(found[0], type=topic.event)
    return msgspec.json.decode(found[0])


def leads_added(*leads: dict[str, Any]) -> dict[str, Any]:
    return {"campaign": "c1", "at": AT, "by": "op", "first": 0, "leads": list(leads)}


MINE = {"id": "l1", "numbers": [NUMBER, SECOND], "name": NAME, "custom": {"street": "x"}, "priority": 3, "source": "Z"}
THEIRS = {"id": "l2", "numbers": [OTHER], "name": "Olena", "custom": {"street": "y"}}


@pytest.mark.parametrize("written", [
    NUMBER, "380683212010", "00380683212010", "068 321 20 10", "(068) 321-20-10", "+380 68 321-20-10",
    "%2B380683212010", "tel:+380-68-321-2010", "0683212010",
])  # fmt: skip
def test_a_number_is_known_in_every_spelling(written: str) -> None:
    traces = Traces(PERSON, MARKS)
    said = traces.without(f"asked {written}, then left")
    assert said.startswith("asked ") and said.endswith(", then left") and NOTHING_SAID in said
    assert "3212010" not in said.replace(" ", "").replace("-", "")


@pytest.mark.parametrize("written", ["10683212010", "9380683212010", "06832120101", "380683212010 is 3806832120109"])
def test_a_part_of_a_longer_number_is_none(written: str) -> None:
    assert Traces(PERSON, MARKS).without(written) == written.replace("380683212010 ", f"{NOTHING_SAID} ")


@given(st.from_regex(r"[0-9]{6,16}", fullmatch=True))
def test_other_numbers_stay(digits: str) -> None:
    traces = Traces(PERSON, MARKS)
    if not digits.endswith(("683212010", "683220001")):
        assert traces.without(digits) == digits


def test_a_lead_keeps_its_place_and_others_all_that_they_are() -> None:
    first, second = redacted("campaign.c1.leads_added", leads_added(MINE, THEIRS))["leads"]
    assert first == {"id": "l1", "priority": 3, "numbers": [MARKS.of(NUMBER), MARKS.of(SECOND)]}
    assert second == THEIRS
    assert redacted("campaign.c2.leads_added", leads_added({**THEIRS, "id": "l1"}) | {"campaign": "c2"}) is None


def test_the_state_of_a_campaign_is_read_from_what_stays() -> None:
    said = redacted("campaign.c1.leads_added", leads_added(MINE, THEIRS))
    created = CampaignCreated(campaign="c1", at=AT, by="op", settings=CampaignSettings())
    campaign = evolve(evolve(None, created), msgspec.convert(said, CampaignLeadsAdded))
    claim = {"campaign": "c1", "at": AT, "lead": "l1", "place": 0, "attempt": 1, "number": SECOND, "command_id": "k"}
    event = redacted("campaign.c1.attempt_claimed", claim)
    assert event == {**claim, "number": MARKS.of(SECOND)}
    topic = topic_of("ottb.v1.evt.campaign.c1.attempt_claimed")
    assert topic is not None and campaign is not None
    assert evolve(campaign, msgspec.convert(event, topic.event)) is not None


DELETED = {"note": "n1", "at": AT, "by": "op", "version": 3}
EDITED = {**DELETED, "text": "b", "version": 2}


def test_what_was_changed_and_noted_is_gone() -> None:
    change = {"campaign": "c1", "at": AT, "by": "op", "lead": "l1", "place": 0, "name": NAME, "custom": {"plan": "x"}}
    assert redacted("campaign.c1.lead_changed", change) == {**change, "name": "", "custom": {"plan": None}}
    assert redacted("campaign.c1.lead_changed", {**change, "lead": "l2", "name": "Olena"}) is None
    redactor, note = Redactor(Traces(PERSON, MARKS)), {"note": "n1", "at": AT, "by": "op", "call_id": "c_1"}
    for verb, said in (("added", note | {"text": "a", "mentions": ["x"]}), ("edited", EDITED), ("deleted", DELETED)):
        found = redactor.redacted(f"ottb.v1.evt.note.n1.{verb}", msgspec.json.encode(said), {})
        assert (found is None) == (verb == "deleted")
        assert found is None or msgspec.json.decode(found[0])["text"] == NOTHING_SAID
    other = msgspec.json.encode({**EDITED, "note": "n2"})
    assert redactor.redacted("ottb.v1.evt.note.n2.edited", other, {}) is None and redactor.notes == 1


def test_an_answer_that_was_kept_goes_with_what_it_says() -> None:
    headers = {"Ottb-Reply": f'{{"number":"{NUMBER}"}}', "Ottb-Command": "k"}
    found = Redactor(Traces(PERSON, MARKS)).redacted("ottb.v1.evt.slot.1.noted", b'{"a":1}', headers)
    assert found == (b'{"a":1}', {"Ottb-Command": "k"})


def test_the_audit_says_that_something_was_erased() -> None:
    entry = {"at": AT, "user": "op", "door": "http", "action": "x", "result": "OK"}
    searched = entry | {"subject": {"filter": '{"text":"zhuravlivska"}'}}
    said = {"first": 1, "entries": [searched], "previous": "", "hash": "h"}
    found = redacted("audit.chain.recorded", said)
    assert found["erased"] is True and found["hash"] == "h"
    assert found["entries"][0]["subject"] == {"filter": f'{{"text":"{NOTHING_SAID}"}}'}
    assert redacted("audit.chain.recorded", said | {"entries": [entry]}) is None


def test_a_list_keeps_the_mark_and_no_reason() -> None:
    mine, theirs = {"entry": NUMBER, "reason": "wrote"}, {"entry": OTHER, "reason": f"{NAME} too"}
    said = {"list": "global", "at": AT, "by": "op", "source": "api", "entries": [mine, theirs]}
    assert redacted("do_not_call.global.added", said)["entries"] == [
        {"entry": MARKS.of(NUMBER)}, {"entry": OTHER, "reason": f"{NOTHING_SAID} too"}
    ]  # fmt: skip


def test_an_id_that_tells_the_number_becomes_another_one_everywhere() -> None:
    row = {**MINE, "id": "380683212010"}
    person = Person(numbers=frozenset({NUMBER}), leads=frozenset({("c1", row["id"])}))
    redactor = Redactor(Traces(person, MARKS))
    found = redactor.redacted("ottb.v1.evt.campaign.c1.leads_added", msgspec.json.encode(leads_added(row)), {})
    marked = {"campaign": "c1", "at": AT, "by": "op", "lead": row["id"], "place": 0, "status": "invalid"}
    claim = redactor.redacted("ottb.v1.evt.campaign.c1.lead_marked", msgspec.json.encode(marked), {})
    assert found is not None and claim is not None
    [lead] = msgspec.json.decode(found[0])["leads"]
    assert lead["id"] == msgspec.json.decode(claim[0])["lead"] == f"erased_{MARKS.of(NUMBER)[1:]}"


def test_redacting_again_changes_nothing() -> None:
    for subject, said in (
        ("campaign.c1.leads_added", leads_added(MINE, THEIRS)),
        ("note.n1.added", {"note": "n1", "at": AT, "by": "op", "call_id": "c_1", "text": NAME}),
    ):
        once = Redactor(Traces(PERSON, MARKS)).redacted(f"ottb.v1.evt.{subject}", msgspec.json.encode(said), {})
        assert once is not None
        assert Redactor(Traces(PERSON, MARKS)).redacted(f"ottb.v1.evt.{subject}", *once) is None


def test_who_somebody_is_comes_from_leads_and_calls() -> None:
    asked = Person(numbers=frozenset({SECOND}))
    found = found_in("ottb.v1.evt.campaign.c1.leads_added", msgspec.json.encode(leads_added(MINE, THEIRS)), asked)
    assert (found.numbers, found.leads) == ({NUMBER, SECOND}, {("c1", "l1")}) and NAME in found.texts
    dialing = {"number": NUMBER, "call_id": "c_9", "recording": "pbx/c_9.wav"}
    call = found_in("ottb.v1.evt.call.slot-1.c_9.dialing", msgspec.json.encode(dialing), found)
    assert (call.calls, call.recordings) == ({"c_9"}, {"pbx/c_9.wav"})
    assert found_in("ottb.v1.evt.call.slot-1.c_9.dialing", msgspec.json.encode(dialing), asked) == Person()


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_a_mark_is_no_number_and_always_the_same(number: str) -> None:
    mark = MARKS.of(number)
    assert is_mark(mark) and len(mark) == 20 and mark == MARKS.of(number) == MARKS.of(mark)
    assert int(mark[1:]) > 10**15 and mark != Marks(b"another").of(number)


def test_a_lead_that_was_merged_with_theirs_is_theirs_until_it_is_undone() -> None:
    said = {"campaign": "c1", "at": AT, "by": "op", "lead": "l1", "place": 0, "merged": "l2", "merged_place": 1}
    merged = pair_in("ottb.v1.evt.campaign.c1.lead_merged", msgspec.json.encode(said))
    undone = {"lead": "l1", "restored": "l2"}
    assert merged == ("c1", "l1", "l2")
    assert pair_in("ottb.v1.evt.campaign.c1.lead_unmerged", msgspec.json.encode(undone)) == merged
    assert with_merged(PERSON, {merged: 5}, {}).leads == {("c1", "l1"), ("c1", "l2")}
    assert with_merged(PERSON, {merged: 5}, {merged: 7}).leads == {("c1", "l1")}
    assert with_merged(PERSON, {merged: 9}, {merged: 7}).leads == {("c1", "l1"), ("c1", "l2")}
    gained = {**said, "name": NAME, "custom": {"plan": "x"}, "numbers": [NUMBER]}
    found = redacted("campaign.c1.lead_merged", gained)
    assert (found["name"], found["custom"], found["numbers"]) == ("", {"plan": None}, [MARKS.of(NUMBER)])


def test_what_people_say_a_webhook_is_for_names_nobody() -> None:
    changed = {
        "webhook": "wh_1", "at": AT, "by": "op", "lent": "l", "predecessors": 0, "url": "https://x.example/",
        "events": [], "filter": {}, "description": f"calls of {NAME}, {NUMBER}",
    }  # fmt: skip
    found = redacted("webhook.wh_1.changed", changed)
    assert found == {**changed, "description": f"calls of {NOTHING_SAID}, {NOTHING_SAID}"}
