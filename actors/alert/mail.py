"""Which e-mails about alerts are due, and what they say. Pure.

A mail is of a group, a rule at a host, and says what fires now and what is over since the last that was taken: so what
waits while the mail server is away is one mail for each group, however much happens meanwhile, and nothing is left out.
That one was taken is on record; only a host that ends between that and the record sends it once more, under the same
`Message-ID`.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.alert.record import Alert, Board, Group, causes, within
from actors.alert.rules import Mailing, Rules
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import Effect
from actors.runtime.ids import derived
from bus_schemas.alert import AlertsMailed, Channel

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # seconds until the next try; each is twice as long as the one before
MOST_NAMED = 50  # alerts in one mail; of the others it says how many
AT_ONCE = 4  # mails that are under way
LONGEST_SUBJECT = 120


class SendMail(Effect, frozen=True, kw_only=True):
    """Send this. `firing`, `resolved`: the alerts that it tells of. `id`: the same for the same mail."""

    group: str
    id: str
    to: tuple[str, ...]
    subject: str
    text: str
    firing: tuple[str, ...]
    resolved: tuple[str, ...]


class TriedMail(Struct, frozen=True, kw_only=True):
    """What came of one. `error`: why the server has not taken it; None: it has."""

    mail: SendMail
    error: str | None = None


class Failing(Struct, frozen=True, kw_only=True):
    """A group whose mail was not taken so many times, and when it is tried again (monotonic)."""

    tries: int
    due: float


class Mails(Struct, frozen=True, kw_only=True):
    """What the owner knows beside the record. `sending`: groups whose mail is under way. `failing_since`: since when
    (monotonic) no mail was taken that was tried, and the last `error`."""

    sending: frozenset[str] = frozenset()
    failing: Mapping[str, Failing] = {}
    failing_since: float | None = None
    error: str = ""


def due(board: Board, mails: Mails, rules: Rules, now: Moment) -> tuple[Mails, tuple[SendMail, ...]]:
    """The mails to be sent now."""
    found: list[SendMail] = []
    firing = _by_group(board)
    for name in dict.fromkeys((*firing, *board.groups)):
        if len(mails.sending) + len(found) >= AT_ONCE:
            break
        group, alerts = board.groups.get(name, Group()), firing.get(name, [])
        to = rules.recipients(name.partition(" ")[0])
        if to and _may_try(name, mails, now) and _is_due(group, alerts, rules.mailing, now):
            found.append(_mail(name, group, alerts, to))
    if not found:
        return mails, ()
    return replace(mails, sending=mails.sending | {one.group for one in found}), tuple(found)


def tried(mails: Mails, tried: TriedMail, now: Moment) -> tuple[Mails, tuple[AlertsMailed, ...]]:
    """What follows from a try."""
    mail = tried.mail
    others = {name: one for name, one in mails.failing.items() if name != mail.group}
    sending = mails.sending - {mail.group}
    if tried.error is None:
        event = AlertsMailed(group=mail.group, at=now.at, firing=mail.firing, resolved=mail.resolved)
        return Mails(sending=sending, failing=others), (event,)
    before = mails.failing.get(mail.group)
    tries = before.tries + 1 if before is not None else 1
    pause = min(FIRST_PAUSE * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE)
    since = mails.failing_since if mails.failing_since is not None else now.mono
    failing = {**others, mail.group: Failing(tries=tries, due=now.mono + pause)}
    return Mails(sending=sending, failing=failing, failing_since=since, error=tried.error), ()


def _by_group(board: Board) -> dict[str, list[Alert]]:
    """The alerts that are to be told of by e-mail."""
    found: dict[str, list[Alert]] = {}
    reasons = causes(board)
    for alert in board.alerts.values():
        if Channel.MAIL in alert.told_now and within(reasons, alert) is None:
            found.setdefault(alert.group, []).append(alert)
    return found


def _may_try(name: str, mails: Mails, now: Moment) -> bool:
    failing = mails.failing.get(name)
    return name not in mails.sending and (failing is None or now.mono >= failing.due)


def _is_due(group: Group, alerts: list[Alert], mailing: Mailing, now: Moment) -> bool:
    fresh = [one for one in alerts if one.alert not in group.firing]
    if fresh or group.over:
        if group.at and _since(group.at, now) < mailing.interval:
            return False
        begun = [*(one.fired for one in fresh), *(one.resolved for one in group.over)]
        return bool(group.at) or _since(min(begun), now) >= mailing.wait
    return _since(group.at, now) >= mailing.repeat if any(one.acknowledged is None for one in alerts) else False


def _since(at: str, now: Moment) -> float:
    """Seconds. A clock that was set back makes nobody wait for longer than that."""
    seconds = now.seconds - parse_utc(at).timestamp()
    return seconds if seconds >= 0 else float("inf")


# --- what it says


def _mail(name: str, group: Group, alerts: list[Alert], to: tuple[str, ...]) -> SendMail:
    firing = tuple(sorted(one.alert for one in alerts))
    over = tuple(one.alert for one in group.over)
    return SendMail(
        group=name, id=derived("mail", name, group.at, *firing, "over", *over), to=to,
        subject=_subject(group, alerts), text="\n".join(_lines(name, group, alerts)), firing=firing, resolved=over,
    )  # fmt: skip


def _subject(group: Group, alerts: list[Alert]) -> str:
    if not alerts:
        said = group.over[0].words if len(group.over) == 1 else f"{len(group.over) + group.more} alerts"
        return _line(f"[OTTB] resolved: {said}")
    severity = alerts[0].severity
    said = alerts[0].words if len(alerts) == 1 else f"{len(alerts)} alerts: {alerts[0].words}"
    return _line(f"[OTTB] {severity}: {said}")


def _line(text: str) -> str:
    """One line of a header, whatever names are in it."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:LONGEST_SUBJECT]


def _lines(name: str, group: Group, alerts: list[Alert]) -> Iterator[str]:
    rule, _, host = name.partition(" ")
    yield f"Rule {rule}, host {host}."
    if alerts:
        yield f"\nFiring ({len(alerts)}):"
        for alert in alerts[:MOST_NAMED]:
            by = f", {alert.acknowledged_by} looks after it" if alert.acknowledged_by is not None else ""
            yield f"- {alert.words}\n  since {alert.since}{by}; ottb alerts ack {alert.alert}"
        yield from _more(len(alerts), MOST_NAMED)
    if group.over:
        yield f"\nResolved ({len(group.over) + group.more}):"
        for over in group.over:
            yield f"- {over.words}\n  {over.fired} to {over.resolved}"
        yield from _more(len(group.over) + group.more, len(group.over))


def _more(number: int, named: int) -> Iterator[str]:
    if number > named:
        yield f"- and {number - named} more"
