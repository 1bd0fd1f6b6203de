"""Campaigns of who has no account any more: their calls would be nobody's."""

import asyncio

import pytest

from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from bus_schemas.campaign import CAMPAIGN_PAUSED, CampaignPaused, CampaignStatus, StopMode
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import FIND_EXTENSION, ExtensionFound, FindExtension
from simulators.carrier.rules import mobile
from tests.campaign.test_dispositions import on_record
from tests.campaign.world import Campaigns, play

S = CampaignStatus
LONG = "9999"


@pytest.mark.parametrize("deleted", [True, False])
def test_who_has_no_account_any_more_goes_on_calling_nobody(deleted: bool) -> None:
    async def story(site: Campaigns) -> None:
        gone = False

        async def find(request: FindExtension, context: Context) -> ExtensionFound:
            if gone and deleted:
                raise Refusal(ErrorCode.NOT_FOUND, "No such user.")
            return ExtensionFound(user=request.user, extension=None, active=not gone)

        point = Service(bus=site.world.gateways[0], queue="point", handlers=[serve(FIND_EXTENSION, find)])
        await point.start()
        await site.run("c1", [mobile(place, LONG) for place in range(60)])
        await asyncio.sleep(25.0)
        assert (await site.view("c1")).status is S.RUNNING
        gone = True
        await asyncio.sleep(12.0)
        assert (await site.view("c1")).status is S.PAUSED
        dials = site.dials()
        await asyncio.sleep(60.0)
        assert site.dials() == dials
        assert [one.by for one in on_record(site, CAMPAIGN_PAUSED.verb, CampaignPaused)] == ["system"]
        await site.stop("c1", StopMode.HANGUP)
        await point.stop()

    play(story)


def test_while_nobody_says_who_has_an_account_campaigns_go_on() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(60)])
        await asyncio.sleep(25.0)
        assert (await site.view("c1")).status is S.RUNNING
        await site.stop("c1", StopMode.HANGUP)

    play(story)
