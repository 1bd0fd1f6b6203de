"""Campaigns of who has no account any more: their calls would be nobody's."""

import asyncio
from datetime import timedelta

import pytest

from actors.leads.lead import id_of
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from bus_schemas.campaign import (
    CAMPAIGN_LEAD_MARKED,
    CAMPAIGN_PAUSED,
    MARK_LEAD,
    CampaignPaused,
    CampaignStatus,
    Operators,
    StopMode,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadMarked, LeadStatus, MarkLead
from bus_schemas.user import FIND_EXTENSION, ExtensionFound, FindExtension
from simulators.carrier.rules import mobile
from tests.campaign.crowd import OWNERS, Crowd, owned
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


@pytest.mark.parametrize("gone", [True, False])
def test_a_callback_to_who_has_no_account_any_more_is_anybodys(gone: bool) -> None:
    async def story(site: Campaigns) -> None:
        async def find(request: FindExtension, context: Context) -> ExtensionFound:
            if gone and request.user == "cid":
                raise Refusal(ErrorCode.NOT_FOUND, "No such user.")
            return ExtensionFound(user=request.user, extension=None)

        point = Service(bus=site.world.gateways[0], queue="point", handlers=[serve(FIND_EXTENSION, find)])
        await point.start()
        crowd, number = Crowd(site), mobile(0, "2003")
        await crowd.all_ready("ann", "cid")
        await crowd.be("cid", "break")
        await site.create("c1", operators=Operators.TEAM, attempts_per_lead=2)
        await site.run("c1", [number])
        while not crowd.claims():
            await asyncio.sleep(0.1)
        wish = utc(site.world.clock.now() + timedelta(seconds=30))
        await site.until_done(MARK_LEAD, MarkLead(
            campaign_id="c1", lead=id_of(number), status=LeadStatus.CALLBACK, callback=wish, operator="cid"
        ))  # fmt: skip
        working = asyncio.ensure_future(crowd.work())
        await asyncio.sleep(90.0)
        assert [claim.operator for claim in crowd.claims()] == (["ann", "ann"] if gone else ["ann"])
        marks = on_record(site, CAMPAIGN_LEAD_MARKED.verb, CampaignLeadMarked)
        assert [(one.by, one.operator) for one in marks] == [("op", "cid"), *([("system", None)] if gone else [])]
        working.cancel()
        await point.stop()

    play(story, change=owned(*OWNERS))


def test_while_nobody_says_who_has_an_account_campaigns_go_on() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", [mobile(place, LONG) for place in range(60)])
        await asyncio.sleep(25.0)
        assert (await site.view("c1")).status is S.RUNNING
        await site.stop("c1", StopMode.HANGUP)

    play(story)
