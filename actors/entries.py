"""Entries of the settings that cannot all hold, or that nothing would come of. Pure."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from actors.slot.settings import ADDRESS, Hub, Misplaced
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import TrunkConfig

_USUAL_PORTS = {"http": 80, "https": 443}


def wrong_slots(given: Sequence[SlotConfig], slots: Iterable[SlotConfig], hubs: Mapping[str, Hub]) -> Iterator[str]:
    """What is wrong with slots beside each other, each with both places. `given`: in the settings; `slots`: as they
    come to be, with those of a sandbox."""
    yield from _twice("slots", "id", [slot.id for slot in given])
    places = {slot.id: f"slots[{at}]" for at, slot in enumerate(given)}
    found = [(places.get(slot.id, f"slot {slot.id} of the sandbox"), slot) for slot in slots]
    for place, slot in found:
        yield from _not_placed(place, slot, hubs)
    yield from _at_one_place(found)


def _not_placed(place: str, slot: SlotConfig, hubs: Mapping[str, Hub]) -> Iterator[str]:
    if (slot.hub is None) != (slot.port is None) or (slot.serial is None and slot.hub is None):
        lacking = "hub" if slot.port is not None else "port" if slot.hub is not None else "serial"
        yield f"{place}.{lacking}: name the phone by its `serial`, or its place by `hub` and `port`"
    if slot.serial is not None or slot.port is None or slot.hub is None or slot.hub not in hubs:
        return
    with contextlib.suppress(Misplaced):  # which is said elsewhere
        at = hubs[slot.hub].place(slot.hub, slot.port)
        for name in (name for name, hub in hubs.items() if name != slot.hub and at in (hub.path, *hub.also)):
            yield f"{place}.port: at {at} is hub {name}, no phone"


def _at_one_place(found: Iterable[tuple[str, SlotConfig]]) -> Iterator[str]:
    """One serial is good for two slots of a machine only where both say their places, and none is an address."""
    ports: dict[object, str] = {}
    phones: dict[object, tuple[str, bool]] = {}
    for place, slot in found:
        placed = slot.hub is not None and slot.port is not None
        told_apart = placed and not ADDRESS.match(slot.serial or "")
        other, other_told_apart = phones.setdefault((slot.host, slot.serial), (place, told_apart))
        if slot.serial is not None and other != place and not (told_apart and other_told_apart):
            how = "phones with one serial are told apart by their `hub` and `port`"
            yield f"{place}.serial: {other} has this phone; {how}"
        if placed and (other := ports.setdefault((slot.host, slot.hub, slot.port), place)) != place:
            yield f"{place}.port: {other} has port {slot.port} of {slot.hub}"


def wrong_trunks(trunks: Sequence[TrunkConfig], pbxs: Iterable[str], host: str) -> Iterator[str]:
    """The same of trunks. `pbxs`: those that the settings of this `host` name; another host has its own."""
    yield from _twice("trunks", "name", [trunk.name for trunk in trunks])
    pbxs = sorted(pbxs)
    for at, trunk in enumerate(trunks):
        if trunk.name.upper() == "AUTO":
            yield f"trunks[{at}].name: AUTO means any trunk"
        if trunk.host == host and trunk.pbx not in pbxs:
            yield f"trunks[{at}].pbx: there is no [ami.{trunk.pbx}]; there are {', '.join(pbxs) or 'none'}"


def wrong_origins(origins: Iterable[str]) -> Iterator[str]:
    """Origins that no browser ever sends (RFC 6454, 6.2), each with its place."""
    for at, origin in enumerate(origins):
        right = _as_sent(origin if "://" in origin else f"http://{origin}")
        if origin not in (right, "null"):
            perhaps = f"; one is from `{right}`" if right else ""
            yield f"http.cors_origins[{at}]: no page is from `{origin}`, as browsers write it{perhaps}"


def _as_sent(url: str) -> str:
    """The origin of a page; empty where it has none."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not name.strip("*") or not name.isascii():
        return ""
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _USUAL_PORTS.get(parts.scheme)) else "")


def _twice(kind: str, field: str, names: Iterable[object]) -> Iterator[str]:
    first: dict[object, int] = {}
    for at, name in enumerate(names):
        if first.setdefault(name, at) != at:
            yield f"{kind}[{at}].{field}: {name} is {kind}[{first[name]}] too"
