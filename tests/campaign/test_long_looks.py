"""Looks at a campaign that take longer than whoever asks for one waits."""

import asyncio
from collections.abc import Callable

import pytest

from actors.campaign.looks import in_turns
from actors.runtime.clock import Clock
from bus_schemas.campaign import StopMode
from bus_schemas.campaign_outlook import EXPLAIN_CAMPAIGN
from bus_schemas.errors import Refusal
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play

LONG = 31.0  # seconds: more than anybody waits
NUMBERS = [mobile(place, "9999") for place in range(200)]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Looks take long. Gives how many leads each was at."""
    begun: list[int] = []

    async def slow(leads: int, look: Callable[[int], None], clock: Clock) -> None:
        begun.append(leads)
        await asyncio.sleep(LONG)
        await in_turns(leads, look, clock)

    monkeypatch.setattr("actors.campaign.on_shard.in_turns", slow)
    return begun


def test_a_look_goes_on_and_is_the_answer_of_who_asks_next(looks: list[int]) -> None:
    async def story(site: Campaigns) -> None:
        assert EXPLAIN_CAMPAIGN.timeout < LONG
        await site.run("c1", NUMBERS)
        began = site.world.now
        said = await site.explain("c1")  # is told to ask again, and does
        assert said.leads == len(NUMBERS) == sum(one.leads for one in said.reasons)
        assert looks == [len(NUMBERS)] and site.world.now - began < LONG + 2.0
        await asyncio.sleep(LONG - 2.0)
        assert await site.explain("c1") == said and len(looks) == 1

    play(story)


def test_all_who_ask_meanwhile_have_the_same_answer(looks: list[int]) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", NUMBERS)
        said = await asyncio.gather(*(site.explain("c1") for _ in range(10)))
        assert all(one == said[0] for one in said) and len(looks) == 1

    play(story)


def test_who_changes_it_meanwhile_is_told_how_it_is_then(looks: list[int]) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", NUMBERS)
        first = asyncio.create_task(site.explain("c1"))
        await asyncio.sleep(5.0)
        await site.stop("c1", StopMode.HANGUP)
        with pytest.raises(Refusal, match="for you"):  # until the rest after the first look is over
            await site.explain("c1")
        await asyncio.sleep(LONG)
        assert (await site.explain("c1")).status != "running" and len(looks) == 2
        await asyncio.gather(first, return_exceptions=True)

    play(story)
