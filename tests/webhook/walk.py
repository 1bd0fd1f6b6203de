"""How the states of webhooks are walked through, for docs/states.md."""

from typing import Any

from actors.runtime.clock import Moment
from actors.runtime.decision import Decision
from actors.webhook import machine
from actors.webhook.machine import Lent, Progress
from actors.webhook.record import evolve
from bus_schemas.webhook import ChangeWebhook, CreateWebhook, DeliveryStatus, DisabledReason, Try
from tests.support.states import Stand, Walk, verb

LENT = Lent("connection:op", 0)
WANTED = CreateWebhook(url="https://example.com/", events=("call.*",))
DISABLE_AFTER = 2 * 86400.0


def _name(stand: Stand) -> str:
    webhook = stand[0]
    if webhook.deleted:
        return "deleted"
    if not webhook.enabled:
        return "off"
    return "failing" if webhook.failing_since else "on"


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    webhook = stand[0]
    for event in decision.events:
        webhook = evolve(webhook, event)
    return webhook, None


def _tried(stand: Stand, status: DeliveryStatus, now: Moment) -> Any:
    tried = Try(n=1, seq=1, about="call.slot-1.c.ended", status=status, attempts=1, began=now.at, tried=now.at)
    progress = Progress(courier=1, position=1, tries=(tried,), waiting=0)
    return machine.advance(stand[0], progress, now, disable_after=DISABLE_AFTER)


def _switch(stand: Stand, on: bool, now: Moment) -> Any:
    wanted = ChangeWebhook(webhook="w", enabled=on)
    if stand[0].deleted:
        return machine.NOTHING
    return machine.change(stand[0], wanted, "op", LENT, 1, now)


WALK = Walk(
    title="A webhook",
    text="`failing`: nothing arrives. Days of that switch a webhook off, or a user who is gone, or somebody.",
    start=lambda now: machine.create("w", WANTED, "op", LENT, 0, now),
    inputs=(
        lambda stand, now: _tried(stand, DeliveryStatus.RETRYING, now),
        lambda stand, now: _tried(stand, DeliveryStatus.DELIVERED, now),
        lambda stand, now: _switch(stand, False, now),
        lambda stand, now: _switch(stand, True, now),
        lambda stand, now: machine.unusable(stand[0], DisabledReason.GONE, now),
        lambda stand, now: machine.delete(stand[0], "op", now),
    ),
    after=_after,
    name=_name,
    key=_name,
    why=verb,
)
