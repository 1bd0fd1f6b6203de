"""What the new owner of a campaign makes of its leads. There may be a million, so others have their turn meanwhile."""

import asyncio
from itertools import chain

from msgspec.structs import replace

from actors.campaign.figures import Figures
from actors.campaign.record import Campaign
from actors.campaign.selection import Selection


async def taken_in(campaign: Campaign) -> tuple[Selection, Figures]:
    """Who is called when, and the counts, of a campaign to which nothing happens meanwhile."""
    none = replace(campaign, leads=())
    selection, figures = Selection(none), Figures(none)
    for _ in chain(selection.adding(campaign), figures.adding(campaign)):
        await asyncio.sleep(0)
    return selection, figures
