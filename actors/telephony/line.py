"""What a line knows of its calls. A line is a slot with its phone, or a trunk of a PBX; it alone works with what is
outside.

A line is held by the calls on record for it that are not over, and by the starts that are under way. The first follow
from the journal (`OnRecord`), the second are this owner's memory (`Held`); nothing else is written, so nothing else can
be left behind.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import Effect
from bus_schemas.call import CallEnded, EndReason

CALL, SCRIPT = "call", "script"  # kinds that hold lines
DOUBTFUL = 8  # names that are remembered
# Ends that are written without the outside having said so.
IN_DOUBT = frozenset({EndReason.PHONE_LOST, EndReason.TRUNK_LOST, EndReason.UNKNOWN, EndReason.HANGUP_LOCAL})


class Adopt(Effect, frozen=True, kw_only=True):
    """Take over what holds this line."""

    kind: str
    id: str


# --- who holds a line ---------------------------------------------------------------------------------------------


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a line. `kind`: of what, by the actors' names for kinds: a call, or what else works with a phone.
    `slot`: whose extension it holds too, if any. `inside`: the id of the holder in which this one works, as a call in
    an app does in the run of a script that places it; the phone itself dials no such call."""

    id: str
    user: str
    slot: int | None
    kind: str = CALL
    inside: str | None = None

    @property
    def dials(self) -> bool:
        """Whether it is a call of the phone, or the PBX, itself."""
        return self.kind == CALL and self.inside is None


class Began(Struct, frozen=True, kw_only=True):
    """What holds this line got on record at this place of the journal. `after_ref`: the newest call that was known
    outside before."""

    holder: Holder
    at: Moment
    seq: int
    after_ref: str | None = None


class Over(Struct, frozen=True, kw_only=True):
    """What held this line is over, since `at`, on record at this place of the journal. `doubtful`: its name outside,
    where the outside may still be in it. `reason`: of its end, where that can be read."""

    id: str
    at: str
    seq: int
    doubtful: str | None = None
    reason: EndReason | None = None


def nameless(call_id: str) -> str:
    """What a call is remembered by of which the outside has never told the name: the phone may know it by its note."""
    return f"?{call_id}"


def over_of(event: CallEnded, seq: int) -> Over:
    """What a terminal event says to the line."""
    doubtful = None
    if event.trunk is None and event.reason in IN_DOUBT:
        doubtful = event.ref or nameless(event.call_id)
    return Over(id=event.call_id, at=event.at, seq=seq, doubtful=doubtful, reason=event.reason)


class Doubtful(Struct, frozen=True, kw_only=True):
    """A call that ended on record while the outside could not be asked: its name there, or `nameless`, and what was the
    newest one there before its attempt."""

    name: str
    after_ref: str | None = None


class OnRecord(Struct, frozen=True, kw_only=True):
    """What is on record for a line and not over, by id: calls, and what else holds it. `seq`: the last event that is
    in. `doubtful`: the last calls that ended on record while the outside could not be asked."""

    open: Mapping[str, Began] = {}
    seq: int = 0
    doubtful: tuple[Doubtful, ...] = ()

    def after(self, event: Began | Over) -> "OnRecord":
        """The calls after one more event. Taking an event in again changes nothing, if those after it follow again."""
        if isinstance(event, Began):
            changed = {**self.open, event.holder.id: event}
        else:
            changed = {id: began for id, began in self.open.items() if id != event.id}
        doubtful = self.doubtful
        if isinstance(event, Over) and event.doubtful is not None and self.doubt(event.doubtful) is None:
            began = self.open.get(event.id)
            after_ref = began.after_ref if began is not None else None
            doubtful = (*doubtful, Doubtful(name=event.doubtful, after_ref=after_ref))[-DOUBTFUL:]
        return OnRecord(open=changed, seq=max(self.seq, event.seq), doubtful=doubtful)

    def doubt(self, name: str) -> Doubtful | None:
        """The call of that name that ended in doubt."""
        return next((one for one in self.doubtful if one.name == name), None)

    @property
    def safe_seq(self) -> int:
        """Where a later owner may begin to read so that nothing of an open call is left out."""
        return min([self.seq, *(began.seq - 1 for began in self.open.values())])

    def to_be_read(self) -> "OnRecord":
        """The same before `safe_seq`, from where all that is open is found again. What is not was over, and has left
        the journal (docs/decisions/0063): nobody can end it any more, and it would hold the line for ever."""
        return replace(self, open={}, seq=self.safe_seq)


Held = Mapping[str, Holder]


def adoptions(calls: OnRecord) -> tuple[Adopt, ...]:
    """Take over all that holds a line."""
    return tuple(Adopt(kind=began.holder.kind, id=id) for id, began in calls.open.items())



def holders(calls: OnRecord, held: Held) -> dict[str, Holder]:
    """Everybody who holds the line now, by id."""
    return {id: began.holder for id, began in calls.open.items()} | dict(held)


def hold(held: Held, holder: Holder) -> Held:
    return {**held, holder.id: holder}


def release_hold(held: Held, id: str) -> Held:
    return {other: holder for other, holder in held.items() if other != id}


class CallCounts(Protocol):
    """Counts the calls on record of this host's lines, each by its line and its user."""

    def began(self, line: str, call_id: str, user: str, at: Moment, now: Moment, *, pooled: bool) -> None:
        """A call began at `at`. It counts once, however often it is told. `pooled`: on a slot of the pool."""

    def is_open(self, call_id: str, user: str, *, pooled: int | None) -> None:
        """A call is not over. `pooled`: the slot of the pool that it is on, if it is."""

    def over(self, call_id: str, user: str) -> None:
        """A call is over."""

    def of(self, line: str) -> Iterator[tuple[str, str, Moment]]:
        """The calls that began on a line lately: id, user, moment."""


# --- what every line's record has ---------------------------------------------------------------------------------


class CallStart(Struct, frozen=True, kw_only=True):
    """That a call began, for the limits."""

    call_id: str
    user: str
    at: Moment


class LineState(Struct, frozen=True, kw_only=True):
    """What every line's record has. `starts`: of the calls of the last hour, in snapshots only."""

    calls: OnRecord = OnRecord()
    starts: tuple[CallStart, ...] = ()
