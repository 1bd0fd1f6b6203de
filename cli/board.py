"""A campaign as a board in the terminal, drawn anew each second until the campaign is over; elsewhere as lines."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.gateway import NotDone
from ottb_client import ApiError

LOOK = 1.0  # seconds
LINE_EVERY = 5.0  # seconds, where there is no terminal
REASONS_EVERY = 5.0  # seconds, and at most a twentieth of the time: of 100,000 leads it takes some seconds to tell
MINUTE = 60.0
PATIENCE = 300.0  # seconds without any answer, after which the board gives up
ARCHIVED = "archived"  # of such a one nobody says why it does not dial
OVER = ("stopped", "finished", ARCHIVED)
NOT_CALLED_AGAIN = ("done", "do_not_call", "invalid")

Found = Mapping[str, Any]  # any: JSON, as the API documents it
Sleep = Callable[[float], None]
COUNTS = ("in_progress", "attempts", "answered", "abandoned")


class Watched:
    """What was seen of a campaign."""

    def __init__(self, find: Callable[[], Found], explain: Callable[[], Found]) -> None:
        self._find = find
        self._explain = explain
        self._attempts: deque[tuple[float, int]] = deque()
        self._why: Found | None = None
        self._due = 0.0
        self._shown: RenderableType = ""
        self._line_due = 0.0
        self._said = ""  # the status, or why there is no answer
        self._heard: float | None = None
        self._untold = ""  # why nobody says why it does not dial
        self.wait = LOOK  # seconds until the next look
        self.found: Found = {}

    @property
    def over(self) -> bool:
        return self.found.get("status") in OVER

    def look(self, now: float) -> RenderableType:
        """The board as it is now. `now`: seconds of a clock that only goes on. Raises ApiError, and NotDone where there
        was no answer for long."""
        if (away := self._find_it(now)) is not None:
            return Group(self._shown, Text(away, "red"))
        return self.drawn(now)

    def drawn(self, now: float) -> RenderableType:
        """The board, of what was seen last. Raises NotDone, ApiError."""
        self._explain_it(now)
        shown = board(self.found, self._why, self._rate(self.found["attempts"], now))
        self._shown = Group(shown, Text(f"why it does not dial: {self._untold}", "yellow")) if self._untold else shown
        return self._shown

    def line(self, now: float) -> str | None:
        """The same in a line; None: there was one lately, and the status is the same. Raises NotDone, ApiError."""
        away = self._find_it(now)
        said, line = (away, away) if away is not None else (self.found["status"], in_a_line(self.found))
        if said == self._said and now < self._line_due:
            return None
        self._said, self._line_due = said, now + LINE_EVERY
        return line

    def _find_it(self, now: float) -> str | None:
        """Look how far it is. Gives what is in the way. Raises NotDone, ApiError."""
        try:
            self.found = self._find()
        except ApiError as error:
            self._must_pass(error)
            self._heard = now if self._heard is None else self._heard
            if now - self._heard >= PATIENCE:
                raise NotDone(f"no answer for {PATIENCE / MINUTE:.0f} minutes: {error}") from None
            self.wait = max(LOOK, error.retry_after or 0.0)
            return str(error)
        self._heard, self.wait = now, LOOK
        return None

    def _explain_it(self, now: float) -> None:
        """Ask why it does not dial, if that is due. Raises NotDone, ApiError."""
        if (now < self._due and not self.over) or self.found["status"] == ARCHIVED:
            return
        began, self._untold = time.monotonic(), ""
        try:
            self._why = self._explain()
        except ApiError as error:
            self._must_pass(error)
            self._untold, self._due = str(error), now + max(REASONS_EVERY, error.retry_after or 0.0)
            self._why = None if self.over else self._why  # what was true of it while it ran
            return
        self._due = now + max(REASONS_EVERY, 20 * (time.monotonic() - began))

    @staticmethod
    def _must_pass(error: ApiError) -> None:
        if not error.passing:
            raise error

    def _rate(self, attempts: int, now: float) -> float:
        """Attempts a minute, over the last one."""
        self._attempts.append((now, attempts))
        while now - self._attempts[0][0] > MINUTE:
            self._attempts.popleft()
        since, before = self._attempts[0]
        return (attempts - before) / (now - since) * MINUTE if now > since else 0.0


def watch(
    console: Console, find: Callable[[], Found], explain: Callable[[], Found], sleep: Sleep = time.sleep
) -> Found:
    """Draw the board until the campaign is over; without a terminal say every few seconds how far it is, and draw it
    then. Gives the campaign as it is then. Where there is no answer it waits, for some minutes. Raises NotDone,
    ApiError."""
    watched = Watched(find, explain)
    if not console.is_terminal:
        return _in_lines(console, watched, sleep)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(watched.look(time.monotonic()), refresh=True)
            if watched.over:
                return watched.found
            sleep(watched.wait)


def _in_lines(console: Console, watched: Watched, sleep: Sleep) -> Found:
    while True:
        if (line := watched.line(time.monotonic())) is not None:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if watched.over:
            console.print(watched.drawn(time.monotonic()))
            return watched.found
        sleep(watched.wait)


def in_a_line(found: Found) -> str:
    """How far it is."""
    counts = ", ".join(f"{found[name]:,} {name.replace('_', ' ')}" for name in COUNTS)
    return f"{found['campaign_id']} {found['status']}: {_of(_over(found), found['leads'])}, {counts}"


def board(found: Found, why: Found | None, rate: float) -> RenderableType:
    """The board: how far it is, what was reached, and why the others are not called."""
    over = _over(found)
    head = Text.assemble((found["campaign_id"], "bold"), "  ", (found["status"], _style(found["status"])))
    progress = Table.grid(padding=(0, 1))
    progress.add_row(ProgressBar(total=max(found["leads"], 1), completed=over, width=40), _of(over, found["leads"]))
    return Group(head, progress, _figures(found, rate), explanation(why) if why is not None else "")


def explanation(why: Found) -> RenderableType:
    """How a campaign dials, and why leads are not called."""
    return Group(*map(Text, _dials(why)), reasons(why))


def _dials(why: Found) -> Iterator[str]:
    if (mode := why.get("mode")) is not None and why.get("status") not in OVER:
        yield f"dials: {mode}" + (f", since {why['fallback']}" if why.get("fallback") else "")
    if users := why.get("no_extension"):
        yield f"no call can be taken to, for want of an extension: {', '.join(users)}"


def reasons(why: Found) -> RenderableType:
    """Why leads are not called, most first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("leads", "why", "until", "what would change it"):
        table.add_column(name, justify="right" if name == "leads" else "left", overflow="fold")
    for one in sorted(why["reasons"], key=lambda one: -one["leads"]):
        table.add_row(f"{one['leads']:,}", one["words"] or one["reason"], one["until"] or "", one["change"])
    return table


