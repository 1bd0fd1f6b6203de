"""What adb servers list: lines of `devices -l`, read where they have changed. Pure.

Source: AOSP `packages/modules/adb`, transport.cpp (append_transport). A server sends the whole list at every change.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

_PROPERTY = re.compile(r"(\w+):(\S+)")
_PADDED = re.compile(r"(.{21} ) (\S.*)")  # adb fills serials up to 22 letters
_NO_PERMISSIONS = re.compile(r" no permissions\b")
_NO_SERIAL = "(no serial number)"
UNREADABLE = "adb's line about it cannot be read:"
_READABLE = re.compile(r"(?!\?+\Z)[!-~]+(?: +[!-~]+)*\Z")


class Seen(Struct, frozen=True, kw_only=True):
    """A line of `devices -l`. `serial` is empty where there is none that can be read and written. `state` is adb's own
    word, `no permissions` and the like included. `target`: by what adb finds it, where it can its place, which nobody
    else has. `server`: the number of the server that lists it, which counts its connections (`transport_id`) itself."""

    serial: str
    state: str
    target: str = ""
    server: int = 0
    transport_id: str = ""
    model: str | None = None
    usb: str | None = None

    @property
    def connection(self) -> tuple[int, str]:
        """What no other connection to a phone has, for as long as the server runs."""
        return self.server, self.transport_id


def parse_devices(text: str) -> dict[str, Seen]:
    """A list of one server: by serial, which cheap models share; those and phones without one by their place
    (`usb:1-2.3`), or the number of their connection. A line that cannot be read is a phone that nobody can use, whose
    state says so. Raises ValueError for what is no such list."""
    listing = Listing()
    listing.put(0, text)
    return {listing.key(seen): seen for seen in listing}


def _device(line: str, at: int) -> Seen:
    """A line of the list, from the right: serials and states may hold spaces and brackets."""
    end = len(line)
    properties: dict[str, str] = {}
    while (start := line.rfind(" ", 0, end) + 1) and (match := _PROPERTY.fullmatch(line, start, end)):
        properties[match[1]] = match[2]
        end = start
        while end and line[end - 1].isspace():
            end -= 1
    serial, state = _serial_and_state(line[:end])
    if not state:
        return Seen(serial="", state=f"{UNREADABLE} {line[:40]!r}", transport_id=f"of line {at}")
    serial, usb = serial.rstrip(" "), properties.get("usb")
    return Seen(
        serial=serial if _READABLE.match(serial) and serial != _NO_SERIAL else "",
        state=state,
        target=f"usb:{usb}" if usb else serial,
        transport_id=properties.get("transport_id", ""),
        model=properties.get("model"),
        usb=usb,
    )


def _serial_and_state(text: str) -> tuple[str, str]:
    """Both, and no state where they cannot be told apart."""
    if match := _PADDED.match(text):
        return match[1], match[2].strip()
    if not text or text[0].isspace():
        return "", ""
    if match := _NO_PERMISSIONS.search(text):
        return text[: match.start()], text[match.start() :].strip()
    serial, _, state = text.rpartition(" ")
    return (serial, state) if serial else ("", "")


def _without_lost(seen: list[Seen]) -> list[Seen]:
    """The list without connections to a phone that has come anew at its place, as adb has them for a moment."""
    newest: dict[str, Seen] = {}
    for one in seen:
        where = one.usb or f"{one.serial} #{one.transport_id}"
        if where not in newest or _number(one) > _number(newest[where]):
            newest[where] = one
    return list(newest.values())


def _number(seen: Seen) -> int:
    return int(seen.transport_id) if seen.transport_id.isdecimal() else 0


def place_in(seen: Seen) -> str:
    """Where a phone hangs, by the name of a place (`usb:1-2.3`); else its connection."""
    if seen.usb:
        return f"usb:{seen.usb}"
    return f"connection {seen.transport_id}" + (f" of adb server {seen.server + 1}" if seen.server else "")


class Listing:
    """What some servers list, each its own phones, as the last list of each says. `also`: of hubs that are on more than
    one bus, each other path with the one by which the settings name it."""

    def __init__(self, servers: int = 1, also: Mapping[str, str] | None = None) -> None:
        self._also = also or {}
        self._lines: list[dict[str, Seen] | None] = [None] * servers  # of a server that is away: None
        self._seen: list[dict[Seen, None]] = [{} for _ in range(servers)]
        self._by_serial: dict[str, dict[Seen, None]] = {}
        self._by_place: dict[str, Seen] = {}

    def put(self, server: int, text: str) -> set[str]:
        """The list of a server. Gives the serials and places of what has changed in it. Raises ValueError for what is
        no such list; then nothing has changed."""
        if text and not (text.endswith("\n") and text.strip("\n")):
            raise ValueError(f"a list of phones that is cut short: {text[-40:]!r}")
        known = self._lines[server] or {}
        lines = {}
        for at, line in enumerate(text.split("\n")[:-1], start=1):
            lines[line] = known.get(line) or self._read(line, at, server)
        self._lines[server] = lines
        return self._change(server, dict.fromkeys(_without_lost([*lines.values()])))

    def gone(self, server: int) -> set[str]:
        """A server is away: that says nothing about any phone of its. Gives what `put` gives."""
        self._lines[server] = None
        return self._change(server, {})

    def is_up(self, server: int) -> bool:
        """Whether it has said what it lists."""
        return self._lines[server] is not None

    def count(self, server: int) -> int:
        """How many phones it lists."""
        return len(self._seen[server])

    def of_serial(self, serial: str) -> Collection[Seen]:
        """The phones of a serial, in the order in which they came; of the empty one, those without."""
        return self._by_serial.get(serial, {}).keys()

    def at(self, place: str) -> Seen | None:
        """The phone at a place (`usb:1-2.3`), or of a connection."""
        return self._by_place.get(place)

    def key(self, seen: Seen) -> str:
        """Under which name a phone stands in the list: its serial, unless another one has the same."""
        return seen.serial if seen.serial and len(self.of_serial(seen.serial)) == 1 else place_in(seen)

    def __contains__(self, seen: Seen) -> bool:
        return seen in self._seen[seen.server]

    def __iter__(self) -> Iterator[Seen]:
        for seen in self._seen:
            yield from seen

    # --- inside

    def _read(self, line: str, at: int, server: int) -> Seen:
        seen = _device(line, at)
        return replace(seen, server=server, usb=self._named_place(seen.usb) if seen.usb else None)

    def _named_place(self, usb: str) -> str:
        """A place as the settings name it. adb is asked by the one that it has."""
        for other, path in self._also.items():
            if usb == other or usb.startswith(f"{other}."):
                return path + usb.removeprefix(other)
        return usb

    def _change(self, server: int, now: dict[Seen, None]) -> set[str]:
        was, self._seen[server] = self._seen[server], now
        gone, come = [seen for seen in was if seen not in now], [seen for seen in now if seen not in was]
        for seen in gone:
            self._by_serial[seen.serial].pop(seen)
            if self._by_place.get(place_in(seen)) == seen:
                del self._by_place[place_in(seen)]
        for seen in come:
            self._by_serial.setdefault(seen.serial, {})[seen] = None
            self._by_place[place_in(seen)] = seen
        return {name for seen in (*gone, *come) for name in (seen.serial, place_in(seen))}
