"""The rows of a file as people have it: whatever its encoding and delimiter, quoted line breaks too. Pure.

Read as a stream, at most one row (`RECORD` characters) at a time. What is no table at all is a ListError that names the
place; a row that cannot be parted into cells is an InvalidRow, and the next one is read.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import dropwhile, takewhile
from typing import BinaryIO

from msgspec import Struct

from actors.leads.columns import like_number
from actors.leads.lead import InvalidRow, ListError
from actors.leads.mapping import known
from actors.leads.titles import TITLES
from actors.runtime.encodings import Damaged, encoding_of

SAMPLE = 1 << 16  # characters from which the delimiter is told
SAMPLE_ROWS = 50
RECORD = 1 << 20  # characters of one row
COLUMNS = 256
ROWS = 1 << 20  # as many as a sheet has
DELIMITERS = "\t;|,"  # commas last: they stand in names and figures too
DAMAGED = "bytes that are not UTF-8, as the rest of the file is: damaged, or joined of two files"
_ESCAPED = re.compile("[\udc80-\udcff]")  # such bytes, as they are read
_NONE = "\0"  # the delimiter of one column: no text has it


class Layout(Struct, frozen=True, kw_only=True):
    """How a file is written. `delimiter` empty: one column. `said`: its first line, `sep=;`, says the delimiter."""

    encoding: str
    delimiter: str
    said: bool = False


class Row(Struct, frozen=True):
    """A row that is not blank. `number`: in the file, from 1, as a spreadsheet counts."""

    number: int
    cells: list[str]


def layout_of(file: BinaryIO) -> Layout:
    """How the file is written, told from its bytes. Raises ListError."""
    try:
        encoding = encoding_of(file)
    except Damaged:  # of which the rows say so themselves, and the others are what they are
        encoding = "utf-8"
    text = _text(file, encoding)
    try:
        sample = text.read(SAMPLE)
    except UnicodeDecodeError:
        raise _undecodable(encoding) from None
    finally:
        text.detach()
    if not sample.strip():
        raise ListError("there is nothing in it")
    first = sample.partition("\n")[0].strip().lower()
    if first.startswith("sep=") and len(first) == 5 and first[4] in DELIMITERS:
        return Layout(encoding=encoding, delimiter=first[4], said=True)
    return Layout(encoding=encoding, delimiter=_delimiter(sample), said=first == "sep=")


def rows_of(file: BinaryIO, layout: Layout) -> Iterator[Row | InvalidRow]:
    """The rows of the file. Raises ListError where it cannot be read any further."""
    text = _text(file, layout.encoding)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=layout.delimiter or _NONE, strict=True, skipinitialspace=True)
    try:
        if layout.said:
            next(lines, None)
        for number in range(1, ROWS + 2):
            lines.spent, lines.damaged = 0, False
            try:
                cells = next(reader)
            except csv.Error as error:
                yield _broken(number, lines, error)
                continue
            if lines.damaged:
                yield InvalidRow(row=number, field="", code="encoding", reason=DAMAGED)
                continue
            if number > ROWS:
                raise ListError(f"more than {ROWS} rows")
            if len(cells) > COLUMNS:
                raise ListError(f"row {number}: {len(cells)} columns, and {COLUMNS} are the most")
            if any(cells) and not all(map(str.isspace, filter(None, cells))):
                yield Row(number, cells)
    except StopIteration:
        return
    except UnicodeDecodeError:
        raise _undecodable(layout.encoding) from None
    finally:
        text.detach()


class _Lines(Iterator[str]):
    """The lines of a text. Since somebody set these anew, at each row: `spent`, characters of them; `damaged`, whether
    there are bytes in them that are none of their encoding."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = self.spent = 0
        self.ended = self.damaged = False

    def __next__(self) -> str:
        line = self._text.readline(RECORD + 1 - self.spent)
        if not line:
            self.ended = True
            raise StopIteration
        self.number, self.spent = self.number + 1, self.spent + len(line)
        if not line.isascii() and _ESCAPED.search(line):
            self.damaged = True
        if "\0" in line:
            why = "a NUL character: this is no text, or in an encoding that is not known"
            raise ListError(f"line {self.number}: {why}")
        if self.spent > RECORD:
            why = f"more than {RECORD} characters in one row: perhaps a quote is not closed"
            raise ListError(f"line {self.number}: {why}")
        return line


def _broken(number: int, lines: _Lines, error: csv.Error) -> InvalidRow:
    """The row that cannot be parted into cells; ListError where nobody can say where it ends."""
    if lines.ended:
        raise ListError(f"row {number}: a quote opens a cell that does not end") from None
    if "expected after" not in str(error):
        raise ListError(f"row {number}: a cell that is too long; perhaps a quote is not closed") from None
    why = f"a quote inside of a quoted cell, or one that is not closed before line {lines.number}"
    return InvalidRow(row=number, field="", code="quotes", reason=why)


def _text(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    file.seek(0)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def _undecodable(encoding: str) -> ListError:
    names = {"cp1251": "neither UTF-8 nor UTF-16, and not all of it is Windows-1251"}
    return ListError(names.get(encoding, f"it begins as {encoding}, and not all of it is"))


def _delimiter(sample: str) -> str:
    """The delimiter by which most names of columns are known, and most rows hold a number in a cell of its own."""
    candidates: list[str] = ["", *DELIMITERS]
    return max(candidates, key=lambda delimiter: _fitness(sample, delimiter))


def _fitness(sample: str, delimiter: str) -> tuple[int, int, bool, int]:
    lines = io.StringIO(sample, newline="")
    rows = []
    try:
        for row in csv.reader(lines, delimiter=delimiter or _NONE, skipinitialspace=True):
            rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        return 0, 0, False, 0
    rows = _without_titles([row for row in rows if any(row)])
    wide = sum(len(row) > 1 for row in rows)
    if delimiter and 2 * wide <= len(rows):
        return 0, 0, False, 0
    numbers = sum(any(map(like_number, row)) for row in rows)
    return known(rows[0]) if rows else 0, numbers, bool(delimiter), -DELIMITERS.find(delimiter)


def _without_titles(rows: list[list[str]]) -> list[list[str]]:
    """The rows from the one on in which most names of columns are known, or there are several cells, or a number."""
    above = list(takewhile(lambda row: not any(map(like_number, row)), rows[: TITLES + 1]))
    named = max(range(len(above)), key=lambda at: (known(above[at]), -at), default=0)
    if above and known(above[named]):
        return rows[named:]
    return list(dropwhile(lambda row: len(row) == 1 and row in above, rows))
