"""How webhooks start: on shards, all of a user's on one, so that how many they have is known there for certain."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count

import msgspec

from actors.runtime.bus import Bus, BusError, BusFull
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids, derived
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import NOT_NOW, Sharded, bring_here
from actors.runtime.wire import Page, ask, forward
from actors.webhook.actor import Change, Create, Delete, Repeat, WebhookActor
from actors.webhook.addresses import wrong_url
from actors.webhook.desk import Desk, at
from actors.webhook.machine import Lent, must_be_of
from actors.webhook.news import News
from actors.webhook.record import Webhook
from actors.webhook.secrets import PREFIX, Secrets
from actors.webhook.sender import Sender
from actors.webhook.settings import Webhooks
from bus_schemas.catalogue import SUBSCRIBABLE
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.series import Sample
from bus_schemas.subscribable import NAMES
from bus_schemas.user import IDENTIFY, Identify, LoginKind
from bus_schemas.webhook import (
    CHANGE_WEBHOOK,
    COUNT_WEBHOOKS,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    FIND_DELIVERY,
    NO_WEBHOOK,
    PING_WEBHOOK,
    PUT_WEBHOOK,
    REDELIVER,
    ROTATE_SECRET,
    WEBHOOK,
    WEBHOOK_DELETED,
    ChangeWebhook,
    CountWebhooks,
    CreateWebhook,
    DeleteWebhook,
    FindDelivery,
    NewSecret,
    NewWebhook,
    PingWebhook,
    PutWebhook,
    Redeliver,
    Redelivering,
    RotateSecret,
    Tested,
    WebhookDeleted,
    WebhookFilter,
    WebhookView,
)

FARTHEST = 50_000  # entries back in the journal from which one may begin
PING = "webhook.ping"
TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You have as many webhooks as one user may have. Delete some.", rule="webhooks_per_user"
)
SITE_HAS_TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "There are as many webhooks as the site may have.", rule="webhooks_per_site"
)
TESTING = RefusalTemplate(ErrorCode.RATE_LIMITED, "A ping of yours is under way.", rule="pings", retry_after=1)


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted to try a webhook out."""

    id: str
    event: str
    at: str
    webhook: str
    data: dict[str, str] = {}


async def start(parts: HostParts, stack: AsyncExitStack, *, settings: Webhooks, sender: Sender) -> None:
    """Webhooks can be made, and those of this host's shards are delivered."""
    news = News(bus=parts.bus, clock=parts.clock, ids=parts.ids)
    stack.push_async_callback(news.stop)
    secrets = Secrets(bus=parts.bus)
    desk = Desk(bus=parts.bus, clock=parts.clock, sender=sender, news=news, secrets=secrets, settings=settings)
    service = WebhookService(bus=parts.bus, ids=parts.ids, settings=settings)

    def prepare(host: Host) -> None:
        host.add_maker(WebhookActor.made_by(lambda id, host: WebhookActor(id=id, host=host, desk=desk)))
        on_shard = OnShard(host=host, desk=desk, service=service)
        host.serve_beside(PUT_WEBHOOK, on_shard.put)
        host.serve_beside(CHANGE_WEBHOOK, on_shard.change)
        host.serve_beside(DELETE_WEBHOOK, on_shard.delete)
        host.serve_beside(ROTATE_SECRET, on_shard.rotate)
        host.serve_beside(PING_WEBHOOK, on_shard.test)
        host.serve_beside(REDELIVER, on_shard.redeliver)

    parts.shards.add(Sharded(actor=WebhookActor, prepare=prepare, over=(WEBHOOK_DELETED,)))
    parts.any_host.append((serve(CREATE_WEBHOOK, service.create),))

    def waiting() -> Iterator[Sample]:
        actors = (one for shard in parts.host.shards.values() for one in shard.all(WebhookActor))
        yield Sample("ottb_webhook_deliveries_waiting", sum(one.deliveries for one in actors))

    parts.series.append(waiting)


