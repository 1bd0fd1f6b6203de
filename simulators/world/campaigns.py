"""Those who run campaigns in a simulated world, beside its callers: they run, pause, stop, configure, mark and change
at any time, some leads are of two campaigns, and callers dial some of them by hand."""

import asyncio
from typing import Any

from actors.leads.lead import id_of
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.campaign import (
    CONFIGURE_CAMPAIGN,
    GET_CAMPAIGN,
    MARK_LEAD,
    OUTCOMES,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_CAMPAIGN,
    STOP_CAMPAIGN,
    ConfigureCampaign,
    GetCampaign,
    PauseCampaign,
    ResumeCampaign,
    RunCampaign,
    StopCampaign,
    StopMode,
)
from bus_schemas.campaign_outlook import EXPLAIN_CAMPAIGN, ExplainCampaign
from bus_schemas.carriers import Carriers, SlotCarrier, TrunkCarrier
from bus_schemas.contract import Rpc
from bus_schemas.crm import EDIT_LEAD, EditLead
from bus_schemas.errors import Refusal
from bus_schemas.lead import GivenLead, LeadStatus, MarkLead
from simulators.carrier.rules import mobile
from simulators.world.callers import EVERYTHING, PASSING, WINDOW, Callers
from simulators.world.records import CAMPAIGNERS
from simulators.world.world import FIRST_LEAD, LEADS_END, SLOTS_OF

TRUNKS = TrunkCarrier(extensions=tuple(slot for slots in SLOTS_OF.values() for slot in slots))
CARRIERS = (
    Carriers(), Carriers(trunks=TRUNKS), Carriers(slots=None, trunks=TRUNKS), Carriers(slots=SlotCarrier(slots=(1, 3))),
)  # fmt: skip
POOL = 12  # numbers, from which the leads of all campaigns are taken
STEPS = 8
TRIES = 10
LATE = 10.0  # seconds
NO_WAITS = dict.fromkeys(OUTCOMES, 0)  # of a campaign that dials a lead again as soon as the rest allows


class Campaigners:
    """Everybody who has a campaign. `callers`: beside them."""

    def __init__(self, callers: Callers) -> None:
        self.callers = callers
        self.world = callers.world
        self.random = callers.random
        self.numbers = [mobile(FIRST_LEAD + place, self.random.choice(LEADS_END)) for place in range(POOL)]
        self.campaigns = dict(zip(("c1", "c2"), CAMPAIGNERS, strict=True))
        if self.random.random() < 0.3:
            del self.campaigns["c2"]
        self.said: dict[str, tuple[Any, Any]] = {}  # in the end: how each is, and why it does not dial
        self._count = 0

    async def play(self) -> None:
        """Ask until the window is over."""
        await asyncio.gather(self._by_hand(), *(self._campaign(*pair) for pair in self.campaigns.items()))

    async def _campaign(self, campaign: str, user: str) -> None:
        await self.callers.wait(self.random.uniform(0.0, 10.0))
        await self._ask(user, RUN_CAMPAIGN, self._run(campaign, 5))
        await self._ask(user, CONFIGURE_CAMPAIGN, self._configure(campaign))
        for _ in range(STEPS):
            await self.callers.wait(self.random.expovariate(STEPS / WINDOW))
            if self.world.now < WINDOW:
                await self._ask(user, *self._something(campaign))

    def _something(self, campaign: str) -> tuple[Rpc[Any, Any], Any]:
        match self.random.randrange(9):
            case 0 | 1 | 2:
                return RUN_CAMPAIGN, self._run(campaign, self.random.randrange(1, 4))
            case 3 | 4:
                return STOP_CAMPAIGN, StopCampaign(campaign_id=campaign, mode=self.random.choice(list(StopMode)))
            case 5:
                return PAUSE_CAMPAIGN, PauseCampaign(campaign_id=campaign)
            case 6:
                return RESUME_CAMPAIGN, ResumeCampaign(campaign_id=campaign)
            case 7:
                return CONFIGURE_CAMPAIGN, self._configure(campaign)
            case _:
                lead = id_of(self.random.choice(self.numbers))
                status = self.random.choice((LeadStatus.DO_NOT_CALL, LeadStatus.DONE, LeadStatus.IN_PROGRESS))
                if self.random.random() < 0.5:
                    return EDIT_LEAD, EditLead(campaign_id=campaign, lead=lead, status=status, priority=self._count % 7)
                return MARK_LEAD, MarkLead(campaign_id=campaign, lead=lead, status=status)

    def _run(self, campaign: str, leads: int) -> RunCampaign:
        numbers = self.random.sample(self.numbers, leads)
        return RunCampaign(campaign_id=campaign, leads=tuple(GivenLead(number=number) for number in numbers))

    def _configure(self, campaign: str) -> ConfigureCampaign:
        return ConfigureCampaign(
            campaign_id=campaign,
            attempts_per_lead=self.random.choice((1, 2, 3)),
            attempts_per_number=self.random.choice((None, 1, 2)),
            retry_minutes=self.random.choice((NO_WAITS, NO_WAITS, {"busy": 1})),
            carriers=self.random.choice(CARRIERS),
            weight=self.random.choice((1, 10, 100)),
            priority=self.random.choice((0, 0, 5)),
        )

    async def _by_hand(self) -> None:
        """Callers who dial a lead themselves."""
        for number in self.random.sample(self.numbers, 3):
            await self.callers.wait(self.random.uniform(0.0, WINDOW / 3))
            await self._ask("op0", START_CALL, StartCall(number=number, slot="AUTO"), number)

    async def _ask(self, user: str, rpc: Rpc[Any, Any], request: Any, number: str = "") -> None:
        self._count += 1
        await self.callers.ask_now_and_again(
            self.callers.command(f"campaign-{self._count}", user, rpc, request, number)
        )

    # --- when nothing goes wrong any more

    async def stop_all(self) -> None:
        """Each is stopped, and the stop acknowledged, once what hosts that stood still were asked for is done."""
        await asyncio.sleep(LATE)
        for campaign, user in self.campaigns.items():
            request = StopCampaign(campaign_id=campaign, mode=self.random.choice(list(StopMode)))
            command = self.callers.command(f"stop-{campaign}", user, STOP_CAMPAIGN, request)
            for _ in range(TRIES):
                answer = await self.callers.ask(command)
                if answer.refusal is None or answer.refusal.code not in PASSING:
                    break

    async def look_around(self) -> None:
        """How each says that it is."""
        for campaign in self.campaigns:
            self.said[campaign] = (
                await self._said(GET_CAMPAIGN, GetCampaign(campaign_id=campaign)),
                await self._said(EXPLAIN_CAMPAIGN, ExplainCampaign(campaign_id=campaign)),
            )

    async def _said(self, rpc: Rpc[Any, Any], request: Any) -> Any:
        seen = len(self.world.broker.journal)
        context = Context(command_id="how", user="admin", actions=EVERYTHING, after=seen)
        try:
            return await ask(self.random.choice(self.world.gateways), rpc, request, context)
        except Refusal as refusal:
            return refusal
