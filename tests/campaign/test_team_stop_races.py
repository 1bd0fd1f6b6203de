"""A stop against the dials that a campaign with operators is about to make, as `test_stop_races.py` has it, and against
what comes between an answer and its operator: nobody is dialled, kept or taken to a desk for it afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from actors.campaign.lookahead import PATIENCE
from bus_schemas.campaign import Mode, Operators, StopMode
from simulators.carrier.rules import mobile
from tests.campaign.crowd import OWNERS, Crowd
from tests.campaign.test_stop_races import BUSY, LONG, OF_A_WORLD, TALKS, Tally
from tests.campaign.test_team_joins import POWER, Joins, desks, on_trunks
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

RACES = plays(100)  # of each
WORLDS = range(-(-RACES // OF_A_WORLD))
ONE_EACH: tuple[dict[str, Any], ...] = (  # calls for an operator who is kept for it
    {"operators": Operators.TEAM, "attempts_per_lead": 1},
    {**POWER, "mode": Mode.PROGRESSIVE},
)
AT_DESKS: tuple[dict[str, Any], ...] = ({**POWER, "ratio": 3.0}, {**POWER, "mode": Mode.PREDICTIVE})


async def all_ready_again(crowd: Crowd) -> None:
    """Whatever the last campaign has left them in, which is to be over within a wrap-up."""
    for _, user in OWNERS:
        async with asyncio.timeout(90.0):
            while (seen := await crowd.see(user)).status != "ready" or seen.reserved_by or seen.calls:
                if seen.status in ("wrap_up", "offline"):
                    await crowd.be(user, "ready")
                await asyncio.sleep(0.5)


async def race(crowd: Crowd, campaign: str, settings: dict[str, Any], first: int, tally: Tally) -> None:
    """Run one campaign, stop it some steps later, and look at the logs of phones and PBX from the answer on."""
    site, random = crowd.site, crowd.world.random
    numbers = {mobile(place, random.choice((LONG, BUSY, TALKS))) for place in range(first, first + 6)}
    await site.create(campaign, **settings)
    await site.run(campaign, sorted(numbers))
    await asyncio.sleep(random.choice((0.01, 0.03, 1.1, 1.6, 3.2, 5.0)) * random.random())
    asked, how = crowd.world.now, random.choice(list(StopMode))
    answer = await site.stop(campaign, how)
    answered = crowd.world.now
    await site.until_over(campaign)
    calls = [call for call in crowd.world.book.ordered() if call.number in numbers]
    tally.stopped += 1
    tally.undecided += any(asked <= call.created <= answered for call in calls) or answer.in_progress > len(calls)
    tally.late += [f"{call.number} {call.created - answered:.3f} s after" for call in calls if call.created > answered]
    if how is StopMode.HANGUP:
        taken = [(call.number, at) for call in calls for at, _ in call.joined if at > answered + PATIENCE]
        tally.late += [f"{number} joined {at - answered:.3f} s after" for number, at in taken]
    await all_ready_again(crowd)


async def raced(crowd: Crowd, seed: int, ways: Sequence[dict[str, Any]], tally: Tally) -> None:
    """A world of races. In every other one phones take their time, or do what they are told and do not say so."""
    if seed % 2:
        crowd.world.impairments.slow, crowd.world.impairments.deaf = 0.2, 0.05
    await crowd.all_ready()
    for number in range(OF_A_WORLD):
        await race(crowd, f"c{number}", ways[number % len(ways)], 10 * number, tally)
    crowd.check()


def judged(tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"{tally.stopped} stops of teams tried, {tally.undecided} during a dial, {len(tally.late)} late")
    assert not tally.late and tally.stopped == OF_A_WORLD and tally.undecided > 0


@pytest.mark.parametrize("seed", WORLDS)
def test_no_line_dials_for_an_operator_after_a_stop(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    async def story(site: Campaigns) -> None:
        async with desks(site):
            await raced(Crowd(site), seed, ONE_EACH, tally)

    play(story, seed=seed, change=on_trunks)
    judged(tally, capsys)


@pytest.mark.parametrize("seed", WORLDS)
def test_no_desk_gets_a_call_that_a_stop_has_ended(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    async def story(site: Campaigns) -> None:
        async with desks(site):
            await raced(Joins(site), seed, AT_DESKS, tally)

    play(story, seed=seed, change=on_trunks)
    judged(tally, capsys)
