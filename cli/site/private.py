"""The state folder is its user's alone: keys, passwords, the journal, numbers, and the phones' own socket are in it.

What we make we make so (`UMASK`). This closes what an earlier version left open, and a folder that was there before us.
"""

import errno
import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from actors.runtime.secret_files import CODE, ROOT
from cli.site.ports import CannotStart

OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
ENTER = stat.S_IXGRP | stat.S_IXOTH
OURS = (
    "adb", "admin-password", "asterisk-instance", "audit-head.key", "carrier", "control-header", "host-*.lock", "keys",
    "log", "nats", "nats.conf", "*.partial", "pbx", "phones.lock", "recordings", "repositories", "runner-*", "secrets",
    "secrets.json", "smtp-password", "*.sqlite3*",
)  # fmt: skip


DEEP = ("adb", "keys", "log", "nats", "repositories", "secrets")  # folders, all of which is ours
ACCESS_LIST = "system.posix_acl_access"
NAMES = Path("/etc/nsswitch.conf")
LISTED = frozenset({"files", "compat", "db", "systemd", "altfiles", "extrausers"})  # sources that tell all they have
NO_SHELLS = frozenset({"nologin", "false", "sync", "halt", "shutdown"})
UNMAPPED = 65534  # how a user namespace shows who is outside of it
ALL_USERS = ["0", "0", "4294967295"]


def close(state: Path) -> None:
    """Make the folder, or take from others what they may do with what is ours in it. A folder that holds other things
    too is left to its owner; only, nobody else may write there. Raises CannotStart, also where it is not ours, or
    others could put one of theirs in its place, or it can be none."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_strange(state)
        ours = list(_ours(state))
        if {*state.iterdir()} <= {*ours}:
            state.chmod(_mode(state) & ~OTHERS)
        elif _mode(state) & WRITABLE:
            raise CannotStart(f"others may write in the state folder. Close it: chmod 700 {state}")
        for path in ours:  # only now: nobody can put another thing in its place meanwhile
            _refuse_planted(path)
            if not path.is_symlink():
                path.chmod(_mode(path) & ~OTHERS)
        for path in _deep(state):
            _refuse_planted(path)
    except PermissionError as error:
        raise CannotStart(f"{error.filename} is not yours: give it to your user, or set OTTB_STATE_DIR.") from None
    except OSError as error:
        why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        todo = "Set OTTB_STATE_DIR to a folder, or to where one can be made."
        raise CannotStart(f"the state folder {error.filename} cannot be used: {why}. {todo}") from None


def closed(state: Path) -> Callable[[], bool]:
    """Close the folder, as `close` does. Returns what tells from then on whether it is still the one at its place, and
    raises OSError while nobody can look."""
    close(state)
    there = state.stat()
    return lambda: state.exists() and os.path.samestat(state.stat(), there)


def open_to_others(state: Path) -> list[Path]:
    """What others may read, write, enter or put another thing in the place of. A closed folder closes all that is in
    it, but not what is elsewhere and only has a link there."""
    swapped = _swapped(state)
    state = state.resolve()
    closed = not _is_lax(state)
    lax = [path for path in _ours(state) if (_is_reached(path) if path.is_symlink() else not closed and _is_lax(path))]
    return [*swapped, *([state] if _mode(state) & WRITABLE else []), *lax]


def _refuse_strange(state: Path) -> None:
    """Raise CannotStart where the folder, a link to it, or what is on the way to it is somebody else's, or others may
    change it."""
    owner = state.stat().st_uid
    if owner == os.geteuid() and state.lstat().st_uid != ROOT:
        owner = state.lstat().st_uid
    if owner != os.geteuid():
        todo = "Start as that user, or set OTTB_STATE_DIR to a folder of your own."
        raise CannotStart(f"the state folder {state} belongs to {_name_of(owner)}, not to you. {todo}")
    owner_of(state)


def owner_of(state: Path) -> int:
    """Whose site it is: commands believe that user. Raises CannotStart where others could have put a folder of theirs
    in its place."""
    if swapped := _swapped(state):
        todo = f"Take that right from them{_how(swapped[0])}, or set OTTB_STATE_DIR to another folder."
        raise CannotStart(f"others may put another thing in the place of the state folder, at {swapped[0]}. {todo}")
    return state.stat().st_uid


def _how(path: Path) -> str:
    """The command, where the folder is theirs to write and not theirs."""
    return f" (`chmod {'go' if _mode(path) & stat.S_IWOTH else 'g'}-w {path}`)" if _lets_swap(path) else ""


def _refuse_planted(path: Path) -> None:
    """Raise PermissionError where somebody has put it there while others could."""
    if path.lstat().st_uid not in (os.geteuid(), ROOT):
        raise PermissionError(0, "", str(path))


def _swapped(state: Path) -> list[Path]:
    """What is on the way to the folder, links included, and may be changed by others than its owner."""
    trusted = _trusted(state.stat().st_uid)  # first: of a link to itself only this says OSError
    ends = (state.absolute(), state.resolve())
    passed = dict.fromkeys(_passed(state.absolute()))
    return [path for path in passed if path.lstat().st_uid not in trusted or (path not in ends and _lets_swap(path))]


def _lets_swap(path: Path) -> bool:
    """Whether others than its owner may put another thing in the place of what is in this folder."""
    mode = _mode(path)
    if path.is_symlink() or mode & stat.S_ISVTX:
        return False
    return bool(mode & stat.S_IWOTH) or (bool(mode & stat.S_IWGRP) and not _has_nobody_else(path))


def _has_nobody_else(path: Path) -> bool:
    """Whether nobody but a folder's owner and root is in its group, by the system's lists: named there, under whatever
    name the group has, or by their first group. A directory (LDAP, SSSD) is asked for one name at a time and need not
    tell who is in a group. Where there is one, only two groups are believed to have no more members than are listed:
    root's, and the owner's own, as Debian makes one for each user (it has the owner's name and is the owner's first).
    What an access list grants shows as the group's right, too."""
    there = path.stat()
    try:
        owner, group = pwd.getpwuid(there.st_uid), grp.getgrgid(there.st_gid)
    except KeyError:
        return False
    of_roots, own = group.gr_gid == ROOT, (group.gr_name, group.gr_gid) == (owner.pw_name, owner.pw_gid)
    if _has_access_list(path) or not (own or of_roots or _all_are_listed()):
        return False
    users, alike = pwd.getpwall(), [group, *(one for one in grp.getgrall() if one.gr_gid == group.gr_gid)]
    members = {name for one in alike for name in one.gr_mem}
    members |= {user.pw_name for user in users if user.pw_gid == group.gr_gid}
    no_one = {user.pw_name for user in users if user.pw_uid == ROOT or (of_roots and _is_unused(user))}
    return members <= {owner.pw_name, *no_one}


