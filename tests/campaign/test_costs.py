"""What a call of a campaign costs on the bus: counted in simulated time, not measured."""

import asyncio
from pathlib import Path

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.campaign import RUN_CAMPAIGN, RunCampaign
from bus_schemas.lead import GivenLead
from bus_schemas.permissions import Action
from simulators.carrier.rules import mobile
from tests.call.test_costs import Counted, in_time

LEADS = 20
MOST = 12  # bus messages of one call, of which two tell whoever made the campaign
# However many calls there are: its counts are said twice a second, and it is asked whether its maker is still there.
ITSELF = (".tel.campaign", ".qry.user.extension")


def test_a_call_of_a_campaign_costs_twelve_messages(tmp_path: Path) -> None:
    """Where the campaign and the slot are on one host, neither the line nor the call is asked for over the bus."""

    async def story(site: Counted) -> None:
        leads = tuple(GivenLead(number=mobile(place, "3005")) for place in range(LEADS))
        context = Context(command_id="r", user="op12", actions=frozenset({Action.CAMPAIGN_RUN}))
        await asyncio.sleep(5.0)
        await ask(site.client, RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=leads), context)
        site.steps.clear()
        await asyncio.sleep(LEADS * 6.0)
        begun = [name for name in site.steps if name.endswith("attempt_claimed") and name.startswith("append")]
        messages = [name for name in site.messages() if not any(idle in name for idle in ITSELF)]
        assert len(begun) == LEADS
        assert len(messages) / LEADS <= MOST, "\n".join(messages[-30:])
        assert not any(".cmd.host." in name for name in messages)

    in_time(tmp_path, story)
