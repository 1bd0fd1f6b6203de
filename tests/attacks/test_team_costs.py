"""Many campaigns with operators: whatever one of these does, they look at it one after the other, others between."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from actors.campaign.team_claims import claim_for_team
from bus_schemas.campaign import Operators
from simulators.carrier.rules import mobile
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.world import Campaigns, play

CAMPAIGNS = 12
HOSTS = 2


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

    def counted(*args: Any) -> Any:
        looks.look()
        return claim_for_team(*args)

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
