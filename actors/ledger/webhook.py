"""Webhooks in the ledger: one row for each, and one for each of its last deliveries."""

from collections.abc import Iterator
from operator import eq, gt, lt
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.webhook import (
    ABSENT_WEBHOOK,
    COUNT_WEBHOOKS,
    FIND_DELIVERY,
    GET_WEBHOOK,
    KEPT,
    LIST_DELIVERIES,
    LIST_WEBHOOKS,
    NO_WEBHOOK,
    WEBHOOK,
    AskedWebhook,
    CountWebhooks,
    DeliveryStatus,
    DeliveryView,
    DisabledReason,
    FindDelivery,
    FoundDelivery,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Try,
    WebhookAdvanced,
    WebhookChanged,
    WebhookCount,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookFilter,
    WebhookView,
)

NO_DELIVERY = RefusalTemplate(
    ErrorCode.NOT_FOUND, f"No such delivery, or it is not among the last {KEPT} any more.", most=KEPT
)
S = DeliveryStatus


class WebhookRow(Struct, frozen=True, gc=False):
    """`seq`: of the event that made it, by which the list goes on. `events`, `filter`: as JSON. `gone`: it is
    deleted."""

    webhook: str
    seq: int
    user: str
    url: str
    events: str
    filter: str
    description: str
    created: str
    enabled: bool = True
    reason: str | None = None
    failing_since: str | None = None
    waiting: int = 0
    gone: bool = False


class DeliveryRow(Struct, frozen=True, gc=False):
    """`key`: the webhook and its place among the last ones, which the next but so many takes."""

    key: str
    webhook: str
    n: int
    seq: int
    about: str
    status: str
    attempts: int
    began: str
    tried: str
    code: int
    error: str
    response: str
    ms: int
    due: str


WEBHOOKS = sa.Table(
    "webhooks", METADATA, *columns(WebhookRow, primary="webhook"), sa.Index("webhooks_user", "user", "seq")
)
DELIVERIES = sa.Table(
    "webhook_deliveries", METADATA, *columns(DeliveryRow, primary="key"),
    sa.Index("webhook_deliveries_n", "webhook", "n"),
)  # fmt: skip
W, D = WEBHOOKS.c, DELIVERIES.c

WebhookSaid = WebhookCreated | WebhookChanged | WebhookEnabled | WebhookDisabled | WebhookAdvanced | WebhookDeleted


# --- folding ------------------------------------------------------------------------------------------------------


def fold(row: WebhookRow | None, event: WebhookSaid, seq: int) -> WebhookRow | None:
    """The webhook after an event."""
    match event:
        case WebhookCreated():
            return row or WebhookRow(
                event.webhook, seq, event.user, event.url, _json(event.events), _json(event.filter), event.description,
                event.at,
            )  # fmt: skip
        case WebhookChanged():
            return row and replace(
                row, url=event.url, events=_json(event.events), filter=_json(event.filter),
                description=event.description,
            )  # fmt: skip
        case WebhookEnabled():
            return row and replace(row, enabled=True, reason=None, failing_since=None, waiting=0)
        case WebhookDisabled():
            return row and replace(row, enabled=False, reason=event.reason)
        case WebhookDeleted():
            return row and replace(row, enabled=False, gone=True, waiting=0)
        case WebhookAdvanced():
            return row and replace(row, waiting=event.waiting, failing_since=event.failing_since)


class Tried(Struct, frozen=True, gc=False):
    """What an event says of one delivery."""

    key: str
    webhook: str
    said: Try


def of_deliveries(event: WebhookAdvanced) -> Iterator[Tried]:
    for said in event.tries:
        yield Tried(f"{event.webhook}/{said.n % KEPT}", event.webhook, said)


def fold_delivery(row: DeliveryRow | None, part: Tried, seq: int) -> DeliveryRow:
    """The newer of the deliveries that have this place."""
    said = part.said
    if row is not None and row.n > said.n:
        return row
    return DeliveryRow(
        part.key, part.webhook, said.n, said.seq, said.about, said.status, said.attempts, said.began, said.tried,
        said.code, said.error, said.response, said.ms, said.due,
    )  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


SAID = (WebhookCreated, WebhookChanged, WebhookEnabled, WebhookDisabled, WebhookAdvanced, WebhookDeleted)
PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(table=WEBHOOKS, row=WebhookRow, key="webhook", events=SAID, fold=fold),
    Projection(
        table=DELIVERIES, row=DeliveryRow, key="key", events=(WebhookAdvanced,), parts=of_deliveries,
        fold=fold_delivery,
    ),
)  # fmt: skip


# --- queries ------------------------------------------------------------------------------------------------------


