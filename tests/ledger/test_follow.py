"""The fold never ends and loses nothing: failing stores, bad entries, followers that drop, numbers that are nowhere."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.ledger import follow
from actors.ledger import ledger as ledger_module
from actors.ledger.decode import decode
from actors.ledger.ledger import START_PATIENCE, Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.bus import ID, Recorded, Size, Unsubscribe
from actors.runtime.wire import ask
from bus_schemas.audit import LIST_AUDIT, AuditEntry, AuditRecorded, ListAudit
from bus_schemas.call import CALLS_FEED, GET_CDR, PAST_CALL, CallDialing, CallsFeed, GetCall, GetCdr
from bus_schemas.erasure import ERASURE_CLEARED, Erased, ErasureCleared
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadsAssigned
from bus_schemas.slot import SLOT_TELEMETRY
from bus_schemas.trunk import PBX_STATUS, TRUNK_TELEMETRY, GetPbxStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run
from tests.ledger.journals import ASKER, AT, call, put, seen, write
from tests.ledger.places import Files, Place
from tests.support.site import PATIENCE


@asynccontextmanager
async def _ledger(bus: MemoryBus, place: Place, *, threads: bool = True) -> AsyncIterator[Ledger]:
    ledger = Ledger(bus=bus, store=place.store(), threads=threads)
    await ledger.start()
    yield ledger
    await ledger.stop()


async def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LAST_PAUSE", 0.2)
    monkeypatch.setattr(ledger_module, "CATCH_UP", 0.3)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
def bus(broker: MemoryBroker) -> MemoryBus:
    return MemoryBus(broker)


@contextmanager
def _no_room() -> Iterator[None]:
    """No file of this process may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("threads", [True, False])
async def test_a_failed_transaction_is_repeated(bus: MemoryBus, place: Place, threads: bool) -> None:
    await _repeated(bus, place, place.locked, ("locked",), threads)


@pytest.mark.parametrize("threads", [True, False])
async def test_a_transaction_for_which_there_is_no_room_is_repeated(
    bus: MemoryBus, tmp_path: Path, threads: bool
) -> None:
    await _repeated(bus, Files(tmp_path), _no_room, ("disk full", "I/O error"), threads)


async def _repeated(bus: MemoryBus, place: Place, fault: Any, kinds: tuple[str, ...], threads: bool) -> None:
    await call(bus, 1)
    async with _ledger(bus, place, threads=threads) as ledger:
        with fault():
            await call(bus, 2)
            await _eventually(lambda: ledger.health.error is not None)
            with pytest.raises(Refusal) as refused:
                await ledger.answer(GET_CDR, GetCdr(call_id="c_2"), seen(await bus.last_seq()))
            assert (refused.value.code, refused.value.message) == (
                ErrorCode.UNAVAILABLE, "The records are behind. Try again.",
            )  # fmt: skip
            assert ledger.health.behind == 4 and ledger.health.ready
            problem = ledger.problems()[0]
            assert (problem.kind, problem.id) == ("ledger", "store") and problem.reason.startswith(kinds)
            assert (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)).talk_seconds == 3  # who needs no more
        cdr = await ask(bus, GET_CDR, GetCdr(call_id="c_2"), seen(await bus.last_seq()))
        assert cdr.talk_seconds == 3
        await _eventually(lambda: ledger.health.error is None)
        assert ledger.problems() == [] and ledger.health.behind == 0


async def test_a_store_that_fails_at_the_start_holds_nobody_up(bus: MemoryBus, place: Place) -> None:
    await call(bus, 1)
    place.store().sequence()
    with place.locked():
        began = time.monotonic()
        ledger = Ledger(bus=bus, store=place.store())
        await ledger.start()
        assert time.monotonic() - began < START_PATIENCE / 3 and not ledger.health.ready and ledger.problems()
        with pytest.raises(Refusal) as refused:
            await ledger.answer(PAST_CALL, GetCall(call_id="c_1"), ASKER)
        assert refused.value.code is ErrorCode.UNAVAILABLE
    assert (await ask(bus, PAST_CALL, GetCall(call_id="c_1"), ASKER)).call_id == "c_1"
    await ledger.stop()


async def test_a_rebuild_writes_what_changes_again_and_again_once(
    bus: MemoryBus, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "GROUP", 4)
    monkeypatch.setattr(follow, "CATCHING_UP", 12)
    for number in range(5):
        await call(bus, number)
    store, groups = place.store(), list[int]()
    fold = store.fold
    monkeypatch.setattr(store, "fold", lambda batch: groups.append(len(batch)) or fold(batch))
    ledger = Ledger(bus=bus, store=store)
    await ledger.start()
    assert groups == [12, 8] and ledger.health.ready
    await ledger.stop()


