"""Lists of numbers: files and settings in which each entry has to be one. An entry that is none is not left out, since
whoever wrote it would believe that it holds."""

import contextlib
import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from actors.runtime.cells import undefused
from actors.runtime.lines import lines_of
from actors.runtime.settings import SettingsError
from actors.telephony import numbers
from actors.telephony.cells import NUMBER_NAMES, PERHAPS_NUMBER, number_text, plain_name
from actors.telephony.numbers import NotANumber, Number, canonical

LONG = 10  # digits of a number with its country's code, at least
_COLUMN = re.compile(r"[,;\t]|\s#")  # a comment behind a number is a column, in which there may be a second number
_NO_ENTRY = re.compile(r"[\s,;\"]+\Z")  # an empty row of a table
_COLUMNS_ARE = re.compile(r"\s*\"?sep=.\"?\s*\Z", re.IGNORECASE)  # the first line of a table, to a spreadsheet
_COMMENT = re.compile(r"\s*#(?![0-9*]+[#*])")  # no service code: `#31#0991230099`
ENTRY = "entry"
# Names of the column of entries: the first that one column alone has.
_ENTRY_NAMES = (
    frozenset({ENTRY, "number", "phone"}), frozenset({*NUMBER_NAMES.split(", "), *PERHAPS_NUMBER.split(", ")})
)  # fmt: skip
OURS = frozenset({ENTRY, "list", "reason", "expires", "source", "by", "since", "removed", "removed_by"})
_BEGINNING = re.compile(r"\+([1-9][0-9]{0,14})?\*\Z")


def numbers_of(
    entries: Iterable[str], region: str, place: str, accepts: Callable[[Number], bool] = lambda number: True
) -> frozenset[str]:
    """The numbers of a list, E.164. `region`: where those stand that do not say it. Empty entries are none. `place`: of
    an entry, by its number from 0 or from 1. `accepts`: whether one that is in no country's plan may stand in it.
    Raises SettingsError, which names the entry."""
    found = set()
    for index, entry in enumerate(entries):
        try:
            if not numbers.is_blank(entry):
                found.add(_number_of(entry, region, accepts))
        except NotANumber as error:
            raise SettingsError(f"{place.format(index, index + 1)}: not a phone number: {error}") from None
    return frozenset(found)


