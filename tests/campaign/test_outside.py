"""What a campaign has others do, when something comes in between: a stop, another campaign, a host that stood still."""

import asyncio

import msgspec
import pytest

from actors.leads.lead import id_of
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.campaign import PAUSE_CAMPAIGN, CampaignStatus, PauseCampaign, StopMode
from bus_schemas.errors import Refusal
from bus_schemas.host import OFFER_LINES, START_OFFERED, OfferLines, StartOffered
from simulators.carrier.rules import mobile
from simulators.world.world import SLOTS_OF
from tests.campaign.test_takeover import claims, ends
from tests.campaign.world import Campaigns, play

S = CampaignStatus
LONG, TALKS = "9999", "2003"


def test_a_stop_between_a_claim_and_its_call_holds() -> None:
    """The own claim is heard late: by then the campaign was stopped."""

    async def story(site: Campaigns) -> None:
        world = site.world
        await site.run("c0", [mobile(900, "0001")])  # both hosts have what they need
        for life in world.lives:
            life.bus._step = _slow_to_hear
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        while not any(one.campaign == "c1" for one in claims(world)):
            await asyncio.sleep(0.01)
        answer = await site.stop("c1")
        found = await site.until_over("c1")
        begun = [one for one in claims(world) if one.campaign == "c1"]
        assert answer.in_progress == len(begun) == found.attempts
        assert not {one.number for one in begun} & set(site.dials())
        assert {one.outcome for one in ends(world) if one.campaign == "c1"} == {"not_dialed"}

    play(story)


def test_a_pause_between_a_claim_and_its_call_holds() -> None:
    async def story(site: Campaigns) -> None:
        world = site.world
        await site.run("c0", [mobile(900, "0001")])
        for life in world.lives:
            life.bus._step = _slow_to_hear
        await site.run("c1", [mobile(place, LONG) for place in range(6)])
        while not (begun := [one for one in claims(world) if one.campaign == "c1"]):
            await asyncio.sleep(0.01)
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
        await asyncio.sleep(10.0)
        assert not {one.number for one in begun} & set(site.dials())
        asked_for = {one.event.command_id for one in world.stored if one.subject.endswith(".dialing")}
        assert not {one.command_id for one in begun} & asked_for  # the line would have refused to dial
        await site.stop("c1")

    play(story)


async def _slow_to_hear(name: str) -> None:
    await asyncio.sleep(2.0 if name.startswith("before hearing ottb.v1.evt.campaign.c1.attempt_claimed") else 0.001)


def test_two_campaigns_that_claim_a_number_at_once_call_it_once() -> None:
    async def story(site: Campaigns) -> None:
        world, number = site.world, mobile(1, LONG)
        await site.run("c0", [mobile(900, "0001")])
        for life in world.lives:
            life.bus._step = _slow_to_hear_any
        await asyncio.gather(*(site.run(f"c{place}", [number]) for place in range(1, 4)))
        await asyncio.sleep(20.0)
        assert len([one for one in claims(world) if one.number == number]) > 1  # each knew of no other
        assert site.dials()[number] == 1
        await asyncio.gather(*(site.stop(f"c{place}", StopMode.HANGUP) for place in range(1, 4)))

    play(story)


async def _slow_to_hear_any(name: str) -> None:
    heard = name.startswith("before hearing ottb.v1.evt.campaign.") and name.endswith("claimed")
    await asyncio.sleep(2.0 if heard else 0.001)


def test_an_attempt_of_another_campaign_that_is_heard_late_counts() -> None:
    """It was begun and over before the claim, and whoever claimed had heard nothing of it."""

    async def story(site: Campaigns) -> None:
        world, number = site.world, mobile(1, "0001")
        names = [f"c{place}" for place in range(8)]
        for name in names:
            await site.create(name, attempts_per_lead=1)
        one, other = world.lives
        first, second = (next(name for name in names if site.owner(name) is life) for life in (one, other))

        async def slow(name: str) -> None:
            late = name == f"before hearing ottb.v1.evt.campaign.{first}.attempt_claimed"
            await asyncio.sleep(6.0 if late else 0.001)

        other.bus._step = slow
        await site.run(first, [number])
        await site.until_over(first)
        await site.run(second, [number])
        await asyncio.sleep(20.0)
        assert [one.campaign for one in claims(world)] == [first, second]
        assert site.dials()[number] == 1

    play(story)


def test_a_host_begins_nothing_that_it_is_asked_for_too_late() -> None:
    async def story(site: Campaigns) -> None:
        bus, now = site.world.gateways[0], site.world.clock.now
        context = Context(command_id="one", user="op")
        offered = await ask(bus, OFFER_LINES, OfferLines(host="a", asker="c1", user="op", most=2), context)
        assert len(offered.lines) == 2
        late, soon = (
            StartOffered(host="a", asker="c1", line=line, number=mobile(line.slot, LONG), until=utc(now()))
            for line in offered.lines
        )
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal) as refused:
            await ask(bus, START_OFFERED, late, context)
        assert (refused.value.details or {})["rule"] == "too_late"
        in_time = msgspec.structs.replace(soon, until="2099-01-01T00:00:00.000Z")
        await ask(bus, START_OFFERED, in_time, Context(command_id="two", user="op"))
        await asyncio.sleep(2.0)
        assert dict(site.dials()) == {in_time.number: 1}

    play(story)


def test_what_a_dead_owner_asked_for_and_is_not_on_record_never_will_be() -> None:
    """The slot's host takes a minute to write the attempt, and the new owner finds nothing."""

    async def story(site: Campaigns) -> None:
        world = site.world
        names = [f"c{place}" for place in range(8)]
        await asyncio.gather(*(site.run(name, [mobile(900 + place, "0001")]) for place, name in enumerate(names)))
        await asyncio.sleep(10.0)
        one, other = world.lives
        mine = next(name for name in names if site.owner(name) is one)
        other.bus._step = _slow_to_begin
        await site.run(mine, [mobile(place, TALKS) for place in range(3)])
        while len([claim for claim in claims(world) if claim.number.endswith(TALKS)]) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        world.crash(one)
        await asyncio.sleep(10.0)
        begun = {claim.number for claim in claims(world) if claim.number.endswith(TALKS)}
        [number] = begun - {one for slot in SLOTS_OF["a"] for one in world.phone(slot).dials}
        assert [end.outcome for end in ends(world) if end.lead == id_of(number)] == ["not_dialed"]
        other.bus._step = world._pass_time
        await asyncio.sleep(50.0)
        assert not world.phone(3).dials[1:] or world.phone(3).dials[-1] != number

    play(story)


async def _slow_to_begin(name: str) -> None:
    late = name.startswith("before append ottb.v1.evt.call.slot-3.") and name.endswith(".dialing")
    await asyncio.sleep(50.0 if late else 0.001)