def _overwritten(place: Files) -> None:
    path = place.folder / "l"
    for file in (path, path.with_name(path.name + "-wal")):
        file.write_bytes(os.urandom(max(file.stat().st_size, 100)))


def _cut(place: Files) -> None:
    path = place.folder / "l"
    for file in (path, path.with_name(path.name + "-wal")):
        os.truncate(file, file.stat().st_size // 3)


def _gone(place: Files) -> None:
    (place.folder / "l").unlink()


@pytest.mark.parametrize("damage", [_overwritten, _cut, _gone])
async def test_a_file_that_is_damaged_while_it_is_used_is_rebuilt(
    bus: MemoryBus, tmp_path: Path, damage: Callable[[Files], None]
) -> None:
    place = Files(tmp_path)
    await _rebuilt(bus, place, lambda: damage(place))


@pytest.mark.parametrize("sql", [
    "DROP TABLE calls; DROP TABLE audit;", "DROP TABLE position;", "DELETE FROM position;",
    "DROP TABLE calls; CREATE TABLE calls (x INTEGER);",
])  # fmt: skip
async def test_tables_that_somebody_else_has_changed_are_rebuilt(bus: MemoryBus, place: Place, sql: str) -> None:
    await _rebuilt(bus, place, lambda: place.run(sql))


async def _rebuilt(bus: MemoryBus, place: Place, damage: Callable[[], None]) -> None:
    for number in range(300):
        await call(bus, number)
    async with _ledger(bus, place) as ledger:
        before = await ask(bus, CALLS_FEED, CallsFeed(all=1, limit=300), ASKER)
        damage()
        await call(bus, 300)
        after = await _insisting(lambda: ask(bus, CALLS_FEED, CallsFeed(all=1, limit=300), seen(1204)))
        assert after[1:] == before[:-1] and after[0].call_id == "c_300"
        await call(bus, 301)
        await _insisting(lambda: ask(bus, GET_CDR, GetCdr(call_id="c_301"), seen(1208)))
        assert ledger.health.ready and ledger.problems() == []


async def _insisting(work: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again while the records are being rebuilt; never take an answer that leaves something out."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await work()
            except Refusal as refusal:
                assert refusal.code is ErrorCode.UNAVAILABLE, refusal


async def test_damage_that_a_reader_finds_is_mended(bus: MemoryBus, place: Place) -> None:
    for number in range(300):
        await call(bus, number)
    async with _ledger(bus, place) as ledger:
        place.run("DROP TABLE calls; DROP TABLE audit;")
        assert (await _insisting(lambda: ask(bus, GET_CDR, GetCdr(call_id="c_299"), ASKER))).talk_seconds == 3
        assert ledger.problems() == []


BAD = [
    ("ottb.v1.evt.call.slot-44.c_9.dialing", b"not JSON"),
    ("ottb.v1.evt.call.slot-44.c_9.dialing", b""),
    ("ottb.v1.evt.call.slot-44.c_9.dialing", b'{"call_id": 5}'),
    ("ottb.v1.evt.call.slot-44.c_9.dialing", b"\xff\xfe"),
    ("ottb.v1.evt.call.slot-44.c_9.dialing", b"[" * 100_000),
    ("ottb.v1.evt.call.c_9.dialing", b"{}"),  # as it was before calls had lines
    ("ottb.v1.evt.slot.44.x.y.z.linked", b"{}"),
    ("ottb.v1.evt.slot.44.linked", b'{"slot": 44, "at": "x", "status": "FLYING"}'),
    ("ottb.v1.evt.audit.chain.recorded", b'{"first": 1, "entries": [{}], "previous": "", "hash": ""}'),
]


@pytest.mark.parametrize(("subject", "data"), BAD)
async def test_an_entry_that_nobody_can_read_costs_itself(
    bus: MemoryBus, place: Place, subject: str, data: bytes
) -> None:
    await call(bus, 1)
    seq = await put(bus, subject, data)
    async with _ledger(bus, place) as ledger:
        await put(bus, subject, data)
        await call(bus, 2)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_2"), seen(await bus.last_seq()))).talk_seconds == 3
        assert [(one.kind, one.id) for one in ledger.problems()] == [
            ("ledger", f"entry {seq}"), ("ledger", f"entry {seq + 1}"),
        ]  # fmt: skip
        assert all(one.reason.startswith(f"{subject}: ") for one in ledger.problems())


@pytest.mark.parametrize("subject", ["ottb.v1.evt.x", "ottb.v1.evt.new.kind.happened", "ottb.v1.evt.slot.44.flown"])
async def test_an_entry_of_a_kind_that_is_not_known_is_passed_over(
    bus: MemoryBus, place: Place, subject: str
) -> None:
    await put(bus, subject, b"anything")
    async with _ledger(bus, place) as ledger:
        assert ledger.folded == 1 and ledger.problems() == []


def _dialing(call_id: str, slot: int) -> CallDialing:
    return CallDialing(
        line="slot-44", call_id=call_id, slot=slot, user="op12", number="+380991234567", at=AT.format(0), mono=0.0,
        boot="b", command_id="k", ring_timeout=60, max_duration=60,
    )  # fmt: skip


async def test_an_event_that_no_table_takes_costs_itself(bus: MemoryBus, place: Place) -> None:
    await call(bus, 1)
    too_large = await write(bus, _dialing("c_large", 2**63))  # tables have 63 bits for it
    await call(bus, 2)
    async with _ledger(bus, place) as ledger:
        for call_id in ("c_1", "c_2"):
            assert (await ask(bus, GET_CDR, GetCdr(call_id=call_id), ASKER)).talk_seconds == 3
        [problem] = ledger.problems()
        assert problem.id == f"entry {too_large}"
        assert ("OverflowError" if isinstance(place, Files) else "NumericValueOutOfRange") in problem.reason
        entry = AuditEntry(at=AT.format(0), user="u", door="http", action="a", result="OK", subject={})
        await write(bus, AuditRecorded(first=2**63 - 1, entries=[entry, entry], previous="", hash="h"))
        assert await ask(bus, LIST_AUDIT, ListAudit(), seen(await bus.last_seq())) == []  # not a half of it either
        assert len(ledger.problems()) == 2


async def test_what_is_heard_is_folded_by_rows_and_not_by_entries(
    bus: MemoryBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "ROWS", 10)
    monkeypatch.setattr(follow, "GATHER", 0.2)
    store, folded = Files(tmp_path).store(), list[list[int]]()
    fold = store.fold

    def counted(batch: list[JournalEntry]) -> Any:
        folded.append([len(one.event.leads) for one in batch])
        return fold(batch)

    monkeypatch.setattr(store, "fold", counted)
    ledger = Ledger(bus=bus, store=store, threads=False)
    await ledger.start()
    for leads in (4, 4, 4, 25, 1, 9, 1):
        ids = tuple(f"l{place}" for place in range(leads))
        about = {"campaign": "c1", "at": AT.format(0), "by": "anna", "assigned_seller": "op"}
        await write(bus, CampaignLeadsAssigned(**about, leads=ids, places=tuple(range(leads))))
    await _eventually(lambda: ledger.health.behind == 0 and sum(map(len, folded)) == 7)
    assert folded == [[4, 4], [4], [25], [1, 9], [1]]
    await ledger.stop()


async def test_what_is_left_out_is_kept_within_bounds(bus: MemoryBus, place: Place) -> None:
    for _ in range(150):
        await put(bus, "ottb.v1.evt.slot.44.linked", b"!")
    async with _ledger(bus, place) as ledger:
        found = ledger.problems()
    assert (found[0].id, found[-2].id) == ("entry 51", "entry 150") and found[-1].reason.startswith("50 more")


async def test_what_is_left_out_is_said_after_a_restart_too(bus: MemoryBus, place: Place) -> None:
    too_large = await write(bus, _dialing("c_large", 2**63))
    bad = await put(bus, "ottb.v1.evt.slot.44.linked", b"\0!")
    async with _ledger(bus, place) as ledger:
        before = ledger.problems()
        assert [one.id for one in before] == [f"entry {too_large}", f"entry {bad}"]
    async with _ledger(bus, place) as ledger:
        assert ledger.problems() == before
        for _ in range(150):
            last = await put(bus, "ottb.v1.evt.slot.44.linked", b"!")
        await ledger.answer(CALLS_FEED, CallsFeed(), seen(last))
        full = ledger.problems()
        assert full[-2].id == f"entry {last}" and full[-1].reason.startswith("52 more")
    async with _ledger(bus, place) as ledger:
        assert ledger.problems() == full
    store = place.store()
    store.drop()  # with the ledger goes what it left out
    assert store.sequence() == 0 and store.left_out() == []
    store.close()


async def test_telemetry_that_nobody_can_read_is_passed_over(bus: MemoryBus, place: Place) -> None:
    async with _ledger(bus, place) as ledger:
        for data in (b"", b"nonsense", b'{"slot": "x"}', b'{"trunk": 5}', b"\xff", b"[" * 100_000):
            for subject in ("ottb.v1.tel.slot.44", "ottb.v1.tel.trunk.main"):
                await bus.publish(subject, data, {})
        await asyncio.sleep(0.01)
        assert all(task.exception() is None for task in bus._tasks if task.done())
        assert (await ask(bus, PBX_STATUS, GetPbxStatus(), ASKER)).trunks == []
        await ledger.hear(SLOT_TELEMETRY, _message(b"nonsense"))
        await ledger.hear(TRUNK_TELEMETRY, _message(b"nonsense"))


def _message(data: bytes) -> Any:
    from actors.runtime.bus import Message

    return Message(subject="ottb.v1.tel.x.y", data=data, headers={})


class Dropping(MemoryBus):
    """Its follower loses the entries that `lost` says, without a word."""

    lost: Callable[[int], bool] = staticmethod(lambda seq: False)

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        async def some(recorded: Recorded) -> None:
            if not self.lost(recorded.seq):
                await handler(recorded)

        return await super().follow(scope, some, after=after)


@pytest.mark.parametrize("lost", [lambda seq: seq % 7 == 3, lambda seq: 10 < seq < 60, lambda seq: True])
async def test_entries_that_a_follower_lost_are_read_from_the_journal(
    broker: MemoryBroker, place: Place, lost: Callable[[int], bool]
) -> None:
    bus = Dropping(broker)
    bus.lost = lost  # type: ignore[method-assign]
    async with _ledger(bus, place) as ledger:
        for number in range(30):
            await call(bus, number)
        for number in range(30):
            cdr = await ask(bus, GET_CDR, GetCdr(call_id=f"c_{number}"), seen(await bus.last_seq()))
            assert cdr.talk_seconds == 3
        assert ledger.folded == 120 and ledger.problems() == []


async def test_a_lost_last_entry_is_missed_after_a_while(
    broker: MemoryBroker, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "QUIET", 0.05)
    bus = Dropping(broker)
    bus.lost = lambda seq: seq == 4  # type: ignore[method-assign]
    async with _ledger(bus, place) as ledger:
        await call(bus, 1)
        await _eventually(lambda: ledger.folded == 4)


class Expiring(MemoryBus):
    """Some entries' time is over: the journal no longer has them, their numbers are nowhere."""

    over: frozenset[int] = frozenset()

    def _left(self) -> list[Recorded]:
        return [entry for entry in self._broker.journal if entry.seq not in self.over]

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        for entry in self._left():
            if entry.seq > after:
                yield entry

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        async def some(recorded: Recorded) -> None:
            if recorded.seq not in self.over:
                await handler(recorded)

        return await super().follow(scope, some, after=after)

    async def size(self) -> Size:
        return Size(entries=len(self._left()), last_seq=len(self._broker.journal))

    async def last(self, scope: str) -> Recorded | None:
        return next(iter(reversed(self._left())), None) if scope == follow.SCOPE else await super().last(scope)


@pytest.mark.parametrize("over", [{2, 3, 7}, {1}, {10, 11, 12}, set(range(1, 13))])
async def test_entries_whose_time_is_over_are_not_waited_for(
    broker: MemoryBroker, place: Place, over: set[int]
) -> None:
    bus = Expiring(broker)
    for number in range(12):
        await put(bus, f"ottb.v1.evt.point.s{number}.session_opened", b"{}")
    bus.over = frozenset(over)
    async with asyncio.timeout(PATIENCE), _ledger(bus, place) as ledger:
        assert (await ask(bus, CALLS_FEED, CallsFeed(), seen(12))) == []
        await call(bus, 1)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), seen(16))).talk_seconds == 3
        assert ledger.problems() == []


