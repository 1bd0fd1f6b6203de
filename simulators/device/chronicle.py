"""What really happened in a simulated world: every call as the phone or the PBX had it, and every fault.

The judge reads this, and no host ever does. Seconds are those of the world's own clock.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from bus_schemas.call import EndReason


class Source(StrEnum):
    """Who placed a call."""

    ORDER = "order"  # one of our hosts
    HAND = "hand"  # somebody on the phone itself
    INCOMING = "incoming"


class Ender(StrEnum):
    """Who ended a call."""

    US = "us"  # one of our hosts asked for it
    HAND = "hand"  # somebody on the phone itself
    REMOTE = "remote"  # the far end, or the network
    LOST = "lost"  # the phone or the PBX was restarted


@dataclass
class DeviceCall:
    """One call as the device had it. `line` as in the call's subjects; `slot`: whose extension, on a PBX. `call_id`:
    under which it was ordered, where the device was told that. `joined`: the extensions of operators to which it was
    taken, and when."""

    line: str
    ref: str
    number: str
    source: Source
    created: float
    slot: int | None = None
    call_id: str | None = None
    rung: float | None = None
    answered: float | None = None
    ended: float | None = None
    ender: Ender | None = None
    reason: EndReason | None = None
    cause: str = ""
    joined: list[tuple[float, str]] = field(default_factory=list)

    def remembered(self, at: float) -> bool:
        """Whether the device knew at that moment how it had ended."""
        return self.ended is not None and self.ended < at and self.ender is not Ender.LOST

    def up(self, at: float) -> bool:
        """Whether it was up at that moment."""
        return self.created <= at and (self.ended is None or at < self.ended)


@dataclass(eq=False)
class Fault:
    """Something that went wrong. `target`: `bus`, `phone 1`, `pbx`, `host a` ... `end` None: it lasts."""

    kind: str
    target: str
    start: float
    end: float | None = None

    def touches(self, start: float, end: float) -> bool:
        return self.start <= end and (self.end is None or self.end >= start)


@dataclass(eq=False)
class Chronicle:
    """The book of one world. `notes`: what may help somebody who reads a timeline."""

    calls: list[DeviceCall] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[tuple[float, str]] = field(default_factory=list)
    shells: Counter[tuple[str, str]] = field(default_factory=Counter)  # by phone and command
    looks: Counter[tuple[str, int]] = field(default_factory=Counter)  # by phone and second

    def fault(self, kind: str, target: str, start: float, end: float | None = None) -> Fault:
        """Write one down."""
        fault = Fault(kind, target, start, end)
        self.faults.append(fault)
        return fault

    def note(self, at: float, text: str) -> None:
        self.notes.append((at, text))

    def ordered(self, line: str | None = None) -> list[DeviceCall]:
        """The calls that our hosts placed, on one line or on all."""
        return [call for call in self.calls if call.source is Source.ORDER and line in (None, call.line)]
