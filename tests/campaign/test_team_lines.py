"""What lines the operators of a campaign have, and that a campaign says so where they have none."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from actors.campaign.hope import GIVE_UP
from actors.settings import Settings
from bus_schemas.campaign import CampaignStatus, Mode, Operators
from bus_schemas.campaign_outlook import LeadsByReason
from bus_schemas.carriers import Carriers, TrunkCarrier
from simulators.carrier.rules import mobile
from simulators.world.world import with_slot
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.test_team_joins import POWER, Joins, told
from tests.campaign.test_trunk_carriage import polish
from tests.campaign.world import Campaigns, play

BUSY, LONG = "0001", "9999"
TEAM = {"operators": Operators.TEAM, "attempts_per_lead": 1}
ON_TRUNKS = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


async def reasons(site: Campaigns, campaign: str = "c1") -> dict[str, LeadsByReason]:
    found = await site.explain(campaign)
    assert sum(one.leads for one in found.reasons) == found.leads
    return {one.reason: one for one in found.reasons if one.reason != "under_way"}


def with_crowd(
    story: Callable[[Crowd], Awaitable[None]], *owners: tuple[int, str], change: Any = lambda settings: settings
) -> None:
    """Operators who stay, with these slots."""

    async def they_stay(site: Campaigns) -> None:
        crowd = Crowd(site)
        working = asyncio.ensure_future(crowd.work())
        await story(crowd)
        working.cancel()

    play(they_stay, change=lambda settings: owned(*owners)(change(settings)))


def at_home(settings: Settings) -> Settings:
    """Each SIM calls its own country alone."""
    return replace(settings, dial=replace(settings.dial, countries=(), site_region="UA"))


def test_that_operators_who_are_ready_have_no_slot_is_said() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("eve", "ann")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", numbers(5, LONG))
        await asyncio.sleep(10.0)
        found = await reasons(crowd.site)
        assert {reason: one.leads for reason, one in found.items()} == {"no_line": 4}
        assert found["no_line"].words == (
            "no operator who is ready has a line that it may use; ready without a line: eve"
        )
        await crowd.be("eve", "break")
        await asyncio.sleep(2.0)
        assert list(await reasons(crowd.site)) == ["no_operator_ready"]

    with_crowd(story, *OWNERS)


def test_that_no_operator_has_any_line_is_no_end_of_the_campaign() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", numbers(2, BUSY))
        await asyncio.sleep(GIVE_UP + 60.0)
        assert list(await reasons(crowd.site)) == ["no_line"]
        await crowd.be("ann", "offline")
        await asyncio.sleep(2.0)
        assert list(await reasons(crowd.site)) == ["no_operators"]
        assert (await crowd.site.view("c1")).status is CampaignStatus.RUNNING

    with_crowd(story)


def test_that_phones_of_operators_cannot_be_reached_is_said() -> None:
    async def story(crowd: Crowd) -> None:
        crowd.world.phone(1).unplug()
        await asyncio.sleep(10.0)
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", numbers(3, LONG))
        await asyncio.sleep(5.0)
        assert {reason: one.leads for reason, one in (await reasons(crowd.site)).items()} == {"slots_down": 3}

    with_crowd(story, *OWNERS)


def test_a_team_campaign_ends_whose_rest_nobody_of_it_can_call() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann", "bob")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", [*numbers(2, BUSY), *(polish(place, BUSY) for place in range(3))])
        await asyncio.sleep(30.0)
        found = await reasons(crowd.site)
        assert found["country"].leads == 3 and found["country"].words == "no line that it may use may call PL"
        over = await crowd.site.until_over("c1", within=GIVE_UP + 60.0)
        assert (over.status, over.attempts) == (CampaignStatus.FINISHED, 2)
        assert (await reasons(crowd.site))["country"].leads == 3

    with_crowd(story, *OWNERS, change=at_home)


def poles(settings: Settings) -> Settings:
    """One SIM is of Poland."""
    return with_slot(at_home(settings), 3, region="PL")


def test_who_is_away_and_could_call_the_rest_is_waited_for() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready()
        await crowd.be("cid", "break")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", [polish(place, BUSY) for place in range(2)])
        await asyncio.sleep(GIVE_UP + 60.0)
        found = await reasons(crowd.site)
        assert found["operator_not_ready"].words == "no operator who is ready has a line that may call PL"
        await crowd.be("cid", "ready")
        over = await crowd.site.until_over("c1")
        assert over.attempts == 2 and {claim.operator for claim in crowd.claims()} == {"cid"}

    with_crowd(story, *OWNERS, change=poles)


def test_the_second_slot_of_an_operator_calls_whom_the_first_may_not() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", [polish(1, BUSY), *numbers(1, BUSY), polish(2, BUSY)])
        found = await crowd.site.until_over("c1", within=120.0)
        assert found.attempts == 3
        assert len(crowd.world.phone(3).dials) == 2 and crowd.site.dials().total() == 3

    with_crowd(story, (1, "ann"), (3, "ann"), change=poles)


def test_that_trunks_of_operators_are_down_or_full_is_said() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann", "eve")
        await crowd.site.create("c1", **TEAM, carriers=ON_TRUNKS)
        await crowd.site.run("c1", numbers(4, LONG))
        await asyncio.sleep(5.0)
        assert {reason: one.leads for reason, one in (await reasons(crowd.site)).items()} == {"no_line": 3}
        await crowd.be("eve", "break")
        crowd.world.switch.cut()
        await crowd.be("bob", "ready")
        await asyncio.sleep(5.0)
        found = await reasons(crowd.site)
        assert "trunk trunk-1 is down: cut" in found["trunk_down"].words
        crowd.world.switch.mend()

    with_crowd(story, *OWNERS)


def test_whom_no_trunk_that_joins_may_call_is_told_and_not_waited_for() -> None:
    async def story(crowd: Joins) -> None:
        working = asyncio.ensure_future(crowd.work())
        await crowd.all_ready()
        await crowd.site.create("c1", **POWER)
        await crowd.site.run("c1", [*numbers(2, BUSY), *(polish(place, BUSY) for place in range(3))])
        await asyncio.sleep(30.0)
        assert (await reasons(crowd.site))["country"].leads == 3
        over = await crowd.site.until_over("c1", within=GIVE_UP + 60.0)
        working.cancel()
        assert (over.status, over.attempts) == (CampaignStatus.FINISHED, 2)

    told(story)


def test_why_channels_carry_no_calls_that_wait_is_said() -> None:
    async def story(crowd: Joins) -> None:
        await crowd.all_ready()
        await crowd.site.create("c1", **POWER)
        crowd.world.switch.cut()
        await asyncio.sleep(5.0)
        await crowd.site.run("c1", numbers(4, LONG))
        await asyncio.sleep(10.0)
        found = await reasons(crowd.site)
        assert found["trunk_down"].leads == 4
        assert found["trunk_down"].words == "trunk trunk-1 is down: cut; trunk trunk-2 is down: cut"
        await crowd.site.configure("c1", mode=Mode.PREDICTIVE)
        await asyncio.sleep(2.0)
        assert (await reasons(crowd.site))["trunk_down"].leads == 4
        crowd.world.switch.mend()

    told(story)