class Forgetful(MemoryBus):
    """Its reading of the journal leaves entries out, as often as it is told to."""

    times = 1
    left_out: Callable[[int], bool] = staticmethod(lambda seq: seq == 5)

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        self.times -= 1
        async for entry in super().replay(scope, after=after, since=since):
            if self.times < 0 or not self.left_out(entry.seq):
                yield entry


@pytest.mark.parametrize("missing", [{5}, {1}, {3, 4, 5, 6, 7}, set(range(1, 11))])
async def test_a_rebuild_counts_itself_and_is_not_ready_before_it_is_whole(
    broker: MemoryBroker, place: Place, missing: set[int]
) -> None:
    bus = Forgetful(broker)
    bus.times = 1000
    bus.left_out = missing.__contains__  # type: ignore[method-assign]
    for number in range(3):
        await call(bus, number)
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    assert not ledger.health.ready
    await _eventually(lambda: len(ledger.problems()) == 2)
    rebuild, store = ledger.problems()
    assert (rebuild.id, store.id) == ("rebuild", "store")
    assert rebuild.reason == f"not ready: read up to entry {ledger.folded} of 12"
    assert "of 12 entries were read" in store.reason
    with pytest.raises(Refusal) as refused:
        await ledger.answer(PAST_CALL, GetCall(call_id="c_2"), ASKER)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    bus.times = 0
    await _eventually(lambda: ledger.health.ready)
    for number in range(3):
        assert (await ask(bus, GET_CDR, GetCdr(call_id=f"c_{number}"), ASKER)).talk_seconds == 3
    assert ledger.problems() == [] and ledger.folded == 12
    await ledger.stop()


