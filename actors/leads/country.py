"""Where the numbers of a row stand, by its own columns: the calling code, or the country. What they leave open is not
read with the site's region: it would be somebody else's number. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from actors.leads.cells import is_blank
from actors.leads.lead import Unfit, tidy
from actors.runtime.cells import undefused
from actors.telephony import numbers
from actors.telephony.cells import plain_name
from actors.telephony.numbers import Number

CALLING_CODE, COUNTRY = "calling_code", "country"
FIELDS = (CALLING_CODE, COUNTRY)

# `0` alone before it is none: that begins the code of a town or of an operator.
_CODE = re.compile(r"(?:\+|00)?([1-9][0-9]{0,2})(?:[.,]0{1,2})?\Z")
# Names of the countries that lists are most often of, and their three letters, as `plain_name` writes them; of others
# the two letters are known.
_NAMES = {
    "UA": "ukr, ukraine, україна, украина",
    "PL": "pol, poland, polska, польща, польша",
    "DE": "deu, germany, deutschland, німеччина, германия",
    "GB": "gbr, united kingdom, great britain, велика британія, великобританія, великобритания",
    "US": "united states, united states of america, usa, сша",
    "CA": "can, canada, канада",
    "CZ": "cze, czech republic, czechia, чехія, чехия",
    "SK": "svk, slovakia, словаччина, словакия",
    "HU": "hun, hungary, угорщина, венгрия",
    "RO": "rou, romania, румунія, румыния",
    "MD": "mda, moldova, молдова, молдавия",
    "BG": "bgr, bulgaria, болгарія, болгария",
    "LT": "ltu, lithuania, литва",
    "LV": "lva, latvia, латвія, латвия",
    "EE": "est, estonia, естонія, эстония",
    "IT": "ita, italy, italia, італія, италия",
    "ES": "esp, spain, іспанія, испания",
    "PT": "prt, portugal, португалія, португалия",
    "FR": "fra, france, франція, франция",
    "NL": "nld, netherlands, нідерланди, нидерланды",
    "AT": "aut, austria, австрія, австрия",
    "TR": "tur, turkey, туреччина, турция",
    "IL": "isr, israel, ізраїль, израиль",
    "GE": "geo, georgia, грузія, грузия",
    "KZ": "kaz, kazakhstan, казахстан",
}
_LETTERS = {name: letters for letters, names in _NAMES.items() for name in names.split(", ")}


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
    code, home = _code(cells[CALLING_CODE]), _code_of_country(cells[COUNTRY])
    if cells[CALLING_CODE] and not code:
        return Home(field=CALLING_CODE, kind="unknown", why="no country has this calling code")
    if cells[COUNTRY] and not home:
        return Home(field=COUNTRY, kind="unknown", why=_unknown(cells[COUNTRY]))
    if code and home and code != home:
        raise Unfit(COUNTRY, "disagrees", f"the `{CALLING_CODE}` is another country's")
    return Home(code=code or home, strict=bool(code))


def is_code(cell: str) -> bool:
    """Whether a cell is a country's calling code."""
    return bool(_code(_text(cell)))


def is_country(cell: str) -> bool:
    """Whether a cell names a country that is known."""
    return bool(_code_of_country(_text(cell)))


def _text(cell: str) -> str:
    text = tidy(undefused(cell)).removeprefix("'")
    return "" if is_blank(text) else text


def _code(text: str) -> str:
    """The calling code; empty: no country has it."""
    found = _CODE.match(text)
    return found[1] if found and numbers.region_of(found[1]) else ""


def _code_of_country(text: str) -> str:
    """The calling code of the country that a text names; empty: none that is known."""
    return numbers.code_of_country(_LETTERS.get(plain_name(text), text.upper()))


def _unknown(text: str) -> str:
    hint = numbers.not_a_country(text.upper()) if len(text) == 2 and text.isalpha() else None
    return hint or "no country is known by it: letters like `PL` are"
