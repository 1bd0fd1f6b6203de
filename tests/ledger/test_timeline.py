"""What has happened to a lead, on both databases: all of it, the newest first, page by page."""

from contextlib import closing
from datetime import datetime
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from actors.ledger.model import Query
from actors.ledger.timeline import SOURCES, TimelineAnswers, entries_of, merged
from actors.runtime.context import Context
from bus_schemas.call import CallDialing, CallEnded, CallState, EndReason
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignAttemptEnded
from bus_schemas.crm import GetTimeline, TimelineEntry
from bus_schemas.errors import Refusal
from bus_schemas.lead import (
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadUnmerged,
    LeadStatus,
)
from bus_schemas.note import NoteAdded, NoteDeleted
from bus_schemas.permissions import Action
from tests.ledger.places import Place
from tests.ledger.test_all_leads import Told

Answer = TypeVar("Answer")

NUMBER = "+380991230006"


def at(minute: int) -> str:
    return f"2026-01-01T12:{minute:02}:00.000Z"


def dialing(call_id: str, when: str) -> CallDialing:
    return CallDialing(
        call_id=call_id, line="slot-44", slot=44, user="op12", number=NUMBER, at=when, mono=0.0, boot="b",
        command_id="k", ring_timeout=60, max_duration=60,
    )  # fmt: skip


def ended(call_id: str, when: str, recording: str) -> CallEnded:
    return CallEnded(
        call_id=call_id, line="slot-44", slot=44, user="op12", number=NUMBER, at=when, state=CallState.ENDED,
        reason=EndReason.HANGUP_REMOTE, cause="NORMAL", duration=3, ring_seconds=2, start_time=at(3), ring_time=at(3),
        answer_time=at(4), recording=recording,
    )  # fmt: skip


def told(store: Any) -> Told:
    """A lead that was added, assigned, called and noted of, and another one."""
    found = Told(store)
    found.create("spring", "anna")
    found.add("spring", "l1", "l2")
    about: dict[str, Any] = {"campaign": "spring", "lead": "l1", "place": 1}
    assigned = {"campaign": "spring", "by": "anna", "leads": ("l1", "l2"), "places": (1, 2)}
    found.fold(CampaignLeadsAssigned(**assigned, at=at(1), assigned_seller="op12"))
    found.fold(CampaignLeadChanged(**about, at=at(2), by="op12", name="Olena", custom={"city": None}))
    found.fold(CampaignAttemptClaimed(**about, at=at(3), attempt=1, number=NUMBER, command_id="d1", operator="op12"))
    found.fold(dialing("c_1", at(3)))
    found.fold(NoteAdded(note="n1", at=at(4), by="op12", text="of the call", call_id="c_1"))
    found.fold(ended("c_1", at(5), "pbx/one.wav"))
    found.fold(CampaignAttemptEnded(
        **about, at=at(5), attempt=1, outcome="answered", status=LeadStatus.DONE, call_id="c_1", talk_seconds=60
    ))  # fmt: skip
    marked = {"by": "op12", "status": LeadStatus.CALLBACK, "callback": at(30), "disposition": "later"}
    found.fold(CampaignLeadMarked(**about, **marked, at=at(6)))
    found.fold(NoteAdded(note="n2", at=at(7), by="anna", text="of the lead", campaign_id="spring", lead="l1"))
    found.fold(NoteAdded(note="n3", at=at(8), by="anna", text="gone", campaign_id="spring", lead="l1"))
    found.fold(NoteDeleted(note="n3", at=at(9), by="anna", version=2))
    return found


def timeline(store: Any, lead: str = "l1", limit: int = 50) -> list[TimelineEntry]:
    """All pages, which say what one would."""
    before, found = None, list[TimelineEntry]()
    while True:
        parts = [store.read(entries_of(each, [f"spring/{lead}"], before=before, limit=limit)) for each in SOURCES]
        rows = merged(parts)
        found += [entry for _, entry in rows[:limit]]
        if len(rows) <= limit:
            return found
        before = rows[limit - 1][0]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_a_lead_shows_what_has_happened_to_it_newest_first(place: Place, limit: int) -> None:
    with closing(place.store()) as store:
        told(store)
        found = timeline(store, limit=limit)
        assert [(one.kind, one.at[14:16], one.by) for one in found] == [
            ("note", "07", "anna"), ("change", "06", "op12"), ("recording", "05", None), ("note", "04", "op12"),
            ("call", "03", "op12"), ("attempt", "03", "op12"), ("change", "02", "op12"), ("change", "01", "anna"),
        ]  # fmt: skip
        assert [one.changes for one in found if one.changes is not None] == [
            {"status": "callback", "callback": at(30), "disposition": "later"},
            {"name": "Olena", "custom": {"city": None}}, {"assigned_seller": "op12"},
        ]  # fmt: skip
        [call] = [one.call for one in found if one.call is not None]
        assert (call.call_id, call.number, call.phase, call.end_time) == ("c_1", NUMBER, "ended", at(5))
        [attempt] = [one.attempt for one in found if one.attempt is not None]
        assert (attempt.outcome, attempt.call_id, attempt.talk_seconds) == ("answered", "c_1", 60)
        assert [one.note.text for one in found if one.note is not None] == ["of the lead", "of the call"]
        assert [one.recording for one in found if one.recording] == ["/api/pbx/recordings/c_1"]