def _figures(found: Found, rate: float) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    shown = {
        "in progress": f"{found['in_progress']:,}",
        "attempts": f"{found['attempts']:,}  ({rate:.0f} a minute)",
        "answered": f"{found['answered']:,}  {_share(found['answer_rate'])}",
        "abandoned": f"{found['abandoned']:,}  {_share(found['abandoned_share'])}",
        "talked": f"{found['talk_seconds'] / 60:,.0f} min",
    }
    leads = {status.replace("_", " "): f"{count:,}" for status, count in found["by_status"].items()}
    for (name, figure), (status, count) in _side_by_side(shown, leads):
        table.add_row(name, figure, status, count)
    return table


def _side_by_side(
    left: Mapping[str, str], right: Mapping[str, str]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    most = max(len(left), len(right))
    columns = ([*side.items(), *[("", "")] * (most - len(side))] for side in (left, right))
    return list(zip(*columns, strict=True))


def _over(found: Found) -> int:
    return sum(found["by_status"].get(status, 0) for status in NOT_CALLED_AGAIN)


def _of(done: int, all_: int) -> str:
    return f"{done:,} of {all_:,} leads ({100 * done / all_:.0f} %)" if all_ else "no leads"


def _share(share: float | None) -> str:
    return f"{100 * share:.1f} %" if share is not None else ""


def _style(status: str) -> str:
    return {"running": "green", "paused": "yellow", "draining": "yellow", "stopped": "red"}.get(status, "")
