"""Which column of a list holds what: guessed from the names of columns, else from what is in them. Pure.

A guess is shown before anything is read with it, and where two columns could be the number none is taken.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from actors.leads.columns import cells_of, is_number, is_numeric, is_word, like_number
from actors.leads.country import CALLING_CODE, COUNTRY, is_code, says_nothing
from actors.leads.lead import BAD_COLUMNS, KEY, NUMBER_FIELDS, number_field, tidy
from actors.leads.unnamed import OF_COUNTRIES, Numbers, unnamed
from actors.runtime.cells import undefused
from actors.telephony.cells import NUMBER_NAMES, PERHAPS_NUMBER, plain_name, without_figure
from bus_schemas.lead import NUMBERS, OWN_COLUMNS

CUSTOM = "custom:"

_PERHAPS = "perhaps_number"
_COUNTRY_CODE = "country_code"  # its calling code, or its letters: what stands in it says that

# By field: what people call its column in English, Ukrainian and Russian, as `plain_name` writes it.
_NAMES = {
    "lead_id": "lead id",
    "number": NUMBER_NAMES,
    _PERHAPS: PERHAPS_NUMBER,
    "name": (
        "name, full name, fullname, contact, contact name, client, client name, customer, customer name, lead name, "
        "first name, firstname, given name, middle name, patronymic, last name, lastname, surname, family name, "
        "імя, піб, піб клієнта, піб абонента, імя та по батькові, пібд, імя та прізвище, прізвище та імя, прізвище, "
        "по батькові, клієнт, імя клієнта, контакт, "
        "контактна особа, назва, имя, фио, фио клиента, фио абонента, имя и отчество, имя и фамилия, "
        "фамилия и имя, фамилия, отчество, клиент, имя клиента, "
        "контактное лицо, название, наименование"
    ),
    CALLING_CODE: (
        "calling code, country calling code, phone code, dial code, dialing code, dialling code, "
        "country dial code, country dialing code, international code, international dialing code, isd code, "
        "idd code, ddi code, код набору, телефонний код, телефонний код країни, код телефону, міжнародний код, "
        "міжнародний телефонний код, код набора, телефонный код, телефонный код страны, код телефона, "
        "международный код, международный телефонный код"
    ),
    COUNTRY: (
        "country, country name, country iso, country iso code, iso country, iso country code, iso code, phone country, "
        "країна, назва країни, країна номера, країна телефону, країна проживання, страна, название страны, "
        "страна номера, страна телефона, страна проживания"
    ),
    _COUNTRY_CODE: (
        "country code, countrycode, phone country code, код країни, код країни телефону, код страны, "
        "код страны телефона"
    ),
    "timezone": "timezone, time zone, tz, часовий пояс, часова зона, часовой пояс, временная зона, таймзона",
    "priority": "priority, prio, пріоритет, приоритет",
    "language": "language, lang, locale, мова, язык",
    "source": "source, lead source, origin, utm source, джерело, источник",
    "consent": "consent, opt in, optin, agreed, згода, согласие",
}
_FIELDS = {name: field for field, names in _NAMES.items() for name in names.split(", ")}
STATUS = "status"  # in a lead's last campaign, by our own export
FIELDS = frozenset({*_NAMES, *NUMBER_FIELDS, STATUS}) - {_PERHAPS, _COUNTRY_CODE}
_NOTHING = "-"  # a column of which nothing is read
_MANY = ("number", _PERHAPS, "name", CALLING_CODE, COUNTRY)  # may be in several columns


class Mapping(Struct, frozen=True, kw_only=True):
    """What is in each column: a field of a lead, `custom:` and a name, or empty for nothing that is read. Parts of a
    name are joined in the order of their columns. `header`: the first row says it, but the `skip` rows above, as a
    spreadsheet counts: titles, of which nothing is read. `doubt`: what a person has to say first. `unsure`: columns,
    from 1, that may say where the numbers of a row stand; by whose word a number would be another one is no lead."""

    fields: tuple[str, ...]
    header: bool
    doubt: str = ""
    skip: int = 0
    unsure: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field in self.fields:
            if field and field not in FIELDS and not (field.startswith(CUSTOM) and tidy(field) == field != CUSTOM):
                raise ValueError(f"fields: `{field}` is no field of a lead; others begin with `{CUSTOM}`")
            if field and field != "name" and self.fields.count(field) > 1:
                raise ValueError(f"fields: `{field}` stands twice")

    def of(self, cells: Sequence[str]) -> dict[str, str]:
        """The cells of a row by field, without those that are empty."""
        found: dict[str, str] = {}
        for field, cell in zip(self.fields, cells, strict=False):
            if field and cell and not cell.isspace():
                found[field] = f"{found[field]} {cell}" if field == "name" and field in found else cell
        return found


def still_unsure(unsure: Sequence[int], guessed: Sequence[str], said: Sequence[str]) -> tuple[int, ...]:
    """Of the columns that are unsure by the guess, those of which a person says the same: who corrects another one has
    not said what these are."""
    same = [at for at, (before, now) in enumerate(zip(guessed, said, strict=False), 1) if before == now]
    return tuple(at for at in unsure if at in same)


def known(cells: Sequence[str]) -> int:
    """How many of the cells are names of columns that are known."""
    return headed(cells)[1]


def headed(cells: Sequence[str]) -> tuple[bool, int]:
    """Whether one of the cells is the name of a column of numbers, and how many are names of columns that are known."""
    fields = [field for cell in cells if (field := _field_of(cell)) is not None]
    return any(field in (*NUMBER_FIELDS, _PERHAPS) for field in fields), len(fields)


def guess(rows: Sequence[Sequence[str]], region: str, header: bool | None = None) -> Mapping:
    """The mapping of a list, from its first rows. `region`: where numbers stand that do not say it. `header`: whether
    the first row is one; None: that is guessed, too."""
    if not rows:
        return Mapping(fields=(), header=False, doubt="there is nothing in it")
    first, body = rows[0], rows[1:]
    if header is None:
        named = known(first) > 0 or _heads(first, body, region)
        header = named and not any(is_number(cell, region) for cell in first)
    width = max(map(len, rows))
    if not header:
        return _by_content(rows, [""] * width, ["" for _ in range(width)], region, header=False)
    names = [tidy(undefused(cell)) for cell in first] + [""] * (width - len(first))
    return _by_content(body, names, list(_by_name(names, body)), region, header=True)


def _heads(first: Sequence[str], body: Sequence[Sequence[str]], region: str) -> bool:
    """Whether a row of unknown words is a header: by what stands below one of them, unless it is one alone above rows
    with more cells, which may be one of the list without its number."""
    filled = max((sum(map(bool, map(str.strip, row))) for row in body), default=0)
    if sum(map(bool, map(str.strip, first))) == 1 < filled:
        return False
    return any(is_word(cell) and _below(cells_of(body, at), region) for at, cell in enumerate(first))


def _below(cells: Sequence[str], region: str) -> bool:
    """Whether what stands below a word makes that the name of a column: numbers, or what could be some elsewhere."""
    return is_numeric(cells, region) or (bool(cells) and all(map(like_number, cells)))


def _by_name(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A field for each column whose name is known; empty for the others."""
    found = [_of_country(rows, at, _field_of(name) or "") for at, name in enumerate(names)]
    if {*OWN_COLUMNS} <= {*names}:  # our own export: what became of them there is nothing of theirs
        found = [
            STATUS if name == STATUS else _NOTHING if name in OWN_COLUMNS else field
            for name, field in zip(names, found, strict=True)
        ]
    if (*names[: len(BAD_COLUMNS)],) == BAD_COLUMNS:  # our own table of what was bad, mended
        found[: len(BAD_COLUMNS)] = [_NOTHING] * len(BAD_COLUMNS)
    sure = "number" in found
    taken: set[str] = set()
    for field in found:
        if field in taken and field not in (*_MANY, _NOTHING):
            field = ""
        taken.add(field)
        yield "number" if field == _PERHAPS and not sure else field


