"""What a call and its line tell each other inside one host. A line is a slot with its phone, or a trunk of a PBX; it
alone works with the outside."""

from msgspec import Struct

from actors.runtime.decision import Effect
from actors.slot.phone import Look


class Dial(Struct, frozen=True, kw_only=True):
    """Place the call that this line is booked for."""

    call_id: str
    number: str
    trace_id: str | None = None


class HangUp(Struct, frozen=True, kw_only=True):
    """End the call that this line is booked for."""

    call_id: str


class LookAt(Struct, frozen=True, kw_only=True):
    """Ask the outside about the call; `Looked` with the same `why` comes back."""

    call_id: str
    why: str


class Looked(Struct, frozen=True, kw_only=True):
    """What the outside says about its calls, None when it could not be asked."""

    look: Look | None
    why: str


class Release(Struct, frozen=True, kw_only=True):
    """The call is over and on record. `look`: the outside may still be in it, so ask before the line is free."""

    call_id: str
    look: bool = False


class Settle(Struct, frozen=True, kw_only=True):
    """Nobody knows whether the call that this line is booked for got on record: find out."""

    call_id: str


class AdoptCall(Effect, frozen=True, kw_only=True):
    """Take over a call that this line is booked for."""

    call_id: str