def one(webhook: str) -> Query[WebhookView]:
    """It, unless it is deleted."""
    return Query(sa.select(WEBHOOKS).where(W.webhook == webhook, ~W.gone), made_of(WebhookRow, _view))


def webhooks_of(user: str | None, *, after: int | None, limit: int) -> Query[tuple[int, WebhookView]]:
    """Those of a user or of all, oldest first and one more than the page has."""
    found = sa.select(WEBHOOKS).where(~W.gone, *given((W.user, eq, user), (W.seq, gt, after)))
    return Query(found.order_by(W.seq).limit(limit + 1), made_of(WebhookRow, lambda row: (row.seq, _view(row))))


def how_many() -> Query[int]:
    """Those of the site."""
    return Query(sa.select(sa.func.count()).select_from(WEBHOOKS).where(~W.gone), lambda row: int(row[0]))


def deliveries_of(
    webhook: str, *, status: str | None = None, before: int | None = None, limit: int
) -> Query[tuple[int, DeliveryView]]:
    """The last ones of a webhook, newest first and one more than the page has."""
    found = sa.select(DELIVERIES).where(D.webhook == webhook, *given((D.status, eq, status), (D.n, lt, before)))
    found = found.order_by(D.n.desc()).limit(limit + 1)
    return Query(found, made_of(DeliveryRow, lambda row: (row.n, _delivery(row))))


def delivery(webhook: str, n: int) -> Query[FoundDelivery]:
    """One of the last ones."""
    found = sa.select(DELIVERIES).where(D.webhook == webhook, D.n == n)
    return Query(found, made_of(DeliveryRow, lambda row: FoundDelivery(seq=row.seq, about=row.about)))


def _view(row: WebhookRow) -> WebhookView:
    return WebhookView(
        webhook=row.webhook, user=row.user, url=row.url, events=msgspec.json.decode(row.events, type=tuple[str, ...]),
        filter=msgspec.json.decode(row.filter, type=WebhookFilter), description=row.description, enabled=row.enabled,
        created=row.created, reason=DisabledReason(row.reason) if row.reason else None,
        failing_since=row.failing_since, waiting=row.waiting,
    )  # fmt: skip


def _delivery(row: DeliveryRow) -> DeliveryView:
    kind, *_, verb = row.about.split(".")
    return DeliveryView(
        n=row.n, event_id=str(row.seq), event=f"{kind}.{verb}", status=S(row.status), attempts=row.attempts,
        began=row.began or None, tried=row.tried or None, code=row.code or None, error=row.error or None,
        response=row.response, duration_ms=row.ms, next_try=row.due or None,
    )  # fmt: skip


# --- answers ------------------------------------------------------------------------------------------------------


class WebhookAnswers(Answers):
    """What is asked of webhooks and their deliveries."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(LIST_WEBHOOKS, self.list_webhooks),
            serve(GET_WEBHOOK, self.get),
            serve(ABSENT_WEBHOOK, self.absent),
            serve(LIST_DELIVERIES, self.list_deliveries),
            serve(FIND_DELIVERY, self.find),
            serve(COUNT_WEBHOOKS, self.how_many),
        )

    async def list_webhooks(self, request: ListWebhooks, context: Context) -> Page:
        own = None if WEBHOOK.view_any in context.actions else context.user
        if own is not None and request.user not in (None, own):
            return page([], limit=request.limit)
        query = webhooks_of(own or request.user, after=from_cursor(request.cursor), limit=request.limit)
        return page(await self.read(context, query), limit=request.limit)

    async def get(self, request: GetWebhook, context: Context) -> WebhookView:
        return await self._seen(request.webhook, context)

    async def absent(self, request: AskedWebhook, context: Context) -> WebhookView:
        await self._seen(request.webhook, context)
        raise OWNER_AWAY()

    async def list_deliveries(self, request: ListDeliveries, context: Context) -> Page:
        await self._seen(request.webhook, context)
        query = deliveries_of(
            request.webhook, status=request.status, before=from_cursor(request.cursor), limit=request.limit
        )
        return page(await self.read(context, query), limit=request.limit)

    async def find(self, request: FindDelivery, context: Context) -> FoundDelivery:
        found = await self.one(context, delivery(request.webhook, request.n))
        if found is None:
            raise NO_DELIVERY()
        return found

    async def how_many(self, request: CountWebhooks, context: Context) -> WebhookCount:
        [found] = await self.read(context, how_many(), short=True)
        return WebhookCount(count=found)

    async def _seen(self, webhook: str, context: Context) -> WebhookView:
        found = await self.one(context, one(webhook))
        if found is None or not sees(context, WEBHOOK, found.user):
            raise NO_WEBHOOK()
        return found


READ_MODEL = ReadModel(topics=topics_of("webhook"), projections=PROJECTIONS, answers=WebhookAnswers)
