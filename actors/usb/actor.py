"""The actor of a host's hubs: keeps the record of what comes and goes."""

from collections.abc import Callable
from typing import ClassVar

from actors.runtime.actor import Actor
from actors.runtime.clock import Moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.decision import Effect, TimerFired
from actors.runtime.effects import Work
from actors.runtime.host import Host
from actors.usb import machine
from actors.usb.machine import Hubs, HubsDecision, HubsMemory, Seen, SwitchOn
from bus_schemas.catalogue import topics_of
from bus_schemas.usb import HubEvent, HubsActivated, PortSwitched


class Record(Order[None], frozen=True, kw_only=True):
    """Put on record that ports are being switched."""

    switched: PortSwitched


class HubsActor(Actor[Hubs, HubEvent, HubsMemory, Seen]):
    """The hubs of one host. `switch_on`: switches on what is still off of a cycle that nobody has ended."""

    kind: ClassVar[str] = "hub"
    state_type = Hubs
    topics = topics_of("hub")
    snapshots: ClassVar[bool] = True

    __slots__ = ("_memory", "_switch_on")

    def __init__(self, *, id: str, host: Host, switch_on: Callable[[SwitchOn], Work[None]]) -> None:
        super().__init__(id=id, host=host)
        self._memory = HubsMemory()
        self._switch_on = switch_on

    def record(self, order: Record, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=HubsDecision(events=(order.switched,)), reply=None)

    commands = by_verb()
    orders = by_type(Record.by(record))
    evolve = staticmethod(machine.evolve)

    def observe(self, report: Seen | TimerFired, now: Moment) -> HubsDecision:
        return machine.observe(self.state or Hubs(host=self.id), self._memory, report, now)

    def resume(self, now: Moment) -> HubsDecision:
        return machine.resume(self.state)

    def remember(self, memory: HubsMemory) -> None:
        self._memory = memory

    def barrier(self, now: Moment, epoch: int) -> HubsActivated:
        return HubsActivated(host=self.id, at=now.at, epoch=epoch)

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, SwitchOn):
            self._host.spawn(self._switch_on(effect))
        else:
            super().perform(effect)


