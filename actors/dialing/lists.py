"""Lists of numbers: files and settings in which each entry has to be one. An entry that is none is not left out, since
whoever wrote it would believe that it holds."""

import codecs
import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from actors.runtime.settings import SettingsError
from actors.telephony.numbers import NotANumber, canonical

LONG = 10  # digits of a number with its country's code, at least
_LINE_END = re.compile(r"\r\n?|\n")  # str.splitlines knows more, which no editor counts as lines
_COLUMN = re.compile(r"[,;\t]")
_BEGINNING = re.compile(r"\+([1-9][0-9]{0,14})?\*\Z")


def numbers_of(entries: Iterable[str], region: str, place: str) -> frozenset[str]:
    """The numbers of a list, E.164. `region`: where those stand that do not say it. Empty entries are none. `place`: of
    an entry, by its number from 0 or from 1. Raises SettingsError, which names it."""
    found = set()
    for index, entry in enumerate(entries):
        try:
            if entry.strip():
                found.add(_number_of(entry, region))
        except NotANumber as error:
            raise SettingsError(f"{place.format(index, index + 1)}: not a phone number: {error}") from None
    return frozenset(found)


def numbers_in(file: Path, region: str, setting: str) -> frozenset[str]:
    """The numbers of a file: one a line, in its first column. Columns are parted by `,`, `;` or tabs, as programs write
    tables. Raises SettingsError, which names the line, or the setting where there is no such file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{setting}: {file} cannot be read: {error.strerror}") from None
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # In other columns there may be names in any code; a number with what cannot be read in it is none.
    text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    place = str(file).replace("{", "{{").replace("}", "}}") + ", line {1}"
    return numbers_of(_LINE_END.split(text), region, place)


def allowed_of(entries: Iterable[str], region: str, place: str) -> frozenset[str]:
    """The same, of a list in which beginnings of numbers may stand too: `+44843*`."""
    beginnings = {index: entry for index, entry in enumerate(entries) if _BEGINNING.match(entry)}
    numbers = ("" if index in beginnings else entry for index, entry in enumerate(entries))
    return numbers_of(numbers, region, place) | frozenset(beginnings.values())


def _number_of(entry: str, region: str) -> str:
    first, *others = (_unquoted(column) for column in _COLUMN.split(entry.strip()))
    number = canonical(first, region).e164
    for place, other in enumerate(others, 2):
        if _may_be_number(other, region):
            raise NotANumber(f"perhaps a second number, in column {place}: one a line")
    return number


def _may_be_number(text: str, region: str) -> bool:
    """Whether somebody could mean a number by it, with its country's code or without."""
    for written in (text, "+" + text) if len(text) >= LONG else (text,):
        with contextlib.suppress(NotANumber):
            if canonical(written, region).kind != "unknown":
                return True
    return False


def _unquoted(column: str) -> str:
    column = column.strip().removeprefix("=")  # as a spreadsheet keeps a text
    return column[1:-1] if len(column) > 1 and column[0] == column[-1] == '"' else column
