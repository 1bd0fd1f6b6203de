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
from tests.support.depth import deep

CARRIERS, EXTENSIONS, SECONDS = 200, (10, 1_000), 3.0
AT_MOST = 4.0  # times what a hundredth of the extensions costs in the same run; each looked at would be a hundred


@deep  # `tests/dialing/test_offer_costs.py` counts what a few offers look at
def test_carriers_of_many_extensions_wait_at_little_cost() -> None:
    taken = list[float]()

    async def story(site: Campaigns) -> None:
        async def waits(place: int, extensions: int) -> None:
            these = tuple(range(1000 + place, 1000 + place + extensions))
            request = OfferLines(host="a", asker=f"c{place}", user="op", most=9, trunks=TrunkCarrier(extensions=these))
            context = Context(command_id=f"offer_{place}_{extensions}", user="op", actions=OFFER_LINES.needed)
            with suppress(Refusal):
                await ask(site.world.gateways[0], OFFER_LINES, request, context)

        for extensions in EXTENSIONS:
            waiting = [asyncio.ensure_future(waits(place, extensions)) for place in range(CARRIERS)]
            await asyncio.sleep(1.0)
            began = time.process_time()
            await asyncio.sleep(SECONDS)
            taken.append(time.process_time() - began)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    play(story)
    few, many = taken
    print(f"{CARRIERS} carriers of {EXTENSIONS[1]:,} extensions cost {many / few:.1f} times those of {EXTENSIONS[0]}")
    assert many / few < AT_MOST
