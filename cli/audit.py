"""`ottb audit`: read the audit's chain from its beginning, compare it with what the ledger has and with the heads that
were kept elsewhere, and sign a head to be kept."""

from collections.abc import Callable, Iterable, Sequence

import click
import msgspec
from msgspec import Struct

from actors.adapters.system_clock import SystemClock
from actors.audit import heads
from actors.audit.chain import Checker, Verdict
from actors.runtime.bus import Bus, Stream
from actors.runtime.clock import utc
from actors.settings import Settings
from bus_schemas.audit import AuditRecorded
from bus_schemas.contract import UNDECODABLE
from cli.archive import whole
from cli.audit_rows import Rows
from cli.site.bus import connect

SCOPE, DEEDS = "ottb.v1.evt.audit.>", "ottb.v1.evt.erasure.*.begun"
NAMED = 20  # rows of the ledger that are named one by one


class Known(Struct, frozen=True, kw_only=True):
    """A place of the chain that somebody has seen: the chain must still have it. `by`: who, in words."""

    number: int
    hash: str
    by: str


class Report(Struct, frozen=True, kw_only=True):
    """What was found. `rows`: of the ledger that were compared; `heads`: noted places that the chain has, `newest` the
    last of them; `away`: why the ledger could not be compared, or not all of it; `unseen`: why nobody could look at its
    indexes; `asked`: so many of the `questions` that people could ask."""

    verdict: Verdict
    rows: int
    asked: int
    questions: int
    heads: int
    newest: int
    problems: list[str]
    away: str | None
    unseen: str | None


class Head(click.ParamType[Known]):
    """`NUMBER:HASH` on the command line, as `verify` prints it."""

    name = "number:hash"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Known:
        number, _, digest = str(value).partition(":")
        whole = number.isascii() and number.isdigit() and 0 < len(number) < 19
        if not whole or len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
            self.fail(f"{value!r} is not NUMBER:HASH, as `ottb audit verify` prints it.", param, ctx)
        return Known(number=int(number), hash=digest.lower(), by="the head noted earlier")


def kept(lines: Iterable[str], key: str) -> tuple[list[Known], list[str]]:
    """The heads of a file that `ottb audit head` has written, and what is wrong with its lines. `key`: the public one
    with which they must be signed."""
    known, problems = [], []
    for place, line in enumerate(lines, 1):
        if line.strip():
            try:
                head = heads.read(line, key)
            except heads.BadHead as error:
                problems.append(f"line {place} of the heads {error}")
            else:
                known.append(Known(number=head.number, hash=head.hash, by=f"the head signed at {head.at}"))
    return known, problems


async def sign(settings: Settings) -> str | None:
    """The chain's newest head, signed, as a line. None: there is nothing on the audit yet. Raises BusError, BadHead."""
    bus = await connect(settings, "gateway", name="ottb audit")
    try:
        key = heads.key_of(settings.state)
        last = await bus.last(SCOPE, certain=True)
    finally:
        await bus.close()
    if last is None:
        return None
    try:
        newest = msgspec.json.decode(last.data, type=AuditRecorded)
    except UNDECODABLE as error:
        raise heads.BadHead(f"cannot be signed: entry {last.seq} of the journal is no audit record: {error}") from None
    number = newest.first + len(newest.entries) - 1
    signed = heads.sign(key, number=number, hash=newest.hash, at=utc(SystemClock().now()))
    return msgspec.json.encode(signed).decode()


async def public_key(settings: Settings) -> str:
    """The key with which this site signs heads. Raises BadHead."""
    return heads.public(heads.key_of(settings.state))


async def verify(
    settings: Settings, noted: Known | None, lines: Iterable[str] | None, key: str | None, say: Callable[[str], None]
) -> int:
    """Check the site's audit and print what was found; `lines`: heads that were kept, signed with `key`. Returns 0 when
    it is whole, 1 when it is broken, 2 when part of it, or none of the kept heads, could not be read. Raises BusError,
    BadHead."""
    signed, problems = kept(lines, key or await public_key(settings)) if lines is not None else ([], [])
    known = [*signed, *([noted] if noted is not None else [])]
    bus = await connect(settings, "gateway", name="ottb audit")
    try:
        report = await examine(bus, known, whole(bus, settings))
    finally:
        await bus.close()
    report.problems.extend(problems)
    left = _left(report, headless=lines is not None and not signed)
    for line in [*_lines(report), _verdict(report, left)]:
        say(line)
    return 1 if report.problems else 2 if left else 0


