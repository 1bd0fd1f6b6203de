"""How campaigns start: on shards, wherever those are."""

from contextlib import AsyncExitStack
from functools import partial

from msgspec import UNSET

from actors.campaign.actor import CampaignActor
from actors.campaign.assigning import Assigning
from actors.campaign.callbacks import give_on
from actors.campaign.crm import LeadsOnShard
from actors.campaign.desks import Desks
from actors.campaign.dispositions import Dispositions, Settled
from actors.campaign.elsewhere import Elsewhere
from actors.campaign.ends import Ends
from actors.campaign.hours import hours_of
from actors.campaign.joining import Joining
from actors.campaign.limits import CampaignLimits
from actors.campaign.lookers import Lookers
from actors.campaign.looks import Looks
from actors.campaign.makers import look_after
from actors.campaign.on_shard import OnShard
from actors.campaign.outside import Outside
from actors.campaign.presets import presets_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.settings import Campaigns
from actors.campaign.team import Team
from actors.dialing.gate import Gate
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import NOT_NOW, Sharded
from actors.runtime.wire import Page, ask, forward
from actors.telephony.zones import zone
from bus_schemas.call import CALL_CONNECTED, CALL_ENDED
from bus_schemas.campaign import (
    CAMPAIGN_ARCHIVED,
    CREATE_CAMPAIGN,
    CREATE_ON_SHARD,
    GET_CAMPAIGN,
    RUN_CAMPAIGN,
    RUN_ON_SHARD,
    CreateCampaign,
    CreateOnShard,
    GetCampaign,
    RunCampaign,
    RunOnShard,
)
from bus_schemas.crm import ASSIGN_LEADS
from bus_schemas.errors import misfit


def _operators(parts: HostParts) -> tuple[Team, Desks]:
    team = Team(bus=parts.bus, host=parts.host)
    return team, Desks(bus=parts.bus, host=parts.host, tell=team.look_at)


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Campaigns, gate: Gate, ring: float, joining: frozenset[str]
) -> None:
    """Campaigns can be run. `ring`: seconds for which a phone rings. `joining`: the trunks of the site that can take
    calls to the extensions of operators. Raises SettingsError, BusError."""
    presets = presets_of(settings)
    ends, answers = Ends(CALL_ENDED, bus=parts.bus), Ends(CALL_CONNECTED, bus=parts.bus)
    elsewhere, team, desks = Elsewhere(host=parts.host), *_operators(parts)
    said, dials = Dispositions(bus=parts.bus), (hours_of(gate.rules.window), zone(gate.rules.timezone))
    for follower in (ends, answers, elsewhere, said):
        stack.push_async_callback(await follower.start())
    parts.background.extend((
        elsewhere.read_rest, partial(look_after, parts.host, parts.ids), partial(give_on, parts.host, parts.ids)
    ))  # fmt: skip
    for one in (team, desks):
        parts.background.append(one.listen)
        stack.push_async_callback(one.stop)
    outside = Outside(
        bus=parts.bus, ids=parts.ids, own=parts.host.name, hosts=parts.hosts, peers=parts.peers, ends=ends,
        answers=answers, elsewhere=elsewhere, joining=Joining(bus=parts.bus, ids=parts.ids, ring=ring, desks=desks),
    )  # fmt: skip

    def book(campaign: str) -> RuleBook:
        held_until = partial(gate.held_until, campaign=campaign)
        return RuleBook(
            presets=presets, site=settings.site, held_until=held_until, elsewhere=elsewhere.than(campaign), dials=dials
        )

    def settled(owner: CampaignActor) -> Settled:
        return Settled(owner=owner, words=said, of_campaign=settings.do_not_call == "campaign")

    def make(id: str, host: Host) -> CampaignActor:
        return CampaignActor(
            id=id, host=host, outside=outside, book=book(id), words=settled, watch=gate.watch, team=team, limits=limits,
            desks=desks, joining=joining,
        )  # fmt: skip

    looks = Looks()
    limits = CampaignLimits(running=settings.running_per_user, kept=settings.kept_per_user, leads=settings.leads)

    def prepare(host: Host) -> None:
        host.add_maker(CampaignActor.made_by(make))
        OnShard(host=host, rules=gate.rules, outside=outside, looks=looks, limits=limits).serve()
        Lookers(host=host, outside=outside).serve()
        LeadsOnShard(host=host, rules=gate.rules).serve()

    parts.shards.add(Sharded(actor=CampaignActor, prepare=prepare, over=(CAMPAIGN_ARCHIVED,)))

    async def run(request: RunCampaign, context: Context) -> Page:
        id = request.campaign_id
        try:
            after = await parts.bus.last_seq()
        except BusError:
            raise NOT_NOW() from None
        part = RunOnShard(
            shard=shard_of(id), campaign_id=id, leads=request.leads, goes_on=request.goes_on, after=after
        )
        return await forward(parts.bus, RUN_ON_SHARD, part, context)

    async def create(request: CreateCampaign, context: Context) -> Page:
        id, settings = request.campaign_id, request.settings
        if request.like is not None:
            if settings is not UNSET:
                raise misfit("like", "either `like` or `settings`.")
            settings = (await ask(parts.bus, GET_CAMPAIGN, GetCampaign(campaign_id=request.like), context)).settings
        wanted = CreateOnShard(
            shard=shard_of(id), campaign_id=id, settings=None if settings is UNSET else settings
        )
        return await forward(parts.bus, CREATE_ON_SHARD, wanted, context)

    assign = Assigning(bus=parts.bus, now=parts.host.clock.monotonic).assign
    parts.any_host.append((serve(RUN_CAMPAIGN, run), serve(CREATE_CAMPAIGN, create), serve(ASSIGN_LEADS, assign)))