async def test_a_ledger_of_before_that_has_holes_is_rebuilt(broker: MemoryBroker, place: Place) -> None:
    bus = MemoryBus(broker)
    for number in range(3):
        await call(bus, number)
    store = place.store()
    store.fold([JournalEntry(seq=entry.seq, event=decode(entry)) for entry in broker.journal if entry.seq != 4])
    store.close()
    async with _ledger(bus, place) as ledger:
        await _eventually(lambda: ledger.health.ready)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_0"), ASKER)).talk_seconds == 3


async def test_records_of_another_journal_are_put_aside(place: Place) -> None:
    for name, calls in (("old", 3), ("new", 1)):
        bus = MemoryBus(MemoryBroker(clock=SystemClock()))
        for number in range(calls):
            await call(bus, number)
        async with _ledger(bus, place):
            assert len(await ask(bus, CALLS_FEED, CallsFeed(all=1), ASKER)) == calls, name
    if isinstance(place, Files):
        assert (place.folder / "l-aside").exists()
    else:
        place.run("SELECT 1 / count(*) FROM calls_aside")


async def test_records_are_made_anew_where_entries_say_something_else(broker: MemoryBroker, place: Place) -> None:
    bus = MemoryBus(broker)
    for number in range(3):
        await call(bus, number)
    async with _ledger(bus, place) as ledger:
        before = await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)
        for entry in list(broker.journal):
            if before.number.encode() in entry.data:
                await bus.redact(entry, entry.data.replace(before.number.encode(), b"+0123"), entry.headers)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)).number == before.number
        seq = await _cleared(bus, "er_1", 0)
        await _eventually(lambda: ledger.health.ready and ledger.folded >= seq)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)).number == "+0123"
        assert ledger._following.generation == 1


