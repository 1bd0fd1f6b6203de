"""A workbook's sheet as a table in text, which is read as any other. Pure but for the streams.

What unpacks a workbook may need any amount of memory for a small file: it runs in a process of its own
(`actors/adapters/workbook.py`).
"""

import csv
from datetime import datetime
from typing import IO, Any

import python_calamine

EXACT = 10**15  # a spreadsheet keeps so many figures


def write_sheet(workbook: IO[bytes], table: IO[str], name: str | None = None) -> None:
    """Write a sheet as CSV, from its first row and column. `name`: which; None: the first that is shown. Raises
    CalamineError."""
    book = python_calamine.CalamineWorkbook.from_filelike(workbook)
    sheet = book.get_sheet_by_name(name or _first_shown(book))
    csv.writer(table).writerows(map(_text, row) for row in sheet.iter_rows())


def _first_shown(book: python_calamine.CalamineWorkbook) -> str:
    visible = python_calamine.SheetVisibleEnum.Visible
    shown = [sheet.name for sheet in book.sheets_metadata if sheet.visible is visible]
    return (shown or book.sheet_names)[0]


def _text(value: Any) -> str:
    """A cell as it would be typed. Figures are figures: a spreadsheet keeps no other ones than floats."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        case datetime():
            return value.isoformat(" ")
        case _:
            return str(value)
