"""Many campaigns with operators: whatever one of these does, they look at it one after the other, others between."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from actors.campaign.team_claims import claim_for_team
from bus_schemas.campaign import Operators
from bus_schemas.operator import OperatorStatus
from simulators.carrier.rules import mobile
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.large_team import Ahead, LargeTeam
from tests.campaign.played import NOON
from tests.campaign.world import Campaigns, play
from tests.support.steps import steps

CAMPAIGNS = 12
HOSTS = 2
IN_FLIGHT = 500  # calls
PACE, EACH = 40_000, 20  # steps that a pace takes, and for each operator
AGAIN = 10  # for each operator where a pace stands
S = OperatorStatus


class Looks:
    """In which turn of the loop campaigns have passed over all operators for a claim."""

    def __init__(self) -> None:
        self.turn = 0
        self.seen: Counter[int] = Counter()

    def look(self, *_: Any) -> None:
        if not self.seen[self.turn]:
            asyncio.get_running_loop().call_soon(self._next)
        self.seen[self.turn] += 1

    def _next(self) -> None:
        self.turn += 1


def test_no_campaigns_look_at_all_operators_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks()

    def counted(*args: Any, **more: Any) -> Any:
        looks.look()
        return claim_for_team(*args, **more)

    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        for number in range(CAMPAIGNS):
            await site.create(f"c{number}", operators=Operators.TEAM, hours="03:00-03:01")
            await site.run(f"c{number}", [mobile(number, "0001")])
        monkeypatch.setattr("actors.campaign.actor.claim_for_team", counted)
        for status in ("break", "ready", "break"):
            looks.seen.clear()
            await crowd.be("ann", status)
            await asyncio.sleep(0.4)  # before anybody tells the counts
            assert looks.seen.total() >= CAMPAIGNS
            most = max(looks.seen.values())
            print(f"a change of an operator: {looks.seen.total()} looks of {CAMPAIGNS} campaigns, {most} at once")
            assert most <= HOSTS

    play(story, change=owned(*OWNERS))


def test_no_change_is_looked_at_by_campaigns_it_does_not_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def counted(crew: Any, campaign: Any, *args: Any, **more: Any) -> Any:
        seen[campaign.campaign] += 1
        return claim_for_team(crew, campaign, *args, **more)

    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        for number in range(CAMPAIGNS):
            await site.create(f"c{number}", operators=Operators.TEAM, hours="03:00-03:01")
            await site.run(f"c{number}", [mobile(number, "0001")])
        await crowd.work_for("ann", "c3")
        await asyncio.sleep(1.0)
        monkeypatch.setattr("actors.campaign.actor.claim_for_team", counted)
        for status in ("break", "ready"):
            await crowd.be("ann", status)
            await asyncio.sleep(1.0)
        print(f"2 changes of an operator of one of {CAMPAIGNS} campaigns: {seen.total()} looks")
        assert seen == {"c3": 2}
        await crowd.work_for("ann", "c5")  # whom c3 has no more, and c5 has now
        await asyncio.sleep(1.0)
        assert seen == {"c3": 3, "c5": 1}

    play(story, change=owned(*OWNERS))


@pytest.mark.parametrize("operators", [10, 100, 1000])
def test_a_pace_takes_about_as_long_for_many_operators(operators: int) -> None:
    """It was one step for each dial over all operators: three million with 1,000."""
    campaign = Ahead(LargeTeam(operators))
    campaign.dials(NOON)  # what is learnt is looked at once a minute
    with steps() as taken:
        dials = campaign.dials(NOON + timedelta(seconds=2))
    print(f"{dials} dials for {operators} operators: {taken.count:,} steps")
    assert taken.count < PACE + EACH * operators


@pytest.mark.parametrize("sources", [2, 500])
def test_a_pace_takes_as_long_for_calls_of_many_lists(sources: int) -> None:
    """It made a histogram for each list: 14 ms for 1,000 calls, each of a list of its own."""
    counts = []
    for lists in (1, sources):
        campaign = Ahead(LargeTeam(30))
        campaign.call(IN_FLIGHT, lists, NOON)
        campaign.dials(NOON)
        with steps() as taken:
            campaign.dials(NOON + timedelta(seconds=2))
        counts.append(taken.count)
    print(f"{IN_FLIGHT} calls of 1 list: {counts[0]:,} steps; of {sources}: {counts[1]:,}")
    assert counts[1] < 1.5 * counts[0]


def test_a_change_is_passed_over_once_for_all_campaigns() -> None:
    operators = 1000
    team, now = LargeTeam(operators), NOON
    campaigns = [Ahead(team) for _ in range(CAMPAIGNS)]
    for campaign in campaigns:
        campaign.dials(now)
    for status, each in ((S.WRAP_UP, AGAIN * operators), (S.READY, PACE + EACH * operators)):
        now += timedelta(seconds=0.1)
        team.be("op1", status, now)
        campaigns[0].dials(now)
        with steps() as taken:
            for campaign in campaigns[1:]:
                campaign.dials(now)
        most = each * (CAMPAIGNS - 1)
        print(f"one of {operators} operators is {status} now: {taken.count:,} steps of {CAMPAIGNS - 1} campaigns more")
        assert taken.count < most


def test_counts_are_told_without_looking_ahead() -> None:
    campaign = Ahead(LargeTeam(1000))
    campaign.dials(NOON)
    with steps() as taken:
        campaign.crew.way(campaign.state, NOON)
        campaign.crew.by_status(campaign.state)
    print(f"how it dials, and how many of 1000 operators do what: {taken.count} steps")
    assert taken.count < 1000
