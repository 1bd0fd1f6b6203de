"""A lease is held by one process, by its own clock, and never a moment longer than the server keeps it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import BusError, RequestTimeout
from actors.runtime.ownership import BUCKET, MARGIN, SILENT, Lease, LeaseKeeper
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run

TTL = 3.0


class SuspendedClock(SimClock):
    """A clock that counts suspension, which the loop's timers do not."""

    slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.slept


class Site:
    """A broker and two processes that want the same key."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.clock = SuspendedClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self.delays: dict[str, float] = {}
        self.bus = MemoryBus(self.broker, step=self.step)
        self.mine = self.lease("me", self.bus)
        self.theirs = self.lease("they", MemoryBus(self.broker))

    def lease(self, holder: str, bus: MemoryBus) -> Lease:
        return Lease(bus=bus, clock=self.clock, key="host.x", holder=holder, ttl=TTL)

    async def step(self, name: str) -> None:
        for start, delay in self.delays.items():
            if name.startswith(start):
                await asyncio.sleep(delay)

    async def until_lost(self, lease: Lease) -> float:
        """When it ceases to be held."""
        while lease.held:
            await asyncio.sleep(0.001)
        return self.loop.time()


def simulated(test: Callable[[Site], Awaitable[None]]) -> Callable[[], None]:
    def run_it() -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimLoop)
            await test(Site(loop))

        run(main, seed=1)

    return run_it


@simulated
async def test_a_renewal_counts_from_the_moment_it_was_sent(site: Site) -> None:
    assert await site.mine.acquire()
    await asyncio.sleep(1.0)
    site.delays = {"before put": 0.9, "after put": 0.9}  # slow, both ways
    assert await site.mine.renew()
    assert await site.until_lost(site.mine) == pytest.approx(1.0 + TTL - MARGIN, abs=0.01)
    assert not await site.theirs.acquire()


@simulated
async def test_a_renewal_that_was_answered_too_late_is_not_held(site: Site) -> None:
    assert await site.mine.acquire()
    await asyncio.sleep(1.0)
    site.delays = {"after put": TTL}
    assert await site.mine.renew()
    assert not site.mine.held
    assert await site.theirs.acquire()


@simulated
async def test_no_two_processes_hold_it_at_once(site: Site) -> None:
    """The other one tries all the time; renewals are lost, late and cut short."""
    random = site.loop.random
    site.broker.lose_ack = lambda: random.random() < 0.3
    keeper = LeaseKeeper(lease=site.mine, on_lost=lambda: None, ttl=TTL)
    await keeper.start()
    both = theirs = 0
    for _ in range(400):
        site.delays = {"before put": random.uniform(0, 1), "after put": random.uniform(0, 2.5)}
        if random.random() < 0.1:
            site.broker.cut(site.bus, notice=random.uniform(0, 2))
        elif random.random() < 0.5:
            site.broker.mend(site.bus)
        again = site.theirs.held and random.random() < 0.5
        with contextlib.suppress(BusError):
            theirs += await (site.theirs.renew() if again else site.theirs.acquire())
        both += site.mine.held and site.theirs.held
        await asyncio.sleep(random.uniform(0.0, 0.5))
    assert theirs and not both
    await keeper.stop()


@simulated
async def test_suspension_counts(site: Site) -> None:
    assert await site.mine.acquire() and site.mine.held
    site.clock.slept = 10.0  # the lid was closed; no timer of the loop has noticed
    assert not site.mine.held


def test_the_system_clock_counts_suspension(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.clock_gettime

    def after_an_hour_of_sleep(which: int) -> float:
        return real(which) + (3600.0 if which == time.CLOCK_BOOTTIME else 0.0)

    before = SystemClock().monotonic()
    monkeypatch.setattr("time.clock_gettime", after_an_hour_of_sleep)
    assert 3600.0 <= SystemClock().monotonic() - before < 3610.0


@simulated
async def test_a_namesake_is_somebody_else(site: Site) -> None:
    """Two processes with the same name for their holder: the value alone does not make it ours."""
    namesake = site.lease("me", MemoryBus(site.broker))
    assert await site.mine.acquire()
    assert not await namesake.acquire() and not namesake.held
    assert await site.mine.renew()


@simulated
async def test_a_lost_acknowledgement_is_found_again(site: Site) -> None:
    lost = iter([True, False, True])
    site.broker.lose_ack = lambda: next(lost, False)
    with pytest.raises(RequestTimeout):
        await site.mine.acquire()
    assert not site.mine.held and not await site.theirs.acquire()
    assert await site.mine.acquire() and site.mine.held
    epoch = site.mine.epoch
    with pytest.raises(RequestTimeout):
        await site.mine.renew()
    assert await site.mine.renew() and site.mine.held and site.mine.epoch >= epoch


@simulated
async def test_a_lost_acknowledgement_does_not_make_a_namesakes_key_ours(site: Site) -> None:
    """Ours was written and ran out; a namesake took the key after it."""
    namesake = site.lease("me", MemoryBus(site.broker))
    site.broker.lose_ack = lambda: True
    with pytest.raises(RequestTimeout):
        await site.mine.acquire()
    site.broker.lose_ack = lambda: False
    await asyncio.sleep(TTL + 1)
    assert await namesake.acquire()
    assert not await site.mine.acquire() and not site.mine.held


@simulated
async def test_a_renewal_that_is_under_way_in_the_end_leaves_no_lease(site: Site) -> None:
    keeper = LeaseKeeper(lease=site.mine, on_lost=lambda: None, ttl=TTL)
    await keeper.start()
    site.delays = {"after put": 0.3}
    await asyncio.sleep(TTL / 4 + 0.1)
    await keeper.stop()
    assert await site.theirs.acquire()


@simulated
async def test_a_lease_that_nobody_renews_and_that_stays_is_ended(site: Site) -> None:
    await site.bus.put(BUCKET, "host.x", b"somebody 1", expect=0)  # for ever
    keeper = LeaseKeeper(lease=site.mine, on_lost=lambda: None, ttl=TTL)
    await asyncio.wait_for(keeper.start(), SILENT * TTL + 2.0)
    assert site.mine.held and site.loop.time() > SILENT * TTL
    await keeper.stop()


@simulated
async def test_one_that_is_renewed_late_each_time_stays(site: Site) -> None:
    revision = await site.bus.put(BUCKET, "host.x", b"somebody 1", expect=0)
    for _ in range(20):
        for _ in range(8):
            assert not await site.mine.acquire()
            await asyncio.sleep(1.0)
        revision = await site.bus.put(BUCKET, "host.x", b"somebody 1", expect=revision)


@simulated
async def test_one_that_was_seen_before_the_bus_was_away_is_given_its_time(site: Site) -> None:
    await site.bus.put(BUCKET, "host.x", b"somebody 1", expect=0)
    assert not await site.mine.acquire()
    await asyncio.sleep(60.0)  # in which nobody could renew
    assert not await site.mine.acquire() and not await site.mine.acquire()
    assert (await site.bus.get(BUCKET, "host.x")) is not None
