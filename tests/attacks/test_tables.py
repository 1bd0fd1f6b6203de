"""Texts of strangers in our tables, opened by spreadsheets that take another character for the separator."""

import csv
import io

import msgspec
import pytest

from actors.leads.export import table_of
from actors.runtime.cells import FORMULA, defused, undefused
from bus_schemas.lead import Lead
from gateway.table import to_csv

ODD = [
    f"{before}{separator}{quote}{formula}{after}"
    for before in ("", "x", "'", "x;", '"')
    for separator in (";", "\t", "\n", "\r\n", ";;", "; ")
    for quote in ("", '"', "'", "'\"", '""')
    for formula in ("=1+1", "+1", "-1", "@a", "=cmd|' /C calc'!A0")
    for after in ("", ";y", '"')
]


def formulas(table: str, separator: str) -> list[str]:
    """Cells that run, also where a spreadsheet leaves out quotes that stand wrong."""
    rows = csv.reader(io.StringIO(table, newline=""), delimiter=separator)
    odd = "" if separator == "," else '"'
    return [cell for row in rows for cell in row if cell.lstrip(odd).startswith(FORMULA) and cell.strip()]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_whatever_separates_them(separator: str) -> None:
    leads = [Lead(id=f"l{at}", numbers=("+380991230007",), name=text, source=text) for at, text in enumerate(ODD)]
    tables = {
        "leads": b"".join(table_of(leads, [])).decode("utf-8-sig"),
        "rows": to_csv(msgspec.json.encode([{"n": 1, "said": text, "more": {"a": text}} for text in ODD])).decode(),
    }
    found = {name: formulas(table, separator) for name, table in tables.items()}
    print(f"{len(ODD)} texts in {len(tables)} tables, separated by {separator!r}: {sum(map(len, found.values()))} run")
    assert found == {"leads": [], "rows": []}


def test_each_of_them_comes_back() -> None:
    changed = [text for text in ODD if undefused(defused(text)) != text]
    print(f"{len(ODD)} texts written and read: {len(changed)} changed")
    assert changed == []
