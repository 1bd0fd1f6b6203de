"""How operators start: each lives on its shard, and any host answers for who asks as themselves."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec
from msgspec.structs import replace

from actors.operator.actor import OperatorActor
from actors.operator.callee import Callees, callee_of, put_on_list, read_campaign
from actors.operator.machine import OperatorRules
from actors.operator.news import CallNews
from actors.operator.settings import Operators
from actors.operator.uptime import Uptime
from actors.runtime.actor import QUARANTINED
from actors.runtime.bus import BusError
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import Unreadable
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import Sharded
from actors.runtime.wire import Page, ask, forward
from actors.telephony.zones import zone
from bus_schemas.campaign import CAMPAIGN, NO_CAMPAIGN, CampaignView
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.lead import Meaning
from bus_schemas.operator import (
    CHANGE_ON_SHARD,
    CHANGE_OPERATOR,
    DISPOSE_CALL,
    DISPOSE_OF_OPERATOR,
    EXTEND_OPERATOR,
    EXTEND_WRAP_UP,
    GET_OPERATOR,
    GET_OWN_STATUS,
    LIST_DISPOSITIONS,
    SET_OPERATOR_STATUS,
    SET_OWN_STATUS,
    ChangeOnShard,
    ChangeOperator,
    DisposeCall,
    DisposeOfOperator,
    DispositionWord,
    ExtendOperator,
    ExtendWrapUp,
    GetOperator,
    GetOwnStatus,
    ListDispositions,
    OperatorStatus,
    OperatorView,
    SetOperatorStatus,
    SetOwnStatus,
)
from bus_schemas.permissions import Action

MAY_NOT_LIST = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED,
    "The call is of no campaign, so this word puts its number on the do-not-call list for all calls: that needs the "
    "permission do_not_call.edit.",
    permission=Action.DO_NOT_CALL_EDIT,
)


class OperatorService:
    """What users ask, handed on to whoever owns the operator."""

    def __init__(self, *, host: Host, rules: OperatorRules) -> None:
        self._host = host
        self._rules = rules
        self._callees = Callees(host.bus)

    async def set_own(self, request: SetOwnStatus, context: Context) -> Page:
        """Who has never been an operator becomes one."""
        change = ChangeOperator(
            user=context.user, status=request.status, reason=request.reason, may_call=context.may(Action.CALL_START)
        )
        on_shard = ChangeOnShard(shard=shard_of(context.user), change=change)
        return await self._with_callees(await forward(self._host.bus, CHANGE_ON_SHARD, on_shard, context), context)

    async def set_other(self, request: SetOperatorStatus, context: Context) -> Page:
        change = ChangeOperator(user=request.user, status=request.status, reason=request.reason)
        return await forward(self._host.bus, CHANGE_OPERATOR, change, context)

    async def get_own(self, request: GetOwnStatus, context: Context) -> Page:
        try:
            page = await forward(self._host.bus, GET_OPERATOR, GetOperator(user=context.user), context)
            return await self._with_callees(page, context)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
        never = OperatorView(user=context.user, status=OperatorStatus.OFFLINE, since=moment(self._host.clock).at)
        return Page(body=never, changed=False)

    async def extend(self, request: ExtendWrapUp, context: Context) -> Page:
        more = ExtendOperator(user=context.user, seconds=request.seconds)
        return await self._with_callees(await forward(self._host.bus, EXTEND_OPERATOR, more, context), context)

    async def _with_callees(self, page: Page, context: Context) -> Page:
        """Somebody's own view, also with whom they talk to: nobody else is told that."""
        assert isinstance(page.body, msgspec.Raw)  # as it was answered
        view = msgspec.json.decode(page.body, type=OperatorView)
        talks = view.calls or view.wrap_up_call is not None
        return replace(page, body=await self._callees.with_callees(view, context)) if talks else page

    async def dispose(self, request: DisposeCall, context: Context) -> Page:
        callee = await callee_of(self._host.bus, request.call_id, context)
        dispose = replace(request, callback=await callee.moment(request.callback, "callback"))
        words = await callee.words()
        meaning = (self._rules.words if words is None else words).get(request.disposition)
        lists = meaning is Meaning.DO_NOT_CALL and callee.campaign is None  # else the campaign does
        if lists and not context.may(Action.DO_NOT_CALL_EDIT):
            raise MAY_NOT_LIST()
        said = DisposeOfOperator(user=context.user, dispose=dispose, words=words)
        disposed = await forward(self._host.bus, DISPOSE_OF_OPERATOR, said, context)
        if not lists:
            return disposed
        listed = await put_on_list(callee, request, context)
        changed = disposed.changed or listed.changed
        return replace(disposed, seq=max(disposed.seq, listed.seq), changed=changed)

    async def words(self, request: ListDispositions, context: Context) -> list[DispositionWord]:
        words: Mapping[str, Meaning] | None = None
        if request.campaign_id is not None:
            campaign = await read_campaign(self._host.bus, request.campaign_id, context)
            await self._must_know(campaign, context)
            words = campaign.settings.dispositions
        words = self._rules.words if words is None else words
        return [DispositionWord(disposition=word, meaning=meaning) for word, meaning in words.items()]

    async def _must_know(self, campaign: CampaignView, context: Context) -> None:
        """Raise Refusal(NOT_FOUND) for who neither sees a campaign nor works for it, and has no call of it either."""
        if CAMPAIGN.visible(campaign.by, user=context.user, actions=context.actions):
            return
        asking = replace(context, actions=frozenset({Action.OPERATOR_VIEW}))
        try:
            there = await ask(self._host.bus, GET_OPERATOR, GetOperator(user=context.user), asking)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            raise NO_CAMPAIGN() from None
        calls = there.calls if there.wrap_up_call is None else (*there.calls, there.wrap_up_call)
        has_call = any(call.campaign_id == campaign.campaign_id for call in calls)
        if not has_call and there.campaigns is not None and campaign.campaign_id not in there.campaigns:
            raise NO_CAMPAIGN()


