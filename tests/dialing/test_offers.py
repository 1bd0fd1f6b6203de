"""Slots are offered to whoever asks, in turn, and are anybody's again when they are not used."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.dialing.offers import KEPT, PATIENCE, Offers
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.pool import IdleSlot, Pool
from bus_schemas.host import OfferedLines, OfferLines, ReturnLines
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

CONTEXT = Context(command_id="one")


class Always:
    held, epoch = True, 1


class Offering:
    """The offers of one host whose slots are idle when the test says so."""

    def __init__(self, loop: SimLoop) -> None:
        clock = SimClock(loop)
        bus = MemoryBus(MemoryBroker(clock=clock))
        host = Host(name="a", bus=bus, clock=clock, ids=CountedIds("t"), ownership=Always())
        self.pool, self.spent = Pool(), set[int]()
        self.offers = Offers(host=host, pool=self.pool, has_had_its_calls=self.spent.__contains__)

    def idle(self, *slots: int, user: str | None = None) -> None:
        for slot in slots:
            self.pool.put(IdleSlot(slot=slot, user=user, region="UA", last_used=""))

    async def ask(self, asker: str, most: int = 1, user: str = "op") -> OfferedLines:
        return await self.offers.offer(OfferLines(host="a", asker=asker, user=user, most=most), CONTEXT)


def play(story: Callable[[Offering], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        await story(Offering(loop))

    run(main, 1)


def test_who_asks_waits_until_a_slot_is_idle() -> None:
    async def story(site: Offering) -> None:
        asked = asyncio.ensure_future(site.ask("c1"))
        await asyncio.sleep(PATIENCE / 2)
        assert not asked.done()
        site.idle(11)
        await asyncio.sleep(0.001)
        assert (await asked).slots == [11] and not len(site.pool)
        site.pool.drop(11)
        assert (await site.ask("c1")).slots == []  # after a while

    play(story)


def test_slots_go_round_among_those_who_wait() -> None:
    async def story(site: Offering) -> None:
        got: dict[str, int] = dict.fromkeys(("c1", "c2", "c3"), 0)

        async def greedy(asker: str) -> None:
            while True:
                got[asker] += len((await site.ask(asker, most=5)).slots)

        tasks = [asyncio.ensure_future(greedy(asker)) for asker in got]
        site.idle(*range(11, 17))
        for slot in range(20, 50):
            await asyncio.sleep(0.1)
            site.idle(slot)
        await asyncio.sleep(0.1)
        assert got == {"c1": 12, "c2": 12, "c3": 12}
        for task in tasks:
            task.cancel()

    play(story)


def test_a_slot_that_is_offered_is_nobody_elses_until_it_is_over() -> None:
    async def story(site: Offering) -> None:
        site.idle(11)
        assert (await site.ask("c1")).slots == [11]
        site.idle(11)  # news of its phone
        assert site.pool.take("op", None) is None
        await asyncio.sleep(KEPT + 0.1)
        assert site.pool.take("op", None) is not None

    play(story)


def test_what_is_given_back_is_anybodys_at_once() -> None:
    async def story(site: Offering) -> None:
        site.idle(11)
        await site.ask("c1")
        await site.offers.take_back(ReturnLines(host="a", asker="c2", slots=[11]), CONTEXT)  # not theirs
        assert not len(site.pool)
        await site.offers.take_back(ReturnLines(host="a", asker="c1", slots=[11, 12]), CONTEXT)
        assert len(site.pool) == 1

    play(story)


def test_a_slot_that_is_used_meanwhile_is_not_idle_when_it_comes_back() -> None:
    async def story(site: Offering) -> None:
        site.idle(11)
        await site.ask("c1")
        site.pool.drop(11)  # a call has taken it
        site.offers.used(11, "c1")
        assert not len(site.pool)

    play(story)


def test_nobody_is_offered_what_is_somebody_elses_or_has_had_its_calls() -> None:
    async def story(site: Offering) -> None:
        site.spent.add(11)
        site.idle(11)
        site.idle(12, user="op21")
        site.idle(13, user="op")
        site.idle(14)
        assert sorted((await site.ask("c1", most=9)).slots) == [13, 14]
        site.spent.clear()
        assert (await site.ask("c1")).slots == [11]

    play(story)