async def examine(bus: Bus, known: Sequence[Known] = (), journal: Stream | None = None) -> Report:
    """Replay the chain, with the ledger's rows beside it; every place that is known from elsewhere must be in it.
    `journal`: with what has left it; None: the bus's. Raises BusError."""
    rows, places = Rows(bus), list(known)
    newest = await rows.newest()  # first: what is written from now on is not missed in the replay
    if newest is not None:
        places.append(Known(number=newest["number"], hash=newest["hash"], by="the ledger's newest record"))
    unseen, checker, problems, seq = _by_number(places), Checker(), [], 0
    async for entry in (journal or bus).replay(SCOPE):
        seq = entry.seq
        try:
            recorded = msgspec.json.decode(entry.data, type=AuditRecorded)
        except UNDECODABLE as error:
            problems.append(f"entry {seq} of the journal is no audit record: {error}")
            continue
        checker.take(recorded)
        _see(unseen, recorded)
        await rows.take(recorded, seq)
    await rows.compare(seq)
    await rows.examine()
    await rows.ask(seq)
    verdict, missing = checker.verdict(), [one for ones in unseen.values() for one in ones]
    problems = [*verdict.problems, *problems, *_missing(missing, verdict), *_first(rows.differing)]
    if verdict.erased and await bus.last(DEEDS) is None:
        problems.append(f"{verdict.erased} records say that something in them was erased, and nobody has")
    seen = [one.number for one in known if one not in missing]
    return Report(
        verdict=verdict, rows=rows.compared, asked=rows.asked, questions=rows.questions, heads=len(seen),
        newest=max(seen, default=0), problems=problems, away=rows.away, unseen=rows.unseen,
    )  # fmt: skip


def _by_number(known: Iterable[Known]) -> dict[int, list[Known]]:
    found: dict[int, list[Known]] = {}
    for one in known:
        found.setdefault(one.number, []).append(one)
    return found


def _see(unseen: dict[int, list[Known]], recorded: AuditRecorded) -> None:
    """Forget the places that this record has."""
    for number in range(recorded.first, recorded.first + len(recorded.entries)) if unseen else ():
        if number in unseen:
            left = [one for one in unseen.pop(number) if one.hash != recorded.hash]
            if left:
                unseen[number] = left


def _missing(unseen: Sequence[Known], verdict: Verdict) -> list[str]:
    return [
        f"{one.by} is number {one.number}, but the journal ends at {verdict.number}: its tail was cut off"
        if one.number > verdict.number
        else f"{one.by}, number {one.number}, has another hash in the journal: the chain was written anew"
        for one in unseen
    ]


def _first(found: Sequence[str]) -> list[str]:
    return [*found[:NAMED], f"and {len(found) - NAMED} more rows of the ledger"] if len(found) > NAMED else [*found]


def _lines(report: Report) -> list[str]:
    verdict, up_to = report.verdict, f", up to number {report.newest}" if report.heads else ""
    lines = [
        f"records  {verdict.records}, of which {report.rows} were compared with the ledger",
        f"asked    {report.asked} of {report.questions} questions by user, action, result and day",
        f"heads    {report.heads} that were noted are in it{up_to}",
        f"head     {verdict.number}:{verdict.head}",
    ]
    if verdict.erased:
        lines.append(f"erased   something in {verdict.erased} records, whose hashes are of what they said before")
    if report.unseen is not None:
        lines.append(f"indexes  were not looked at: {report.unseen}")
    return [*lines, *(f"PROBLEM  {problem}" for problem in report.problems)]


def _left(report: Report, *, headless: bool) -> list[str]:
    """What was to be looked at and was not."""
    away = [f"the ledger was not compared, or not all of it: {report.away}"] if report.away is not None else []
    return [*away, *(["no head was read, there is none in what was given"] if headless else [])]


def _verdict(report: Report, left: Sequence[str]) -> str:
    if report.problems:
        return "The audit is broken."
    return f"The chain is whole; {'; '.join(left)}" if left else "The audit is whole."
