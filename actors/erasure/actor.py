"""The actor of one erasure. It is there until all is done; then the records answer for it."""

from typing import ClassVar

from actors.erasure import machine
from actors.erasure.desk import Desk
from actors.erasure.machine import Clear, Erasure, ErasureDecision, Finish, Forget, Report
from actors.runtime.actor import Actor
from actors.runtime.clock import Moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect, TimerFired
from actors.runtime.host import Host
from bus_schemas.catalogue import topics_of
from bus_schemas.erasure import NO_ERASURE, EraseOnShard, ErasureActivated, ErasureEvent, ErasureView

KEEP = 5.0  # seconds, until the records answer for it


class Begin(Order[ErasureView], frozen=True, kw_only=True):
    """Be this one."""

    request: EraseOnShard


class ErasureActor(Actor[Erasure, ErasureEvent, None, Report]):
    """One erasure."""

    kind: ClassVar[str] = "erasure"
    state_type = Erasure
    topics = topics_of("erasure")

    def __init__(self, *, id: str, host: Host, desk: Desk) -> None:
        super().__init__(id=id, host=host)
        self._desk = desk

    def start(self, order: Begin, context: Context, now: Moment) -> Outcome[ErasureView]:
        decision = machine.begin(self.state, order.request, context.user, now)
        return Outcome(decision=decision, reply=lambda: machine.view(self._there()))

    commands = by_verb()
    orders = by_type(Begin.by(start))
    evolve = staticmethod(machine.evolve)

    def barrier(self, now: Moment, epoch: int) -> ErasureActivated:
        return ErasureActivated(erasure=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> ErasureDecision:
        return machine.resume(self.state)

    def observe(self, report: Report | TimerFired, now: Moment) -> ErasureDecision:
        if self.state is None or isinstance(report, TimerFired):
            return NOTHING
        return machine.observe(self.state, report, now)

    def perform(self, effect: Effect) -> None:
        match effect:
            case Clear():
                self.spawn(self._clear())
            case Finish():
                self.spawn(self._finish())
            case Forget():
                self.spawn(self._desk.forget(self.id))

    async def _clear(self) -> None:
        self.tell(await self._desk.clear(self._there().begun))

    async def _finish(self) -> None:
        self.tell(await self._desk.finish(self._there().begun, self.seq))

    def state_changed(self) -> None:
        if self.state is not None and self.state.over:
            self._host.retire(self, KEEP)

    def _there(self) -> Erasure:
        if self.state is None:
            raise NO_ERASURE()
        return self.state
