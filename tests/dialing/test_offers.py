"""Slots are offered to whoever asks, in turn, and are anybody's again when they are not used."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from actors.dialing.offers import KEPT, PATIENCE, IdleSlots, Offers
from actors.dialing.rules import DialRules
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.slot.pool import IdleSlot, Pool
from bus_schemas.carriers import SlotCarrier, SlotsOf
from bus_schemas.host import Line, OfferLines
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
        self.host, self.rules = host, DialRules(site_region="UA")
        self.pool, self.spent, self.had = Pool(), set[int](), set[tuple[int, str]]()
        self.source = IdleSlots(
            host=host, pool=self.pool, rules=self.rules,
            has_had_its_calls=lambda slot, user: slot in self.spent,
            has_had_share=lambda slot, user: (slot, user) in self.had,
        )  # fmt: skip
        self.offers = Offers(host=host, source=self.source)
        self.pool.on_idle = self.offers.serve_soon

    def idle(self, *slots: int, user: str | None = None, region: str | None = "UA") -> None:
        for slot in slots:
            self.pool.put(IdleSlot(slot=slot, user=user, region=region, last_used=""))

    async def ask(self, asker: str, most: int = 1, user: str = "op", **more: Any) -> list[int]:
        """The slots that are offered."""
        request = OfferLines(host="a", asker=asker, user=user, most=most, **more)
        return [line.slot for line in (await self.offers.offer(request, CONTEXT)).lines]

    async def take_back(self, asker: str, *slots: int) -> None:
        for slot in slots:
            await self.offers.take_back(Line(slot=slot), asker)


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
        assert await asked == [11] and not len(site.pool)
        site.pool.drop(11)
        assert await site.ask("c1") == []  # after a while

    play(story)


def test_slots_go_round_among_those_who_wait() -> None:
    async def story(site: Offering) -> None:
        got: dict[str, int] = dict.fromkeys(("c1", "c2", "c3"), 0)

        async def greedy(asker: str) -> None:
            while True:
                got[asker] += len(await site.ask(asker, most=5))

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
        assert await site.ask("c1") == [11]
        site.idle(11)  # news of its phone
        assert site.pool.take("op", None) is None
        await asyncio.sleep(KEPT + 0.1)
        assert site.pool.take("op", None) is not None

    play(story)


def test_what_is_given_back_is_anybodys_at_once() -> None:
    async def story(site: Offering) -> None:
        site.idle(11)
        await site.ask("c1")
        await site.take_back("c2", 11)  # not theirs
        assert not len(site.pool)
        await site.take_back("c1", 11, 12)
        assert len(site.pool) == 1

    play(story)


def test_a_slot_that_is_used_meanwhile_is_not_idle_when_it_comes_back() -> None:
    async def story(site: Offering) -> None:
        site.idle(11)
        await site.ask("c1")
        site.pool.drop(11)  # a call has taken it
        site.offers.used(Line(slot=11), "c1")
        assert not len(site.pool)

    play(story)


def test_nobody_is_offered_what_is_somebody_elses_or_has_had_its_calls() -> None:
    async def story(site: Offering) -> None:
        site.spent.add(11)
        site.idle(11)
        site.idle(12, user="op21")
        site.idle(13, user="op")
        site.had.add((15, "op"))
        site.idle(14, 15)
        assert sorted(await site.ask("c1", most=9)) == [13, 14]
        site.spent.clear()
        assert await site.ask("c1") == [11]
        assert await site.ask("c2", user="op34") == [15]  # it is kept from nobody else

    play(story)


async def given_out(site: Offering, askers: dict[str, dict[str, Any]], slots: int) -> Counter[str]:
    """How many each gets who asks again and again, where one slot becomes idle after the other."""
    got = Counter[str]()

    async def greedy(asker: str, more: dict[str, Any]) -> None:
        while True:
            got[asker] += len(await site.ask(asker, most=5, **more))
            await asyncio.sleep(0.005)

    tasks = [asyncio.ensure_future(greedy(*pair)) for pair in askers.items()]
    await asyncio.sleep(0.1)
    for slot in range(11, 11 + slots):
        site.idle(slot)
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    return got


def test_five_campaigns_have_their_shares_and_none_starves() -> None:
    async def story(site: Offering) -> None:
        weights = {"c1": 1, "c2": 2, "c3": 3, "c4": 4, "c5": 10}
        got = await given_out(site, {asker: {"weight": weight} for asker, weight in weights.items()}, 100)
        for asker, weight in weights.items():
            assert abs(got[asker] / got.total() - weight / 20) <= 0.02, got
        got = await given_out(site, {asker: {"priority": weight} for asker, weight in weights.items()}, 100)
        assert abs(got["c5"] / got.total() - 0.9) <= 0.02, got
        assert min(got[asker] for asker in weights) >= 2, got

    play(story)


def test_only_slots_of_the_wanted_kind_are_offered() -> None:
    async def story(site: Offering) -> None:
        site.idle(11, user="op")
        site.idle(12, 13)
        site.idle(14, 15, region="PL")
        site.idle(16, region=None)
        wants: dict[str, dict[str, Any]] = {
            "own": {"slots": SlotCarrier(of=SlotsOf.OWN)}, "polish": {"slots": SlotCarrier(regions=("PL",))},
            "pool": {"slots": SlotCarrier(of=SlotsOf.POOL)}, "two": {"slots": SlotCarrier(slots=(11, 12))},
            "to PL": {"countries": ("PL", "DE")}, "to UA": {"countries": ("UA",)},
        }  # fmt: skip
        found = {}
        for asker, more in wants.items():
            found[asker] = sorted(await site.ask(asker, most=9, **more))
            await site.take_back(asker, *found[asker])
        assert found == {
            "own": [11], "polish": [14, 15], "pool": [12, 13, 14, 15, 16], "two": [11, 12], "to PL": [14, 15],
            "to UA": [11, 12, 13, 16],
        }  # fmt: skip

    play(story)


def test_what_one_cannot_use_is_the_next_ones_at_once() -> None:
    async def story(site: Offering) -> None:
        waits = asyncio.ensure_future(site.ask("first", priority=9, slots=SlotCarrier(regions=("PL",))))
        await asyncio.sleep(0.1)
        site.idle(11)
        assert await site.ask("second") == [11] and not waits.done()
        site.idle(12, region="PL")
        assert await waits == [12]

    play(story)


def test_who_asks_is_told_where_a_line_may_call() -> None:
    async def story(site: Offering) -> None:
        site.idle(11, region="PL")
        site.idle(12, region=None)
        offered = await site.offers.offer(OfferLines(host="a", asker="c1", user="op", most=2), CONTEXT)
        assert {line.slot: (line.region, line.countries) for line in offered.lines} == {
            11: ("PL", ("PL",)), 12: (None, ("UA",)),
        }  # fmt: skip

    play(story)


def test_for_operators_there_is_one_slot_of_each_and_none_of_the_pool() -> None:
    async def story(site: Offering) -> None:
        for slot, user in ((11, None), (12, "ann"), (13, "ann"), (14, "bob"), (15, "cid"), (16, "op")):
            site.idle(slot, user=user)
        site.spent.add(12)
        assert sorted(await site.ask("c1", most=9, operators=("ann", "bob", "dan"))) == [13, 14]
        assert sorted(await site.ask("c1", most=9)) == [11, 16]

    play(story)
