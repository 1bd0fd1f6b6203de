"""A stop against the dials that are about to be made, in all orders of their steps: claim, its write, the command that
asks for the call, its write, the order to the phone or PBX, and on the other side the stop, its write and its answer.
Two hosts, three phones and a PBX, in simulated time; what those have dialled is read from their own logs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from bus_schemas.campaign import PAUSE_CAMPAIGN, PauseCampaign, StopMode
from bus_schemas.carriers import Carriers, TrunkCarrier
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

RACES = plays(250)
OF_A_WORLD = 25
WORLDS = range(max(-(-RACES // OF_A_WORLD), 2))  # one with phones that are quick, and one with others
TRUNKS = TrunkCarrier(extensions=(1, 2, 3))
CARRIERS = (Carriers(), Carriers(trunks=TRUNKS), Carriers(slots=None, trunks=TRUNKS))
Race = Callable[[Campaigns, str, int, "Tally"], Awaitable[None]]
LONG, BUSY, TALKS = "9999", "0001", "2003"


@dataclass
class Tally:
    """`undecided`: races in which a call was claimed and never dialled, or dialled while the stop was under way."""

    stopped: int = 0
    undecided: int = 0
    late: list[str] = field(default_factory=list)


async def race(site: Campaigns, campaign: str, first: int, tally: Tally) -> None:
    """Run one campaign, stop it some steps later, and look at the phones' logs from the answer on."""
    world, random = site.world, site.world.random
    ending = random.choice((LONG, BUSY, TALKS))
    numbers = {mobile(place, ending) for place in range(first, first + random.randrange(1, 6))}
    await site.create(campaign, carriers=random.choice(CARRIERS))
    await site.run(campaign, sorted(numbers))
    # Mostly while the first calls are on their way; now and then when one is over and the next begins.
    await asyncio.sleep(random.choice((0.01, 0.03, 0.03, 1.1, 5.0)) * random.random())
    asked = world.now
    answer = await site.stop(campaign, random.choice(list(StopMode)))
    answered = world.now
    await site.until_over(campaign)
    dials = [call for call in world.book.ordered() if call.number in numbers]
    tally.stopped += 1
    tally.undecided += any(asked <= call.created <= answered for call in dials) or answer.in_progress > len(dials)
    tally.late += [f"{call.number} {call.created - answered:.3f} s after" for call in dials if call.created > answered]


async def race_of_a_pause(site: Campaigns, campaign: str, first: int, tally: Tally) -> None:
    """The same with a pause, after which it goes on."""
    world, random = site.world, site.world.random
    numbers = {mobile(place, random.choice((LONG, BUSY, TALKS))) for place in range(first, first + 6)}
    await site.run(campaign, sorted(numbers))
    await asyncio.sleep(random.choice((0.01, 0.03, 0.03, 1.1, 5.0)) * random.random())
    asked = world.now
    await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=campaign))
    answered = world.now
    await asyncio.sleep(2.0)
    dials = [call for call in world.book.ordered() if call.number in numbers]
    tally.stopped += 1
    tally.undecided += any(asked <= call.created <= answered for call in dials)
    tally.late += [f"{call.number} {call.created - answered:.3f} s after" for call in dials if call.created > answered]
    await site.stop(campaign, StopMode.HANGUP)
    await site.until_over(campaign)


def raced(seed: int, race: Race, what: str, capsys: pytest.CaptureFixture[str]) -> Tally:
    """A world of races. In every other one phones take their time, or do what they are told and do not say so."""
    tally = Tally()

    async def story(site: Campaigns) -> None:
        if seed % 2:
            site.world.impairments.slow, site.world.impairments.deaf = 0.2, 0.05
        for number in range(OF_A_WORLD):
            await race(site, f"c{number}", 10 * number, tally)

    play(story, seed=seed)
    with capsys.disabled():
        print(f"{tally.stopped} {what} tried, {tally.undecided} during a dial, {len(tally.late)} late dials")
    return tally


@pytest.mark.parametrize("seed", WORLDS)
def test_no_phone_dials_after_a_pause_was_answered(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = raced(seed, race_of_a_pause, "pauses", capsys)
    assert not tally.late and tally.stopped == OF_A_WORLD and tally.undecided > 2


@pytest.mark.parametrize("seed", WORLDS)
def test_no_phone_dials_after_a_stop_was_answered(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally = raced(seed, race, "stops", capsys)
    assert not tally.late and tally.stopped == OF_A_WORLD and tally.undecided > 1
