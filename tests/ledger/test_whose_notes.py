"""Whose notes are, as the ledger answers: the call's user, operators who are on it, and nobody else."""

from collections.abc import AsyncIterator

import pytest

from actors.adapters.system_clock import SystemClock
from actors.ledger.ledger import Ledger
from actors.ledger.talks import MOST
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.campaign import CampaignCreated, CampaignLeadsAdded, CampaignSettings
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadChanged, Lead
from bus_schemas.note import (
    FIND_NOTED,
    GET_NOTE,
    LIST_CALL_NOTES,
    PAST_NOTE,
    FindNoted,
    GetNote,
    ListCallNotes,
    NoteAdded,
    NoteDeleted,
)
from bus_schemas.operator import OperatorConnected, OperatorStatus
from bus_schemas.permissions import Action
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import AT, call, write
from tests.ledger.places import Place


@pytest.fixture
async def bus(place: Place) -> AsyncIterator[MemoryBus]:
    """With a ledger behind it, on either database."""
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    yield bus
    await ledger.stop()


def asking(user: str, *more: Action) -> Context:
    """Somebody who has seen nothing of the journal."""
    return Context(command_id="q", user=user, actions=frozenset({Action.NOTE_VIEW, *more}))


async def connect(bus: MemoryBus, user: str, call_id: str) -> None:
    ready = OperatorStatus.READY
    await write(bus, OperatorConnected(
        user=user, at=AT.format(3), status=OperatorStatus.ON_CALL, before=ready, next=ready, call_id=call_id
    ))  # fmt: skip


async def owners(bus: MemoryBus, user: str, call_id: str, *more: Action) -> tuple[str, ...]:
    return (await ask(bus, FIND_NOTED, FindNoted(call_id=call_id), asking(user, *more))).owners


async def code(bus: MemoryBus, user: str, call_id: str) -> ErrorCode:
    with pytest.raises(Refusal) as refused:
        await owners(bus, user, call_id)
    return refused.value.code


async def test_an_operator_who_has_just_got_a_call_writes_of_it(bus: MemoryBus) -> None:
    for number in range(20):
        call_id = await call(bus, number, over=False)
        assert await code(bus, "op13", call_id) is ErrorCode.NOT_FOUND
        await connect(bus, "op13", call_id)
        assert await owners(bus, "op13", call_id) == ("op12", "op13")
        assert await owners(bus, "op12", call_id) == ("op12", "op13")
        assert await code(bus, "op14", call_id) is ErrorCode.NOT_FOUND


async def test_who_sees_all_notes_sees_those_of_any_call_there_is(bus: MemoryBus) -> None:
    call_id = await call(bus, 1)
    assert await owners(bus, "boss", call_id, Action.NOTE_VIEW_ANY) == ("op12",)
    for sees in ((), (Action.CALL_VIEW_ANY,)):  # seeing calls is another right than seeing what is said of them
        with pytest.raises(Refusal):
            await owners(bus, "boss", call_id, *sees)
    with pytest.raises(Refusal) as refused:
        await owners(bus, "boss", "c_none", Action.NOTE_VIEW_ANY)
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_whom_a_lead_was_just_assigned_to_writes_of_it(bus: MemoryBus) -> None:
    by = {"campaign": "c1", "at": AT.format(1), "by": "boss"}
    await write(bus, CampaignCreated(**by, settings=CampaignSettings()))
    for place in range(20):
        lead = f"l{place}"
        added = Lead(id=lead, numbers=(f"+3809912300{place:02}",))
        await write(bus, CampaignLeadsAdded(**by, first=place, leads=(added,)))
        wanted = FindNoted(campaign_id="c1", lead=lead)
        assert (await ask(bus, FIND_NOTED, wanted, asking("boss"))).owners == ("boss",)
        await write(bus, CampaignLeadChanged(**by, lead=lead, place=place, assigned_seller="op13"))
        assert (await ask(bus, FIND_NOTED, wanted, asking("op13"))).owners == ("boss", "op13")
        with pytest.raises(Refusal):
            await ask(bus, FIND_NOTED, wanted, asking("op14"))


async def test_the_last_of_many_on_one_call_has_it_too(bus: MemoryBus) -> None:
    call_id = await call(bus, 1)
    for number in range(MOST + 2):
        await connect(bus, f"op{number:03}", call_id)
    last = f"op{MOST + 1:03}"
    told = await owners(bus, last, call_id)
    assert told[-1] == last and len(told) == MOST + 2


async def test_a_deleted_note_is_there_for_who_wrote_it_and_who_sees_all(bus: MemoryBus) -> None:
    call_id = await call(bus, 1)
    await write(bus, NoteAdded(note="n1", at=AT.format(4), by="op13", text="Hm", call_id=call_id))
    assert (await ask(bus, GET_NOTE, GetNote(note="n1"), asking("op12"))).text == "Hm"
    await write(bus, NoteDeleted(note="n1", at=AT.format(5), by="op13", version=2, call_id=call_id))
    listed = await ask(bus, LIST_CALL_NOTES, ListCallNotes(call_id=call_id), Context(
        command_id="q", user="op12", actions=frozenset({Action.NOTE_VIEW}), after=await bus.last_seq()
    ))  # fmt: skip
    assert listed.notes == []
    for asker in (asking("op13"), asking("boss", Action.NOTE_VIEW_ANY)):
        assert (await ask(bus, GET_NOTE, GetNote(note="n1"), asker)).deleted is not None
    for line in (GET_NOTE, PAST_NOTE):
        with pytest.raises(Refusal) as refused:
            await ask(bus, line, GetNote(note="n1"), asking("op12"))
        assert refused.value.code is ErrorCode.NOT_FOUND
