"""The board's machine: what follows from what hosts see, and from silence of theirs. Pure.

Hosts tell all that they see, again and again; what they see for as long as a rule says fires, and is resolved when
they have not seen it for as long as the rule says. So a figure that comes and goes makes one alert in that time, and
no more. What is wrong because a hub or a host is gone does not fire by itself: it is within that one's alert.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from actors.alert import mail
from actors.alert.mail import Mails, TriedMail
from actors.alert.record import Alert, Board, Key, Silencing, evolve, view
from actors.alert.rules import Rules, State
from actors.runtime.clock import Moment, parse_utc, utc
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer, TimerFired
from actors.runtime.ids import derived
from bus_schemas.alert import (
    LONGEST_SILENCE,
    MOST_PENDING,
    NO_SILENCE,
    NOT_FIRING,
    AlertAcknowledged,
    AlertEvent,
    AlertFired,
    AlertResolved,
    AlertSeverity,
    AlertSilenced,
    AlertState,
    AlertUnsilenced,
    AlertView,
    BoardStands,
    HostForgotten,
    HostWatched,
    Matcher,
    Sighting,
    SilenceEnded,
    SilenceMade,
)
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit

LOOK, LOOK_EVERY = "look", 1.0
FORGET = 7 * 86_400.0  # seconds after which nobody misses a host any more
MOST_FIRING = 800  # alerts at once, as a snapshot of the board is one message; others fire when some are over
MOST_SILENCES = 200
SEVERITIES = [*AlertSeverity]  # the worst first
BOARD_HOST = "site"  # of what the board sees by itself and that is no host's

TOO_MANY = RefusalTemplate(ErrorCode.CONFLICT, "There are as many silences as there may be.", most=MOST_SILENCES)

Event = TypeVar("Event", AlertResolved, AlertAcknowledged, AlertSilenced, AlertUnsilenced)


class Heard(Struct, frozen=True, kw_only=True):
    """What a host sees, all of it."""

    host: str
    sightings: tuple[Sighting, ...]


class Report(Struct, frozen=True, kw_only=True):
    """The newest of a host, and when it came (seconds, monotonic)."""

    at: float
    sightings: Mapping[Key, Sighting]


class Memory(Struct, frozen=True, kw_only=True):
    """What the owner knows beside the record; monotonic seconds. `began`: to own it. `reports`: by host. `quiet`: of
    alerts that nobody sees any more, since when. `first`: when what is pending was seen first, by a wall clock."""

    began: float
    reports: Mapping[str, Report] = {}
    quiet: Mapping[str, float] = {}
    first: Mapping[Key, str] = {}
    mails: Mails = Mails()


BoardDecision = Decision[AlertEvent, Memory]
Sights = Mapping[Key, Sighting]


def begin(now: Moment) -> BoardDecision:
    """A new owner waits for what hosts tell."""
    return Decision(memory=Memory(began=now.mono), effects=(SetTimer(name=LOOK, seconds=LOOK_EVERY),))


def observe(
    board: Board, memory: Memory, report: Heard | TriedMail | TimerFired, rules: Rules, now: Moment
) -> BoardDecision:
    """What follows from a report."""
    match report:
        case Heard():
            seen = {(one.rule, one.kind, one.id, report.host): one for one in report.sightings}
            fresh = {**memory.reports, report.host: Report(at=now.mono, sightings=seen)}
            news = () if report.host in board.hosts else (HostWatched(host=report.host, at=now.at),)
            return Decision(memory=replace(memory, reports=fresh), events=news)
        case TriedMail():
            mails, told = mail.tried(memory.mails, report, now)
            return Decision(memory=replace(memory, mails=mails), events=told)
        case _:
            return look(board, memory, rules, now)


def look(board: Board, memory: Memory, rules: Rules, now: Moment) -> BoardDecision:
    """Once a second: what begins, what fires and what is over, and which e-mails are due."""
    sights = seen_now(board, memory, rules, now)
    quiet = _quiet(board, memory, sights, now)
    events: list[AlertEvent] = []
    for event in _news(board, replace(memory, quiet=quiet), sights, rules, now):
        events.append(event)
        board = evolve(board, event)
    first = {key: memory.first.get(key, now.at) for key in sights}
    mails, due = mail.due(board, memory.mails, rules, now)
    reports = {host: one for host, one in memory.reports.items() if host in board.hosts}
    after = replace(memory, quiet=quiet, first=first, mails=mails, reports=reports)
    effects: tuple[Effect, ...] = (*due, SetTimer(name=LOOK, seconds=LOOK_EVERY))
    return Decision(events=tuple(events), memory=after, effects=effects)


# --- what is seen


def seen_now(board: Board, memory: Memory, rules: Rules, now: Moment) -> dict[Key, Sighting]:
    """What all hosts see, as they said last, and what the board sees by itself."""
    found = {key: one for report in memory.reports.values() for key, one in report.sightings.items()}
    for host in board.hosts:
        last = memory.reports[host].at if host in memory.reports else memory.began
        if (silent := now.mono - last - rules.host_silent) >= 0:
            _see(found, rules, State.HOST_GONE, host, host, silent, "")
    if (failing := memory.mails.failing_since) is not None:
        _see(found, rules, State.MAIL_FAILING, "smtp", BOARD_HOST, now.mono - failing, memory.mails.error)
    return {key: one for key, one in found.items() if one.rule in rules.rules}


def _see(
    found: dict[Key, Sighting], rules: Rules, state: State, id: str, host: str, seconds: float, reason: str
) -> None:
    for name in rules.of_states.get(state, ()):
        if rules.rules[name].is_of(id):
            words = rules.rules[name].said(id=id, host=host, hub=None, value=None, reason=reason)
            key = (name, state.kind, id, host)
            found[key] = Sighting(rule=name, kind=state.kind, id=id, seconds=seconds, words=words)


def _quiet(board: Board, memory: Memory, sights: Sights, now: Moment) -> dict[str, float]:
    """Of the alerts that are firing, those that nobody sees, since when. Of a host that says nothing, or has not yet,
    nobody knows."""
    return {
        one.alert: memory.quiet.get(one.alert, now.mono)
        for one in board.alerts.values()
        if one.key not in sights and (one.host in memory.reports or one.host == BOARD_HOST)
    }


# --- what follows


def _news(board: Board, memory: Memory, sights: Sights, rules: Rules, now: Moment) -> Iterator[AlertEvent]:
    yield from _hosts_forgotten(board, memory, now)
    ended = {id for id, one in board.silences.items() if one.until <= now.at}
    yield from (SilenceEnded(silence=id, at=now.at) for id in ended)
    kept = replace(board, silences={id: one for id, one in board.silences.items() if id not in ended})
    resolved = set()
    for alert in board.alerts.values():
        if (why := _over(alert, board, memory, sights, rules, now)) is not None:
            resolved.add(alert.alert)
            yield _of(AlertResolved, alert, now, words=alert.words, why=why)
    lasting = {id: one for id, one in board.alerts.items() if id not in resolved}
    yield from resilenced(replace(kept, alerts=lasting), now)
    yield from _fired(kept, memory, sights, rules, now)


def _hosts_forgotten(board: Board, memory: Memory, now: Moment) -> Iterator[AlertEvent]:
    for host in board.hosts:
        last = memory.reports[host].at if host in memory.reports else memory.began
        if now.mono - last >= FORGET:
            yield HostForgotten(host=host, at=now.at)


def _over(
    alert: Alert, board: Board, memory: Memory, sights: Sights, rules: Rules, now: Moment
) -> str | None:
    """Why it is over, empty: it is well again. None: it is not."""
    if alert.rule not in rules.rules:
        return "there is no such rule any more"
    if alert.host not in board.hosts and alert.host != BOARD_HOST:
        return "its host is not there any more"
    since = memory.quiet.get(alert.alert)
    return "" if since is not None and now.mono - since >= alert.after else None


def _fired(board: Board, memory: Memory, sights: Sights, rules: Rules, now: Moment) -> Iterator[AlertEvent]:
    firing, causes = {alert.key for alert in board.alerts.values()}, _causes(sights, rules)
    silencing = Silencing(board)
    room = MOST_FIRING - len(firing)
    for key, sight in sights.items():
        rule = rules.rules[sight.rule]
        if room > 0 and key not in firing and sight.seconds >= rule.seconds and _cause(key, sight, causes) is None:
            room -= 1
            yield _fire(silencing, key, sight, memory, rules, now)


class Causes(Struct, frozen=True):
    """What is seen that is the reason for others: hosts that are gone, by name, and hubs, by host and name. It need
    not fire yet."""

    hosts: Mapping[str, Key]
    hubs: Mapping[tuple[str, str], Key]


def _causes(sights: Sights, rules: Rules) -> Causes:
    covering = [(key, rules.rules[key[0]].covers) for key in sights if rules.rules[key[0]].covers]
    return Causes(
        {key[2]: key for key, covers in covering if covers == "host"},
        {(key[3], key[2]): key for key, covers in covering if covers == "hub"},
    )


def _cause(key: Key, sight: Sighting, causes: Causes) -> Key | None:
    """The reason for what is seen. None: it is by itself. Several rules about one cause each stand by themselves."""
    host = key[3]
    if key in causes.hosts.values():
        return None
    if host in causes.hosts:
        return causes.hosts[host]
    if sight.hub is None or (key[1] == "hub" and sight.value is None):  # a state of the hub itself
        return None
    return causes.hubs.get((host, sight.hub))


def _fire(
    silencing: Silencing, key: Key, sight: Sighting, memory: Memory, rules: Rules, now: Moment
) -> AlertFired:
    rule, kind, id, host = key
    of = rules.rules[rule]
    since = utc(parse_utc(now.at) - timedelta(seconds=sight.seconds))
    fired = AlertFired(
        alert=_id(key, memory, now), at=now.at, rule=rule, severity=of.severity, kind=kind, id=id, host=host,
        since=since, words=sight.words, told=rules.told(rule), after=of.resolve_after,
        covers="hub" if of.covers == "hub" else "host" if of.covers == "host" else "", hub=sight.hub, value=sight.value,
    )  # fmt: skip
    silence = silencing.of(fired)
    return fired if silence is None else replace(fired, silence=silence)


def _id(key: Key, memory: Memory, now: Moment) -> str:
    """The same while it is pending and when it fires."""
    return derived("al", *key, memory.first.get(key, now.at))


def _of(event: type[Event], alert: Alert, now: Moment, **more: str) -> Event:
    """An event of an alert. `more`: what it says beside."""
    told = alert.told if event is AlertUnsilenced else alert.told_now
    return event(
        alert=alert.alert, at=now.at, rule=alert.rule, severity=alert.severity, kind=alert.kind, id=alert.id,
        host=alert.host, told=told, **more,
    )  # fmt: skip


# --- silences and acknowledgements


def resilenced(board: Board, now: Moment) -> Iterator[AlertEvent]:
    """What silences make of the alerts that are firing, where that is something else than before."""
    silencing = Silencing(board)
    for alert in board.alerts.values():
        silence = silencing.of(alert)
        if silence is not None and silence != alert.silence:
            yield _of(AlertSilenced, alert, now, silence=silence)
        elif silence is None and alert.silence is not None:
            yield _of(AlertUnsilenced, alert, now, words=alert.words)


def silence(board: Board, id: str, matcher: Matcher, until: str, why: str, by: str, now: Moment) -> BoardDecision:
    """Make one. Raises Refusal. A repeat changes nothing."""
    if id in board.silences:
        return NOTHING
    if matcher.is_empty:
        raise misfit("matcher", "which alerts? Name a rule, severity, kind, id, hub or host.")
    if until <= now.at:
        raise misfit("until", "this time is over.")
    if parse_utc(until) - parse_utc(now.at) > timedelta(days=LONGEST_SILENCE):
        raise misfit("until", f"at most {LONGEST_SILENCE} days from now.")
    if len(board.silences) >= MOST_SILENCES:
        raise TOO_MANY()
    made = SilenceMade(silence=id, at=now.at, by=by, matcher=matcher, until=until, why=why)
    return Decision(events=(made, *resilenced(evolve(board, made), now)))


def unsilence(board: Board, id: str, by: str, now: Moment) -> BoardDecision:
    """End one. Raises Refusal."""
    if id not in board.silences:
        raise NO_SILENCE()
    ended = SilenceEnded(silence=id, at=now.at, by=by)
    return Decision(events=(ended, *resilenced(evolve(board, ended), now)))


def acknowledge(board: Board, id: str, note: str, by: str, now: Moment) -> BoardDecision:
    """Somebody looks after it. Raises Refusal."""
    alert = board.alerts.get(id)
    if alert is None:
        raise NOT_FIRING()
    if alert.acknowledged is not None:
        return NOTHING
    return Decision(events=(_of(AlertAcknowledged, alert, now, by=by, note=note),))


# --- what is shown


def stands(board: Board, memory: Memory, rules: Rules, now: Moment) -> BoardStands:
    """What is pending, and what is within alerts."""
    sights = seen_now(board, memory, rules, now)
    by_key = {alert.key: alert for alert in board.alerts.values()}
    causes = _causes(sights, rules)
    pending: list[AlertView] = []
    members: dict[str, list[AlertView]] = {}
    for key, sight in sights.items():
        cause = _cause(key, sight, causes)
        parent = by_key.get(cause) if cause is not None else None
        if key in by_key:
            shown = view(board, by_key[key])
        else:
            shown = replace(
                _pending(key, sight, memory, rules, now), within=parent.alert if parent is not None else None
            )
            if cause is None:
                pending.append(shown)
        if parent is not None:
            members.setdefault(parent.alert, []).append(shown)
    return BoardStands(pending=tuple(pending), within={id: tuple(found) for id, found in members.items()})


def about(stands: BoardStands, alert: str | None) -> BoardStands:
    """What stands of one alert; None: what is pending, as far as it is shown."""
    if alert is None:
        worst = sorted(stands.pending, key=lambda one: SEVERITIES.index(one.severity))
        return BoardStands(pending=tuple(worst[:MOST_PENDING]))
    pending = tuple(one for one in stands.pending if one.alert == alert)
    within = {
        parent: members if parent == alert else itself
        for parent, members in stands.within.items()
        if parent == alert or (itself := tuple(one for one in members if one.alert == alert))
    }
    return BoardStands(pending=pending, within=within)


def _pending(key: Key, sight: Sighting, memory: Memory, rules: Rules, now: Moment) -> AlertView:
    rule, kind, id, host = key
    since = utc(parse_utc(now.at) - timedelta(seconds=sight.seconds))
    return AlertView(
        alert=_id(key, memory, now), rule=rule, severity=rules.rules[rule].severity, state=AlertState.PENDING,
        kind=kind, id=id, host=host, words=sight.words, since=since, hub=sight.hub, value=sight.value,
    )  # fmt: skip
