"""Who reads what takes long holds up others who do, and nobody else; and no longer than somebody waits for it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from actors.adapters.system_clock import SystemClock
from actors.ledger import ledger as ledger_module
from actors.ledger.ledger import Ledger
from actors.ledger.model import Query
from actors.ledger.store import INTERRUPTED, StoreFailed
from actors.runtime.context import Context
from bus_schemas.call import CALLS_FEED, OPEN_CALLS, CallsFeed, OpenCalls
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import LIST_SLOTS, ListSlots
from bus_schemas.trunk import PBX_STATUS, GetPbxStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.places import Place
from tests.support.site import PATIENCE, until

LONG = 1.0  # seconds for a read of these tests
ROUNDS = 6  # of reads beside them
QUICK = 0.1  # and for one that is none of the slow ones


def counting(most: int) -> Query[int]:
    """A query that takes the longer the more it counts."""
    numbers = sa.select(sa.literal(1).label("number")).cte(recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.number + 1).where(numbers.c.number < most))
    return Query(sa.select(sa.func.max(numbers.c.number).label("most")), lambda row: int(row.most))


ENDLESS = counting(1_000_000_000)


def of(user: str, credential: str = "session:s") -> Context:
    return Context(command_id="q", user=user, credential=credential)


@pytest.fixture
async def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    monkeypatch.setattr(ledger_module, "LONGEST_READ", LONG)
    monkeypatch.setattr(ledger_module, "QUICK", QUICK)
    ledger = Ledger(bus=MemoryBus(MemoryBroker(clock=SystemClock())), store=place.store())
    await ledger.start()
    yield ledger
    await ledger.stop()


class Held:
    """What a store is asked and does not answer until the test lets it."""

    def __init__(self) -> None:
        self._answered = threading.Event()
        self._asked = list["asyncio.Task[int]"]()

    def _ask(self, *, seconds: float) -> int:
        if not self._answered.wait(seconds):
            raise StoreFailed(INTERRUPTED, "it took too long")
        return 1

    async def by(self, ledger: Ledger, who: list[Context], each: int) -> None:
        """So many of each ask; all that is asked goes on for longer than what is quick."""
        asked = [ledger._asked(one, self._ask, short=False) for one in who for _ in range(each)]
        self._asked += map(asyncio.create_task, asked)
        await asyncio.sleep(QUICK * (len(who) + 1))

    async def end(self) -> int:
        """How many have waited until now."""
        waited = sum(not one.done() for one in self._asked)
        self._answered.set()
        await asyncio.gather(*self._asked)
        return waited


SLOW = {
    "a user": [of("slow")],
    "a user and their service tokens": [of("slow"), of("slow", "token:t")],
    "two users": [of("slow"), of("auditor")],
    "three users": [of("slow"), of("auditor"), of("op21")],
}


@pytest.mark.parametrize("who", SLOW.values(), ids=SLOW)
async def test_slow_reads_leave_room_for_others(
    ledger: Ledger, who: list[Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "LONGEST_READ", 4 * PATIENCE)
    slow = Held()
    await slow.by(ledger, who, 4)
    async with asyncio.timeout(PATIENCE):
        for _ in range(ROUNDS):
            assert await ledger._read(of("op12"), counting(10)) == [10]
            assert await ledger._read(who[0], counting(10), short=True) == [10]
            assert await ledger._read(Context(command_id="q"), counting(10)) == [10]  # the platform's own
    assert await slow.end() == 4 * len(who)
    print(f"{4 * len(who)} reads that take long: {3 * ROUNDS} of others beside them")


async def test_what_is_short_waits_for_no_list(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody knows that they take long."""
    monkeypatch.setattr(ledger_module, "LONGEST_READ", 4 * PATIENCE)
    monkeypatch.setattr(ledger_module, "QUICK", 2 * PATIENCE)
    slow = Held()
    await slow.by(ledger, [of(f"u{number}") for number in range(5)], 1)
    async with asyncio.timeout(PATIENCE):
        assert await ledger._read(Context(command_id="q"), counting(10)) == [10]
        assert await ledger._read(of("u1"), counting(10), short=True) == [10]
    asked = ((LIST_SLOTS, ListSlots()), (PBX_STATUS, GetPbxStatus()), (CALLS_FEED, CallsFeed()),
             (OPEN_CALLS, OpenCalls()))  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        for rpc, request in asked:
            await ledger.answer(rpc, request, of("u1"))
    assert await slow.end() == 5
    print(f"5 users whose lists take long: {2 + len(asked)} short questions answered beside them")


async def test_what_is_not_quick_is_read_all_the_same(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "LONGEST_READ", 30.0)
    monkeypatch.setattr(ledger_module, "QUICK", 0.02)
    assert await ledger._read(of("slow"), counting(1_000_000)) == [1_000_000]
    assert [*ledger._slow] == [of("slow").share]


async def test_who_reads_for_long_in_many_pieces_is_slow_too(ledger: Ledger) -> None:
    def ask(*, seconds: float) -> int:
        time.sleep(QUICK / 5)
        return 1

    reads = 0
    while not ledger._is_slow(of("slow").share):
        reads += await ledger._asked(of("slow"), ask, short=False)
        assert reads < 20
    assert reads > 1 and not ledger._is_slow(of("op12").share)
    print(f"after {reads} reads of a fifth of what is quick")


async def test_who_reads_little_now_and_then_is_not_slow(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "COUNTED_FOR", 0.0)

    def ask(*, seconds: float) -> int:
        time.sleep(QUICK / 5)
        return 1

    for _ in range(10):
        await ledger._asked(of("op12"), ask, short=False)
    assert not ledger._slow


async def test_a_user_is_slow_for_so_long_and_their_tokens_are_not(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "SLOW_FOR", 3 * LONG)
    with pytest.raises(Refusal):
        await ledger._read(of("slow"), ENDLESS)
    assert ledger._is_slow(of("slow").share) and not ledger._is_slow(of("slow", "token:t").share)
    await until(lambda: asyncio.sleep(0, ledger._is_slow(of("slow").share)), lambda slow: not slow)
    assert not ledger._slow


async def test_shares_of_a_user_and_users_are_read_in_turn(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "QUICK", PATIENCE)  # none of them counts as slow, however slow the machine is
    monkeypatch.setattr(ledger_module, "LONGEST_READ", PATIENCE)
    read, own, program, other = list[str](), of("op12"), of("op12", "token:t"), of("op21")

    async def one(context: Context, name: str) -> None:
        await ledger._read(context, counting(2_000))
        read.append(name)

    own_and_program = [(own, "own")] * 6 + [(program, "program")] * 2
    await asyncio.gather(*(one(*each) for each in own_and_program), *(one(other, "other") for _ in range(3)))
    print(f"read in this order: {' '.join(read)}")
    assert read == ["own", "other", "program", "other", "own", "other", "program"] + ["own"] * 4


async def test_a_read_ends_when_nobody_waits_for_it_any_more(ledger: Ledger) -> None:
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Refusal) as refused:
                await ledger._read(of("slow"), ENDLESS)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        del refused  # with the frames that it has come through
    assert await ledger._read(of("slow"), counting(10)) == [10]
    lanes = (ledger._short, ledger._quick, ledger._long)
    await until(lambda: asyncio.sleep(0, sum(len(lane.places) for lane in lanes)), lambda left: left == 0)