def _is_unused(user: pwd.struct_passwd) -> bool:
    """Of those in root's group nothing runs where nobody can log in (`sync` and `operator` of Red Hat and Alpine); of
    those in other groups services do, `www-data` for one."""
    return Path(user.pw_shell).name in NO_SHELLS


def _all_are_listed() -> bool:
    text = NAMES.read_text(errors="replace") if NAMES.exists() else ""
    sources = " ".join(re.findall(r"^\s*(?:passwd|group|initgroups)\s*:([^#\n]*)", text, re.MULTILINE))
    return LISTED.issuperset(re.sub(r"\[.*?\]", "", sources).split())


def _has_access_list(path: Path) -> bool:
    try:
        return ACCESS_LIST in os.listxattr(path)
    except OSError as error:
        return error.errno != errno.ENOTSUP


def _passed(path: Path) -> Iterator[Path]:
    """Every name on the way to what is there, its own and those of links."""
    for each in (*reversed(path.parents), path):
        yield each
        if each.is_symlink():
            yield from _passed(each.parent / each.readlink())


def _trusted(owner: int) -> set[int]:
    mapped = Path("/proc/self/uid_map")
    outside = mapped.exists() and mapped.read_text().split() != ALL_USERS
    return {owner, ROOT, CODE.stat().st_uid} | ({UNMAPPED} if outside else set())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _deep(state: Path) -> Iterator[Path]:
    for name in DEEP:
        for folder, folders, files in os.walk(state / name):
            yield from (Path(folder) / each for each in (*folders, *files))


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
