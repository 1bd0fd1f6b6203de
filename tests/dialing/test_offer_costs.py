"""What it costs to look who is to have a line grows with how many wait, and is next to nothing where there is none."""

import asyncio
import time

import pytest

from actors.dialing.offers import REST_FOR_ALIKE, IdleSlots, Offers
from bus_schemas.carriers import SlotCarrier
from bus_schemas.host import Line, OfferLines
from tests.dialing.test_offers import Offering, play

WAITERS = 2_000
LOOKS = 100  # in a second, where so many wait
SECONDS = 0.05  # of the processor, for all of them


async def wait_all(site: Offering, waiters: int, **more: object) -> "list[asyncio.Future[list[int]]]":
    asked = [asyncio.ensure_future(site.ask(f"c{n}", priority=n % 201 - 100, **more)) for n in range(waiters)]
    await asyncio.sleep(0.01)
    return asked


async def cost(site: Offering, slot: int, region: str = "UA") -> float:
    """Seconds of the processor in which a line that has become free is given to somebody, or to nobody."""
    await asyncio.sleep(0.1)
    began = time.process_time()
    site.idle(slot, region=region)
    await asyncio.sleep(0.001)
    return time.process_time() - began


def test_where_there_is_a_line_all_who_wait_are_looked_at_once() -> None:
    async def story(site: Offering) -> None:
        asked = await wait_all(site, WAITERS)
        taken = min([await cost(site, slot) for slot in (11, 12, 13)])
        print(f"{WAITERS} wait, one gets a line: {1000 * taken:.1f} ms")
        assert sum(one.done() for one in asked) == 3 and taken < SECONDS
        for one in asked:
            one.cancel()

    play(story)


def test_where_there_is_none_those_who_want_the_same_cost_nothing() -> None:
    async def story(site: Offering) -> None:
        asked = await wait_all(site, WAITERS, slots=SlotCarrier(regions=("PL",)))
        taken = min([await cost(site, slot) for slot in (11, 12, 13)])
        print(f"{WAITERS} wait for lines of another country: {1000 * taken:.2f} ms")
        assert not any(one.done() for one in asked) and taken < SECONDS / 50
        for one in asked:
            one.cancel()

    play(story)


@pytest.mark.parametrize("slots", [0, 1])
def test_one_more_who_asks_in_vain_costs_nothing_either(slots: int) -> None:
    async def story(site: Offering) -> None:
        asked = await wait_all(site, WAITERS, slots=SlotCarrier(regions=("PL",)))
        site.idle(*range(slots))
        await asyncio.sleep(0.1)
        began = time.process_time()
        for n in range(20):
            asked.append(asyncio.ensure_future(site.ask(f"one more {n}", slots=SlotCarrier(regions=("DE",)))))
            await asyncio.sleep(0.001)
        taken = (time.process_time() - began) / 20
        print(f"one more than {WAITERS}: {1000 * taken:.2f} ms")
        assert not any(one.done() for one in asked) and taken < SECONDS / 50
        for one in asked:
            one.cancel()

    play(story)


class Held(IdleSlots):
    """Whose lines others turn out to hold, each time. `looks`: how often somebody has looked for one."""

    looks = 0

    def free(self) -> IdleSlots:
        self.looks += 1
        assert self.looks < 10 * LOOKS
        return self

    async def hold(self, line: Line, request: OfferLines) -> bool:
        return False


def test_what_is_refused_on_end_is_not_looked_for_on_end() -> None:
    """Each line that is refused is free again, and would have all who wait looked at."""

    async def story(site: Offering) -> None:
        source = Held(
            host=site.host, pool=site.pool, rules=site.rules,
            has_had_its_calls=lambda slot, user: False, has_had_share=lambda slot, user: False,
        )  # fmt: skip
        site.offers = Offers(host=site.host, source=source)
        site.pool.on_idle = site.offers.serve_soon
        asked = await wait_all(site, WAITERS)
        site.idle(11)
        await asyncio.sleep(1.0)
        print(f"{WAITERS} wait for a line that is refused each time: {source.looks} looks in a second")
        assert 10 < source.looks <= LOOKS
        for one in asked:
            one.cancel()

    play(story)


def test_carriers_of_many_slots_cost_little_each() -> None:
    """None of those that are idle is of any of them."""
    kinds, idle = 200, 300

    async def story(site: Offering) -> None:
        site.idle(*range(1, idle + 1))
        wants = [SlotCarrier(slots=tuple(range(1000 + kind, 1999 + kind))) for kind in range(kinds)]
        requests = [OfferLines(host="a", asker="c", user="op", most=1, slots=wanted) for wanted in wants]
        began = time.process_time()
        found = [site.source.free().has(request) for request in requests]
        taken = (time.process_time() - began) / kinds
        print(f"{kinds} carriers of 999 slots, {idle} others are idle: {1000 * taken:.2f} ms each")
        assert not any(found) and taken < 2 * REST_FOR_ALIKE

    play(story)
