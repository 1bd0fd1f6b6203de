"""What runners that are gone left running: found by their notes, and ended.

A note (`keeper.py` writes it) names the boot, the mark, the keeper, and then who was there. Those that still have the
same pid *and* start time, their descendants, and whoever carries the mark in its environment are ended, and nobody
else.
"""

import re
from pathlib import Path
from typing import NamedTuple

from actors.adapters.runner.processes import Process, boot, end, marked, process, tree

GRACE = 2.0  # seconds from SIGTERM to SIGKILL
WITHIN = 8.0  # seconds in which all are to be gone
_MOST = 4 * 1024 * 1024  # bytes of a note
_MARK = re.compile(r"[a-z0-9-]{1,100}")


class Swept(NamedTuple):
    """How many were ended, and the pids of those that could not be."""

    ended: int
    survivors: tuple[int, ...]


class Note(NamedTuple):
    mark: str
    keeper: Process | None
    others: frozenset[Process]


def read(path: Path) -> Note | None:
    """A note of this boot; None: there is none, or it is of another one, whose processes are gone."""
    try:
        with path.open() as file:
            lines = file.read(_MOST).splitlines()
        origin, mark = lines[0].split(" ")
        noted = [Process(int(pid), int(start)) for pid, start in (line.split(" ") for line in lines[1:])]
    except (OSError, ValueError, IndexError):
        return None
    if origin != boot() or not _MARK.fullmatch(mark):
        return None
    return Note(mark, noted[0] if noted else None, frozenset(noted[1:]))


def sweep(path: Path, mark: str | None = None) -> Swept:
    """End what a note tells of, the keeper last: it may be about to do the same. Blocks, for `WITHIN` at most. `mark`:
    where it is known even if the note is gone."""
    note = read(path) or (Note(mark, None, frozenset()) if mark else None)
    if note is None:
        path.unlink(missing_ok=True)
        return Swept(0, ())
    seen = set[Process]()

    def look() -> set[Process]:
        known = {each for each in note.others if process(each.pid) == each}
        keeper = {note.keeper} if note.keeper and process(note.keeper.pid) == note.keeper else set[Process]()
        found = known | tree(each.pid for each in known | keeper) | marked(note.mark)
        found -= keeper
        seen.update(found)
        return found

    left = end(look, grace=GRACE, within=WITHIN)
    if note.keeper is not None:
        left |= end(lambda: _if_there(note.keeper), grace=0.5, within=1.5)
    if not left:
        path.unlink(missing_ok=True)
    return Swept(len(seen - left), tuple(sorted(each.pid for each in left)))


def _if_there(known: Process | None) -> set[Process]:
    return {known} if known is not None and process(known.pid) == known else set()
