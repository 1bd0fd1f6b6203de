"""The owner of one do-not-call list: the only one who writes to it."""

from typing import ClassVar, Never

from actors.do_not_call import machine
from actors.do_not_call.followed import Followed
from actors.do_not_call.machine import OnRecord
from actors.runtime.actor import Actor
from actors.runtime.bus import BusUnavailable
from actors.runtime.clock import Moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.host import Host
from bus_schemas.catalogue import topics_of
from bus_schemas.do_not_call import ChangeDoNotCall, DoNotCallActivated, DoNotCallChanged, DoNotCallEvent

BEHIND = 60.0  # seconds that a new owner waits until this host has read what came before it


class Change(Order[DoNotCallChanged], frozen=True, kw_only=True):
    """Put entries on the list and take others off."""

    request: ChangeDoNotCall


class DoNotCallActor(Actor[OnRecord, DoNotCallEvent, None, Never]):
    """One list. Its entries are those that this host follows for its gate: a new owner waits until these are all that
    was written before its barrier, and what it writes is in them before it is acknowledged."""

    kind: ClassVar[str] = "do_not_call"
    state_type = OnRecord
    topics = topics_of("do_not_call")
    snapshots = True  # a start reads the last of its events, and the host all of them anyway

    __slots__ = ("_lists",)

    def __init__(self, *, id: str, host: Host, lists: Followed) -> None:
        super().__init__(id=id, host=host)
        self._lists = lists

    def change(self, order: Change, context: Context, now: Moment) -> Outcome[DoNotCallChanged]:
        known, seconds = self._lists.known(self.id), self._host.clock.now().timestamp()
        decision, said = machine.change(known, order.request, by=context.user, at=now.at, now=seconds)
        return Outcome(decision=decision, reply=said)

    commands = by_verb()
    orders = by_type(Change.by(change))
    evolve = staticmethod(machine.evolve)

    async def take_over(self) -> None:
        if not await self._lists.until(self.seq, BEHIND):
            raise BusUnavailable(f"the do-not-call list {self.id} is not read yet")

    def recorded(self, event: DoNotCallEvent) -> None:
        if not isinstance(event, DoNotCallActivated):  # before which there is what this host may not have read yet
            self._lists.take(self.id, event, self.seq)

    def barrier(self, now: Moment, epoch: int) -> DoNotCallActivated:
        return DoNotCallActivated(list=self.id, at=now.at, host=self._host.name, epoch=epoch)
