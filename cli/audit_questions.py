"""The questions that people ask of the audit, and what the journal says that each is answered with.

Rows that were read by their numbers say nothing of what is shown to somebody who asks for a user's: a database can be
brought to leave rows out there, in more ways than can be looked for. So the same questions are asked.
"""

import random
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from bus_schemas.audit import ListAudit

USERS = 1_000  # who are asked for, picked by chance where there are more: nobody can know who is left out
OTHERS = 31  # actions, results and days
NEWEST = 2_000  # rows of an answer that are compared; of a user all
AT_ONCE = 500
PRINT = 16  # bytes

Row = Mapping[str, Any]
Text = Callable[[object], bytes]


class Question(Struct, frozen=True, kw_only=True):
    """`said`: in words; `numbers`: of the records that are its answer, in order; `rows`: so many are compared."""

    wanted: ListAudit
    said: str
    numbers: Sequence[int]
    rows: int | None


class Questions:
    """Takes the journal's records in their order, in 56 bytes each. `text`: a record as it is compared."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._numbers = array("q")
        self._prints = bytearray()
        self._places: dict[str, defaultdict[str, array[int]]] = {
            name: defaultdict(lambda: array("q")) for name in ("user", "action", "result", "day")
        }

    def take(self, record: Row) -> None:
        place = len(self._numbers)
        self._numbers.append(record["number"])
        self._prints += self._print(record)
        for name, places in self._places.items():
            places[record["at"][:10] if name == "day" else record[name]].append(place)

    def count(self) -> int:
        """How many there are to be asked."""
        return sum(map(len, self._places.values()))

    def chosen(self) -> list[Question]:
        """Those that are asked."""
        found: list[Question] = []
        for name, places in self._places.items():
            most = USERS if name == "user" else OTHERS
            values = list(places) if len(places) <= most else random.SystemRandom().sample(list(places), most)
            asked = ((value, _conditions(name, value)) for value in values)
            found += [self._question(name, value, conditions) for value, conditions in asked if conditions is not None]
        return found

    def judge(self, question: Question, rows: Sequence[Row], *, whole: bool) -> list[str]:
        """What is wrong with the rows of an answer. `whole`: it was read to its end."""
        told = {row["number"]: row for row in rows}
        first = 0 if whole else min(told)
        wanted = {number for number in question.numbers if number >= first}
        wrong = dict.fromkeys(wanted - told.keys(), "is left out")
        wrong |= dict.fromkeys(told.keys() - wanted, "is told wrongly")
        wrong |= {number: "is told otherwise" for number in wanted & told.keys() if not self._is_as_was(told[number])}
        return [f"record {number} {wrong[number]} where {question.said} is asked for" for number in sorted(wrong)]

    def _question(self, name: str, value: str, conditions: Mapping[str, str]) -> Question:
        places: Sequence[int] = self._places[name][value]
        if name == "action":  # its beginning is asked for, in small letters or large ones
            begin = value.encode().lower()
            alike = (found for other, found in self._places[name].items() if other.encode().lower().startswith(begin))
            places = sorted(place for found in alike for place in found)
        return Question(
            wanted=msgspec.convert({**conditions, "limit": AT_ONCE}, ListAudit),
            said=" and ".join(f"{key}={given}" for key, given in conditions.items()),
            numbers=[self._numbers[place] for place in places],
            rows=None if name == "user" else NEWEST,
        )

    def _is_as_was(self, row: Row) -> bool:
        place = bisect_left(self._numbers, row["number"])
        return self._prints[PRINT * place : PRINT * (place + 1)] == self._print(row)

    def _print(self, record: Row) -> bytes:
        return blake2b(self._text(dict(record)), digest_size=PRINT).digest()


def _conditions(name: str, value: str) -> Mapping[str, str] | None:
    """Of a question for one value. None: nobody can ask for it."""
    conditions = {name: value}
    try:
        if name == "day":
            conditions = {"since": value, "until": str(date.fromisoformat(value) + timedelta(days=1))}
        msgspec.convert(conditions, ListAudit)
    except (ValueError, OverflowError, msgspec.ValidationError):
        return None
    # PostgreSQL keeps U+FFFD in the place of a NUL, which no question can have
    return conditions if value.isprintable() and "\ufffd" not in value else None
