"""Where the numbers of a row stand, by its own columns: the calling code, or the country. What they leave open is not
read with the site's region: it would be somebody else's number. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from actors.leads.cells import is_blank
from actors.leads.country_names import letters_of
from actors.leads.lead import Unfit, tidy
from actors.runtime.cells import undefused
from actors.telephony import numbers
from actors.telephony.numbers import Number

CALLING_CODE, COUNTRY = "calling_code", "country"
FIELDS = (CALLING_CODE, COUNTRY)

# `0` alone before it is none: that begins the code of a town or of an operator.
_CODE = re.compile(r"(?:\+|00)?([1-9][0-9]{0,2})(?:[.,]0{1,2})?\Z")
# What stands between the code and the name of a country in one cell: `+48 PL`, `Poland (PL)`, `PL - Польща`, `(48)`.
_BETWEEN = re.compile(
    r"[()\[\]{},;:/|]+|\s[-\u2013\u2014=]+\s|(?<=[^\W\d_])[\s-]*(?=\+?[0-9])|(?<=[0-9])[\s-]*(?=[^\W\d_])"
)
_FLAGS = {0x1F1E6 + place: chr(ord("A") + place) for place in range(26)}  # of two such signs a flag is made
LONGEST = 100  # characters of what could be a country
_AMBIGUOUS = {"UK": "GB"}  # what may be another country's name too, so that nothing is read by it


class Home(Struct, frozen=True, kw_only=True):
    """Where the numbers of a row stand. `code`: the country's calling code; empty: the row does not say it, and
    `field`, `kind` and `why` say what is the matter. `strict`: by a column for calling codes, so that a number that
    begins with another one is a contradiction; in a country somebody may have a number of elsewhere."""

    code: str = ""
    strict: bool = False
    field: str = ""
    kind: str = ""
    why: str = ""

    @property
    def regions(self) -> tuple[str, ...]:
        """Whose short and emergency numbers count, besides the site's."""
        return (numbers.region_of(self.code),) if self.code else ()

    def read(self, tidied: str) -> Number:
        """The number of a text from `numbers.tidy`. Raises Unfit, NotANumber."""
        if not self.code:
            if not tidied.lstrip(" (").startswith("+"):
                raise Unfit(self.field, self.kind, f"{self.why}, and the number does not begin with `+`")
            return numbers.number_of(tidied, numbers.NOWHERE)
        found = numbers.number_beside(tidied, self.code)
        if self.strict and not found.e164.startswith(f"+{self.code}"):  # no code begins like another one
            raise Unfit(CALLING_CODE, "disagrees", "the number begins with another one")
        return found


def home_of(given: Mapping[str, str], said: Sequence[str]) -> Home | None:
    """Where the numbers of a row stand. `said`: those of FIELDS for which the list has a column; None: it has none.
    Raises Unfit where two columns disagree."""
    return _home(given.get(CALLING_CODE, ""), given.get(COUNTRY, ""), tuple(said)) if said else None


@lru_cache(maxsize=1024)
def _home(calling_code: str, country: str, said: tuple[str, ...]) -> Home:
    cells = {CALLING_CODE: _text(calling_code), COUNTRY: _text(country)}
    if not any(cells.values()):
        return Home(field=said[0], kind="missing", why="it is empty")
    code, home = _said(cells[CALLING_CODE])[0], _said(cells[COUNTRY])[1]
    if cells[CALLING_CODE] and not code:
        return Home(field=CALLING_CODE, kind="unknown", why="no country has this calling code")
    if cells[COUNTRY] and not home:
        return Home(field=COUNTRY, kind="unknown", why=_unknown(cells[COUNTRY]))
    if code and home and code != home:
        raise Unfit(COUNTRY, "disagrees", f"the `{CALLING_CODE}` is another country's")
    return Home(code=code or home, strict=bool(code))


def is_code(cell: str) -> bool:
    """Whether a cell is a country's calling code."""
    return bool(_said(_text(cell))[0])


def is_country(cell: str) -> bool:
    """Whether a cell names a country that is known."""
    return bool(_said(_text(cell))[1]) or _text(cell).upper() in _AMBIGUOUS


def says_nothing(cell: str) -> bool:
    """Whether a cell holds nothing that could be a country."""
    return not _text(cell)


def perhaps_of(field: str, cell: str) -> Home | None:
    """Where numbers stand if a cell of a column says it of which nobody has said that it does. None: it is empty."""
    text = _text(cell)
    return home_of({field: _AMBIGUOUS.get(text.upper(), text)}, (field,)) if text else None


def _text(cell: str) -> str:
    text = tidy(undefused(cell.translate(_FLAGS))).removeprefix("'")
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}\u2026"  # the caches below hold thousands
    return "" if is_blank(text) else text


@lru_cache(maxsize=4096)
def _said(text: str) -> tuple[str, str]:
    """The calling code that a text is, and that of the country that it names; each empty: none, or two countries'."""
    for parts in ([text], _BETWEEN.split(text), text.split()):
        each = [(_code(part), _code_of_country(part)) for part in map(str.strip, parts) if part]
        if each and all(map(any, each)) and len({code or home for code, home in each}) == 1:
            return max(code for code, _ in each), max(home for _, home in each)
    return "", ""


def _code(text: str) -> str:
    """The calling code; empty: no country has it."""
    found = _CODE.match(text)
    return found[1] if found and numbers.region_of(found[1]) else ""


def _code_of_country(text: str) -> str:
    """The calling code of the country that a text names; empty: none that is known."""
    return numbers.code_of_country(text.upper()) or numbers.code_of_country(letters_of(text))


def _unknown(text: str) -> str:
    hint = numbers.not_a_country(text.upper()) if len(text) == 2 and text.isalpha() else None
    return hint or "no country is known by it: letters like `PL` are"
