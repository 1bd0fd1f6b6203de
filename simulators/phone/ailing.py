"""What ails a phone of simulated time, so that no host reaches it, and what mends it."""

from collections.abc import Mapping
from enum import StrEnum

from actors.slot.phone import NO_ANSWER
from actors.telephony.reports import Link
from bus_schemas.slot_health import Rung


class Ailment(StrEnum):
    """What is wrong with it."""

    SHELLS = "shells"  # those that are open answer no more
    CONNECTIONS = "connections"  # all that comes by adb's connection
    PHONE = "phone"  # every shell, until it restarts
    OFFLINE = "offline"  # adb lists it so
    KEY = "key"  # it asks for this host's key
    DEAD = "dead"  # nothing that a host can do helps


MENDED_BY: Mapping[Ailment, frozenset[Rung]] = {
    Ailment.SHELLS: frozenset({Rung.RECONNECT, Rung.ADB_RECONNECT, Rung.REBOOT}),
    Ailment.CONNECTIONS: frozenset({Rung.ADB_RECONNECT, Rung.REBOOT}),
    Ailment.PHONE: frozenset({Rung.REBOOT}),
    Ailment.OFFLINE: frozenset({Rung.ADB_RECONNECT}),
    Ailment.KEY: frozenset(),
    Ailment.DEAD: frozenset(),
}
OF_ITS_CONNECTION = frozenset({Ailment.SHELLS, Ailment.CONNECTIONS, Ailment.OFFLINE})  # a new one has none of it
FOUND_OUT: Mapping[Ailment, tuple[float, Link, str]] = {  # after so many seconds, and what is told then
    **dict.fromkeys(Ailment, (22.0, Link.OFFLINE, NO_ANSWER)),
    Ailment.OFFLINE: (0.5, Link.OFFLINE, "offline"),
    Ailment.KEY: (0.5, Link.UNAUTHORIZED, "unauthorized"),
}
