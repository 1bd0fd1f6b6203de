"""What Socket.IO clients are told of an event: its own fields, and the documented state of the thing after it.

A slot is in a call while the call on its phone is: that is derived from the call's events and tells who sees the slot
no more of the call than its id and whose it is.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from bus_schemas.call import (
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    Phase,
    Utc,
    state_of,
    status_of,
)
from bus_schemas.slot import SlotConfigured

_PHASE: Mapping[type, Phase] = {
    CallDialing: Phase.DIALING,
    CallAlerting: Phase.ALERTING,
    CallConnected: Phase.CONNECTED,
}


class SlotTaken(Struct, frozen=True, kw_only=True):
    """The slot's phone is in a call."""

    slot: int
    at: Utc
    call_id: str
    user: str
    change: Literal["booked"] = "booked"

    @classmethod
    def of(cls, event: CallDialing) -> "SlotTaken | None":
        """What an attempt says of its slot. None: it goes out through a trunk."""
        if event.trunk is not None:
            return None
        return cls(slot=event.slot, at=event.at, call_id=event.call_id, user=event.user)


class SlotFreed(Struct, frozen=True, kw_only=True):
    """The call of the slot's phone is over."""

    slot: int
    at: Utc
    call_id: None = None
    change: Literal["released"] = "released"

    @classmethod
    def of(cls, event: CallEnded) -> "SlotFreed | None":
        """What an end says of its slot. None: it was a trunk's call."""
        return cls(slot=event.slot, at=event.at) if event.trunk is None else None


def shown(event: Any, past: str) -> dict[str, Any]:
    """An event's data as clients see it."""
    data: dict[str, Any] = msgspec.to_builtins(event)
    data["change"] = past
    if isinstance(event, CallEnded):
        data |= {"phase": Phase.ENDED.value, "status": status_of(event.state).value}
    elif type(event) in _PHASE:
        phase = _PHASE[type(event)]
        data |= {"phase": phase.value, "state": state_of(phase).value, "status": status_of(state_of(phase)).value}
    elif isinstance(event, CallEnding):
        data["ending"] = True
    elif isinstance(event, SlotConfigured):
        data["call_id"] = None
    if "slot" in data and "call_id" not in data:
        data["id"] = data["slot"]
    for internal in ("mono", "boot", "after_ref", "ref"):
        data.pop(internal, None)
    return data
