"""A webhook's shell: has its courier deliver, and puts on record how far that is."""

from typing import ClassVar, Never

from actors.runtime.actor import Actor
from actors.runtime.bus import BusError
from actors.runtime.clock import Moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect, TimerFired
from actors.runtime.host import Host
from actors.webhook import machine
from actors.webhook.courier import Courier, share_of_deliveries
from actors.webhook.desk import Desk
from actors.webhook.machine import Deliver, Forget, Lent, Look, Progress, Stop, Unusable, WebhookDecision
from actors.webhook.record import Webhook, evolve, view
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.webhook import (
    NO_WEBHOOK,
    ChangeWebhook,
    CreateWebhook,
    FoundDelivery,
    Redelivering,
    WebhookActivated,
    WebhookDeleted,
    WebhookEvent,
    WebhookView,
)

AGAIN = 1.0  # seconds between two tries to forget a secret
KEEP_DELETED = 5.0  # seconds, until the records answer for it
FULL = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "As many deliveries of this webhook wait as may. Wait.", rule="deliveries", retry_after=60
)

Report = Progress | Unusable


class Create(Order[WebhookView], frozen=True, kw_only=True):
    """Be this webhook, which is new, or a repeat."""

    wanted: CreateWebhook
    lent: Lent
    position: int


class Change(Order[WebhookView], frozen=True, kw_only=True):
    """Be like this from now on. `position`: after which it begins, where it is switched on."""

    wanted: ChangeWebhook
    lent: Lent
    position: int


class Delete(Order[WebhookDeleted], frozen=True, kw_only=True):
    """Post nothing more."""


class Repeat(Order[Redelivering], frozen=True, kw_only=True):
    """Deliver an event once more."""

    found: FoundDelivery


class WebhookActor(Actor[Webhook, WebhookEvent, Never, Report]):
    """One webhook."""

    kind: ClassVar[str] = "webhook"
    state_type = Webhook
    topics = topics_of("webhook")
    snapshots = True

    __slots__ = ("_courier", "_couriers", "_desk")

    def __init__(self, *, id: str, host: Host, desk: Desk) -> None:
        super().__init__(id=id, host=host)
        self._desk = desk
        self._courier: Courier | None = None
        self._couriers = 0  # that there have been

    @property
    def deliveries(self) -> int:
        """Those that have not arrived and are not given up, as far as it is at work here."""
        return self._courier.waiting if self._courier is not None else 0

    # --- orders

    def create(self, order: Create, context: Context, now: Moment) -> Outcome[WebhookView]:
        decision: WebhookDecision = NOTHING
        if self.state is None:
            decision = machine.create(self.id, order.wanted, context.user, order.lent, order.position, now)
        return Outcome(decision=decision, reply=lambda: view(self.there()))

    def change(self, order: Change, context: Context, now: Moment) -> Outcome[WebhookView]:
        decision = machine.change(self.there(), order.wanted, context.user, order.lent, order.position, now)
        return Outcome(decision=decision, reply=lambda: view(self.there()))

    def delete(self, order: Delete, context: Context, now: Moment) -> Outcome[WebhookDeleted]:
        decision = machine.delete(self.there(), context.user, now)
        return Outcome(decision=decision, reply=WebhookDeleted(webhook=self.id, at=now.at, by=context.user))

    def repeat(self, order: Repeat, context: Context, now: Moment) -> Outcome[Redelivering]:
        webhook, courier = self.there(), self._courier
        machine.must_be_of(webhook, context.user)
        if courier is None or not webhook.enabled:
            raise machine.IS_OFF()
        if courier.full:
            raise FULL()
        item = courier.add(order.found.seq, order.found.about, known=True)
        reply = Redelivering(webhook=self.id, n=item.n, event_id=str(item.seq))
        return Outcome(decision=machine.redeliver(webhook, item, courier.waiting, now), reply=reply)

    commands = by_verb()
    orders = by_type(Create.by(create), Change.by(change), Delete.by(delete), Repeat.by(repeat))

    def there(self) -> Webhook:
        """Raises Refusal where there is none, or none any more."""
        if self.state is None or self.state.deleted:
            raise NO_WEBHOOK()
        return self.state

    # --- the machine's place

    evolve = staticmethod(evolve)

    def barrier(self, now: Moment, epoch: int) -> WebhookActivated:
        return WebhookActivated(webhook=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> WebhookDecision:
        return machine.resume(self.state)

    def owners(self, state: Webhook | None) -> tuple[str | None, ...]:
        return (state.user,) if state is not None else ()

    def observe(self, report: Report | TimerFired, now: Moment) -> WebhookDecision:
        webhook = self.state
        if webhook is None:
            return NOTHING
        match report:
            case Progress(courier=number) if number == self._couriers:
                days = self._desk.settings.disable_days
                decision = machine.advance(webhook, report, now, disable_after=days * 86400)
            case Unusable(reason=reason):
                decision = machine.unusable(webhook, reason, now)
            case _:
                decision = NOTHING
        self._host.written.charge(share_of_deliveries(webhook.user), decision.events)  # of events there may be many
        return decision

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case Deliver():
                self._stop_courier()
                self._couriers += 1
                self._courier = Courier(
                    number=self._couriers, host=self._host, desk=self._desk, state=self._present, tell=self.tell,
                    spawn=self.spawn,
                )  # fmt: skip
                self._courier.start()
            case Stop():
                self._stop_courier()
            case Look():
                self._desk.news.look()
            case Forget():
                self.spawn(self._forget())

    async def stop(self) -> None:
        if self._courier is not None and self.alive:
            await self._courier.finish()
        await super().stop()

    def _present(self) -> Webhook:
        assert self.state is not None
        return self.state

    def _stop_courier(self) -> None:
        if self._courier is not None:
            self._courier.stop()
            self._courier = None

    async def _forget(self) -> None:
        while True:
            try:
                await self._desk.secrets.forget(self.id)
                break
            except BusError:
                await self._host.pause(AGAIN)
        self._host.retire(self, KEEP_DELETED)