def _by_content(
    rows: Sequence[Sequence[str]], names: Sequence[str], fields: list[str], region: str, *, header: bool
) -> Mapping:
    """What names do not say: the number where one column alone can be it, where numbers stand, and a name where nothing
    says what is one."""
    fields, doubt = [field.replace(_PERHAPS, "") for field in fields], ""
    if "number" not in fields:
        doubt = _find_number(rows, fields, region)
    asked, unsure = _find_countries(rows, fields, region)
    doubt = doubt if "number" not in fields else asked
    for field, is_known in OF_COUNTRIES:
        if said := _in_the_way(field, is_known, fields, rows):
            doubt = said if asked == doubt else doubt or said
            fields = ["" if one == field else one for one in fields]
    if not header:
        words = [at for at, field in enumerate(fields) if not field and any(map(is_word, cells_of(rows, at)))]
        for at in [at for at in words if at + 1 not in unsure][:1]:
            fields[at] = "name"
    return Mapping(fields=tuple(_finished(names, fields)), header=header, doubt=doubt, unsure=unsure)


def _find_number(rows: Sequence[Sequence[str]], fields: list[str], region: str) -> str:
    """Say in `fields` which column is the number. What a person has to say, where that is none or one of several."""
    free = [at for at, field in enumerate(fields) if not field]
    could = [at for at in free if is_numeric(cells_of(rows, at), region)]
    if len(could) == 1:
        fields[could[0]] = "number"
        return ""
    places = " and ".join(str(at + 1) for at in could)
    return f"columns {places} could be the number: say which" if could else "no column holds numbers"


