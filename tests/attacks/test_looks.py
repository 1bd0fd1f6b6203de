"""Who may see a campaign asks for looks at all its leads, again and again: they take turns, and others have theirs."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from actors.adapters.system_clock import SystemClock
from actors.campaign.carriage import NOBODY_KNOWS, Carriage
from actors.campaign.explain import Explaining
from actors.campaign.lines import HeldLines
from actors.campaign.looks import ALL, EACH, FEW, KEPT, Explanations, Looks, in_turns
from actors.campaign.pacing import Limit, Pace
from actors.campaign.record import Campaign, size
from actors.campaign.standing import standing
from actors.runtime.ids import derived
from bus_schemas.campaign import CampaignStatus, Mode
from bus_schemas.campaign_outlook import CampaignExplained
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead
from tests.campaign.played import NOON, Played, rows
from tests.support.turns import Others

LEADS, TURN = 10_000, 0.01  # with five numbers each; seconds of the processor until it is others' turn


async def looking(looks: Looks, user: str, seen: Callable[[], None], end: asyncio.Event) -> None:
    async with looks.turn(user):
        seen()
        await end.wait()


async def test_looks_take_turns_and_nobody_has_more_than_their_share() -> None:
    looks, end, at_once, most = Looks(), asyncio.Event(), 0, 0

    def seen() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)

    tasks = [asyncio.create_task(looking(looks, f"u{number % 50}", seen, end)) for number in range(1_000)]
    await asyncio.sleep(0.05)
    refused = [task for task in tasks if task.done()]
    codes = {error.code for task in refused if isinstance(error := task.exception(), Refusal)}
    print(f"{len(tasks)} looks asked of 50 users: {len(refused)} refused at once, {most} under way")
    assert most == 1 and len(refused) == len(tasks) - ALL and codes == {ErrorCode.RATE_LIMITED}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with looks.turn("u1"):  # nothing is held by who has gone
        pass


async def test_a_user_waits_for_their_own() -> None:
    looks, end = Looks(), asyncio.Event()
    own = [asyncio.create_task(looking(looks, "op12", lambda: None, end)) for _ in range(EACH)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal):
        async with looks.turn("op12"):
            pass
    other = asyncio.create_task(looking(looks, "op13", lambda: None, end))
    await asyncio.sleep(0)
    print(f"{EACH + 1} looks of one user: 1 refused, and another user's waits for its turn")
    end.set()
    await asyncio.gather(*own, other)


async def told(looks: Looks, user: str, leads: int | None = None) -> str:
    """With what a look is refused; empty: it is not."""
    try:
        async with looks.turn(user, leads):
            return ""
    except Refusal as refusal:
        return refusal.message


async def test_who_waits_in_vain_is_told_for_whom_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.campaign.looks.PATIENCE", 0.05)
    looks, end = Looks(), asyncio.Event()
    own = asyncio.create_task(looking(looks, "op12", lambda: None, end))
    await asyncio.sleep(0)
    said = await told(looks, "op12"), await told(looks, "op13")
    end.set()
    await own
    during_the_rest = await told(looks, "op13")  # which is nobody's, and for as long as the look was
    print(f"one's own look is under way: {said[0]} Somebody else's: {said[1]}")
    assert "for you" in said[0] and "for others" in said[1] and "for others" in during_the_rest


async def test_small_campaigns_do_not_wait_behind_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.campaign.looks.PATIENCE", 0.05)
    looks, end = Looks(), asyncio.Event()
    large = [asyncio.create_task(looking(looks, user, lambda: None, end)) for user in ("op12", "op12", "op13")]
    await asyncio.sleep(0)
    assert await told(looks, "op12", FEW) == "" and await told(looks, "op14", FEW) == ""
    assert await told(looks, "op14", FEW + 1) and await told(looks, "op14")
    print(f"{len(large)} looks at many leads: those at {FEW:,} are made beside them, also of the same user")
    end.set()
    await asyncio.gather(*large, return_exceptions=True)


def large() -> Played:
    played = Played()
    for first in range(0, LEADS, 2_000):
        leads = (
            Lead(id=derived("lead", str(place)), numbers=tuple(f"+3809{of}{place:07}" for of in range(5, 10)))
            for place in range(first, first + 2_000)
        )
        played.run(given=rows(*leads))
    return played


PACE = Pace(dials=0, limit=Limit.CARRIERS_FULL, mode=Mode.PROGRESSIVE)


async def test_a_look_at_many_leads_gives_others_a_turn_each_millisecond() -> None:
    played = large()
    campaign = played.state
    carriage = Carriage(campaign.settings.carriers, NOBODY_KNOWS, HeldLines())
    explaining = Explaining(campaign, PACE, carriage)
    others, began = Others(), time.thread_time()
    await asyncio.sleep(0)

    def count(place: int) -> None:
        explaining.count(standing(campaign, place, played.book, NOON, None))

    await in_turns(size(campaign), count, SystemClock())
    said = explaining.said(NOON)
    turns, took = others.end(), time.thread_time() - began
    print(f"{LEADS:,} leads of five numbers, {took:.2f} s: {others}")
    assert sum(group.leads for group in said.reasons) == LEADS
    assert others.longest < TURN and turns > took / TURN


class Clock(SystemClock):
    """One that the test sets."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


def explained(campaign: Campaign) -> CampaignExplained:
    return Explaining(campaign, PACE).said(NOON)


def kept_for(took: float, change: Callable[[Campaign], Campaign] = lambda campaign: campaign) -> float:
    """Seconds for which an answer is given again."""
    played, clock = Played(), Clock()
    played.create()
    known = Explanations(clock)
    began = clock.now
    clock.now += took
    known.keep(played.state, explained(played.state), began)
    since = clock.now
    while known.of(change(played.state)) is not None:
        clock.now += 0.01
    return clock.now - since


def test_an_answer_that_took_long_is_given_again_for_a_while() -> None:
    for took in (0.0, 0.01, 0.5, 2.0, 9.0):
        assert kept_for(took) == pytest.approx(min(10 * took, KEPT), abs=0.02)
    assert kept_for(31.0) == pytest.approx(31.0, abs=0.02)  # by then all who have asked were told to ask again
    print("6 looks: what took no time is not kept, what took long for", KEPT, "s, or as long as it took")


def other(**fields: Any) -> Callable[[Campaign], Campaign]:
    return lambda campaign: replace(campaign, **fields)


def test_who_changes_a_campaign_is_not_told_how_it_was() -> None:
    assert kept_for(5.0, other(status=CampaignStatus.PAUSED)) == 0.0
    assert kept_for(5.0, lambda campaign: other(settings=replace(campaign.settings, weight=3))(campaign)) == 0.0


async def test_after_a_look_others_have_as_long_as_it_took() -> None:
    looks, took = Looks(), 0.1
    began = time.monotonic()
    for _ in range(3):
        async with looks.turn("op12"):
            await asyncio.sleep(took)
    seconds = time.monotonic() - began
    print(f"3 looks of {took} s on end: {seconds:.2f} s")
    assert seconds > 4.9 * took
