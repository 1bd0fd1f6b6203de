"""The platform's log in the ledger, on both databases."""

import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.ledger import log as read_model
from actors.ledger.kinds import LOG_PROJECTIONS
from actors.ledger.ledger import Ledger
from actors.ledger.log import KEPT, READ_MODEL
from actors.ledger.log_source import source
from actors.ledger.store import JournalEntry
from actors.log.share import LogShare
from actors.log.writer import LogWriter
from actors.runtime.bus import ID
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, ask, ask_raw
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.log import LIST_LOGS, ListLogs, LogEvent, LogRecord
from bus_schemas.permissions import Action
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.places import Place

OWN = frozenset({str(Action.LOG_VIEW)})
ALL = OWN | {str(Action.LOG_VIEW_ANY)}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


@pytest.fixture
async def writer(bus: MemoryBus, place: Place) -> AsyncIterator[LogWriter]:
    store = place.store("log", projections=LOG_PROJECTIONS)
    ledger = Ledger(bus=bus, store=store, source=source(bus.log), models=(READ_MODEL,))
    await ledger.start()
    yield LogWriter(bus=bus, ids=RandomIds(), host="h", share=LogShare(time.monotonic))
    await ledger.stop()


async def _write(writer: LogWriter, message: str, *, user: str = "op12", **more: Any) -> LogRecord:
    event = LogEvent(**{"module": "OTTB", "severity": "info", "message": message} | more)
    return await writer.write(event, Context(command_id="c", user=user))


async def _listed(bus: MemoryBus, *, actions: frozenset[str] = ALL, user: str = "admin", **wanted: Any) -> list[Any]:
    return await ask(bus, LIST_LOGS, ListLogs(**wanted), Context(command_id="q", user=user, actions=actions))


async def _said(bus: MemoryBus, **wanted: Any) -> list[str]:
    return [record.message for record in await _listed(bus, **wanted)]


async def test_what_was_written_is_there_at_once_whoever_asks(bus: MemoryBus, writer: LogWriter) -> None:
    context = {"slot_id": 44, "user": "admin", "deep": [{"n": None}]}
    written = await _write(writer, "Slot 44 restarted", context=context, user_id="uuid-here")
    assert written.context == context and (written.slot, written.sender, written.user_id) == (44, "op12", "uuid-here")
    assert await _listed(bus) == [written]


async def test_filters_narrow_exactly(bus: MemoryBus, writer: LogWriter) -> None:
    await _write(writer, "one", context={"slot_id": 44})
    context = {"call_id": "c_1", "k": "Wert"}
    await _write(writer, "Другий_100%", module="CRM", severity="error", context=context)
    await _write(writer, "three", module="CRM", context={"trace_id": TRACE, "slot": 4})
    for wanted, expected in (
        ({}, ["three", "Другий_100%", "one"]),
        ({"module": "CRM"}, ["three", "Другий_100%"]),
        ({"module": "crm"}, []),
        ({"severity": "error"}, ["Другий_100%"]),
        ({"module": "CRM", "severity": "info"}, ["three"]),
        ({"slot": 44}, ["one"]),
        ({"call_id": "c_1"}, ["Другий_100%"]),
        ({"trace_id": TRACE}, ["three"]),
        ({"text": "ДРУГ"}, ["Другий_100%"]),
        ({"text": "_100%"}, ["Другий_100%"]),
        ({"text": "%"}, ["Другий_100%"]),
        ({"text": "wert"}, ["Другий_100%"]),
        ({"text": "a\0b"}, []),
        ({"since": "2999-01-01"}, []),
        ({"until": "2020-01-01"}, []),
        ({"since": "2020-01-01", "limit": 1}, ["three"]),
    ):
        assert await _said(bus, **wanted) == expected, wanted


async def test_who_may_see_their_own_sees_no_others(bus: MemoryBus, writer: LogWriter) -> None:
    await _write(writer, "mine")
    await _write(writer, "theirs", user="op13")
    assert [one.message for one in await _listed(bus, actions=OWN, user="op12")] == ["mine"]
    with pytest.raises(Refusal) as refused:
        await _listed(bus, actions=frozenset())
    assert refused.value.code is ErrorCode.PERMISSION_DENIED


async def test_pages_follow_each_other(bus: MemoryBus, writer: LogWriter) -> None:
    for number in range(7):
        await _write(writer, str(number))
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        context = Context(command_id="q", actions=ALL)
        answered = await ask_raw(bus, LIST_LOGS, ListLogs(limit=3, cursor=cursor), context)
        pages.append([one.message for one in msgspec.json.decode(answered.data, type=list[LogRecord])])
        cursor = answered.headers.get(CURSOR_HEADER)
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"]]


async def test_an_entry_that_nobody_can_read_costs_itself_alone(bus: MemoryBus, writer: LogWriter) -> None:
    await bus.log.write("ottb.v1.log.x.info", b"{", {ID: "a"})
    await _write(writer, "after it")
    assert await _said(bus) == ["after it"]


async def test_a_journal_that_is_further_keeps_nobody_waiting(bus: MemoryBus, writer: LogWriter) -> None:
    await _write(writer, "one")
    context = Context(command_id="q", actions=ALL, after=10_000)
    assert len(await ask(bus, LIST_LOGS, ListLogs(), context)) == 1


def _entry(number: int, at: str) -> JournalEntry:
    record = LogRecord(
        id=number, at=at, module="m", severity="info", message=str(number), context={}, user_id=None, sender="s",
        host="h", slot=None, call_id=None, trace_id=None,
    )  # fmt: skip
    return JournalEntry(seq=number, event=record)


async def test_no_more_is_kept_than_the_stream_keeps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_model, "MOST_EVENTS", 10)
    now = datetime.now(UTC)
    with closing(place.store("log", projections=LOG_PROJECTIONS)) as store:
        store.sequence()
        everything = read_model.events(ListLogs(), sender=None, before=None)
        store.fold([_entry(1, utc(now - KEPT - timedelta(seconds=1))), _entry(2, utc(now - KEPT + timedelta(hours=1)))])
        assert [number for number, _ in store.read(everything)] == [2, 1]
        store.fold([_entry(3, utc(now))])
        assert [number for number, _ in store.read(everything)] == [3, 2]
        for first in range(4, 30, 4):  # in groups
            store.fold([_entry(number, utc(now)) for number in range(first, first + 4)])
        assert [number for number, _ in store.read(everything)] == list(range(31, 21, -1))
