"""What becomes of the rows of a list of leads. Pure."""

import re
from collections.abc import Mapping
from hashlib import blake2b

from msgspec import Struct

from bus_schemas.fields import UNSEEN
from bus_schemas.lead import NUMBERS, Lead

NAME, SOURCE, KEY, VALUE = 200, 100, 64, 1000  # characters at most; a key and a value are a custom field's
CUSTOM = 50  # custom fields of one lead
LARGEST = 4_000  # bytes of one lead on record, where each has the names of its fields
PRIORITY = 100  # from minus this to this
BAD_COLUMNS = ("row", "field", "reason")  # of the table of what is bad, before those of the file

_UNSEEN = re.compile(f"[{UNSEEN}]")


class Accepted(Struct, frozen=True, kw_only=True):
    """The row is a lead. `left_out`: of its further numbers those that are another lead's, by field, and that row."""

    row: int
    lead: Lead
    left_out: Mapping[str, int] = {}


class Duplicate(Struct, frozen=True, kw_only=True):
    """The row's first number is that of the lead in `first_row` already: one lead, the earlier one."""

    row: int
    first_row: int


class InvalidRow(Struct, frozen=True, kw_only=True):
    """The row is no lead. `field`: the first one that cannot be; empty: the row as a whole. `code` for programs,
    `reason` in words, without any digit of a number."""

    row: int
    field: str
    code: str
    reason: str

    @property
    def kind(self) -> str:
        """By which such rows are counted: `number: format`."""
        return f"{self.field or 'row'}: {self.code}"


class Unfit(Exception):
    """A row is no lead: see InvalidRow."""

    def __init__(self, field: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.code, self.reason = field, code, reason


class ListError(Exception):
    """The file as a whole is no list that can be read. The message says why, and where."""


def number_field(place: int) -> str:
    """The field of a lead's number, from 0: `number`, `number_2` ..."""
    return f"number_{place + 1}" if place else "number"


NUMBER_FIELDS = tuple(number_field(place) for place in range(NUMBERS))


def id_of(e164: str) -> str:
    """The id of a lead that brings none: the same for its first number each time, and it does not tell the number."""
    return f"lead_{blake2b(e164.encode(), digest_size=8).hexdigest()}"


def tidy(text: str) -> str:
    """A text for people on one line: single blanks, nothing that is not seen."""
    if not text.isprintable():
        text = _UNSEEN.sub(lambda found: " " if found[0].isspace() else "", text)
    return " ".join(text.split())
