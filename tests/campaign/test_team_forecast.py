"""A dry run of a campaign with operators is what then happens: in each mode, on phones and trunks."""

import asyncio
from typing import Any

import pytest

from bus_schemas.campaign import CampaignStatus, Mode, Operators, StopMode
from bus_schemas.campaign_outlook import DRY_RUN, CampaignForecast, DryRun
from bus_schemas.carriers import Carriers, TrunkCarrier
from bus_schemas.lead import LeadStatus
from bus_schemas.preview import PREVIEW_LEAD, PreviewLead
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.test_team_joins import BUSY, LONG, Joins, after_some_answers, numbers, told
from tests.campaign.test_team_lines import poles
from tests.campaign.test_trunk_carriage import polish
from tests.campaign.world import Campaigns, play

TEAM = {"operators": Operators.TEAM, "attempts_per_lead": 1}
ON_TRUNKS = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))
SHORT, LONGER = 0.25, 2.0  # minutes, in which who talks for long goes on to do so, or does not


async def foretold(site: Campaigns, campaign: str = "c1", **more: Any) -> CampaignForecast:
    request = DryRun(campaign_id=campaign, **{"minutes": LONGER, **more})
    found: CampaignForecast = await site.until_done(DRY_RUN, request)
    return found


async def as_foretold(crowd: Crowd, leads: list[str], *, answered: float, seconds: float) -> CampaignForecast:
    """A campaign has just been run with these leads, and is after a while as was said then."""
    minutes, before = SHORT if answered else LONGER, len(crowd.claims())
    await crowd.site.run("c1", leads)
    found = await foretold(crowd.site, minutes=minutes, answered=answered, seconds=seconds)
    after, ended = len(crowd.claims()), len(crowd.ends())
    working = asyncio.ensure_future(crowd.work())
    await asyncio.sleep(minutes * 60.0)
    working.cancel()
    then = await crowd.site.view("c1")
    assert (found.status, found.by_status) == (then.status, then.by_status)
    assert len(crowd.claims()) - after <= found.attempts <= len(crowd.claims()) - before  # it was asked meanwhile
    assert found.abandoned == sum(one.outcome == "abandoned" for one in crowd.ends()[ended:])
    await crowd.site.stop("c1", StopMode.HANGUP)
    return found


def with_crowd(story: Any, *owners: tuple[int, str], change: Any = lambda settings: settings) -> None:
    play(lambda site: story(Crowd(site)), change=lambda settings: owned(*owners)(change(settings)))


@pytest.mark.parametrize("carriers", [Carriers(), ON_TRUNKS, Carriers(trunks=ON_TRUNKS.trunks)])
@pytest.mark.parametrize(("ending", "answered", "seconds"), [(LONG, 1.0, 3600.0), (BUSY, 0.0, 2.0)])
@pytest.mark.parametrize("settings", [{}, {"mode": Mode.PREDICTIVE}])
def test_operators_have_one_call_each(
    carriers: Carriers, ending: str, answered: float, seconds: float, settings: dict[str, Any]
) -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann", "bob", "eve")
        await crowd.site.create("c1", **{**TEAM, **settings, "carriers": carriers})
        found = await as_foretold(crowd, numbers(8, ending), answered=answered, seconds=seconds)
        assert (found.operators, found.lines, found.mode) == (3, 2, Mode.PROGRESSIVE)  # one has no line
        assert found.fallback == ("own_lines" if settings else None)

    with_crowd(story, *OWNERS)


def test_whom_no_line_of_an_operator_may_call_is_not_called() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann", "bob")
        await crowd.site.create("c1", **TEAM)
        leads = [*(polish(place, BUSY) for place in range(2)), *numbers(4, BUSY)]
        found = await as_foretold(crowd, leads, answered=0.0, seconds=2.0)
        assert (found.by_status[LeadStatus.NEW], found.status) == (2, CampaignStatus.RUNNING)

    with_crowd(story, *OWNERS, change=poles)


@pytest.mark.parametrize("settings", [{}, {"ratio": 3.0}, {"abandoned_share": 0.0}, {"mode": Mode.PREDICTIVE}])
def test_calls_that_wait_are_taken_or_abandoned(settings: dict[str, Any]) -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd, **settings)
        found = await as_foretold(crowd, numbers(12, LONG), answered=1.0, seconds=3600.0)
        wanted = {(): (6, 3), ("ratio",): (9, 6), ("abandoned_share",): (3, 0)}.get(tuple(settings))
        assert found.operators == 3 and (wanted is None or (found.lines, found.abandoned) == wanted)

    told(story)


def test_in_preview_it_says_what_operators_would_be_shown() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann", "bob")
        await crowd.site.create("c1", **TEAM, mode=Mode.PREVIEW)
        await crowd.site.run("c1", numbers(5, LONG))
        await asyncio.sleep(1.0)
        found = await foretold(crowd.site)
        assert (found.attempts, found.status, found.lines) == (0, CampaignStatus.RUNNING, 2)
        assert (found.limit, found.needs) == ("operators_decide", "another mode")
        for user, lead in found.offered.items():
            assert (await crowd.ask(user, PREVIEW_LEAD, PreviewLead(campaign_id="c1"))).lead == lead
        assert [*found.offered] == ["ann", "bob"]
        assert (await foretold(crowd.site)).offered == found.offered  # what they look at

    with_crowd(story, *OWNERS)


def test_with_nobody_there_it_says_what_it_needs() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", numbers(5, LONG))
        nobody = await foretold(crowd.site)
        assert (nobody.operators, nobody.lines, nobody.attempts, nobody.limit) == (0, 0, 0, "no_operators")
        await crowd.all_ready("eve")
        lineless = await foretold(crowd.site)
        assert (lineless.operators, lineless.lines, lineless.limit) == (1, 0, "carriers_full")
        assert lineless.status is CampaignStatus.RUNNING and lineless.idle_share == 1.0

    with_crowd(story, *OWNERS)


def test_who_wraps_up_is_called_for_afterwards() -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **TEAM)
        await crowd.site.run("c1", numbers(30, LONG))
        for wrap_up, attempts in ((0.0, 8), (30.0, 3), (60.0, 2)):  # beside the one that is under way
            found = await foretold(crowd.site, answered=1.0, seconds=15.0, wrap_up=wrap_up)
            assert abs(found.attempts - attempts) <= 1, (wrap_up, found)
        assert (await foretold(crowd.site, answered=1.0, seconds=3600.0)).attempts == 0

    with_crowd(story, *OWNERS)
