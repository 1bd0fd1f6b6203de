"""A list before it is imported: how it is written, its first rows, what is guessed of them, and what would come of it
all. Pure.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from actors.dialing.rules import DialRules
from actors.leads.country import says_nothing
from actors.leads.lead import InvalidRow
from actors.leads.mapping import Mapping, guess, headed
from actors.leads.reading import Layout, Row, layout_of, rows_of
from actors.leads.rows import Outcome, Rows
from actors.leads.titles import TITLES, titles_of

GUESSED_FROM = 50  # rows
FURTHER = 500  # rows that are kept of those behind
SHOWN, SHOWN_CELL = 10, 200  # rows; characters of a cell
TOLD = 20  # invalid rows in full


class Counts(Struct, frozen=True, kw_only=True):
    """What became of rows. `invalid`: by field and code, like `number: format`."""

    leads: int
    duplicates: int
    invalid: dict[str, int]


class Preview(Struct, frozen=True, kw_only=True):
    """`rows`: the first ones, with their numbers, behind those that are skipped, as far as these are few. `total`: how
    many there are but these and the header. `counts`: of the whole
    file; None while the mapping is in doubt, or where they were not asked for. `invalid`: the first of them."""

    layout: Layout
    mapping: Mapping
    rows: list[Row]
    total: int
    counts: Counts | None
    invalid: list[InvalidRow]


def preview(file: BinaryIO, rules: DialRules, mapping: Mapping | None = None, *, count: bool = True) -> Preview:
    """The preview of a file. `mapping`: what a person said; None: it is guessed. Without `count` it is read once, and
    no number of it. Raises ListError."""
    layout = layout_of(file)
    mapping = mapping or mapping_of(file, layout, rules.site_region)
    above, below = _parted(rows_of(file, layout), mapping.skip)
    first = [row for row in chain(above, islice(below, SHOWN)) if isinstance(row, Row)]
    rows = [Row(row.number, [cell[:SHOWN_CELL] for cell in row.cells]) for row in first]
    if mapping.doubt or not count:
        total = max(sum(1 for _ in rows_below(file, layout, mapping.skip)) - mapping.header, 0)
        return Preview(layout=layout, mapping=mapping, rows=rows, total=total, counts=None, invalid=[])
    counts, told = Counter[str](), list[InvalidRow]()
    for outcome in outcomes(file, layout, mapping, rules):
        counts[_kind(outcome)] += 1
        if isinstance(outcome, InvalidRow) and len(told) < TOLD:
            told.append(outcome)
    total = counts.total()
    leads, duplicates = counts.pop("Accepted", 0), counts.pop("Duplicate", 0)
    found = Counts(leads=leads, duplicates=duplicates, invalid=dict(counts))
    return Preview(layout=layout, mapping=mapping, rows=rows, total=total, counts=found, invalid=told)


def mapping_of(
    file: BinaryIO, layout: Layout, region: str, *, skip: int | None = None, header: bool | None = None
) -> Mapping:
    """What is guessed from the first rows of a file, and for a column that is empty in these from the first in which it
    is not. `skip`, `header`: as a person says them. Raises ListError."""
    rows = rows_below(file, layout, skip or 0)
    first = [row for row in islice(rows, GUESSED_FROM) if isinstance(row, Row)]
    cells = [row.cells for row in first]
    titles = titles_of(cells, region, headed) if skip is None and header is None else 0
    listed = cells[titles:]
    found = guess([*listed, *_further(listed, rows)], region, header)
    return replace(found, skip=first[titles - 1].number if titles else skip or 0)


def _further(listed: Sequence[Sequence[str]], rows: Iterator[Row | InvalidRow]) -> Iterator[Sequence[str]]:
    """Of the rows behind, those that say what is in columns that are empty so far: GUESSED_FROM for each of them, and
    FURTHER at most. Where one is empty throughout that takes all rows, but no number of them is read."""
    width, found = max(map(len, listed), default=0), 0
    wanted = {at: GUESSED_FROM for at in range(width) if not any(_says(row, at) for row in listed[1:])}
    while wanted and found < FURTHER and (row := next(rows, None)) is not None:
        said = [at for at in wanted if isinstance(row, Row) and _says(row.cells, at)]
        if isinstance(row, Row) and said:
            yield row.cells[:width]
            found += 1
            wanted = {at: left - (at in said) for at, left in wanted.items() if left > (at in said)}


def _says(cells: Sequence[str], at: int) -> bool:
    return at < len(cells) and not says_nothing(cells[at])


def rows_below(file: BinaryIO, layout: Layout, skip: int) -> Iterator[Row | InvalidRow]:
    """The rows behind those that are skipped. Raises ListError."""
    return (row for row in rows_of(file, layout) if _number(row) > skip)


def _parted(rows: Iterator[Row | InvalidRow], skip: int) -> tuple[list[Row | InvalidRow], Iterator[Row | InvalidRow]]:
    """The rows that are skipped, as far as there are few, and those behind."""
    above = list[Row | InvalidRow]()
    for row in rows:
        if _number(row) > skip:
            return above, chain([row], rows)
        if len(above) < TITLES:
            above.append(row)
    return above, iter(())


def _number(row: Row | InvalidRow) -> int:
    return row.number if isinstance(row, Row) else row.row


def outcomes(file: BinaryIO, layout: Layout, mapping: Mapping, rules: DialRules) -> Iterator[Outcome]:
    """What becomes of each row of a file but titles, header and blank ones. Raises ListError where it cannot be read
    on."""
    return (outcome for outcome, _ in outcomes_with_cells(file, layout, mapping, rules))


def outcomes_with_cells(
    file: BinaryIO, layout: Layout, mapping: Mapping, rules: DialRules
) -> Iterator[tuple[Outcome, Sequence[str]]]:
    """The same, each with the row as it stands in the file; empty where it could not be parted into cells."""
    reader, rows = Rows(rules), rows_below(file, layout, mapping.skip)
    header = islice(rows, 1) if mapping.header else iter(())
    for row in chain((found for found in header if isinstance(found, InvalidRow)), rows):
        if isinstance(row, Row):
            yield reader.read(row, mapping), row.cells
        else:
            yield row, ()


def _kind(outcome: Outcome) -> str:
    return outcome.kind if isinstance(outcome, InvalidRow) else type(outcome).__name__