class WebhookService:
    """What any host is asked, and what is judged before anything is done."""

    def __init__(self, *, bus: Bus, ids: Ids, settings: Webhooks) -> None:
        self._bus = bus
        self._ids = ids
        self._settings = settings

    async def create(self, request: CreateWebhook, context: Context) -> Page:
        """The id follows from the command, so a repeat finds what it has made."""
        self.must_be_right(request.url, request.events, request.filter)
        shard = shard_of(context.user)
        ids = (derived("wh", context.user, context.command_id, str(number)) for number in count())
        webhook = next(id for id in ids if shard_of(id) == shard)
        return await forward(
            self._bus, PUT_WEBHOOK, PutWebhook(shard=shard, webhook=webhook, wanted=request), context
        )

    def must_be_right(
        self, url: str | None, events: tuple[str, ...] | None, wanted: WebhookFilter | None
    ) -> None:
        """Raise Refusal(INVALID_PARAMS) for what can never be posted. `wanted` is judged with the events."""
        settings = self._settings
        if url is not None and (wrong := wrong_url(url, http=settings.http, allowed=settings.allowed)) is not None:
            raise misfit("url", f"{wrong}.")
        if events is not None:
            _must_be_events(events)
            _must_narrow(events, wanted or WebhookFilter())

    async def lent(self, context: Context) -> Lent:
        """What whoever asks lends a webhook: what they may do as a user, or with their service token alone. Raises
        Refusal."""
        kind, _, id = (context.credential or "").partition(":")
        token = kind == LoginKind.TOKEN
        credential = f"{LoginKind.TOKEN}:{id}" if token else f"{LoginKind.CONNECTION}:{context.user}"
        asked = Identify(kind=LoginKind.TOKEN if token else LoginKind.CONNECTION, id=credential.partition(":")[2])
        found = await ask(self._bus, IDENTIFY, asked, Context(command_id=self._ids.new()))
        return Lent(credential, found.predecessors)

    async def position(self, since: int | None) -> int:
        """After which entry of the journal a webhook begins. Raises Refusal."""
        try:
            last = await self._bus.last_seq()
        except BusError:
            raise NOT_NOW() from None
        if since is None:
            return last
        if since > last or last - since > FARTHEST:
            raise misfit("since", f"from {max(last - FARTHEST, 0)} to {last}, where the journal is.", given=since)
        return since


def _must_be_events(events: tuple[str, ...]) -> None:
    for name in events:
        kind, _, verb = name.partition(".")
        if kind not in SUBSCRIBABLE:
            raise misfit("events", f"there is no event `{name}`.", kinds=sorted(SUBSCRIBABLE))
        if verb != "*" and name not in NAMES:
            known = [one for one in NAMES if one.startswith(f"{kind}.")]
            raise misfit("events", f"there is no event `{name}`.", events=[*known, f"{kind}.*"])


def _must_narrow(events: tuple[str, ...], wanted: WebhookFilter) -> None:
    """Raise Refusal for a field that one of the kinds has not: nothing of that would ever come."""
    given = [name for name in wanted.__struct_fields__ if getattr(wanted, name) is not None]
    for kind in dict.fromkeys(name.partition(".")[0] for name in events):
        known = SUBSCRIBABLE[kind].narrows
        for name in given:
            if name not in known:
                raise misfit("filter", f"`{name}` narrows no `{kind}` events.", kind=kind, fields=list(known))


