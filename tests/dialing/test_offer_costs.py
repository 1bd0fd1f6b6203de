"""What it costs to look who is to have a line grows with how many wait, and is next to nothing where there is none."""

import asyncio
import time

import pytest

from bus_schemas.carriers import SlotCarrier
from tests.dialing.test_offers import Offering, play

WAITERS = 2_000
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
