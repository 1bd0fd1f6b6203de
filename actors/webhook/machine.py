"""A webhook's machine. Pure."""

from typing import Never

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import NOTHING, Decision, Effect
from actors.webhook.queue import Item
from actors.webhook.record import Webhook, failing_after
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.webhook import (
    ChangeWebhook,
    CreateWebhook,
    DeliveryStatus,
    DisabledReason,
    Try,
    WebhookAdvanced,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookEvent,
)

NOT_YOURS = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "Of others' webhooks: switch them off, or delete them. The rest is their user's."
)
IS_OFF = RefusalTemplate(ErrorCode.CONFLICT, "The webhook is switched off.")
IS_ON = RefusalTemplate(
    ErrorCode.CONFLICT, "`since` is for a webhook that is switched on by the same request, with `enabled`."
)

WebhookDecision = Decision[WebhookEvent, Never]


class Deliver(Effect, frozen=True, kw_only=True):
    """Read on and post, from the state of now on."""


class Stop(Effect, frozen=True, kw_only=True):
    """Post nothing more."""


class Look(Effect, frozen=True, kw_only=True):
    """What is wanted is something else now."""


class Forget(Effect, frozen=True, kw_only=True):
    """It is deleted: forget its secret."""


class Lent(Struct, frozen=True):
    """As whom a webhook sees: what whoever made or changed it came with."""

    credential: str
    predecessors: int


class Progress(Struct, frozen=True, kw_only=True):
    """What has come of deliveries. `courier`: which of the actor's couriers says so."""

    courier: int
    position: int
    tries: tuple[Try, ...]
    waiting: int


class Unusable(Struct, frozen=True):
    """Nothing can be posted any more."""

    reason: DisabledReason


def create(webhook: str, wanted: CreateWebhook, user: str, lent: Lent, position: int, now: Moment) -> WebhookDecision:
    """Make one that is new."""
    event = WebhookCreated(
        webhook=webhook, at=now.at, user=user, lent=lent.credential, predecessors=lent.predecessors, url=wanted.url,
        events=wanted.events, filter=wanted.filter, description=wanted.description, position=position,
    )  # fmt: skip
    return Decision(events=(event,), effects=(Deliver(),))


def resume(webhook: Webhook | None) -> WebhookDecision:
    """A new owner goes on."""
    if webhook is None:
        return NOTHING
    if webhook.deleted:
        return Decision(effects=(Forget(),))
    return Decision(effects=(Deliver(),)) if webhook.enabled else NOTHING


def change(
    webhook: Webhook, wanted: ChangeWebhook, user: str, lent: Lent, position: int, now: Moment
) -> WebhookDecision:
    """Change what is given. Raises Refusal. Somebody else than its user only switches it off."""
    others = (wanted.url, wanted.events, wanted.filter, wanted.description, wanted.since)
    if user != webhook.user and (wanted.enabled is not False or any(one is not None for one in others)):
        raise NOT_YOURS()
    if wanted.since is not None and (webhook.enabled or not wanted.enabled):
        raise IS_ON()
    events = _changes(webhook, wanted, user, lent, now)
    effects: tuple[Effect, ...] = (Look(),) if events else ()
    if wanted.enabled is False and webhook.enabled:
        events += (WebhookDisabled(webhook=webhook.webhook, at=now.at, user=webhook.user, by=user),)
        effects = (Stop(),)
    elif wanted.enabled and not webhook.enabled:
        events += (WebhookEnabled(webhook=webhook.webhook, at=now.at, by=user, position=position),)
        effects = (Deliver(),)
    return Decision(events=events, effects=effects)


def _changes(
    webhook: Webhook, wanted: ChangeWebhook, user: str, lent: Lent, now: Moment
) -> tuple[WebhookEvent, ...]:
    """What becomes of the rest. Whoever changes what is posted, or where to, or switches it on, lends it their rights:
    who has a smaller token hears no more through a webhook that somebody has made with a greater one."""
    given = (wanted.url, wanted.events, wanted.filter, wanted.description)
    if not (wanted.enabled or any(one is not None for one in given)):
        return ()
    after = replace(
        webhook,
        url=wanted.url if wanted.url is not None else webhook.url,
        events=wanted.events if wanted.events is not None else webhook.events,
        filter=wanted.filter if wanted.filter is not None else webhook.filter,
        description=wanted.description if wanted.description is not None else webhook.description,
        lent=lent.credential,
        predecessors=lent.predecessors,
    )
    if after == webhook:
        return ()
    event = WebhookChanged(
        webhook=webhook.webhook, at=now.at, by=user, lent=after.lent, predecessors=after.predecessors, url=after.url,
        events=after.events, filter=after.filter, description=after.description,
    )  # fmt: skip
    return (event,)


def delete(webhook: Webhook, by: str, now: Moment) -> WebhookDecision:
    """It posts nothing more. Again changes nothing."""
    if webhook.deleted:
        return NOTHING
    event = WebhookDeleted(webhook=webhook.webhook, at=now.at, by=by)
    return Decision(events=(event,), effects=(Stop(), Forget()))


def must_be_of(webhook: Webhook, user: str) -> None:
    """Raise Refusal for somebody else's."""
    if webhook.user != user:
        raise NOT_YOURS()


def redeliver(webhook: Webhook, item: Item, waiting: int, now: Moment) -> WebhookDecision:
    """A delivery more, of an event that was delivered before. Raises Refusal where it is switched off."""
    if not webhook.enabled:
        raise IS_OFF()
    tried = Try(n=item.n, seq=item.seq, about=item.about, status=DeliveryStatus.WAITING)
    event = WebhookAdvanced(
        webhook=webhook.webhook, at=now.at, position=webhook.position, tries=(tried,), waiting=waiting,
        failing_since=webhook.failing_since,
    )  # fmt: skip
    return Decision(events=(event,))


def advance(webhook: Webhook, progress: Progress, now: Moment, *, disable_after: float) -> WebhookDecision:
    """Put on record what has come of deliveries. Where nothing has arrived for `disable_after` seconds, it is switched
    off."""
    if not webhook.enabled:  # what was under way when it was switched off
        return NOTHING
    since = failing_after(webhook.failing_since, progress.tries)
    event = WebhookAdvanced(
        webhook=webhook.webhook, at=now.at, position=progress.position, tries=progress.tries,
        waiting=progress.waiting, failing_since=since,
    )  # fmt: skip
    if since is None or (parse_utc(now.at) - parse_utc(since)).total_seconds() < disable_after:
        return Decision(events=(event,))
    return Decision(events=(event, _disabled(webhook, DisabledReason.FAILING, now)), effects=(Stop(),))


def unusable(webhook: Webhook, reason: DisabledReason, now: Moment) -> WebhookDecision:
    """Nothing can be posted any more."""
    if not webhook.enabled:
        return NOTHING
    return Decision(events=(_disabled(webhook, reason, now),), effects=(Stop(),))


def _disabled(webhook: Webhook, reason: DisabledReason, now: Moment) -> WebhookDisabled:
    return WebhookDisabled(webhook=webhook.webhook, at=now.at, user=webhook.user, reason=reason)
