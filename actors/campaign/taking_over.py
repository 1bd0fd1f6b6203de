"""What the new owner of a campaign makes of its leads. There may be a million, so others have their turn meanwhile."""

import asyncio
from itertools import chain

from msgspec.structs import replace

from actors.campaign.crew import Crew
from actors.campaign.figures import Figures
from actors.campaign.record import Campaign
from actors.campaign.selection import Selection
from bus_schemas.campaign import Operators


async def taken_in(campaign: Campaign, crew: Crew) -> tuple[Selection, Figures, Crew]:
    """Who is called when, the counts, and its operators, who learn how it went, of a campaign to which nothing happens
    meanwhile."""
    none = replace(campaign, leads=())
    selection, figures = Selection(none), Figures(none)
    learning = crew.learning(campaign) if campaign.settings.operators is Operators.TEAM else ()
    for _ in chain(selection.adding(campaign), figures.adding(campaign), learning):
        await asyncio.sleep(0)
    return selection, figures, crew
