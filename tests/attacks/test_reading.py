"""One user who reads all that they may, on many connections at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.audit import LIST_AUDIT, AuditRecord, ListAudit
from bus_schemas.call import GET_CDR, GetCdr
from bus_schemas.campaign import EXPLAIN_LEAD
from bus_schemas.contract import Rpc
from bus_schemas.dashboard import GET_SERIES
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.note import LIST_CALL_NOTES, LIST_LEAD_NOTES
from bus_schemas.slot import LIST_SLOTS, ListSlots, SlotSummary
from gateway import answers, pages, reads
from gateway.surface import ROUTES
from gateway.table import PIECE, csv_pieces, to_csv
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.loop import run
from tests.support.door import EVERYTHING, InProcess, gateway_on, serving, token_of
from tests.support.site import until

MANY = 30
LARGE: dict[Rpc[Any, Any], str] = {
    LIST_CALL_NOTES: "/api/crm/notes/c_1", LIST_LEAD_NOTES: "/api/crm/leads/c1/l1/notes",
    GET_SERIES: "/api/dashboard/series",
}  # fmt: skip


class Slow:
    """Actors that answer when they are told to. `at_work`: requests of each user that wait for it; one that was asked a
    second time, as a read is where the first host takes long, is one of them."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.at_work: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.free = asyncio.Event()

    async def lists(self, request: ListSlots, context: Context) -> list[SlotSummary]:
        await self._work(context)
        return []

    async def refused(self, request: Any, context: Context) -> NoReturn:
        await self._work(context)
        raise Refusal(ErrorCode.NOT_FOUND, "There is none.")

    async def call(self, request: GetCdr, context: Context) -> NoReturn:
        await self._work(context)
        raise Refusal(ErrorCode.NOT_FOUND, "No such call.")

    async def _work(self, context: Context) -> None:
        if context.command_id in self._known:
            await self.free.wait()
            return
        self._known.add(context.command_id)
        self.at_work[context.user] += 1
        self.most[context.user] = max(self.most[context.user], self.at_work[context.user])
        await self.free.wait()
        self.at_work[context.user] -= 1


@asynccontextmanager
async def slow_site() -> AsyncIterator[tuple[Slow, InProcess, aiohttp.ClientSession]]:
    broker, slow = MemoryBroker(clock=SystemClock()), Slow()
    users = dict.fromkeys(("op12", "op21"), EVERYTHING)
    async with (
        serving(broker, {LIST_SLOTS: slow.lists, GET_CDR: slow.call, **dict.fromkeys(LARGE, slow.refused)}, users),
        gateway_on(MemoryBus(broker)) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield slow, gateway, session


async def get(gateway: InProcess, session: aiohttp.ClientSession, user: str, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token_of(user)}"}
    async with session.get(gateway._url(path), headers=headers) as answer:
        return answer.status, await answer.json()


async def test_lists_of_one_user_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "REST", 0.0)
    async with slow_site() as (slow, gateway, session):
        asked = [asyncio.create_task(get(gateway, session, "op12", "/api/slots")) for _ in range(MANY)]
        await until(lambda: asyncio.sleep(0, slow.at_work["op12"]), lambda working: working >= reads.AT_ONCE)
        other = asyncio.create_task(get(gateway, session, "op21", "/api/slots"))
        light = [asyncio.create_task(get(gateway, session, "op21", "/api/call/c_1/cdr")) for _ in range(MANY)]
        await until(lambda: asyncio.sleep(0, slow.at_work["op21"]), lambda working: working == 1 + MANY)
        slow.free.set()
        answers = await asyncio.gather(*asked)
        assert {status for status, _ in answers} == {200} and (await other)[0] == 200
        assert {status for status, _ in await asyncio.gather(*light)} == {404}
        print(f"{MANY} lists of one user: at most {slow.most['op12']} at once; of another 1 of 1, and {MANY} records")
        assert slow.most["op12"] == reads.AT_ONCE