async def test_records_of_a_host_that_was_away_are_made_anew_and_none_aside(
    broker: MemoryBroker, place: Place
) -> None:
    bus = MemoryBus(broker)
    await call(bus, 1)
    async with _ledger(bus, place):
        number = (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)).number.encode()
    for entry in list(broker.journal):
        if number in entry.data:
            await bus.redact(entry, entry.data.replace(number, b"+0123"), entry.headers)
    if isinstance(place, Files):
        (place.folder / "l-aside").write_bytes(number)
    seq = await _cleared(bus, "er_1", 0)
    async with _ledger(bus, place) as ledger:
        await _eventually(lambda: ledger.health.ready and ledger.folded >= seq)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_1"), ASKER)).number == "+0123"
    if isinstance(place, Files):
        assert [path.name for path in place.folder.rglob("*") if path.is_file() and number in path.read_bytes()] == []
    else:
        place.run("SELECT 1 / (CASE WHEN to_regclass('calls_aside') IS NULL THEN 1 ELSE 0 END)")


async def _cleared(bus: MemoryBus, erasure: str, expect: int) -> int:
    event = ErasureCleared(erasure=erasure, at=AT, erased=Erased())
    subject = ERASURE_CLEARED.subject_for(event)
    return await bus.append(subject, msgspec.json.encode(event), {ID: erasure}, scope=subject, expect=expect)


def test_a_ledger_without_threads_runs_in_simulated_time(tmp_path: Path) -> None:
    async def main() -> tuple[int, list[Any]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        bus = MemoryBus(MemoryBroker(clock=SimClock(loop)))
        async with _ledger(bus, Files(tmp_path), threads=False) as ledger:
            for number in range(20):
                await call(bus, number)
            cdr = await ask(bus, GET_CDR, GetCdr(call_id="c_19"), seen(80))
            assert cdr.talk_seconds == 3
            await asyncio.sleep(3600)
            return ledger.folded, ledger.problems()

    assert run(main, seed=1) == (80, [])
