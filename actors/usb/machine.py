"""What comes and goes on the hubs of a host, made of looks at them. Pure.

The kernel tells of each device by itself: a hub that is unplugged is twenty phones that leave one after the other, and
then the hub. So a look is only believed when nothing has changed for a moment, and compared with what is on record:
what has changed in between, also while nobody looked, is told once.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, Effect, SetTimer, TimerFired
from actors.usb.port_map import HubNow
from bus_schemas.usb import HubEvent, HubFound, HubLost, HubsActivated, PortChanged, PortState, PortSwitched

SETTLE = "settle"
QUIET, LONGEST = 0.1, 0.8  # seconds without a change, and at most, until a look is believed
LEAVING, VANISHING = 0.5, 3.0  # the same while phones of a hub leave one after the other: the hub may be the next
AT_ONCE, A_SECOND = 200.0, 1.0  # events of a host: loose cables shall not fill the journal
PATIENCE = 5.0  # seconds, where it would have been more


class SeenHub(Struct, frozen=True, kw_only=True):
    """A hub that is plugged in: the state of each port that is not empty, and the printed numbers, by way."""

    path: str
    total: int
    ports: Mapping[str, PortState] = {}
    numbers: Mapping[str, int] = {}


class Seen(Struct, frozen=True, kw_only=True):
    """A look at all hubs, by name. Not `certain`: adb is away, and nobody knows which phones it would list."""

    hubs: Mapping[str, SeenHub]
    certain: bool = True


class HubOnRecord(Struct, frozen=True, kw_only=True):
    """A hub as its events tell it: the state of each port that is not empty."""

    path: str
    total: int
    ports: Mapping[str, PortState] = {}


class Switched(Struct, frozen=True, kw_only=True):
    """Ports that are off for a moment."""

    hub: str
    port: int
    ways: tuple[str, ...]


class Hubs(Struct, frozen=True, kw_only=True):
    """The hubs of a host on record. `off`: what has to be switched on again."""

    host: str
    hubs: Mapping[str, HubOnRecord] = {}
    off: tuple[Switched, ...] = ()


class HubsMemory(Struct, frozen=True, kw_only=True):
    """The newest look, since when one waits to be believed, and how many events there were lately (`spent`, `at`)."""

    seen: Seen | None = None
    since: float | None = None
    spent: float = 0.0
    at: float = 0.0


class SwitchOn(Effect, frozen=True, kw_only=True):
    """Switch on again what somebody who is gone had switched off for a moment."""

    hub: str
    port: int
    ways: tuple[str, ...]


HubsDecision = Decision[HubEvent, HubsMemory]


def seen(hubs: Iterable[HubNow], *, certain: bool) -> Seen:
    """What a look says. Hubs that are only in the settings are not there."""
    return Seen(hubs={hub.name: _seen_hub(hub) for hub in hubs if hub.plugged}, certain=certain)


def _seen_hub(hub: HubNow) -> SeenHub:
    ports = {port.way: port.state for port in hub.ports if port.state is not PortState.EMPTY}
    numbers = {port.way: port.port for port in hub.ports if port.port is not None}
    return SeenHub(path=hub.path, total=len(hub.ports), ports=ports, numbers=numbers)


def observe(state: Hubs, memory: HubsMemory, report: Seen | TimerFired, now: Moment) -> HubsDecision:
    """What follows from a look, or from none for a while."""
    if isinstance(report, Seen):
        return _looked(state, memory, report, now)
    events = tuple(changes(state, memory.seen, now)) if memory.seen is not None else ()
    spent = max(memory.spent - (now.mono - memory.at) * A_SECOND, 0.0)
    if spent and spent + len(events) > AT_ONCE:
        return Decision(effects=(SetTimer(name=SETTLE, seconds=PATIENCE),))
    return Decision(memory=replace(memory, since=None, spent=spent + len(events), at=now.mono), events=events)


def _looked(state: Hubs, memory: HubsMemory, look: Seen, now: Moment) -> HubsDecision:
    if look == memory.seen:
        return Decision()
    since = now.mono if memory.since is None else memory.since
    gone = _gone(state, look)
    quiet, longest = LEAVING if gone else QUIET, VANISHING if gone > 1 else LONGEST
    left = max(since + longest - now.mono, 0.0)
    settle = SetTimer(name=SETTLE, seconds=min(quiet, left))
    return Decision(memory=replace(memory, seen=look, since=since), effects=(settle,))


def _gone(state: Hubs, look: Seen) -> int:
    """How many ports have become empty, at most, of a hub that is there still. How long the kernel takes over each
    device of a hub that is unplugged is its own affair."""
    hubs = ((hub, look.hubs[name]) for name, hub in state.hubs.items() if name in look.hubs)
    return max((len(before.ports.keys() - hub.ports) for before, hub in hubs), default=0)


def changes(state: Hubs, look: Seen, now: Moment) -> Iterator[HubEvent]:
    """What a look says that is not on record."""
    for name, known in state.hubs.items():
        if name not in look.hubs:
            yield HubLost(host=state.host, at=now.at, hub=name, path=known.path, phones=len(known.ports))
    for name, hub in look.hubs.items():
        if (before := state.hubs.get(name)) is None:
            ports = dict(hub.ports)
            yield HubFound(host=state.host, at=now.at, hub=name, path=hub.path, total=hub.total, ports=ports)
        else:
            for way, was, is_now in _on_ports(hub.ports, before.ports, look.certain):
                yield PortChanged(
                    host=state.host, at=now.at, hub=name, way=way, port=hub.numbers.get(way), state=is_now, before=was
                )


def _on_ports(
    ports: Mapping[str, PortState], before: Mapping[str, PortState], certain: bool
) -> Iterator[tuple[str, PortState, PortState]]:
    for way in dict.fromkeys((*ports, *before)):
        was, state = before.get(way, PortState.EMPTY), ports.get(way, PortState.EMPTY)
        if not certain and state is PortState.OCCUPIED and was is not PortState.EMPTY:
            state = was  # it is there still; how it is in adb nobody knows
        if state is not was:
            yield way, was, state


def resume(state: Hubs | None) -> HubsDecision:
    """Whoever looked after the hubs before has left these ports off."""
    off = state.off if state is not None else ()
    return Decision(effects=tuple(SwitchOn(hub=one.hub, port=one.port, ways=one.ways) for one in off))


def evolve(state: Hubs | None, event: HubEvent) -> Hubs:
    """The hubs after an event."""
    hubs = state if state is not None else Hubs(host=event.host)
    match event:
        case HubFound():
            found = HubOnRecord(path=event.path, total=event.total, ports=event.ports)
            return replace(hubs, hubs={**hubs.hubs, event.hub: found})
        case HubLost():
            return replace(hubs, hubs={name: hub for name, hub in hubs.hubs.items() if name != event.hub})
        case PortChanged() if event.hub in hubs.hubs:
            return replace(hubs, hubs={**hubs.hubs, event.hub: _changed(hubs.hubs[event.hub], event)})
        case PortSwitched():
            others = tuple(one for one in hubs.off if one.hub != event.hub or set(one.ways).isdisjoint(event.ways))
            off = (Switched(hub=event.hub, port=event.port, ways=event.ways),) if event.cycle else ()
            return replace(hubs, off=(*others, *off) if event.action == "off" else others)
        case HubsActivated() | PortChanged():
            return hubs


def _changed(hub: HubOnRecord, event: PortChanged) -> HubOnRecord:
    others = {way: state for way, state in hub.ports.items() if way != event.way}
    ports = others if event.state is PortState.EMPTY else {**others, event.way: event.state}
    return replace(hub, ports=ports)
