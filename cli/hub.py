"""`ottb hub`: which phone is on which port, switching a port, and learning which port is which."""

import json
import select
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bus_schemas.usb import HubDetails, HubSummary, PortDetails, PortPowered, PortState, Switching
from cli.gateway import NotDone

LOOK = 0.3  # seconds between two looks

Say = Callable[[str], None]
Look = Callable[[], HubDetails]
Typed = Callable[[float], str | None]  # a line that somebody has typed within so many seconds


def rows(hubs: list[HubSummary]) -> Iterator[str]:
    """One line for each hub."""
    for hub in hubs:
        yield f"{hub.hub:16} {hub.online} of {hub.total} online"


def shown(hub: HubDetails) -> Iterator[str]:
    """A hub, and one line for each of its ports."""
    state = {True: "plugged in", False: "not plugged in", None: "as the slots say"}[hub.plugged]
    yield f"{hub.hub} on {hub.host}: {hub.online} of {hub.total} online, {state} at {', '.join(hub.paths)}"
    yield f"{'port':>5} {'way':8} {'state':13} {'slot':>6} {'Mbit/s':>7} {'mA':>5} {'serial':20} power"
    yield from map(_row, hub.ports)


def _row(port: PortDetails) -> str:
    power = ("off" if port.off else "on") if port.switchable else "-"
    cells = (port.port, port.slot, f"{port.speed:g}" if port.speed is not None else None, port.power)
    number, slot, speed, current = ("-" if cell is None else str(cell) for cell in cells)
    serial = port.serial or ("-" if port.state is PortState.EMPTY else "?")
    return f"{number:>5} {port.way:8} {port.state.value:13} {slot:>6} {speed:>7} {current:>5} {serial:20} {power}"


def switched(done: PortPowered) -> Iterator[str]:
    """What was switched, or would be, and which phones with it."""
    would = "would be" if done.dry else "was"
    yield f"{done.hub} port {done.port}: {done.action} {would} done on {', '.join(done.ways)}"
    for phone in done.phones:
        slot = f"slot {phone.slot}" if phone.slot is not None else "no slot"
        yield f"  port {phone.port or phone.way}: {slot}, {phone.serial or 'no serial'} ({phone.state.value})"


# --- learning ---------------------------------------------------------------------------------------------------


def learn(look: Look, typed: Typed, say: Say, *, ports: int | None = None) -> dict[int, str]:
    """Ask for a phone in each printed port, one after the other, and find out the way to it by what comes. `ports`: how
    many are printed. Gives the way to each that was found. Raises NotDone, ApiError."""
    hub = look()
    if not hub.plugged:
        raise NotDone(f"{hub.hub} is not plugged in at {hub.host}, so nothing can be seen on it")
    lesson = Lesson(ports or hub.total, occupied(hub))
    say("Plug a phone into the port that is asked for; where one is in it already, pull that out and plug it in again.")
    say("Enter: skip this port. q: that is all.")
    while lesson.number is not None:
        say(f"Port {lesson.number}?")
        heard = None
        while heard is None:
            heard = _heard(typed(LOOK), lesson) or lesson.see(occupied(look()))
        say(heard)
    return lesson.ways


def _heard(line: str | None, lesson: "Lesson") -> str | None:
    if line is None:
        return None
    if line.strip().lower() == "q":
        return lesson.end()
    return lesson.skip()


def occupied(hub: HubDetails) -> frozenset[str]:
    """The ways to ports with something on them."""
    return frozenset(port.way for port in hub.ports if port.state is not PortState.EMPTY)


class Lesson:
    """Which port is asked for, `number` (None: no more), and what was found: `ways`. Pure."""

    def __init__(self, ports: int, there: frozenset[str]) -> None:
        self.number: int | None = 1
        self.ways: dict[int, str] = {}
        self._ports = ports
        self._there = there

    def see(self, there: frozenset[str]) -> str | None:
        """Something may have come. Says what it means, or None."""
        came, self._there = there - self._there, there
        known = {way: number for number, way in self.ways.items()}
        fresh = sorted(came - known.keys())
        if self.number is None or not came:
            return None
        if len(fresh) > 1:
            return f"{len(fresh)} phones came at once ({', '.join(fresh)}): one at a time."
        if not fresh:
            way = next(iter(came))
            again = known[way] == self.number - 1  # a phone that comes up logs off and on
            return None if again else f"That is port {known[way]} already ({way})."
        self.ways[self.number] = fresh[0]
        said = f"Port {self.number} is {fresh[0]}."
        self._next()
        return said

    def skip(self) -> str:
        said = f"Port {self.number} is skipped."
        self._next()
        return said

    def end(self) -> str:
        self.number = None
        return "That is all."

    def _next(self) -> None:
        assert self.number is not None
        self.number = self.number + 1 if self.number < self._ports else None


def as_toml(name: str, hub: HubDetails, ways: Mapping[int, str]) -> str:
    """A hub as it stands in the settings. Ways that stood there and were not learnt anew stay."""
    taken = {*ways.values()}
    known = {port.port: port.way for port in hub.ports if hub.mapped and port.port and port.way not in taken}
    path, *also = map(json.dumps, hub.paths)
    key = f"hubs.{json.dumps(name)}" if "." in name else f"hubs.{name}"
    lines = [f"[{key}]", f"path = {path}"]
    if also:
        lines.append(f"also = [{', '.join(also)}]")
    if hub.switching is not Switching.NONE:
        lines.append(f'switching = "{hub.switching}"')
    lines.append(f"[{key}.ports]")
    lines += [f'{number} = "{way}"' for number, way in sorted({**known, **ways}.items())]
    return "\n".join((*lines, ""))


def write(file: Path, name: str, block: str) -> None:
    """Put a hub into a settings file that does not have it. Raises NotDone."""
    try:
        before = file.read_text(encoding="utf-8-sig") if file.exists() else ""
        if name in tomllib.loads(before).get("hubs", {}):
            raise NotDone(f"{file} has a hub {name} already: take that out, then put in what is printed above")
        text = f"{before.rstrip()}\n\n{block}" if before.strip() else block
        tomllib.loads(text)
        file.write_text(text)
    except tomllib.TOMLDecodeError as error:
        raise NotDone(f"{file}: {error}") from None
    except OSError as error:
        raise NotDone(f"{file}: {error.strerror}") from None


def typed(seconds: float) -> str | None:
    """A line from the terminal; `q` where there will be no more."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return None
    return sys.stdin.readline() or "q"
