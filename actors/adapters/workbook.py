"""Workbooks are unpacked in a process of their own, with bounds on memory, time and what it writes: a file of some
kilobytes may say that it holds a sheet of terabytes, and nothing that is asked of the file before is sure to tell."""

import csv
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from actors.leads.lead import ListError

MEMORY = 1 << 30  # bytes, of addresses
SECONDS = 30  # of work, and then of waiting
LARGEST = 64 << 20  # bytes of a workbook
WRITTEN = 256 << 20  # bytes of its table
ROOT = Path(__file__).resolve().parents[2]
_TOO_MUCH = 4  # how the process ends that has met a bound, if it is not ended by it


def is_workbook(head: bytes) -> bool:
    """Whether a file that begins so is a workbook: XLSX is a ZIP; OLE the older XLS, and what a password protects."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0"))


@contextmanager
def as_table(workbook: BinaryIO, name: str | None = None) -> Iterator[BinaryIO]:
    """A sheet of a workbook as CSV in UTF-8, in a file that is gone afterwards. `name`: of the sheet; None: the first
    that is shown. Blocks for seconds. Raises ListError."""
    workbook.seek(0)
    data = workbook.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ListError(f"a workbook of more than {LARGEST >> 20} MB")
    with tempfile.TemporaryFile() as table:
        command = [sys.executable, "-m", "actors.adapters.workbook", *([name] if name else [])]
        try:
            done = subprocess.run(
                command, input=data, stdout=table, stderr=subprocess.PIPE, cwd=ROOT, timeout=2 * SECONDS, check=False,
                env={"PYTHONPATH": os.pathsep.join(sys.path)},  # nothing else of ours: there are secrets in it
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ListError(f"the workbook takes more than {2 * SECONDS} s to read") from None
        if done.returncode:
            raise ListError(_why(done.returncode, done.stderr.decode(errors="replace").strip()))
        yield table


class NoLines(ValueError):
    """The workbook as a whole cannot be read. The message says why."""


def as_lines(workbook: bytes, most: int) -> bytes:
    """The same with each row in one line, so that lines have the numbers of rows. `most`: bytes of the sheet. Raises
    NoLines."""
    lines = io.BytesIO()
    try:
        with as_table(io.BytesIO(workbook)) as table:
            if table.seek(0, os.SEEK_END) > most:
                raise NoLines(f"a sheet of more than {most >> 20} MB as a table")
            table.seek(0)
            rows = csv.reader(io.TextIOWrapper(table, "utf-8", newline=""))
            text = io.TextIOWrapper(lines, "utf-8", newline="", write_through=True)
            csv.writer(text, lineterminator="\n").writerows([" ".join(cell.split()) for cell in row] for row in rows)
    except (ListError, csv.Error) as error:
        raise NoLines(str(error)) from None
    return lines.getvalue()


def _why(code: int, said: str) -> str:
    if code < 0 or code == _TOO_MUCH:
        return f"the workbook needs more than {MEMORY >> 20} MB of memory or {SECONDS} s to read"
    return f"the workbook cannot be read: {said.splitlines()[-1][:500] if said else code}"


def main() -> None:
    """The process: a workbook comes in, its table goes out."""
    for kind, bound in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, WRITTEN), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (bound, bound))
    from python_calamine import CalamineError  # once the bounds hold

    from actors.leads.workbook import write_sheet

    try:
        assert isinstance(sys.stdout, io.TextIOWrapper)  # as Python makes it
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="")
        write_sheet(sys.stdin.buffer, sys.stdout, *sys.argv[1:])
        sys.stdout.flush()
    except CalamineError as error:
        sys.exit(str(error))
    except (MemoryError, OSError):
        sys.exit(_TOO_MUCH)


if __name__ == "__main__":
    main()
