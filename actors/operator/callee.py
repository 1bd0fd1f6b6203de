"""Who was called, for an operator: whom they talk to; and when they say what came of it, in which words, on which
clock, and for which list."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.moments import is_local, moment
from actors.runtime.wire import Page, ask, forward
from actors.telephony.past import called_in
from actors.telephony.zones import NotAZone, zone, zones_of
from bus_schemas.campaign import CAMPAIGN, GET_CAMPAIGN, CampaignView, GetCampaign
from bus_schemas.do_not_call import ADD_DO_NOT_CALL, GLOBAL, AddDoNotCall
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.lead import LIST_LEADS, PAST_LEAD, GetLead, ListLeads, Meaning
from bus_schemas.operator import DisposeCall, OperatorCall, OperatorView

NO_NUMBER = RefusalTemplate(
    ErrorCode.CONFLICT, "What was said is on record, but not which number was called: put it on the do-not-call list."
)
KNOWN = 10_000  # calls of which it is remembered who was called
SOURCE = "disposition"  # of an entry of a do-not-call list


class Callee(Struct, frozen=True, kw_only=True):
    """Who was called, as the call's record says; of a call that has none, nobody is known."""

    bus: Bus
    context: Context
    number: str | None = None
    campaign: str | None = None

    async def words(self) -> Mapping[str, Meaning] | None:
        """The words of the call's campaign. None: those of the site. Raises Refusal(UNAVAILABLE)."""
        if self.campaign is None:
            return None
        try:
            return await words_of(self.bus, self.campaign, self.context)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            return None

    async def moment(self, text: str | None, field: str) -> str | None:
        """A time as it is on record; on the callee's clock where it says no offset. Raises Refusal."""
        if text is None or not is_local(text, field):
            return moment(text, field)
        return moment(text, field, await self._zones())

    async def _zones(self) -> Sequence[tzinfo]:
        if self.number is None:
            return ()
        own = await self._zone_of_lead(self.number)
        try:
            return [zone(name) for name in ([own] if own is not None else zones_of(self.number))]
        except NotAZone:
            return ()

    async def _zone_of_lead(self, number: str) -> str | None:
        if self.campaign is None:
            return None
        wanted = ListLeads(campaign_id=self.campaign, number=number, limit=1)
        found = await ask(self.bus, LIST_LEADS, wanted, _as_viewer(self.context))
        return found[0].lead.timezone if found else None


async def callee_of(bus: Bus, call_id: str, context: Context) -> Callee:
    """Who was called. Raises Refusal(UNAVAILABLE)."""
    found = await called_in(bus, call_id, derived(context.command_id, "callee"))
    if found is None:
        return Callee(bus=bus, context=context)
    return Callee(bus=bus, context=context, number=found.number, campaign=found.campaign)


class Callees:
    """Who was called in the calls that operators are on, who ask for it again and again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[tuple[str, str | None], OperatorCall] = {}  # by call, and lead

    async def with_callees(self, view: OperatorView, context: Context) -> OperatorView:
        """With number and name of whom an operator talks to, or has, as far as they can be read now."""
        wrapped = await self._of(view.wrap_up_call, context) if view.wrap_up_call is not None else None
        return replace(view, calls=[await self._of(call, context) for call in view.calls], wrap_up_call=wrapped)

    async def _of(self, call: OperatorCall, context: Context) -> OperatorCall:
        if (known := self._known.get((call.call_id, call.lead))) is not None:
            return replace(call, number=known.number, name=known.name)
        try:
            call = replace(call, number=(await callee_of(self._bus, call.call_id, context)).number)
            if call.campaign_id is not None and call.lead is not None:
                wanted = GetLead(campaign_id=call.campaign_id, lead=call.lead)
                call = replace(call, name=(await ask(self._bus, PAST_LEAD, wanted, _as_viewer(context))).lead.lead.name)
        except Refusal:  # the next time
            return call
        while len(self._known) >= KNOWN:
            del self._known[next(iter(self._known))]
        self._known[call.call_id, call.lead] = call
        return call


async def words_of(bus: Bus, campaign: str, context: Context) -> Mapping[str, Meaning] | None:
    """The words that a campaign has for its calls. None: those of the site. Raises Refusal(NOT_FOUND)."""
    return (await read_campaign(bus, campaign, context)).settings.dispositions


async def read_campaign(bus: Bus, campaign: str, context: Context) -> CampaignView:
    """A campaign, whoever made it. Raises Refusal(NOT_FOUND)."""
    return await ask(bus, GET_CAMPAIGN, GetCampaign(campaign_id=campaign), _as_viewer(context))


def _as_viewer(context: Context) -> Context:
    return replace(context, actions=CAMPAIGN.all_of_it)


async def put_on_list(callee: Callee, said: DisposeCall, context: Context) -> Page:
    """Put the number of a call on the list for all calls, once the operator's word is on record: so who is refused, and
    says the same again, has it done. Raises Refusal."""
    if callee.number is None:
        raise NO_NUMBER()
    reason = f"{said.disposition}, {said.call_id}"
    wanted = AddDoNotCall(list=GLOBAL, entries=(callee.number,), reason=reason, source=SOURCE)
    own = replace(context, command_id=derived("put", said.call_id, context.command_id), fresh=False)
    try:
        return await forward(callee.bus, ADD_DO_NOT_CALL, wanted, own)
    except Refusal as refusal:
        why = f"What was said is on record, and the number is not on the do-not-call list yet: {refusal.message}"
        raise Refusal(refusal.code, why, **(refusal.details or {})) from None