@pytest.mark.parametrize("path", LARGE.values())
async def test_what_has_a_list_inside_takes_turns_too(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(reads, "REST", 0.0)
    async with slow_site() as (slow, gateway, session):
        asked = [asyncio.create_task(get(gateway, session, "op12", path)) for _ in range(MANY)]
        await until(lambda: asyncio.sleep(0, slow.at_work["op12"]), lambda working: working >= reads.AT_ONCE)
        await asyncio.sleep(0.1)
        slow.free.set()
        assert {status for status, _ in await asyncio.gather(*asked)} == {404}
        print(f"{MANY} of {path} of one user: at most {slow.most['op12']} at once")
        assert slow.most["op12"] == reads.AT_ONCE


def test_what_asks_all_hosts_takes_turns_too() -> None:
    [explain_lead] = [route for route in ROUTES if route.rpc is EXPLAIN_LEAD]
    assert explain_lead.many


async def test_who_waits_too_long_for_a_list_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PATIENCE", 0.2)
    async with slow_site() as (slow, gateway, session):
        asked = [asyncio.create_task(get(gateway, session, "op12", "/api/slots")) for _ in range(MANY)]
        over = MANY - reads.AT_ONCE
        await until(lambda: asyncio.sleep(0, sum(one.done() for one in asked)), lambda done: done == over)
        slow.free.set()
        answers = await asyncio.gather(*asked)
        refused = [said for status, said in answers if status == 429]
        print(f"{MANY} lists that take long: {len(refused)} refused")
        assert len(refused) == over and refused[0]["details"]["rule"] == "reads_per_user"


@pytest.mark.parametrize(("read", "part"), [(1.3, 1.0), (0.008, 1 / 3)])  # in a ledger of some years, and mostly
def test_many_readers_of_one_share_take_no_more_than_one(read: float, part: float) -> None:
    """And of lists that are soon read they take only a part of what one could who reads without a pause."""
    minutes = 10

    async def main() -> None:
        loop, places, took = asyncio.get_running_loop(), reads.Reads(), 0.0

        async def reader() -> None:
            nonlocal took
            while loop.time() < 60 * minutes:
                try:
                    async with places.turn(("user", "op12")):
                        await asyncio.sleep(read)
                        took += read
                except Refusal:
                    await asyncio.sleep(1)

        await asyncio.gather(*(reader() for _ in range(40)))
        print(f"40 readers without a pause read {took:.0f} s in {loop.time():.0f} s")
        assert took <= part * loop.time() + reads.AT_ONCE * read

    run(main, 1)


async def test_figures_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PATIENCE", 0.2)
    monkeypatch.setattr(pages, "FRESH", 60.0)
    async with slow_site() as (_, gateway, session):
        headers = {"Authorization": f"Bearer {token_of('op12')}"}
        statuses = Counter[int]()
        for _ in range(2 * reads.AT_ONCE):
            async with session.get(gateway._url("/metrics"), headers=headers) as answer:
                statuses[answer.status] += 1
        assert statuses == {200: reads.AT_ONCE, 429: reads.AT_ONCE}


async def test_nothing_is_left_of_who_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PATIENCE", 0.05)
    monkeypatch.setattr(reads, "REST", 0.01)
    places = reads.Reads()

    async def read(number: int) -> None:
        async with places.turn(("user", f"u{number % 3}")):
            await asyncio.sleep(0.02)

    ended = await asyncio.gather(*(read(number) for number in range(90)), return_exceptions=True)
    gone = asyncio.create_task(read(0))
    await asyncio.sleep(0.1)
    gone.cancel()
    await until(lambda: asyncio.sleep(0, len(places._places)), lambda left: left == 0)
    assert {type(one) for one in ended} == {type(None), Refusal} and not places._held


async def test_others_have_their_turn_while_a_table_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written, between = 0, list[int]()

    def counting(rows: bytes, known: Any) -> Any:
        nonlocal written
        for piece in csv_pieces(rows, known):
            written += 1
            yield piece

    monkeypatch.setattr(answers, "csv_pieces", counting)
    rows = [AuditRecord(number=number, at="2026-01-01T00:00:00.000Z", user="op12", door="http", action="a", result="OK",
                        subject={}, credential=None, address="", request_id="r", trace_id=None, hash="")
            for number in range(2 * PIECE)]  # fmt: skip

    async def lists(request: ListAudit, context: Context) -> list[AuditRecord]:
        return rows

    async def others() -> None:
        while True:
            between.append(written)
            await asyncio.sleep(0)

    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {LIST_AUDIT: lists}), gateway_on(MemoryBus(broker)) as gateway:
        turns = asyncio.create_task(others())
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {gateway.token}"}
            async with session.get(gateway._url("/api/audit?format=csv"), headers=headers) as answer:
                table = await answer.read()
        turns.cancel()
    print(f"a table of {len(rows)} rows is written with {len({*between})} turns of others between them")
    assert table == to_csv(msgspec.json.encode(rows)) and {*between} == set(range(1 + 1 + len(rows) // PIECE))
