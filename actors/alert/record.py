"""The board as its events tell it. Pure."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.alert import (
    AlertAcknowledged,
    AlertEvent,
    AlertFired,
    AlertResolved,
    AlertSeverity,
    AlertSilenced,
    AlertsMailed,
    AlertState,
    AlertUnsilenced,
    AlertView,
    BoardActivated,
    Channel,
    HostForgotten,
    HostWatched,
    Matcher,
    SilenceEnded,
    SilenceMade,
    SilenceView,
)

MOST_OVER, MOST_OVER_IN_ALL = 20, 400  # alerts of a group, and of all, that are over and not told; others are counted
MOST_GROUPS = 300

Thing = TypeVar("Thing")
Key = tuple[str, str, str, str]  # an alert's rule, kind, id and host


class Alert(Struct, frozen=True, kw_only=True):
    """One that is firing. `told`: as its rule says; `after`: seconds without it until it is resolved."""

    alert: str
    rule: str
    severity: AlertSeverity
    kind: str
    id: str
    host: str
    since: str
    fired: str
    words: str
    told: tuple[Channel, ...]
    after: float
    covers: Literal["", "hub", "host"] = ""
    hub: str | None = None
    value: float | None = None
    silence: str | None = None
    acknowledged: str | None = None
    acknowledged_by: str | None = None
    note: str = ""

    @property
    def key(self) -> Key:
        return self.rule, self.kind, self.id, self.host

    @property
    def group(self) -> str:
        """With which others it is told of by e-mail."""
        return f"{self.rule} {self.host}"

    @property
    def told_now(self) -> tuple[Channel, ...]:
        return () if self.silence is not None else self.told


class Over(Struct, frozen=True, kw_only=True):
    """One that is over, which an e-mail has to tell yet."""

    alert: str
    words: str
    fired: str
    resolved: str


class Group(Struct, frozen=True, kw_only=True):
    """What was told of a group by e-mail, last `at`: that these are `firing`. `over`: to be told; `more`: how many
    besides, which nobody has in mind any more."""

    at: str = ""
    firing: tuple[str, ...] = ()
    over: tuple[Over, ...] = ()
    more: int = 0


class Board(Struct, frozen=True, kw_only=True):
    """The alerts that are firing, by id, the silences that hold, the hosts that are watched, and what was mailed."""

    alerts: Mapping[str, Alert] = {}
    silences: Mapping[str, SilenceView] = {}
    hosts: frozenset[str] = frozenset()
    groups: Mapping[str, Group] = {}


def causes(board: Board) -> tuple[Alert, ...]:
    """The alerts that are the reason for others."""
    return tuple(one for one in board.alerts.values() if one.covers)


def within(found: Iterable[Alert], alert: Alert) -> Alert | None:
    """Which of these causes is the reason for an alert: its host before its hub."""
    if alert.covers == "host":
        return None
    mine = [one for one in found if one.alert != alert.alert and _covers(one, alert)]
    return min(mine, key=lambda one: one.covers != "host", default=None)


def _covers(cause: Alert, alert: Alert) -> bool:
    if cause.covers == "host":
        return cause.id == alert.host
    return alert.covers != "hub" and alert.hub is not None and (cause.id, cause.host) == (alert.hub, alert.host)


def fits(matcher: Matcher, alert: Alert | AlertFired) -> bool:
    """Whether an alert is meant."""
    given = ((name, getattr(matcher, name)) for name in matcher.__struct_fields__)
    return all(value is None or getattr(alert, name) == value for name, value in given)


class Silencing:
    """Which of all silences holds for an alert, found by what they name: none is compared with each alert."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._by_fields: dict[tuple[str, ...], tuple[attrgetter[object], dict[object, str]]] = {}
        for id, one in board.silences.items():
            names = tuple(name for name in Matcher.__struct_fields__ if getattr(one.matcher, name) is not None)
            values, of_values = self._by_fields.setdefault(names, (attrgetter(*names), {}))
            of_values.setdefault(values(one.matcher), id)

    def of(self, alert: Alert | AlertFired) -> str | None:
        """The one that it has, or else any."""
        had = self._board.silences.get(alert.silence) if alert.silence is not None else None
        if had is not None and fits(had.matcher, alert):
            return had.silence
        found = (of_values.get(values(alert)) for values, of_values in self._by_fields.values())
        return next((id for id in found if id is not None), None)


