"""What a webhook is, by its events. Pure."""

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.webhook.queue import Item
from bus_schemas.webhook import (
    OVER,
    DeliveryStatus,
    DisabledReason,
    Try,
    WebhookActivated,
    WebhookAdvanced,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookEvent,
    WebhookFilter,
    WebhookView,
)


class Webhook(Struct, frozen=True, kw_only=True):
    """One webhook as its events tell it. `position`: what the journal has up to there is over, or `waiting`;
    `count`: of its deliveries, each of which has the next number. `lent`, `predecessors`: as whom it sees
    (WebhookCreated)."""

    webhook: str
    user: str
    lent: str
    predecessors: int
    url: str
    events: tuple[str, ...]
    filter: WebhookFilter
    description: str
    created: str
    position: int
    count: int = 0
    enabled: bool = True
    reason: DisabledReason | None = None
    deleted: bool = False
    failing_since: str | None = None
    waiting: Mapping[int, Try] = {}


def view(webhook: Webhook) -> WebhookView:
    """As it is shown."""
    return WebhookView(
        webhook=webhook.webhook, user=webhook.user, url=webhook.url, events=webhook.events, filter=webhook.filter,
        description=webhook.description, enabled=webhook.enabled, created=webhook.created, reason=webhook.reason,
        failing_since=webhook.failing_since, waiting=len(webhook.waiting),
    )  # fmt: skip


def key_of(about: str) -> str:
    """What an event is about, by the end of its subject: its kind and the id of the thing (`call.c_1`). The other end
    of the subject may be another line of the same call."""
    kind, *_, id, _ = about.split(".")
    return f"{kind}.{id}"


def name_in(about: str) -> str:
    """What has happened, by the end of its subject: `call.ended`."""
    kind, *_, verb = about.split(".")
    return f"{kind}.{verb}"


def item_of(waiting: Try, seconds: Callable[[str], float]) -> Item:
    """A delivery that is not over, as it waits. `seconds`: since 1970, of a time that is on record."""
    return Item(
        n=waiting.n, seq=waiting.seq, about=waiting.about, key=key_of(waiting.about), attempts=waiting.attempts,
        began=seconds(waiting.began), due=seconds(waiting.due),
    )  # fmt: skip


def evolve(webhook: Webhook | None, event: WebhookEvent) -> Webhook | None:
    """The state after an event."""
    match event:
        case WebhookCreated():
            return webhook or Webhook(
                webhook=event.webhook, user=event.user, lent=event.lent, predecessors=event.predecessors,
                url=event.url, events=event.events, filter=event.filter, description=event.description,
                created=event.at, position=event.position,
            )  # fmt: skip
        case WebhookChanged():
            return webhook and replace(
                webhook, lent=event.lent, predecessors=event.predecessors, url=event.url, events=event.events,
                filter=event.filter, description=event.description,
            )  # fmt: skip
        case WebhookEnabled():
            return webhook and replace(
                webhook, enabled=True, reason=None, failing_since=None, position=event.position, waiting={}
            )
        case WebhookDisabled():
            return webhook and replace(webhook, enabled=False, reason=event.reason)
        case WebhookAdvanced():
            return webhook and _advanced(webhook, event)
        case WebhookDeleted():
            return webhook and replace(webhook, deleted=True, enabled=False, waiting={})
        case WebhookActivated():
            return webhook


def _advanced(webhook: Webhook, event: WebhookAdvanced) -> Webhook:
    waiting, count = dict(webhook.waiting), webhook.count
    for tried in event.tries:
        count = max(count, tried.n)
        waiting.pop(tried.n, None)
        if tried.status not in OVER:
            waiting[tried.n] = replace(tried, response="", error="", ms=0)
    position = max(webhook.position, event.position)
    return replace(webhook, waiting=waiting, count=count, failing_since=event.failing_since, position=position)


def failing_after(since: str | None, tries: tuple[Try, ...]) -> str | None:
    """Since when nothing has arrived, after these tries. None: the last thing that is known is that something has."""
    for tried in sorted(tries, key=lambda one: one.tried):
        if tried.status is DeliveryStatus.DELIVERED:
            since = None
        elif tried.status in (DeliveryStatus.RETRYING, DeliveryStatus.FAILED):
            since = since or tried.tried
    return since
