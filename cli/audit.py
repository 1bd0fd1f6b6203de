"""`ottb audit verify`: read the audit's chain from its beginning and compare its end with what the ledger has."""

from collections.abc import Callable, Sequence

import click
import msgspec
from msgspec import Struct

from actors.adapters.random_ids import RandomIds
from actors.audit.chain import Checker, Verdict, holds
from actors.runtime.bus import Bus
from actors.runtime.context import SYSTEM, Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.audit import LIST_AUDIT, AuditRecorded, ListAudit
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from cli.site.bus import connect

SCOPE = "ottb.v1.evt.audit.>"


class Known(Struct, frozen=True, kw_only=True):
    """A place of the chain that somebody has seen: the chain must still have it. `by`: who, in words."""

    number: int
    hash: str
    by: str


class Report(Struct, frozen=True, kw_only=True):
    """What was found. `notes`: what could not be compared, and is no problem of the chain."""

    verdict: Verdict
    problems: list[str]
    notes: list[str]


class Head(click.ParamType[Known]):
    """`NUMBER:HASH` on the command line, as `verify` prints it."""

    name = "number:hash"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Known:
        number, _, digest = str(value).partition(":")
        whole = number.isascii() and number.isdigit() and 0 < len(number) < 19
        if not whole or len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
            self.fail(f"{value!r} is not NUMBER:HASH, as `ottb audit verify` prints it.", param, ctx)
        return Known(number=int(number), hash=digest.lower(), by="the head noted earlier")


async def verify(settings: Settings, head: Known | None, say: Callable[[str], None]) -> bool:
    """Check the site's audit and print what was found. Returns whether it is whole. Raises BusError."""
    bus = await connect(settings, "gateway", name="ottb audit")
    try:
        report = await examine(bus, head)
    finally:
        await bus.close()
    for line in _lines(report):
        say(line)
    return not report.problems


async def examine(bus: Bus, head: Known | None = None) -> Report:
    """Replay the chain; every place that is known from elsewhere must be in it. Raises BusError."""
    known, notes = ([head] if head is not None else []), []
    try:
        known += await _newest_of_ledger(bus)  # first: what is written from now on is not missed in the replay
    except Refusal as refusal:
        notes.append(f"not compared with the ledger, which does not answer: {refusal.message}")
    checker, unseen, problems = Checker(), list(known), []
    async for entry in bus.replay(SCOPE):
        try:
            recorded = msgspec.json.decode(entry.data, type=AuditRecorded)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(f"entry {entry.seq} of the journal is no audit record: {error}")
            continue
        checker.take(recorded)
        unseen = [one for one in unseen if not (holds(recorded, one.number) and one.hash == recorded.hash)]
    verdict = checker.verdict()
    return Report(verdict=verdict, problems=[*verdict.problems, *problems, *_missing(unseen, verdict)], notes=notes)


async def _newest_of_ledger(bus: Bus) -> list[Known]:
    """The newest record that the ledger has, if it has any. Raises Refusal."""
    actions = frozenset({str(Action.AUDIT_VIEW)})
    context = Context(command_id=RandomIds().new(), user=SYSTEM, actions=actions)
    records = await ask(bus, LIST_AUDIT, ListAudit(limit=1), context)
    return [Known(number=record.number, hash=record.hash, by="the ledger's newest record") for record in records]


def _missing(unseen: Sequence[Known], verdict: Verdict) -> list[str]:
    return [
        f"{one.by} is number {one.number}, but the journal ends at {verdict.number}: its tail was cut off"
        if one.number > verdict.number
        else f"{one.by}, number {one.number}, has another hash in the journal: the chain was written anew"
        for one in unseen
    ]


def _lines(report: Report) -> list[str]:
    verdict = report.verdict
    lines = [f"records  {verdict.records}", f"head     {verdict.number}:{verdict.head}"]
    lines += [f"note     {note}" for note in report.notes]
    lines += [f"PROBLEM  {problem}" for problem in report.problems]
    return [*lines, "The audit is broken." if report.problems else "The audit is whole."]
