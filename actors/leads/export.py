"""Leads as a table, which a spreadsheet opens and `reading.py` reads again as the same leads. Pure.

UTF-8 with a mark at its beginning, without which Excel takes it for a code page; nothing in it is a formula.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from actors.leads.lead import NUMBER_FIELDS
from actors.leads.mapping import CUSTOM
from actors.runtime.cells import defused
from bus_schemas.lead import NUMBERS, Lead

FIELDS = ("lead_id", *NUMBER_FIELDS, "name", "timezone", "priority", "language", "source", "consent")
BOM = "\ufeff"
_CONSENT = {True: "yes", False: "no", None: ""}


def table_of(leads: Iterable[Lead], custom: Sequence[str]) -> Iterator[bytes]:
    """The table, a row at a time. `custom`: the leads' fields of their own that get a column."""
    yield (BOM + _line([*FIELDS, *(CUSTOM + key for key in custom)])).encode()
    for lead in leads:
        numbers = [*lead.numbers, *[""] * (NUMBERS - len(lead.numbers))]
        facts = (lead.name, lead.timezone or "", lead.priority, lead.language or "", lead.source)
        own = (lead.custom.get(key, "") for key in custom)
        yield _line((lead.id, *numbers, *facts, _CONSENT[lead.consent], *own)).encode()


def _line(cells: Iterable[str | int]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(
        defused(cell) if isinstance(cell, str) else cell for cell in cells
    )
    return text.getvalue()
