"""Who reads what takes long takes no more than a share of the ledger, and none of it once nobody waits any more."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from actors.adapters.system_clock import SystemClock
from actors.ledger import ledger as ledger_module
from actors.ledger.ledger import Ledger
from actors.ledger.model import Query
from actors.runtime.context import Context
from bus_schemas.errors import ErrorCode, Refusal
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.places import Place
from tests.support.site import until

LONG = 0.3  # seconds for a read of these tests


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
    ledger = Ledger(bus=MemoryBus(MemoryBroker(clock=SystemClock())), store=place.store())
    await ledger.start()
    yield ledger
    await ledger.stop()


@pytest.mark.parametrize("other", [of("op12"), of("slow", "token:t")])
async def test_slow_reads_of_one_share_leave_room_for_others(ledger: Ledger, other: Context) -> None:
    slow = [asyncio.create_task(ledger._read(of("slow"), ENDLESS)) for _ in range(8)]
    await asyncio.sleep(LONG / 4)
    began, taken = time.monotonic(), list[float]()
    while not any(one.done() for one in slow):
        assert await ledger._read(other, counting(10)) == [10]
        assert await ledger._read(of("slow"), counting(10), one=True) == [10]
        taken.append(time.monotonic() - began - sum(taken))
    ended = await asyncio.gather(*slow, return_exceptions=True)
    print(f"{len(slow)} reads that take long: {len(taken)} of others beside them, in {max(taken):.3f} s at most")
    assert len(taken) > 1 and all(isinstance(one, Refusal) for one in ended)


async def test_a_read_ends_when_nobody_waits_for_it_any_more(ledger: Ledger) -> None:
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(Refusal) as refused:
            await ledger._read(of("slow"), ENDLESS)
        assert refused.value.code is ErrorCode.UNAVAILABLE and time.monotonic() - began < 10 * LONG
        del refused  # with the frames that it has come through
    assert await ledger._read(of("slow"), counting(10)) == [10]
    await until(lambda: asyncio.sleep(0, len(ledger._places)), lambda left: left == 0)