def _find_countries(rows: Sequence[Sequence[str]], fields: list[str], region: str) -> tuple[str, tuple[int, ...]]:
    """Say in `fields` which columns say where numbers stand, though their names do not, and which the number is, where
    it is one by them alone. What a person has to say first, and columns that may say it and so far change nothing."""
    if CALLING_CODE in fields or fields.count(COUNTRY) > 1:
        return "", ()
    free = [at for at, field in enumerate(fields) if not field]
    likely = [at for at in free if (cells := cells_of(rows, at)) and all(map(like_number, cells))]
    columns = [at for at, field in enumerate(fields) if field == "number"] or likely[:1] * (len(likely) == 1)
    country = fields.index(COUNTRY) if COUNTRY in fields else None
    among = Numbers(columns=tuple(columns), country=country, region=region)
    found = list(unnamed(rows, [at for at in free if at not in columns], among))
    found = [one for one in found if one.sure] or found
    if not found:
        return "", ()
    for at in columns:
        fields[at] = "number"
    asked = [one for one in found if one.matters or one.sure]
    for one in asked:
        fields[one.at] = one.field
    unsure = tuple(one.at + 1 for one in found if one not in asked)
    return "; ".join(_is_it(one.at, one.field) for one in asked if not one.sure), unsure


def _is_it(at: int, field: str) -> str:
    return f"column {at + 1} could be the {field.replace('_', ' ')} of the numbers: say whether it is"


def _in_the_way(
    field: str, is_known: Callable[[str], bool], fields: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """Why a person has to say which column is that of countries, in words. Empty: there is one at most, and most of its
    cells are known."""
    at, what = [at for at, one in enumerate(fields) if one == field], field.replace("_", " ")
    if len(at) > 1:
        return f"columns {' and '.join(str(one + 1) for one in at)} could be the {what}: say which"
    cells = [cell for cell in cells_of(rows, at[0]) if not says_nothing(cell)] if at else []
    if 2 * sum(map(is_known, cells)) < len(cells):
        return f"column {at[0] + 1} is called like the {what}, and most of its cells are none: say what it is"
    return ""


def _of_country(rows: Sequence[Sequence[str]], at: int, field: str) -> str:
    """What a column is that is called the code of a country: by most of its cells."""
    if field != _COUNTRY_CODE:
        return field
    cells = cells_of(rows, at)
    return CALLING_CODE if cells and 2 * sum(map(is_code, cells)) >= len(cells) else COUNTRY


def _finished(names: Sequence[str], fields: Sequence[str]) -> Iterator[str]:
    """The fields with their ordinals; other columns under their own names, those without one by their place."""
    numbers, taken = 0, set[str]()
    for at, (name, field) in enumerate(zip(names, fields, strict=True), 1):
        if field == "number" and numbers < NUMBERS:
            yield number_field(numbers)
            numbers += 1
        elif field == _NOTHING:
            yield ""
        elif field and field != "number":
            yield field
        else:
            key = name.removeprefix(CUSTOM)[:KEY].strip() or f"column {at}"
            key = key if key not in taken else f"{key[: KEY - 6]} ({at})"
            taken.add(key)
            yield CUSTOM + key


def _field_of(name: str) -> str | None:
    plain = plain_name(tidy(undefused(name)))
    return _FIELDS.get(plain) or _FIELDS.get(without_figure(plain))