def view(board: Board, alert: Alert) -> AlertView:
    """As it is shown."""
    parent = within(causes(board), alert)
    return AlertView(
        alert=alert.alert, rule=alert.rule, severity=alert.severity, state=AlertState.FIRING, kind=alert.kind,
        id=alert.id, host=alert.host, words=alert.words, since=alert.since, hub=alert.hub, value=alert.value,
        fired=alert.fired, acknowledged=alert.acknowledged, acknowledged_by=alert.acknowledged_by, note=alert.note,
        silence=alert.silence, within=parent.alert if parent is not None else None,
    )  # fmt: skip


def evolve(board: Board | None, event: AlertEvent) -> Board:
    """The board after an event."""
    board = board if board is not None else Board()
    match event:
        case AlertFired():
            return _with(board, _alert(event))
        case AlertResolved():
            return _resolved(board, event)
        case AlertAcknowledged() | AlertSilenced() | AlertUnsilenced():
            return _changed(board, event)
        case SilenceMade():
            made = SilenceView(
                silence=event.silence, matcher=event.matcher, until=event.until, by=event.by, at=event.at,
                why=event.why,
            )  # fmt: skip
            return replace(board, silences={**board.silences, event.silence: made})
        case SilenceEnded():
            return replace(board, silences=_without(board.silences, event.silence))
        case AlertsMailed():
            return _mailed(board, event)
        case HostWatched():
            return replace(board, hosts=board.hosts | {event.host})
        case HostForgotten():
            return replace(board, hosts=board.hosts - {event.host})
        case BoardActivated():
            return board


def _alert(event: AlertFired) -> Alert:
    return Alert(
        alert=event.alert, rule=event.rule, severity=event.severity, kind=event.kind, id=event.id, host=event.host,
        since=event.since, fired=event.at, words=event.words, told=event.told, after=event.after,
        covers=event.covers, hub=event.hub, value=event.value, silence=event.silence,
    )  # fmt: skip


def _changed(board: Board, event: AlertAcknowledged | AlertSilenced | AlertUnsilenced) -> Board:
    alert = board.alerts.get(event.alert)
    if alert is None:
        return board
    match event:
        case AlertAcknowledged():
            changed = replace(alert, acknowledged=event.at, acknowledged_by=event.by, note=event.note)
        case AlertSilenced():
            changed = replace(alert, silence=event.silence)
        case AlertUnsilenced():
            changed = replace(alert, silence=None)
    return _with(board, changed)


def _with(board: Board, alert: Alert) -> Board:
    return replace(board, alerts={**board.alerts, alert.alert: alert})


def _resolved(board: Board, event: AlertResolved) -> Board:
    """Who was told that it fires, or would have been, is told that it is over."""
    alert = board.alerts.get(event.alert)
    if alert is None:
        return board
    group = board.groups.get(alert.group, Group())
    due = Channel.MAIL in alert.told_now and within(causes(board), alert) is None
    firing = tuple(one for one in group.firing if one != alert.alert)
    after = replace(group, firing=firing)
    if due or alert.alert in group.firing:
        over = (*group.over, Over(alert=alert.alert, words=alert.words, fired=alert.fired, resolved=event.at))
        kept = over[-_room(board) :]
        after = replace(after, over=kept, more=group.more + len(over) - len(kept))
    board = replace(board, alerts=_without(board.alerts, alert.alert))
    return board if after == group else _with_group(board, alert.group, after)


def _room(board: Board) -> int:
    """How many alerts of a group that are over may wait to be told."""
    return MOST_OVER if sum(len(one.over) for one in board.groups.values()) < MOST_OVER_IN_ALL else 1


def _mailed(board: Board, event: AlertsMailed) -> Board:
    group = board.groups.get(event.group, Group())
    over = tuple(one for one in group.over if one.alert not in event.resolved)
    firing = tuple(one for one in event.firing if one in board.alerts)
    return _with_group(board, event.group, Group(at=event.at, firing=firing, over=over))


def _with_group(board: Board, name: str, group: Group) -> Board:
    groups = {**_without(board.groups, name), name: group}
    for old in list(groups)[: max(len(groups) - MOST_GROUPS, 0)]:
        del groups[old]
    return replace(board, groups=groups)


def _without(things: Mapping[str, Thing], name: str) -> dict[str, Thing]:
    return {key: thing for key, thing in things.items() if key != name}
