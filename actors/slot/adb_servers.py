"""Which adb servers a host has of its own, and which phones each of them takes. Pure.

A server has three files open for each phone, and knows none beyond FD_SETSIZE (1024): it dies at about 335 phones, and
its list has room for 65,535 bytes. On USB a server takes every phone that it sees; one that is to leave some alone must
not see them (`cli/site/usb_buses.py`), and it sees whole buses or none.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from actors.slot.settings import ADDRESS, Adb, Hub
from bus_schemas.slot import SlotConfig

PHONES_LIMIT = 320  # of one server


class AdbServer(Struct, frozen=True, kw_only=True):
    """One server. `usb`: it takes phones on USB, on these `buses` (none given: on all). `network`: it connects to those
    on the network."""

    usb: bool = True
    buses: tuple[int, ...] = ()
    network: bool = True


def servers_of(adb: Adb, slots: Iterable[SlotConfig], host: str) -> tuple[AdbServer, ...]:
    """The servers of a host with these slots: one, unless it has more phones than `phones_per_server`, or buses of one
    are set. Phones on USB and on the network then have servers apart."""
    if adb.host:
        return (AdbServer(),)
    own = [ADDRESS.match(slot.serial or "") is not None for slot in slots if slot.host == host]
    network, on_usb = sum(own), len(own) - sum(own)
    further = max(math.ceil(network / adb.phones_per_server), adb.servers - 1 if on_usb or adb.usb else adb.servers)
    if not adb.usb and not on_usb:
        return (AdbServer(), *(AdbServer(usb=False) for _ in range(further - 1)))
    if not adb.usb and len(own) <= adb.phones_per_server and adb.servers == 1:
        return (AdbServer(),)
    first = [AdbServer(buses=buses, network=further == 0) for buses in adb.usb or ((),)]
    return (*first, *(AdbServer(usb=False) for _ in range(further)))


def wrong_servers(
    adb: Adb, slots: Sequence[SlotConfig], hubs: Mapping[str, Hub], host: str
) -> Iterator[str]:
    """What cannot be of `[adb]`, each with its place in the settings."""
    if adb.host and (adb.usb or adb.servers > 1):
        yield "adb.host: a server of yours is one, and takes all phones: `usb` and `servers` are for our own"
    on_usb = sum(slot.host == host and not ADDRESS.match(slot.serial or "") for slot in slots)
    if not adb.usb and on_usb > PHONES_LIMIT:
        yield (
            f"slots: {on_usb} phones on USB, and an adb server dies of more than {PHONES_LIMIT}: give each server its"
            " USB buses, as [adb] usb = [[1, 2], [3, 4]] (docs/operations.md)"
        )
    owner: dict[int, int] = {}
    for at, buses in enumerate(adb.usb):
        if not buses:
            yield f"adb.usb[{at}]: a server needs a bus"
        for bus in buses:
            if owner.setdefault(bus, at) != at:
                yield f"adb.usb[{at}]: bus {bus} is of another server already"
    for name, hub in hubs.items() if adb.usb else ():
        of = {owner.get(int(path.partition("-")[0])) for path in (hub.path, *hub.also)}
        if None in of:
            yield f"hubs.{name}: no server of [adb] usb has its bus"
        elif len(of) > 1:
            yield f"hubs.{name}: it is on buses of several servers in [adb] usb; its phones may come on either"