def rules_of(settings: Operators, timezone: str) -> OperatorRules:
    """The rules of these settings."""
    return OperatorRules(
        zone=zone(timezone), wrap_up=settings.wrap_up_seconds, wrap_up_longest=settings.wrap_up_longest,
        presence=settings.presence_seconds, reserve=settings.reserve_seconds, words=settings.dispositions,
    )  # fmt: skip


def sharded(site: str, news: CallNews, rules: OperatorRules, uptime: Uptime) -> Sharded:
    """Operators as a kind that lives on shards. `site`: the name of this host."""

    def prepare(host: Host) -> None:
        async def change(request: ChangeOnShard, context: Context) -> Page:
            try:
                await host.activate(OperatorActor, request.change.user)
            except BusError:
                raise Refusal(ErrorCode.UNAVAILABLE, "Not now. Try again.") from None
            except Unreadable:
                raise QUARANTINED() from None
            return await forward(host.bus, CHANGE_OPERATOR, request.change, context, retry=False)

        def make(id: str, host: Host) -> OperatorActor:
            return OperatorActor(id=id, host=host, news=news, rules=rules, site=site, uptime=uptime)

        host.add_maker(OperatorActor.made_by(make))
        host.serve_beside(CHANGE_ON_SHARD, change)

    return Sharded(actor=OperatorActor, prepare=prepare)


async def start(parts: HostParts, stack: AsyncExitStack, *, settings: Operators, timezone: str) -> None:
    """Operators can be there. `timezone`: of the site, whose days count."""
    host, rules = parts.host, rules_of(settings, timezone)
    news = CallNews(bus=parts.bus, clock=parts.clock)
    uptime = Uptime(bus=parts.bus, host=host)
    for one in (news, uptime):
        stack.push_async_callback(one.stop)
        parts.registries.append(one)
    parts.shards.add(sharded(host.name, news, rules, uptime))
    service = OperatorService(host=host, rules=rules)
    parts.any_host.append((
        serve(SET_OWN_STATUS, service.set_own),
        serve(SET_OPERATOR_STATUS, service.set_other),
        serve(GET_OWN_STATUS, service.get_own),
        serve(EXTEND_WRAP_UP, service.extend),
        serve(DISPOSE_CALL, service.dispose),
        serve(LIST_DISPOSITIONS, service.words),
    ))  # fmt: skip

    def count() -> Mapping[str, int]:
        return Counter(
            str(actor.state.status)
            for shard in host.shards.values()
            for actor in shard.all(OperatorActor)
            if actor.state is not None
        )

    parts.peers.operators = count
