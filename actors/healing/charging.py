"""When a phone's port is switched off so that its battery is not kept full, and for how long. Pure.

What is always full swells. A port that is off takes the phone from adb, too: nothing is known of it meanwhile, so how
long it may be off is reckoned from what it has lost the last times.
"""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.slot import HubName, SlotConfig

FIRST = 600.0  # seconds that a port is off while nobody knows yet what its phone loses
LEAST = 60.0
COMES_BACK = 60.0  # seconds for which a phone may still be listed, or not yet, when its port was switched
HOUR = 3600.0

Percent = Annotated[float, Meta(ge=5, le=100)]


class Charging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ports of these `hubs` and `slots` (none named: of nobody) are off from `high` percent on until the battery
    must be near `low`, at most for `longest` seconds. A phone has been idle for `idle` seconds before."""

    hubs: tuple[HubName, ...] = ()
    slots: tuple[int, ...] = ()
    high: Percent = 80.0
    low: Percent = 60.0
    longest: Annotated[float, Meta(ge=60, le=86_400)] = 3_600.0
    idle: Annotated[float, Meta(ge=0, le=86_400)] = 300.0

    def is_for(self, slot: SlotConfig) -> bool:
        """Whether the battery of this slot's phone is held."""
        return slot.hub is not None and slot.port is not None and (slot.id in self.slots or slot.hub in self.hubs)


class Battery(Struct, frozen=True, kw_only=True):
    """What a phone tells of its battery. `frozen`: somebody has set it (`dumpsys battery set`), and it says nothing."""

    percent: float | None
    frozen: bool = False


class Learned(Struct, frozen=True, kw_only=True):
    """What is known of a phone from its rests. `lost`: percent an hour, None before the first; `at`: what it had when
    its port was last switched off, `seconds` for which that was."""

    lost: float | None = None
    at: float | None = None
    seconds: float = FIRST


def may_rest(battery: Battery, rule: Charging) -> bool:
    """Whether it has as much as it needs, as far as it tells."""
    return battery.percent is not None and not battery.frozen and battery.percent >= rule.high


def begun(learned: Learned, percent: float, rule: Charging) -> Learned:
    """Its port is switched off now: for how long."""
    if learned.lost is None:
        seconds = FIRST
    else:
        seconds = HOUR * max(percent - rule.low, 0.0) / learned.lost if learned.lost > 0 else rule.longest
    return Learned(lost=learned.lost, at=percent, seconds=min(max(seconds, LEAST), rule.longest))


def ended(learned: Learned, percent: float | None, seconds: float) -> Learned:
    """It tells again what it has, after so many seconds."""
    if percent is None or learned.at is None or seconds < LEAST:
        return Learned(lost=learned.lost)
    return Learned(lost=max(learned.at - percent, 0.0) * HOUR / seconds)