async def test_of_one_that_was_merged_all_is_in_the_timeline_of_the_other(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        about: dict[str, Any] = {"campaign": "spring", "by": "anna", "lead": "l2", "place": 2}
        alone = await seen(store)
        spring.fold(CampaignLeadMerged(**about, at=at(20), merged="l1", merged_place=1, numbers=(NUMBER, NUMBER)))
        found = await seen(store, "l2")
        assert [one.changes for one in found[:1]] == [{"numbers": [NUMBER, NUMBER], "merged": "l1"}]
        assert found[1:] == alone  # in which is that both were assigned at once
        assert [len(await seen(store, "l2", limit=limit)) for limit in (1, 2, 3)] == [len(found)] * 3
        assert (await seen(store))[0].changes == {"merged_into": "l2"}
        spring.fold(CampaignLeadUnmerged(
            **about, at=at(21), restored="l1", restored_place=1, restored_status=LeadStatus.DONE, numbers=(NUMBER,)
        ))  # fmt: skip
        assert [one.kind for one in await seen(store, "l2")] == ["change"] * 3
        assert (await seen(store))[0].changes == {"status": "done", "merged_into": None}


def test_another_lead_has_nothing_of_it(place: Place) -> None:
    with closing(place.store()) as store:
        spring = told(store)
        spring.connect("op12", "spring", "l2")
        assert [one.changes for one in timeline(store, "l2")] == [{"assigned_seller": "op12"}]
        spring.fold(dialing("c_op12", at(20)))
        assert [one.kind for one in timeline(store, "l2")] == ["call", "change"]  # a call that an operator was on


@pytest.mark.parametrize(("more", "kinds"), [
    ((), {"attempt", "change"}),
    ((Action.CALL_VIEW,), {"attempt", "change", "call", "recording"}),
    ((Action.NOTE_VIEW,), {"attempt", "change", "note"}),
])  # fmt: skip
async def test_calls_and_notes_are_for_who_may_see_any(
    place: Place, more: tuple[Action, ...], kinds: set[str]
) -> None:
    asker = Context(user="anna", command_id="x", actions=frozenset(more))
    with closing(place.store()) as store:
        told(store)
        answers = answering(store)
        asked = GetTimeline(campaign_id="spring", lead="l1")
        body: Any = (await answers.timeline(asked, asker)).body
        assert {entry.kind for entry in body} == kinds
        for stranger, lead in (("eve", "l1"), ("anna", "l9")):
            with pytest.raises(Refusal, match="No such lead"):
                await answers.timeline(replace(asked, lead=lead), replace(asker, user=stranger))


def answering(store: Any) -> TimelineAnswers:
    async def read(context: Context, query: Query[Answer], *, short: bool = False) -> list[Answer]:
        found: list[Answer] = store.read(query)
        return found

    return TimelineAnswers(
        read=read, read_placed=not_more, folded=int, unread=not_more, examine=not_more, now=float, region="UA",
        wall=datetime.now,
    )  # fmt: skip


async def seen(store: Any, lead: str = "l1", limit: int = 50) -> list[TimelineEntry]:
    """By who sees all, page by page."""
    asker = Context(user="anna", command_id="x", actions=frozenset(Action))
    asked, found = GetTimeline(campaign_id="spring", lead=lead, limit=limit), list[TimelineEntry]()
    while True:
        said = await answering(store).timeline(asked, asker)
        found += said.body
        if said.next_cursor is None:
            return found
        asked = replace(asked, cursor=said.next_cursor)


async def not_more(_: object) -> Any:
    return None