class OnShard:
    """What is asked of the webhooks of one shard."""

    def __init__(self, *, host: Host, desk: Desk, service: WebhookService) -> None:
        self._host = host
        self._desk = desk
        self._service = service
        self._making = asyncio.Lock()
        self._testing: set[str] = set()

    async def put(self, request: PutWebhook, context: Context) -> NewWebhook:
        """Make one. One after the other: who asks for many at once gets no more than they may have."""
        async with self._making:
            if self._host.get(WebhookActor, request.webhook) is None:
                await self._must_have_room(context)
            wanted, lent = request.wanted, await self._service.lent(context)
            position = await self._service.position(wanted.since)
            secret = await self._secret(request.webhook)
            await bring_here(self._host, WebhookActor, request.webhook)
            order = Create(wanted=wanted, lent=lent, position=position)
            made = await self._host.order(WebhookActor, request.webhook, order, context)
        return NewWebhook(**msgspec.structs.asdict(made), secret=secret)

    async def _must_have_room(self, context: Context) -> None:
        settings, states = self._desk.settings, [actor.state for actor in self._host.all(WebhookActor)]
        own = [one for one in states if one is not None and one.user == context.user and not one.deleted]
        if len(own) >= settings.per_user:
            raise TOO_MANY(most=settings.per_user)
        asking = Context(command_id=self._host.ids.new(), after=await self._service.position(None))
        if (await ask(self._host.bus, COUNT_WEBHOOKS, CountWebhooks(), asking)).count >= settings.per_site:
            raise SITE_HAS_TOO_MANY(most=settings.per_site)
        if self._host.nearly_full:
            raise JOURNAL_FULL()

    async def _secret(self, webhook: str) -> str:
        try:
            return (await self._desk.secrets.make(webhook, self._fresh())).current
        except BusFull:
            raise SITE_HAS_TOO_MANY() from None
        except BusError:
            raise NOT_NOW() from None

    def _fresh(self) -> str:
        return PREFIX + self._host.ids.new() + self._host.ids.new()

    async def change(self, request: ChangeWebhook, context: Context) -> WebhookView:
        webhook = self._seen(request.webhook, context)
        events = request.events if request.events is not None else webhook.events
        wanted = request.filter if request.filter is not None else webhook.filter
        self._service.must_be_right(request.url, events, wanted)
        lent, position = await self._service.lent(context), await self._service.position(request.since)
        order = Change(wanted=request, lent=lent, position=position)
        return await self._host.order(WebhookActor, request.webhook, order, context)

    async def delete(self, request: DeleteWebhook, context: Context) -> WebhookDeleted:
        self._seen(request.webhook, context)
        return await self._host.order(WebhookActor, request.webhook, Delete(), context)

    async def rotate(self, request: RotateSecret, context: Context) -> NewSecret:
        must_be_of(self._seen(request.webhook, context), context.user)
        now = self._desk.now()
        try:
            made = await self._desk.secrets.replace(
                request.webhook, self._fresh(), now=now, keep=request.keep_seconds
            )
        except BusError:
            raise NOT_NOW() from None
        return NewSecret(webhook=request.webhook, secret=made.current, old_until=at(made.until))

    async def test(self, request: PingWebhook, context: Context) -> Tested:
        """Post a ping, also of one that is switched off. One at a time for each user."""
        webhook = self._seen(request.webhook, context)
        must_be_of(webhook, context.user)
        if context.user in self._testing:
            raise TESTING()
        self._testing.add(context.user)
        try:
            return await self._ping(webhook)
        finally:
            self._testing.discard(context.user)

    async def _ping(self, webhook: Webhook) -> Tested:
        try:
            secret = await self._desk.secrets.of(webhook.webhook)
        except BusError:
            raise NOT_NOW() from None
        if secret is None:
            raise Refusal(ErrorCode.CONFLICT, "Its secret is not there any more: make another one.")
        id = f"ping-{self._host.ids.new()}"
        ping = Ping(id=id, event=PING, at=at(self._desk.now()), webhook=webhook.webhook)
        came = await self._desk.post(webhook, msgspec.json.encode(ping), secret=secret, event_id=id)
        return Tested(
            webhook=webhook.webhook, delivered=came.taken, code=came.code or None, error=came.error or None,
            response=came.response, duration_ms=came.ms,
        )  # fmt: skip

    async def redeliver(self, request: Redeliver, context: Context) -> Redelivering:
        must_be_of(self._seen(request.webhook, context), context.user)
        wanted = FindDelivery(webhook=request.webhook, n=request.n)
        asking = Context(command_id=self._host.ids.new(), after=context.after)
        found = await ask(self._host.bus, FIND_DELIVERY, wanted, asking)
        return await self._host.order(WebhookActor, request.webhook, Repeat(found=found), context)

    def _seen(self, id: str, context: Context) -> Webhook:
        """One that the asker sees. Raises Refusal."""
        actor = self._host.get(WebhookActor, id)
        webhook = actor.there() if actor is not None else None
        if webhook is None or not WEBHOOK.visible(webhook.user, user=context.user, actions=context.actions):
            raise NO_WEBHOOK()
        return webhook
