"""The state folder is its user's alone: keys, passwords, the journal, numbers, and the phones' own socket are in it.

What we make we make so (`UMASK`). This closes what an earlier version left open, and a folder that was there before us.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from cli.site.ports import CannotStart

OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
OURS = (
    "adb", "admin-password", "asterisk-instance", "carrier", "control-header", "host-*.lock", "keys",
    "ledger*.sqlite3*", "log", "nats", "nats.conf", "*.partial", "pbx", "phones.lock", "recordings",
    "secrets.json",
)  # fmt: skip


def close(state: Path) -> None:
    """Make the folder, or take from others what they may do with what is ours in it. A folder that holds other things
    too is left to its owner; only, nobody else may write there. Raises CannotStart."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = list(_ours(state))
    for path in ours:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~OTHERS)
    if {*state.iterdir()} <= {*ours}:
        state.chmod(state.stat().st_mode & ~OTHERS)
    elif state.stat().st_mode & WRITABLE:
        raise CannotStart(f"others may write in the state folder. Close it: chmod 700 {state}")


def open_to_others(state: Path) -> list[Path]:
    """What others may read, write or enter. A closed folder closes all that is in it."""
    mode = state.stat().st_mode
    if not mode & OTHERS:
        return []
    lax = [path for path in _ours(state) if not path.is_symlink() and path.stat().st_mode & OTHERS]
    return [state, *lax] if mode & WRITABLE else lax


def _ours(state: Path) -> Iterator[Path]:
    for pattern in OURS:
        yield from state.glob(pattern)
