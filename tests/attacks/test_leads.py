"""Lists of leads that are made to cost something: each is refused with a reason, in bounded time and memory."""

import io
import random
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest

from actors.adapters.workbook import as_table
from actors.dialing.rules import DialRules
from actors.leads.lead import ListError
from actors.leads.mapping import Mapping
from actors.leads.preview import preview
from actors.leads.reading import ROWS, layout_of, rows_of
from tests.support.depth import examples
from tests.support.sheets import packed, workbook

RULES = DialRules(site_region="UA")
BOUND = 64 << 20  # bytes of memory, of a file that is read here
SECONDS = 20.0  # of work, on a machine that does other things too

TEXTS: dict[str, Callable[[], bytes]] = {
    "a cell of 50 MB": lambda: b"phone,name\n0991230006," + b"x" * (50 << 20),
    "a quoted cell of 50 MB": lambda: b'phone,name\n0991230006,"' + b"x\n" * (25 << 20),
    "a row of ever more cells over many lines": lambda: b"phone,name\n" + b'"\n",' * (10 << 20),
    "1,000,000 columns": lambda: b"," * 1_000_000 + b"\n0991230006\n",
    "1,000,000 columns below a header": lambda: b"phone,name\n" + b"1," * 1_000_000,
    "50 MB of NULs": lambda: bytes(50 << 20),
    "50 MB of NULs after a header": lambda: b"phone,name\n" + bytes(50 << 20),
    "NULs on one side, no text": lambda: b"\0\xd8" * (1 << 20),
    "bytes by chance": lambda: random.Random(1).randbytes(1 << 20),
}


def far() -> bytes:
    cells = '<c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c>'
    return packed(f'<row r="1">{cells}</row>')


def repeated() -> bytes:
    cells = '<c t="s"><v>0</v></c>' * 20
    rows = (f'<row r="{row}">{cells}</row>' for row in range(1, 5000))
    return packed("".join(rows), f"<si><t>{'x' * (1 << 20)}</t></si>")


def zeros() -> bytes:
    """A workbook whose sheet is a cell with a text of 1 GB."""
    file = io.BytesIO(packed("<row/>"))
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet,
    ):
        sheet.write(b'<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>')
        for _ in range(1 << 10):
            sheet.write(b"0" * (1 << 20))
        sheet.write(b"</t></is></c></row></sheetData></worksheet>")
    return file.getvalue()


def half() -> bytes:
    book = workbook([["phone"], ["0991230006"]])
    return book[: len(book) // 2]


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a sheet of 17,179,869,184 cells with two of them": (far, "needs more than 1024 MB"),
    "a text of 1 MB in 100,000 cells": (repeated, "needs more than 1024 MB"),
    "a sheet of 1 GB in a file of some MB": (zeros, "needs more than 1024 MB"),
    "half a workbook": (half, "Cannot detect file format"),
    "a ZIP that is no workbook": (lambda: _zip("readme.txt", b"hello"), "Cannot detect file format"),
    "no workbook at all": (lambda: b"PK\x03\x04" + random.Random(1).randbytes(1 << 20), "Cannot detect file format"),
    "65 MB": (lambda: b"PK\x03\x04" + bytes(65 << 20), "of more than 64 MB"),
}


def _zip(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_costs_something_is_refused(kind: str) -> None:
    file, began = BytesIO(TEXTS[kind]()), time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ListError) as refused:
            preview(file, RULES, Mapping(fields=("number", "name"), header=False))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"1 tried, 0 read: {kind}: {refused.value}, {peak >> 20} MB, {time.process_time() - began:.1f} s")
    assert peak < BOUND and time.process_time() - began < SECONDS


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_workbook_that_costs_something_is_refused(kind: str) -> None:
    data, began = BOMBS[kind][0](), time.monotonic()
    with pytest.raises(ListError, match=BOMBS[kind][1]) as refused, as_table(BytesIO(data)):
        pytest.fail("it was read")
    print(f"1 tried, 0 read: {kind} ({len(data)} bytes): {refused.value}, {time.monotonic() - began:.1f} s")


def test_more_rows_than_a_sheet_has_are_refused() -> None:
    file = BytesIO(b"x\n" * (ROWS + 2))
    with pytest.raises(ListError, match=f"more than {ROWS} rows"):
        print(f"{sum(1 for _ in rows_of(file, layout_of(file)))} rows read")
    print(f"{ROWS + 2} rows tried, {ROWS} read")


READ = """
import re, sys, time
import phonenumbers
from actors.dialing.rules import DialRules
from actors.leads.preview import preview
def most():
    return int(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
rules = DialRules(site_region="UA")
before, began = most(), time.process_time()
with open(sys.argv[1], "rb") as file:
    counts = preview(file, rules).counts
read = time.process_time()
more = most() - before
for at in range(int(sys.argv[2])):
    phonenumbers.parse(f"0{990_000_000 + at}", "UA")
print(counts.leads, (read - began) / (time.process_time() - read), more)
"""
LEADS = min(examples(50_000), 100_000)
MOST = 10  # times the work of the library's parser alone; 4 were measured


def test_rows_cost_little_more_than_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    with file.open("w", encoding="cp1251") as table:
        table.write("Телефон;ПІБ;Місто\n")
        table.writelines(f"0{990_000_000 + at};Олена Петренко;Київ\n" for at in range(LEADS))
    words = [sys.executable, "-c", READ, str(file), str(LEADS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    leads, ratio, kilobytes = cast("tuple[str, str, str]", done.stdout.split())
    print(f"{leads} leads: {float(ratio):.1f} times the work of parsing their numbers, {int(kilobytes) >> 10} MB")
    assert int(leads) == LEADS and float(ratio) <= MOST and int(kilobytes) >> 10 < 100
