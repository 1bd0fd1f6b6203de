"""What a call and its line tell each other inside one host, and what a line knows of its calls. A line is a slot with
its phone, or a trunk of a PBX; it alone works with the outside.

A line is held by the calls on record for it that are not over, and by the starts that are under way. The first follow
from the journal (`OnRecord`), the second are this owner's memory (`Held`); nothing else is written, so nothing else can
be left behind.
"""

from collections.abc import Mapping

from msgspec import Struct

from actors.runtime.clock import Moment
from actors.runtime.decision import Effect
from actors.slot.phone import Look
from bus_schemas.call import CallEnded, EndReason

# --- orders of a call to its line, and what comes back ------------------------------------------------------------


class Dial(Struct, frozen=True, kw_only=True):
    """Place the call whose attempt is on record. `fences`: the subjects whose last event must still be the one of this
    sequence, else somebody else owns the line by now."""

    call_id: str
    number: str
    fences: tuple[tuple[str, int], ...] = ()
    trace_id: str | None = None


class HangUp(Struct, frozen=True, kw_only=True):
    """End the call. `ref`: its name outside, where that is known."""

    call_id: str
    ref: str | None = None


class LookAt(Struct, frozen=True, kw_only=True):
    """Ask the outside about the call; `Looked` with the same `why` comes back."""

    call_id: str
    why: str


class Looked(Struct, frozen=True, kw_only=True):
    """What the outside says about its calls, None when it could not be asked. It was asked at `asked` (seconds of the
    host's monotonic clock) for `call_id`, None: for the line's own sake. What has happened since it cannot know."""

    look: Look | None
    why: str
    asked: float
    call_id: str | None = None


class Named(Struct, frozen=True, kw_only=True):
    """The call is the one that the outside calls `ref`."""

    call_id: str
    ref: str


class Release(Struct, frozen=True, kw_only=True):
    """The call is over and on record. `look`: the outside may still be in it, so ask before the line is free."""

    call_id: str
    look: bool = False


class Settle(Struct, frozen=True, kw_only=True):
    """Nobody knows whether a call that is to hold this line got on record, or nobody owns it: find out."""

    call_id: str


class Drop(Struct, frozen=True, kw_only=True):
    """The start came to nothing: the attempt is not on record and can no longer get there."""

    call_id: str


class Placed(Struct, frozen=True, kw_only=True):
    """The outside took the order to dial. `after_ref`: the newest call that was known there before."""

    after_ref: str | None = None


class AdoptCall(Effect, frozen=True, kw_only=True):
    """Take over a call that holds this line."""

    call_id: str


DOUBTFUL = 8  # names that are remembered
# Ends that are written without the outside having said so.
IN_DOUBT = frozenset({EndReason.PHONE_LOST, EndReason.TRUNK_LOST, EndReason.UNKNOWN, EndReason.HANGUP_LOCAL})


# --- who holds a line ---------------------------------------------------------------------------------------------


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a line. Calls (`kind` call) are the first of several kinds."""

    id: str
    user: str
    slot: int
    kind: str = "call"


class Began(Struct, frozen=True, kw_only=True):
    """A call of this line got on record at this place of the journal."""

    holder: Holder
    at: Moment
    seq: int


class Over(Struct, frozen=True, kw_only=True):
    """A call of this line is over, since `at`, on record at this place of the journal. `doubtful`: its name outside,
    where the outside may still be in it."""

    call_id: str
    at: str
    seq: int
    doubtful: str | None = None


def nameless(call_id: str) -> str:
    """What a call is remembered by of which the outside has never told the name: the phone may know it by its note."""
    return f"?{call_id}"


def over_of(event: CallEnded, seq: int) -> Over:
    """What a terminal event says to the line."""
    doubtful = None
    if event.trunk is None and event.reason in IN_DOUBT:
        doubtful = event.ref or nameless(event.call_id)
    return Over(call_id=event.call_id, at=event.at, seq=seq, doubtful=doubtful)


class OnRecord(Struct, frozen=True, kw_only=True):
    """The calls on record for a line that are not over, by id. `seq`: the last event of its calls that is in.
    `doubtful`: the names outside of the last calls that ended on record while the outside could not be asked."""

    open: Mapping[str, Began] = {}
    seq: int = 0
    doubtful: tuple[str, ...] = ()

    def after(self, event: Began | Over) -> "OnRecord":
        """The calls after one more event. Taking an event in again changes nothing, if those after it follow again."""
        if isinstance(event, Began):
            changed = {**self.open, event.holder.id: event}
        else:
            changed = {id: began for id, began in self.open.items() if id != event.call_id}
        doubtful = self.doubtful
        if isinstance(event, Over) and event.doubtful is not None and event.doubtful not in doubtful:
            doubtful = (*doubtful, event.doubtful)[-DOUBTFUL:]
        return OnRecord(open=changed, seq=max(self.seq, event.seq), doubtful=doubtful)

    @property
    def safe_seq(self) -> int:
        """Where a later owner may begin to read so that nothing of an open call is left out."""
        return min([self.seq, *(began.seq - 1 for began in self.open.values())])


Held = Mapping[str, Holder]


def holders(calls: OnRecord, held: Held) -> dict[str, Holder]:
    """Everybody who holds the line now, by id."""
    return {id: began.holder for id, began in calls.open.items()} | dict(held)


def hold(held: Held, holder: Holder) -> Held:
    return {**held, holder.id: holder}


def let_go(held: Held, id: str) -> Held:
    return {other: holder for other, holder in held.items() if other != id}