def numbers_in(file: Path, region: str, setting: str, accepts: Callable[[Number], bool]) -> frozenset[str]:
    """The numbers of a file: one a line, in its first column. Columns are parted by `,`, `;` or tabs, as programs write
    tables; behind `#` there is a comment. Raises SettingsError, which names the line, or the setting where there is no
    such file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{setting}: {file} cannot be read: {error.strerror}") from None
    place = str(file).replace("{", "{{").replace("}", "}}") + ", line {1}"
    lines = ("" if is_no_entry(line, number) else line for number, line in enumerate(lines_of(data), 1))
    return numbers_of(lines, region, place, accepts)


def is_no_entry(line: str, number: int) -> bool:
    """Whether a line of a file is an empty row or a comment, or tells a spreadsheet the columns. `number`: from 1."""
    found = _COMMENT.match(line) or _NO_ENTRY.match(line) or (number == 1 and _COLUMNS_ARE.match(line))
    return bool(found) or numbers.is_blank(line)


class Row(Struct, frozen=True, kw_only=True):
    """An entry of a table, and what its other columns say, by their names."""

    entry: str
    says: Mapping[str, str] = {}


class Table:
    """A file of entries, one a line: numbers, or beginnings of numbers. `head`: its first line, which may name columns,
    as in a table that was exported here; where it names none that has the entry, that is the first one, and nothing
    else is read. `region`, `accepts`: as ever."""

    def __init__(self, head: str, region: str, accepts: Callable[[Number], bool]) -> None:
        self._region = region
        self._accepts = accepts
        self._parted_by, self._columns = _columns_of(head)

    def row(self, line: str, number: int) -> Row | None:
        """What a line says; None: it has no entry. `number`: from 1. Raises NotANumber."""
        if is_no_entry(line, number) or (number == 1 and self._columns):
            return None
        if not self._columns:
            return Row(entry=entry_of(line, self._region, self._accepts))
        says = dict(zip(self._columns, self._cells(line), strict=False))
        for name, cell in says.items():
            if name not in OURS and _may_be_number(cell, self._region):
                raise NotANumber(f"perhaps a second number, in the column `{name}`: one a line")
        return Row(entry=entry_of(says.get(ENTRY, ""), self._region, self._accepts), says=says)

    def _cells(self, line: str) -> list[str]:
        try:
            cells = next(csv.reader([line], delimiter=self._parted_by, strict=True))
        except csv.Error:
            raise NotANumber("quotes that do not end where a cell does") from None
        if any(map(str.strip, cells[len(self._columns) :])):
            raise NotANumber(f"{len(cells)} cells, and there are {len(self._columns)} columns")
        return [undefused(cell).strip() for cell in cells]


def entry_of(written: str, region: str, accepts: Callable[[Number], bool]) -> str:
    """The number, E.164, that was written, or the beginning of numbers: `+44843*`. Raises NotANumber."""
    begun = _beginning(_COLUMN.split(written.strip())[0])
    if begun == "+*":
        raise NotANumber("a beginning that all numbers have")
    return begun or _number_of(written, region, accepts)


def allowed_of(entries: Iterable[str], region: str, place: str) -> frozenset[str]:
    """The same, of a list in which beginnings of numbers may stand too: `+44843*`."""
    wholes, beginnings = [], set()
    for index, entry in enumerate(entries):
        try:
            beginning = _beginning(entry)
        except NotANumber as error:
            raise SettingsError(f"{place.format(index)}: {error}") from None
        beginnings |= {beginning} - {""}
        wholes.append("" if beginning else entry)
    return numbers_of(wholes, region, place) | frozenset(beginnings)


def _beginning(entry: str) -> str:
    """The beginning that an entry is; empty where it is none. Raises NotANumber for what is meant as one."""
    try:
        digits = numbers.digits_of(numbers.tidy(entry))
    except NotANumber:
        return ""  # whoever reads it as a number says what is in the way
    if "*" not in digits or "#" in digits:
        return ""
    if not _BEGINNING.match(digits):
        raise NotANumber("a beginning is written `+44843*`, with its country's code and one `*`, at its end")
    begun = numbers.beginning_of(digits.removesuffix("*"))
    if not begun:
        raise NotANumber("no country has this code")
    if numbers.is_of_old(begun):
        raise NotANumber("no number begins so any more")
    return f"{begun}*"


def _number_of(entry: str, region: str, accepts: Callable[[Number], bool]) -> str:
    first, *others = _COLUMN.split(entry.strip())
    if first.count('"') % 2:
        raise NotANumber("quotes that end in another column: the number stands in them alone")
    number = canonical(number_text(first), region)
    if not accepts(number):
        raise NotANumber("no number like it is known in its country (it is not called unless `premium_allowed` has it)")
    for place, other in enumerate(others, 2):
        if _may_be_number(other, region):
            raise NotANumber(f"perhaps a second number, in column {place}: one a line")
    return number.e164


def _may_be_number(text: str, region: str) -> bool:
    """Whether somebody could mean a number by it, with its country's code or without."""
    with contextlib.suppress(NotANumber):
        text = numbers.tidy(text)
    for written in (text, "+" + text) if len(text) >= LONG else (text,):
        with contextlib.suppress(NotANumber):
            if canonical(written, region).kind != "unknown":
                return True
    return False


def _columns_of(head: str) -> tuple[str, Sequence[str]]:
    """What parts the columns of a table, and their names; empty where its first line names none that has entries."""
    for mark in ",;\t":
        names = [name.strip().lower() for name in next(csv.reader([head], delimiter=mark), [])]
        for known in _ENTRY_NAMES:
            columns = [ENTRY if plain_name(name) in known else name for name in names]
            if columns.count(ENTRY) == 1 and len(set(columns)) == len(columns):
                return mark, columns
    return ",", ()
