"""What a call asks of its line, and who starts a call of the line that is to carry it."""

from msgspec import Struct

from actors.runtime.decision import Effect
from bus_schemas.call import CallDialing

Fence = tuple[str, int]  # a subject of the journal, and the sequence of an event
Fences = tuple[Fence, ...]  # the last event that each subject must still have


class Dial(Effect, frozen=True, kw_only=True):
    """Place the call of this attempt, which is on record: for the line an order, and the effect that it leads to if
    the call still holds the line. `fences`: where one no longer holds, somebody else owns the line by now. `unless`: an
    event of that subject after that one calls it off."""

    attempt: CallDialing
    fences: Fences = ()
    unless: Fence | None = None

    @property
    def call_id(self) -> str:
        return self.attempt.call_id


class HangUp(Struct, frozen=True, kw_only=True):
    """End the call. `ref`: its name outside, where that is known."""

    call_id: str
    ref: str | None = None


class Redirect(Effect, frozen=True, kw_only=True):
    """Take the call, which was answered and waits, to an extension: for the line an order, and the effect that it leads
    to. It is given once: a second one would take the call away from whoever talks."""

    call_id: str
    extension: str


class LookAt(Struct, frozen=True, kw_only=True):
    """Ask the outside about the call; `Looked` with the same `why` comes back."""

    call_id: str
    why: str


class Named(Struct, frozen=True, kw_only=True):
    """The call is the one that the outside calls `ref`."""

    call_id: str
    ref: str


class Release(Struct, frozen=True, kw_only=True):
    """The call is over and on record. `look`: the outside may still be in it, so ask before the line is free."""

    call_id: str
    look: bool = False


class Settle(Struct, frozen=True, kw_only=True):
    """Nobody knows whether what is to hold this line got on record, or nobody owns it: find out."""

    id: str
    kind: str = "call"


class EndInApp(Struct, frozen=True, kw_only=True):
    """To the run that placed a call in an app: end it."""

    call_id: str


class StillThere(Struct, frozen=True, kw_only=True):
    """To the run that placed a call in an app: say how it is with it; `InApp` comes back."""

    call_id: str


class Drop(Struct, frozen=True, kw_only=True):
    """The start came to nothing: it is not on record and can no longer get there."""

    id: str
