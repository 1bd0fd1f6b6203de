"""The state folder is its user's alone: keys, passwords, the journal, numbers, and the phones' own socket are in it.

What we make we make so (`UMASK`). This closes what an earlier version left open, and a folder that was there before us.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.site.ports import CannotStart

OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
ENTER = stat.S_IXGRP | stat.S_IXOTH
OURS = (
    "adb", "admin-password", "asterisk-instance", "audit-head.key", "carrier", "control-header", "host-*.lock", "keys",
    "ledger*.sqlite3*", "log", "nats", "nats.conf", "*.partial", "pbx", "phones.lock", "recordings",
    "secrets.json",
)  # fmt: skip


def close(state: Path) -> None:
    """Make the folder, or take from others what they may do with what is ours in it. A folder that holds other things
    too is left to its owner; only, nobody else may write there. Raises CannotStart."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = list(_ours(state))
        if {*state.iterdir()} <= {*ours}:
            state.chmod(_mode(state) & ~OTHERS)
        elif _mode(state) & WRITABLE:
            raise CannotStart(f"others may write in the state folder. Close it: chmod 700 {state}")
        for path in ours:  # only now: nobody can put another thing in its place meanwhile
            if path.lstat().st_uid not in (os.geteuid(), state.stat().st_uid):  # put there while others could
                raise PermissionError(0, "", str(path))
            if not path.is_symlink():
                path.chmod(_mode(path) & ~OTHERS)
    except PermissionError as error:
        raise CannotStart(f"{error.filename} is not yours: give it to your user, or set OTTB_STATE_DIR.") from None


def open_to_others(state: Path) -> list[Path]:
    """What others may read, write, enter or put another thing in the place of. A closed folder closes all that is in
    it, but not what is elsewhere and only has a link there."""
    state = state.resolve()
    closed = not _is_lax(state)
    swapped = [above for above in state.parents if _mode(above) & stat.S_IWOTH and not _mode(above) & stat.S_ISVTX]
    lax = [path for path in _ours(state) if (_is_reached(path) if path.is_symlink() else not closed and _is_lax(path))]
    return [*swapped, *([state] if _mode(state) & WRITABLE else []), *lax]


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _is_lax(path: Path) -> bool:
    return bool(_mode(path) & OTHERS)


def _is_reached(link: Path) -> bool:
    there = link.resolve()
    return there.exists() and _is_lax(there) and all(_mode(above) & ENTER for above in there.parents)


def _ours(state: Path) -> Iterator[Path]:
    for pattern in OURS:
        yield from state.glob(pattern)
