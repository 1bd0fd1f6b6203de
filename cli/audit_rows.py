"""The ledger's rows of the audit against the journal's records: what people read is what is on record."""

from collections.abc import Mapping
from typing import Any

import msgspec

from actors.adapters.random_ids import RandomIds
from actors.ledger.audit import records_of
from actors.ledger.page import to_cursor
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.wire import CURSOR_HEADER, ask, ask_raw
from bus_schemas.audit import EXAMINE_AUDIT, LIST_AUDIT, AuditRecorded, ExamineAudit, ListAudit
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import SYSTEM
from bus_schemas.permissions import Action
from cli.audit_questions import AT_ONCE, Question, Questions

BEFORE_ALL, AFTER_ALL = -(2**63), 2**63  # also before a row that somebody has numbered below 1
AWAY = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT})

Row = dict[str, Any]  # as the ledger has it, whatever somebody has made of it
_decode = msgspec.json.Decoder(list[Row]).decode


class Rows:
    """Compares as the records come. `differing`: what the ledger has otherwise, lacks or made up; `away`: why it is
    compared no more; `unseen`: why nobody could look at its indexes; `asked`: so many questions that people ask."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._wanted: dict[int, Row] = {}
        self._done = BEFORE_ALL  # all numbers up to here are compared
        self._questions = Questions(_text)
        self.compared = 0
        self.asked = 0
        self.differing: list[str] = []
        self.away: str | None = None
        self.unseen: str | None = None

    async def newest(self) -> Row | None:
        """The newest row that the ledger has, as far as it can be told."""
        rows, _ = await self._ask(ListAudit(limit=1), after=0)
        if rows is None and self.away is None:
            self.differing.append("the ledger's newest record cannot be read")
        return rows[0] if rows else None

    async def take(self, recorded: AuditRecorded, seq: int) -> None:
        """The next record of the journal, and its sequence."""
        for record in records_of(recorded):
            row = msgspec.to_builtins(record)
            self._wanted.setdefault(record.number, row)
            self._questions.take(row)
        if len(self._wanted) >= AT_ONCE:
            await self.compare(seq)

    async def compare(self, seq: int) -> None:
        """Compare what has come and was not compared yet. `seq`: the journal's sequence that the ledger must have."""
        wanted, self._wanted = self._wanted, {}
        if not wanted or self.away is not None:
            return
        last = max(wanted)
        rows = await self._rows(last, seq)
        if rows is not None:
            for number in sorted(wanted.keys() | rows.keys()):
                if (problem := _judge(wanted.get(number), rows.get(number))) is not None:
                    self.differing.append(f"record {number} {problem}")
            self.compared += len(wanted)
        elif self.away is None:
            self.differing.append(f"records {max(self._done, 0) + 1} to {last} cannot be read in the ledger")
        self._done = max(self._done, last)

    @property
    def questions(self) -> int:
        """How many questions could be asked."""
        return self._questions.count()

    async def ask(self, seq: int) -> None:
        """Ask what people ask, where nothing is wrong so far: else the answers are wrong for the same reasons."""
        for question in self._questions.chosen() if not self.differing else ():
            if self.away is not None:
                return
            rows, cursor = await self._answered(question, seq)
            if rows is not None:
                self.differing += self._questions.judge(question, rows, whole=cursor is None)
            elif self.away is None:
                self.differing.append(f"what {question.said} is answered with cannot be read")
            self.asked += 1

    async def _answered(self, question: Question, seq: int) -> tuple[list[Row] | None, str | None]:
        """The newest rows of an answer, but for those that came after what is compared, and where it goes on."""
        found: list[Row] = []
        wanted, oldest = question.wanted, AFTER_ALL
        while True:
            rows, cursor = await self._ask(wanted, after=seq)
            if rows is None:
                return None, None
            found += [row for row in rows if row["number"] <= self._done]
            goes_on = cursor is not None and rows and rows[-1]["number"] < oldest
            if not goes_on or (question.rows is not None and len(found) >= question.rows):
                return found, cursor if goes_on else None
            wanted, oldest = msgspec.structs.replace(wanted, cursor=cursor), rows[-1]["number"]

    async def examine(self) -> None:
        """The rows are read in the order of their numbers. Whoever asks with a condition is answered through an index:
        have the ledger look whether each has all rows."""
        if self.away is not None:
            return
        context = Context(command_id=RandomIds().new(), user=SYSTEM)
        try:
            found = await ask(self._bus, EXAMINE_AUDIT, ExamineAudit(), context)
        except Refusal as refusal:
            self.away = refusal.message
        else:
            self.differing += [f"the ledger: {problem}" for problem in found.problems]
            self.unseen = found.unseen

    async def _rows(self, last: int, seq: int) -> Mapping[int, Row] | None:
        """The rows of the ledger after what is compared, up to `last`. None: it did not tell."""
        found: dict[int, Row] = {}
        before = last + 1
        while True:
            page, _ = await self._ask(ListAudit(limit=AT_ONCE, cursor=to_cursor(before)), after=seq)
            if page is None:
                return None
            found.update((row["number"], row) for row in page if row["number"] > self._done)
            oldest = page[-1]["number"] if page else 0
            if not max(self._done + 1, 0) < oldest < before:
                return found
            before = oldest

    async def _ask(self, wanted: ListAudit, *, after: int) -> tuple[list[Row] | None, str | None]:
        """The rows of a page, None: they cannot be read, by numbers least of all; and the cursor of the next one."""
        actions = frozenset({str(Action.AUDIT_VIEW)})
        context = Context(command_id=RandomIds().new(), user=SYSTEM, actions=actions, after=after)
        try:
            answered = await ask_raw(self._bus, LIST_AUDIT, wanted, context)
            rows, cursor = _decode(answered.data), answered.headers.get(CURSOR_HEADER)
        except Refusal as refusal:
            if refusal.code in AWAY:
                self.away = refusal.message
            return None, None
        return (rows, cursor) if all(type(row["number"]) is int for row in rows) else (None, None)


def _judge(wanted: Row | None, row: Row | None) -> str | None:
    if wanted is None:
        return "is in the ledger and not in the journal"
    if row is None:
        return "is missing in the ledger"
    names = [name for name in wanted if _text(wanted[name]) != _text(row.get(name))]
    return f"was changed in the ledger ({', '.join(names)})" if names else None


def _text(value: object) -> bytes:
    """A value as it is compared. PostgreSQL keeps no NUL: the ledger has U+FFFD in its place there."""
    return msgspec.json.encode(value, order="sorted").replace(b"\\u0000", "\ufffd".encode())
