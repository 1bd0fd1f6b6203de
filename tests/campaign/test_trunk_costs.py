"""Many carriers of a thousand extensions each, none of which is free: what waiting for them costs."""

import asyncio
import time
from contextlib import suppress

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.host import OFFER_LINES, OfferLines
from tests.campaign.world import Campaigns, play

CARRIERS, EXTENSIONS, SECONDS = 200, 1_000, 3.0
SHARE = 0.6  # of a processor, with the rest of the world, under whatever else the machine does


def test_carriers_of_many_extensions_wait_at_little_cost() -> None:
    async def story(site: Campaigns) -> None:
        async def waits(place: int) -> None:
            extensions = tuple(range(1000 + place, 1000 + place + EXTENSIONS))
            request = OfferLines(
                host="a", asker=f"c{place}", user="op", most=9, trunks=TrunkCarrier(extensions=extensions)
            )
            context = Context(command_id=f"offer_{place}", user="op", actions=OFFER_LINES.needed)
            with suppress(Refusal):
                await ask(site.world.gateways[0], OFFER_LINES, request, context)

        waiting = [asyncio.ensure_future(waits(place)) for place in range(CARRIERS)]
        await asyncio.sleep(1.0)
        began = time.process_time()
        await asyncio.sleep(SECONDS)
        taken = time.process_time() - began
        print(f"{CARRIERS} carriers of {EXTENSIONS:,} extensions: {taken / SECONDS:.2f} s of the processor a second")
        assert taken / SECONDS < SHARE
        for one in waiting:
            one.cancel()

    play(story)
