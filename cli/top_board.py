"""What `ottb top` shows: lines of text, of what the API said last and what was typed. Pure."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.alert import AlertSeverity, AlertView
from bus_schemas.monitor import HostFigures, as_uptime
from bus_schemas.slot import SlotStatus, SlotSummary
from bus_schemas.usb import HubSummary

MOST_ALERTS, MOST_HOSTS, MOST_HUBS = 5, 4, 2  # lines, of 24; where there are more lines there are more of them
NARROWEST = 40

KEYS = "q quit  ↑↓ scroll  s sort  r reverse  / filter  a alerts"


class Sort(StrEnum):
    """By what the slots are in order."""

    WRONG = "wrong"
    SLOT = "slot"
    STATUS = "status"
    BATTERY = "battery"
    TEMPERATURE = "temperature"
    LATENCY = "latency"
    USER = "user"


class Style(StrEnum):
    """How a line is meant, for terminals with colours; the words say the same."""

    PLAIN = ""
    HEAD = "bold"
    GOOD = "green"
    WARN = "yellow"
    BAD = "bold red"
    DIM = "dim"


class Line(Struct, frozen=True):
    """One line of the board."""

    text: str
    style: Style = Style.PLAIN


class Seen(Struct, frozen=True, kw_only=True):
    """What the API said last. None: whoever looks may not see that."""

    slots: tuple[SlotSummary, ...] = ()
    hubs: tuple[HubSummary, ...] | None = ()
    hosts: tuple[HostFigures, ...] | None = ()
    alerts: tuple[AlertView, ...] | None = ()


class Board(Struct, frozen=True, kw_only=True):
    """`away`: since when there is no answer, seconds; None: there is. `typing`: what is typed is the filter."""

    seen: Seen | None = None
    away: float | None = None
    why: str = ""
    sort: Sort = Sort.WRONG
    reverse: bool = False
    wanted: str = ""
    typing: bool = False
    first: int = 0
    alerts_only: bool = False
    over: bool = False


# --- keys


def typed(board: Board, key: str, page: int) -> Board:
    """The board after a key. `page`: how many slots are shown."""
    if board.typing:
        return _filtered(board, key)
    match key:
        case "q" | "Q" | "\x03" | "\x04":
            return replace(board, over=True)
        case "s":
            order = list(Sort)
            return replace(board, sort=order[(order.index(board.sort) + 1) % len(order)], first=0)
        case "r":
            return replace(board, reverse=not board.reverse)
        case "a":
            return replace(board, alerts_only=not board.alerts_only, first=0)
        case "/":
            return replace(board, typing=True)
        case "esc":
            return replace(board, wanted="", first=0)
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page, " ": page, "home": -10**9,
             "g": -10**9, "end": 10**9, "G": 10**9}  # fmt: skip
    return _scrolled(board, steps[key], page) if key in steps else board


def _filtered(board: Board, key: str) -> Board:
    match key:
        case "\r" | "\n":
            return replace(board, typing=False)
        case "esc" | "\x03":
            return replace(board, typing=False, wanted="", first=0)
        case "\x7f" | "\x08":
            return replace(board, wanted=board.wanted[:-1], first=0)
    return replace(board, wanted=(board.wanted + key)[:40], first=0) if len(key) == 1 and key.isprintable() else board


def _scrolled(board: Board, step: int, page: int) -> Board:
    last = max(_count(board) - page, 0)
    return replace(board, first=min(max(board.first + step, 0), last))


def _count(board: Board) -> int:
    if board.seen is None:
        return 0
    return len(board.seen.alerts or ()) if board.alerts_only else len(slots_of(board))


# --- what is shown


def page_of(board: Board, height: int) -> int:
    """How many slots, or alerts, fit."""
    return max(height - len(_above(board, height)) - 2, 1)  # the head of the table, and the line of keys


def lines(board: Board, width: int, height: int) -> list[Line]:
    """All of it, in so many lines of so many letters."""
    width = max(width, NARROWEST)
    page = page_of(board, height)
    below = _alerts(board, page) if board.alerts_only else _slots(board, page)
    shown = [*_above(board, height), *below]
    shown = shown[: max(height - 1, 1)]
    shown += [Line("")] * (height - 1 - len(shown))
    return [Line(_cut(line.text, width), line.style) for line in (*shown, _foot(board))]


def all_lines(board: Board, width: int) -> list[Line]:
    """All of it without an end, for who has no terminal."""
    return [
        Line(line.text.rstrip(), line.style)
        for line in lines(board, width, 10 + _count(board) + len((board.seen or Seen()).hosts or ()) + 100)
        if line.text.strip() and line.text.strip() != KEYS
    ]


def _cut(text: str, width: int) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= width else plain[: width - 1] + "…"


def _above(board: Board, height: int) -> list[Line]:
    """What stands above the slots."""
    found = [_head(board)]
    if board.away is not None:
        found.append(Line(f"NO ANSWER for {board.away:.0f} s: {board.why}. What is below is older.", Style.BAD))
    if board.seen is None:
        return found
    more = max(height - 24, 0) // 6
    if not board.alerts_only:
        found += _rest(list(_alert_lines(board.seen.alerts or ())), MOST_ALERTS + more, "alerts")
        found += _rest(list(_host_lines(board.seen.hosts or ())), MOST_HOSTS + more, "hosts")
        found += _rest(list(_hub_lines(board.seen.hubs or ())), MOST_HUBS + more, "lines of hubs")
    return found


def _rest(found: list[Line], most: int, what: str) -> list[Line]:
    if len(found) <= most:
        return found
    return [*found[: most - 1], Line(f"  and {len(found) - most + 1} more {what}", Style.DIM)]


def _head(board: Board) -> Line:
    if board.seen is None:
        return Line("OTTB: asking ...", Style.HEAD)
    slots = board.seen.slots
    online = sum(slot.status is SlotStatus.ONLINE for slot in slots)
    calls = sum(slot.call_id is not None for slot in slots)
    left = sum(slot.quarantine is not None for slot in slots)
    fires = "alerts not yours to see" if board.seen.alerts is None else f"{len(board.seen.alerts)} alerts"
    return Line(
        f"OTTB: {online} of {len(slots)} slots online, {calls} in calls, {left} in quarantine, {fires}", Style.HEAD
    )


_OF_SEVERITY: Mapping[AlertSeverity, Style] = {
    AlertSeverity.CRITICAL: Style.BAD, AlertSeverity.WARNING: Style.WARN, AlertSeverity.INFO: Style.PLAIN,
}  # fmt: skip


def _alert_lines(alerts: tuple[AlertView, ...]) -> Iterator[Line]:
    """The worst first, and of those alike the newest."""
    order = list(AlertSeverity)
    for one in sorted(alerts, key=lambda one: (one.acknowledged is not None, order.index(one.severity))):
        by = f" [{one.acknowledged_by}]" if one.acknowledged_by is not None else ""
        quiet = " (silenced)" if one.silence is not None else ""
        at = (one.fired or one.since)[11:16]
        style = Style.DIM if by or quiet else _OF_SEVERITY[one.severity]
        yield Line(f"! {one.severity.upper():8} {at} {one.words}{by}{quiet}", style)


def _host_lines(hosts: tuple[HostFigures, ...]) -> Iterator[Line]:
    for host in hosts:
        disk = host.disks[0].used if host.disks else None
        up = as_uptime(host.uptime_s) if host.uptime_s is not None else "-"
        yield Line(
            f"host {host.host:12.12} cpu {_part(host.cpu)} ram {_part(host.ram)} disk {_part(disk)}"
            f" slots {host.slots_online}/{host.slots} up {up}",
            Style.WARN if max(host.ram or 0, disk or 0, host.cpu or 0) > 90 else Style.PLAIN,
        )


def _part(value: float | None) -> str:
    return "  -%" if value is None else f"{value:3.0f}%"


def _hub_lines(hubs: tuple[HubSummary, ...]) -> Iterator[Line]:
    """Several in one line, those that lack the most first."""
    order = sorted(hubs, key=lambda hub: (hub.online - hub.total, hub.hub))
    cells = [f"{hub.hub} {hub.online}/{hub.total}" for hub in order]
    while cells:
        line = "hubs"
        while cells and (line == "hubs" or len(line) + 2 + len(cells[0]) <= 80):
            line += f"  {cells.pop(0)}"
        yield Line(line)


# --- slots


def _wrong(slot: SlotSummary) -> tuple[int, int]:
    """How bad it is, the worst first."""
    if slot.quarantine is not None:
        return 0, slot.id
    if slot.status in (SlotStatus.OFFLINE, SlotStatus.UNAUTHORIZED):
        return 1, slot.id
    if any(one.refuses_calls for one in slot.conditions):
        return 2, slot.id
    if slot.conditions:
        return 3, slot.id
    return (4 if slot.status is not SlotStatus.ONLINE else 5), slot.id


_UNKNOWN = float("inf")
_KEYS: Mapping[Sort, Callable[[SlotSummary], tuple[object, int]]] = {
    Sort.WRONG: _wrong,
    Sort.SLOT: lambda slot: (0, slot.id),
    Sort.STATUS: lambda slot: (str(slot.status), slot.id),
    Sort.BATTERY: lambda slot: (slot.metrics.battery if slot.metrics.battery is not None else _UNKNOWN, slot.id),
    Sort.TEMPERATURE: lambda slot: (-(slot.metrics.temperature or -_UNKNOWN), slot.id),
    Sort.LATENCY: lambda slot: (-(slot.metrics.latency_ms or -_UNKNOWN), slot.id),
    Sort.USER: lambda slot: (slot.user or "~", slot.id),
}


def slots_of(board: Board) -> list[SlotSummary]:
    """Those that are wanted, in order."""
    assert board.seen is not None
    wanted = board.wanted.lower()
    found = [slot for slot in board.seen.slots if wanted in _row(slot).lower()]
    return sorted(found, key=_KEYS[board.sort], reverse=board.reverse)


def _slots(board: Board, page: int) -> Iterator[Line]:
    if board.seen is None:
        return
    head = f"{'slot':>5} {'status':12} {'batt':>5} {'temp':>5} {'cpu':>4} {'sig':>3} {'ms':>5} {'user':8} what"
    yield Line(head, Style.HEAD)
    for slot in slots_of(board)[board.first : board.first + page]:
        yield Line(_row(slot), _style(slot))


def _style(slot: SlotSummary) -> Style:
    worst, _ = _wrong(slot)
    return (Style.BAD, Style.BAD, Style.BAD, Style.WARN, Style.WARN, Style.PLAIN)[worst]


def _row(slot: SlotSummary) -> str:
    figures = slot.metrics
    battery = _or_none(figures.battery, "{:.0f}%") + ("+" if figures.charging else "")
    temperature, cpu = _or_none(figures.temperature, "{:.0f}C"), _or_none(figures.cpu, "{:.0f}%")
    signal, latency = _or_none(figures.signal_level, "{}"), _or_none(figures.latency_ms, "{:.0f}")
    user = slot.user or "-"
    status = slot.status if slot.quarantine is None else "QUARANTINE"
    return (
        f"{slot.id:>5} {status:12} {battery:>5} {temperature:>5} {cpu:>4} {signal:>3} {latency:>5} {user:8.8}"
        f" {_what(slot)}"
    ).rstrip()


def _or_none(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _what(slot: SlotSummary) -> str:
    """What is wrong with it, or what it does."""
    if slot.quarantine is not None:
        return slot.quarantine.reason
    if slot.conditions:
        return "; ".join(f"{one.name}: {one.words}" for one in slot.conditions)
    if slot.call_id is not None:
        return f"call {slot.call_id}"
    return f"kept by {slot.reserved_by}" if slot.reserved_by is not None else ""


def _alerts(board: Board, page: int) -> Iterator[Line]:
    yield Line("alerts, the worst first", Style.HEAD)
    if board.seen is not None:
        yield from list(_alert_lines(board.seen.alerts or ()))[board.first : board.first + page]


def _foot(board: Board) -> Line:
    if board.typing:
        return Line(f"filter: {board.wanted}_  (Enter: done, Esc: none)", Style.HEAD)
    way = " reversed" if board.reverse else ""
    by = f"  by {board.sort}{way}" if way or board.sort is not Sort.WRONG else ""
    return Line(KEYS + by + (f"  filter: {board.wanted}" if board.wanted else ""), Style.DIM)
