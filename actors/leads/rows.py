"""A row of a list becomes a lead, or says why it cannot. Pure.

What is not surely one number is an invalid row, also where the lead has other numbers: nobody would look for the one
that is missing. Each number belongs to the lead in whose row it stands first.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.dialing.rules import DialRules, of_a_lead
from actors.leads.cells import NO, YES, is_blank
from actors.leads.country import CALLING_CODE, COUNTRY, Home, home_of, is_code, perhaps_of
from actors.leads.country import FIELDS as HOME_FIELDS
from actors.leads.lead import (
    CUSTOM,
    KEY,
    LARGEST,
    NAME,
    NUMBER_FIELDS,
    PRIORITY,
    SOURCE,
    VALUE,
    Accepted,
    Duplicate,
    InvalidRow,
    Unfit,
    id_of,
    tidy,
)
from actors.leads.mapping import CUSTOM as CUSTOM_PREFIX
from actors.leads.mapping import STATUS
from actors.leads.mapping import Mapping as Columns
from actors.leads.reading import Row
from actors.leads.unnamed import says_another
from actors.runtime.cells import undefused
from actors.telephony.cells import DigitsLost, number_text
from actors.telephony.zones import known_zones, not_a_zone
from bus_schemas.errors import Refusal
from bus_schemas.fields import TOKEN, words_of
from bus_schemas.lead import Lead, LeadStatus

Outcome = Accepted | Duplicate | InvalidRow
NOWHERE: Mapping[int, Home] = {}
HINTS = 20  # names of zones that are compared with all others: that takes milliseconds
_ID = re.compile(TOKEN)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})?\Z")
_WHOLE = re.compile(r"[+-]?[0-9]{1,3}(?:[.,]0)?\Z")


class Rows:
    """The rows of one list, each read once, in their order. `rules`: of the site at which numbers stand that do not say
    their country."""

    def __init__(self, rules: DialRules) -> None:
        self._rules = rules
        self._rows: dict[str, int] = {}  # by number and by given id: where it stood first
        self._zones = known_zones()
        self._hints = HINTS

    def read(self, row: Row, columns: Columns) -> Outcome:
        """What becomes of a row of a file."""
        beyond = row.cells[len(columns.fields) :]
        if any(map(str.strip, beyond)):
            why = f"{len(row.cells)} cells, and there are {len(columns.fields)} columns"
            return InvalidRow(row=row.number, field="", code="columns", reason=why)
        said = [field for field in HOME_FIELDS if field in columns.fields]
        return self.take(row.number, columns.of(row.cells), said, _perhaps(row.cells, columns.unsure))

    def take(
        self, row: int, given: Mapping[str, str], said: Sequence[str] = (), perhaps: Mapping[int, Home] = NOWHERE
    ) -> Outcome:
        """What becomes of the fields of one lead, as texts, without those that are empty. `said`: by which of them the
        list says where numbers stand, so that the site's region does not count. `perhaps`: where they stand if a
        column says it, from 1."""
        try:
            _must_be_open(tidy(given.get(STATUS, "")))
            numbers = self._numbers(given, home_of(given, said), perhaps)
            first = self._rows.get(numbers[0][1])
            if first is not None:
                return Duplicate(row=row, first_row=first)
            left_out = {field: self._rows[number] for field, number in numbers if number in self._rows}
            own = tuple(number for _, number in numbers if number not in self._rows)
            lead = self._lead(own, {field: tidy(undefused(cell)) for field, cell in given.items()})
        except Unfit as unfit:
            return InvalidRow(row=row, field=unfit.field, code=unfit.code, reason=unfit.reason)
        self._rows.update(dict.fromkeys((lead.id, *own), row))
        return Accepted(row=row, lead=lead, left_out=left_out)

    def _numbers(
        self, given: Mapping[str, str], home: Home | None, perhaps: Mapping[int, Home]
    ) -> list[tuple[str, str]]:
        """The numbers of a row, each once, E.164, with their fields."""
        found: dict[str, str] = {}
        for field in NUMBER_FIELDS:
            cell = given.get(field, "")
            if not is_blank(cell):
                number = self._number(field, cell, home)
                _must_be_sure(field, cell, number, perhaps)
                found.setdefault(number, field)
        if not found:
            raise Unfit("number", "missing", "no number")
        return [(field, number) for number, field in found.items()]

    def _number(self, field: str, cell: str, home: Home | None) -> str:
        try:
            return of_a_lead(number_text(cell), self._rules, field, home).e164
        except DigitsLost as lost:
            raise Unfit(field, "digits_lost", str(lost)) from None
        except Refusal as refusal:
            said = refusal.details or {}
            raise Unfit(field, str(said.get("kind") or said["rule"]), refusal.message) from None

    def _lead(self, numbers: tuple[str, ...], texts: Mapping[str, str]) -> Lead:
        """The lead. `texts`: tidied."""
        read = self._readers(texts)
        return _small(Lead(
            id=self._id(texts.get("lead_id", ""), numbers[0]), numbers=numbers, custom=_custom(texts),
            **{field: reader() for field, reader in read.items()},
        ))  # fmt: skip

    def _readers(self, texts: Mapping[str, str]) -> dict[str, Callable[[], Any]]:  # any: of the field's type
        """What reads each field that is one text, of those that are tidied."""
        return {
            "name": lambda: _short(texts, "name", NAME),
            "timezone": lambda: self._zone(texts.get("timezone", "")),
            "priority": lambda: _priority(texts.get("priority", "")),
            "language": lambda: _language(texts.get("language", "").lower()),
            "source": lambda: _short(texts, "source", SOURCE),
            "consent": lambda: _consent(texts.get("consent", "").casefold()),
        }

    def renewed(
        self, lead: Lead, texts: Mapping[str, str], custom: Mapping[str, str | None], numbers: Sequence[str] | None
    ) -> Lead:
        """A lead of which some fields are to be others, read as those of a row are. `texts`: by field, empty: nothing
        is known of it; `custom`: of its own; None: they are gone; `numbers`: None: those that it has. Raises Unfit."""
        tidied = {field: tidy(undefused(text)) for field, text in texts.items()}
        read = self._readers(tidied)
        found = replace(lead, **{field: read[field]() for field in tidied}, custom=_renewed(lead.custom, custom))
        if numbers is not None:
            each = (self._number(f"numbers[{place}]", number, None) for place, number in enumerate(numbers))
            found = replace(found, numbers=tuple(dict.fromkeys(each)))
        return _small(found)

    def _id(self, given: str, number: str) -> str:
        if not given:
            return id_of(number)
        if not _ID.match(given):
            raise Unfit("lead_id", "shape", f"not {words_of(TOKEN)}")
        if given in self._rows:
            raise Unfit("lead_id", "taken", f"it is the id of row {self._rows[given]} already")
        return given

    def _zone(self, name: str) -> str | None:
        if not name or name in self._zones:
            return name or None
        self._hints -= 1
        hint = not_a_zone(name) if self._hints >= 0 and len(name) <= KEY else None
        raise Unfit("timezone", "unknown", hint or "there is no zone of this name")


def _perhaps(cells: Sequence[str], unsure: Sequence[int]) -> Mapping[int, Home]:
    """Where the numbers of a row stand if a column says it of which nobody has said that it does; by column, from 1."""
    found: dict[int, Home] = {}
    for at in unsure:
        cell = cells[at - 1] if at <= len(cells) else ""
        if home := perhaps_of(CALLING_CODE if is_code(cell) else COUNTRY, cell):
            found[at] = home
    return found


def _must_be_sure(field: str, cell: str, number: str, perhaps: Mapping[int, Home]) -> None:
    """A number that is another one if a column says where it stands is not read by a guess."""
    for at, home in perhaps.items():
        if says_another(home, cell, number):
            why = f"it may be another number if column {at} says its country: say whether it does"
            raise Unfit(field, "unsure", why)


def _small(lead: Lead) -> Lead:
    if len(msgspec.json.encode(lead)) > LARGEST:
        raise Unfit("", "too_large", f"more than {LARGEST:,} bytes, with the names of its fields")
    return lead


def _renewed(own: Mapping[str, str], changes: Mapping[str, str | None]) -> Mapping[str, str]:
    if not changes:
        return own
    for key, text in changes.items():
        if text and not (0 < len(key) <= KEY and tidy(key) == key):  # another that is there may go
            raise Unfit("custom", "shape", f"names of fields are 1 to {KEY} characters, without blanks around them")
    found = {**own, **{key: tidy(undefused(text or "")) for key, text in changes.items()}}
    return _custom({CUSTOM_PREFIX + key: text for key, text in found.items()})


def _must_be_open(status: str) -> None:
    """Who was done, or must not be called, in the campaign that an export is of is not called anew without a word."""
    if status in (LeadStatus.DONE, LeadStatus.DO_NOT_CALL, LeadStatus.INVALID):
        why = f"it was `{status}` in the campaign of the export; to call it all the same, leave that column out"
        raise Unfit(STATUS, status, why)


def _short(texts: Mapping[str, str], field: str, most: int) -> str:
    text = texts.get(field, "")
    if len(text) > most:
        raise Unfit(field, "too_long", f"more than {most} characters")
    return text


def _priority(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.match(text) or abs(value := int(re.split("[.,]", text)[0])) > PRIORITY:
        raise Unfit("priority", "shape", f"not a whole number from -{PRIORITY} to {PRIORITY}")
    return value


def _language(text: str) -> str | None:
    if text and not _LANGUAGE.match(text):
        raise Unfit("language", "shape", "not a language like `uk` or `pt-br`")
    return text or None


def _consent(text: str) -> bool | None:
    if not text:
        return None
    if text not in YES | NO:
        raise Unfit("consent", "shape", "neither yes nor no")
    return text in YES


def _custom(texts: Mapping[str, str]) -> dict[str, str]:
    if texts.get(COUNTRY):  # it says more than where numbers stand
        texts = {CUSTOM_PREFIX + COUNTRY: texts[COUNTRY], **texts}
    own = [field for field in texts if field.startswith(CUSTOM_PREFIX) and texts[field]]
    if len(own) > CUSTOM:
        raise Unfit("", "too_many", f"more than {CUSTOM} fields of its own")
    return {field.removeprefix(CUSTOM_PREFIX): _short(texts, field, VALUE) for field in own}
