"""Texts of strangers in our tables, opened by spreadsheets that take another character for the separator."""

import csv
import io
import json
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from actors.leads.export import table_of
from actors.leads.lead import CUSTOM
from actors.runtime.cells import FORMULA, defused, undefused
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead
from gateway.table import MOST_COLUMNS, csv_pieces, to_csv
from tests.gateway.test_whole_tables import fetched
from tests.support.turns import Others

WIDE = "\uff1d\uff0b\uff0d\uff20"  # `=+-@` as wide as an ideograph
ODD = [
    f"{before}{separator}{quote}{formula}{after}"
    for before in ("", "x", "'", "x;", '"')
    for separator in (";", "\t", "\n", "\r\n", ";;", "; ")
    for quote in ("", '"', "'", "'\"", '""')
    for formula in ("=1+1", "+1", "-1", "@a", "=cmd|' /C calc'!A0", *(f"{wide}1" for wide in WIDE))
    for after in ("", ";y", '"')
]


def formulas(table: str, separator: str) -> list[str]:
    """Cells that run, also where a spreadsheet leaves out quotes that stand wrong."""
    rows = csv.reader(io.StringIO(table, newline=""), delimiter=separator)
    odd = "" if separator == "," else '"'
    return [cell for row in rows for cell in row if cell.lstrip(odd).startswith((*FORMULA, *WIDE)) and cell.strip()]


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


TURN = 0.02  # seconds of the processor until it is others' turn


def wide(rows: Iterable[int], kinds: int) -> list[dict[str, Any]]:
    """Rows with as many fields of their own as a lead may have, of so many kinds with none in common."""
    return [{"lead_id": f"l{row}", **{f"custom:{row % kinds}_{at}": "1" for at in range(CUSTOM)}} for row in rows]


def test_rows_that_have_no_field_in_common_are_no_table() -> None:
    rows = wide(range(600), 600)
    with pytest.raises(Refusal) as refused:
        to_csv(msgspec.json.encode(rows))
    assert refused.value.code is ErrorCode.INVALID_PARAMS
    most = wide(range(600), MOST_COLUMNS // CUSTOM - 1)
    began, longest, written = time.thread_time(), 0.0, 0
    for piece in csv_pieces(msgspec.json.encode(most)):
        longest, written = max(longest, time.thread_time() - began), written + len(piece)
        began = time.thread_time()
    print(f"{600 * CUSTOM:,} columns refused; of {MOST_COLUMNS:,} {written >> 20} MB, a piece in {longest:.3f} s")
    assert longest < TURN


async def test_a_whole_table_has_a_bound_and_leaves_others_their_turn() -> None:
    pages = [wide(range(first, first + 300), 3_000) for first in range(0, 3_000, 300)]
    refused = json.loads(await fetched(pages))
    assert refused["code"] == "INVALID_PARAMS" and refused["details"]["field"] == "format"
    pages = [wide(range(300), MOST_COLUMNS // CUSTOM - 1)] * 2
    others = Others()
    body = await fetched(pages)
    others.end()
    print(f"{3_000 * CUSTOM:,} columns refused; of {MOST_COLUMNS:,} {len(body) >> 10} kB: {others}")
    assert body.count(b"\r\n") == 601 and others.longest < 5 * TURN
