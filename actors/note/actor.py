"""The actor of one note. It is there while somebody changes the note; else the records answer for it."""

from typing import ClassVar, Never

from actors.note import machine
from actors.note.machine import Note
from actors.runtime.actor import Actor
from actors.runtime.clock import Moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING
from bus_schemas.catalogue import topics_of
from bus_schemas.note import NO_NOTE, ChangeNote, NoteActivated, NoteChanged, NoteEvent, NoteView, PutNote

KEEP = 30.0  # seconds from a change on, for who changes it again


class Put(Order[NoteView], frozen=True, kw_only=True):
    """Write this note, which is new, or a repeat."""

    request: PutNote


class Change(Order[NoteChanged], frozen=True, kw_only=True):
    """Give it another text, or delete it."""

    request: ChangeNote


class NoteActor(Actor[Note, NoteEvent, Never, Never]):
    """One note."""

    kind: ClassVar[str] = "note"
    state_type = Note
    topics = topics_of("note")

    __slots__ = ()

    def put(self, order: Put, context: Context, now: Moment) -> Outcome[NoteView]:
        decision = NOTHING if self.state is not None else machine.add(order.request, context.user, now)
        return Outcome(decision=decision, reply=lambda: machine.view(self._there()))

    def change(self, order: Change, context: Context, now: Moment) -> Outcome[NoteChanged]:
        note, request = self._there(), order.request
        if request.text is None:
            decision = machine.delete(note, context.user, now)
        else:
            decision = machine.edit(note, request.text, request.mentions, context.user, now)
        return Outcome(decision=decision, reply=lambda: machine.changed(self._there()))

    commands = by_verb()
    orders = by_type(Put.by(put), Change.by(change))
    evolve = staticmethod(machine.evolve)

    def barrier(self, now: Moment, epoch: int) -> NoteActivated:
        return NoteActivated(note=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def owners(self, state: Note | None) -> tuple[str | None, ...]:
        return tuple(dict.fromkeys((state.added.by, *state.added.owners))) if state is not None else ()

    async def take_over(self) -> None:
        self._host.retire(self, KEEP)

    def _there(self) -> Note:
        if self.state is None:
            raise NO_NOTE()
        return self.state
