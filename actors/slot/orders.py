"""What a call and its slot tell each other inside one host: the slot alone works with the phone."""

from msgspec import Struct

from actors.slot.phone import Look


class Dial(Struct, frozen=True, kw_only=True):
    """Place the call that this slot is booked for."""

    call_id: str
    number: str
    trace_id: str | None = None


class HangUp(Struct, frozen=True, kw_only=True):
    """End the call that this slot is booked for."""

    call_id: str


class LookAt(Struct, frozen=True, kw_only=True):
    """Ask the phone about its calls; `Looked` with the same `why` comes back."""

    call_id: str
    why: str


class Looked(Struct, frozen=True, kw_only=True):
    """What the phone says about its calls, None when it could not be asked."""

    look: Look | None
    why: str


class Release(Struct, frozen=True, kw_only=True):
    """The call is over and on record. `look`: the phone may still be talking, so ask before the slot is free."""

    call_id: str
    look: bool = False


class Settle(Struct, frozen=True, kw_only=True):
    """Nobody knows whether the call that this slot is booked for got on record: find out."""

    call_id: str
