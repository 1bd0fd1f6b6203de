"""A list in parts, each of which fits into a message of the bus; and the table of the rows that are no leads. Pure.

Where a part ends follows from the file alone, so who goes on after a row has the same parts as who began.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import msgspec
from msgspec import Struct

from actors.dialing.rules import DialRules
from actors.leads.export import BOM
from actors.leads.lead import BAD_COLUMNS, Accepted, Duplicate, InvalidRow
from actors.leads.mapping import Mapping
from actors.leads.preview import outcomes_with_cells, rows_below
from actors.leads.reading import Layout, Row
from actors.runtime.cells import defused
from bus_schemas.lead import Lead

MOST, MOST_BYTES = 2000, 400_000  # rows of one part, and bytes of what is told of them
CELLS = 20_000  # characters of a row that are told; a row may have 50 times as many
NAMES = 200  # characters of a column's name


class LeadOfRow(Struct, frozen=True, kw_only=True):
    """A lead, with the row that it was read from. `cells`: of it, where the campaign may refuse the lead for its id."""

    row: int
    lead: Lead
    cells: tuple[str, ...] = ()


class BadRow(Struct, frozen=True, kw_only=True):
    """A row that is no lead: why, and what stands in it."""

    row: int
    field: str
    reason: str
    cells: tuple[str, ...]


class ListPart(Struct, frozen=True, kw_only=True):
    """Some rows, one after the other. `row`: the last of them, as a spreadsheet counts; `rows`: how many. `invalid`: by
    kind. `names`: of the columns, for the table of what is bad."""

    row: int
    rows: int
    leads: tuple[LeadOfRow, ...]
    duplicates: int
    invalid: dict[str, int]
    bad: tuple[BadRow, ...]
    names: tuple[str, ...]


class _Part:
    """A part that is being filled."""

    def __init__(self) -> None:
        self.row = self.rows = self.duplicates = self.bytes = 0
        self.leads: list[LeadOfRow] = []
        self.invalid = Counter[str]()
        self.bad: list[BadRow] = []

    def has_room(self, size: int) -> bool:
        return not self.rows or (self.rows < MOST and self.bytes + size <= MOST_BYTES)

    def done(self, names: tuple[str, ...]) -> ListPart:
        return ListPart(
            row=self.row, rows=self.rows, leads=tuple(self.leads), duplicates=self.duplicates,
            invalid=dict(self.invalid), bad=tuple(self.bad), names=names,
        )  # fmt: skip


def parts_of(
    file: BinaryIO, layout: Layout, mapping: Mapping, rules: DialRules, after: int = 0
) -> Iterator[ListPart]:
    """The parts of a list behind the row `after`. Raises ListError where it cannot be read on."""
    names, with_cells = _names(file, layout, mapping), "lead_id" in mapping.fields
    part = _Part()
    for outcome, cells in outcomes_with_cells(file, layout, mapping, rules):
        if outcome.row <= after:
            continue
        found = _told(outcome, cells, with_cells=with_cells)
        size = len(msgspec.json.encode(found)) if found is not None else 0
        if not part.has_room(size):
            yield part.done(names)
            part = _Part()
        part.row, part.rows, part.bytes = outcome.row, part.rows + 1, part.bytes + size
        match found:
            case LeadOfRow():
                part.leads.append(found)
            case BadRow():
                part.bad.append(found)
        part.duplicates += isinstance(outcome, Duplicate)
        if isinstance(outcome, InvalidRow):
            part.invalid[outcome.kind] += 1
    if part.rows:
        yield part.done(names)


def _told(
    outcome: Accepted | Duplicate | InvalidRow, cells: Sequence[str], *, with_cells: bool
) -> LeadOfRow | BadRow | None:
    match outcome:
        case Accepted(row=row, lead=lead):
            return LeadOfRow(row=row, lead=lead, cells=shortened(cells) if with_cells else ())
        case InvalidRow(row=row, field=field, reason=reason):
            return BadRow(row=row, field=field, reason=reason, cells=shortened(cells))
    return None


def shortened(cells: Sequence[str], most: int = CELLS) -> tuple[str, ...]:
    """The cells of a row, up to so many characters of them all."""
    if sum(map(len, cells)) <= most:
        return tuple(cells)
    room, found = most, list[str]()
    for cell in cells:
        found.append(cell[:room])
        room -= len(found[-1])
    return tuple(found)


def _names(file: BinaryIO, layout: Layout, mapping: Mapping) -> tuple[str, ...]:
    """What the file calls its columns, else what they hold."""
    first = next(iter(islice(rows_below(file, layout, mapping.skip), 1)), None) if mapping.header else None
    named = first.cells if isinstance(first, Row) else ()
    return tuple(name[:NAMES] for name in (named or mapping.fields))


def table_of_bad(rows: Iterable[BadRow], names: Sequence[str], *, begins: bool) -> bytes:
    """A piece of the table of what is bad, as `export.py` writes tables. `begins`: it is the first one."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\r\n")
    if begins:
        text.write(BOM)
        lines.writerow(map(defused, (*BAD_COLUMNS, *names)))
    for bad in rows:
        lines.writerow((bad.row, *map(defused, (bad.field, bad.reason, *bad.cells))))
    return text.getvalue().encode(errors="replace")
