"""Another user of the machine who makes the state folder first, changes what is on the way to it, or has put something
into it while that was open: what of theirs the site uses. Nothing."""

import grp
import os
import pwd
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.adapters.host_lock import HostLock
from actors.adapters.phone_locks import PhoneLocks
from actors.audit import heads
from actors.point.keys import KeyRing, PublicKeys, ensure_keys, rotate
from actors.point.tokens import public_key
from actors.runtime import secret_files
from actors.runtime.secret_files import write_secret
from cli.site import private
from cli.site import supervisor as supervisor_module
from cli.site.ports import CannotStart
from cli.site.private import close, open_to_others, owner_of
from cli.site.supervisor import GaveUp, Supervisor, python
from tests.attacks.test_machine import NOBODY, as_root
from tests.support.commands import Commands

SECRET = b"A" * 48
ENTRY = struct.Struct("<HHI")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where everybody may make a folder, and nobody may take another one's away."""
    for each in (tmp_path, *tmp_path.parents):
        if each.is_relative_to(tempfile.gettempdir()) and each.owner() == tmp_path.owner():
            each.chmod(each.stat().st_mode | 0o055)
    tmp_path.chmod(0o1777)
    return tmp_path


def give(path: Path) -> Path:
    """To the stranger, as if they had made it."""
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


def squatted(place: Path, kind: str) -> Path:
    """A state folder that a stranger has made, with a key of theirs, or a link of theirs to one."""
    made = place / "elsewhere" if "link" in kind else place / "state"
    made.mkdir()
    (made / "keys").mkdir()
    planted = made / "keys" / "0001.key"
    planted.write_bytes(SECRET)
    if kind != "link to ours":
        for path in (made, made / "keys", planted):
            give(path)
    made.chmod(int(kind, 8) if kind.isdecimal() else 0o700)
    if "link" in kind:
        (place / "state").symlink_to(made)
        give(place / "state")
    return place / "state"


@as_root
@pytest.mark.parametrize("kind", ["0755", "0777", "0700", "link to theirs", "link to ours"])
def test_no_site_starts_in_a_state_folder_of_a_stranger(place: Path, kind: str) -> None:
    state = squatted(place, kind)
    before = {path: path.stat() for path in [place / "state", *place.rglob("*")]}
    with pytest.raises(CannotStart, match=r"belongs to .*OTTB_STATE_DIR"):
        close(state)
    assert {path: path.stat() for path in [place / "state", *place.rglob("*")]} == before
    assert open_to_others(state) or kind != "link to ours"


@as_root
def test_the_command_says_whose_it_is_and_what_to_do(place: Path, commands: Commands) -> None:
    state = squatted(place, "0755")
    done = commands.run("up", {"OTTB_STATE_DIR": str(state)})
    assert done.returncode == 1
    assert f"{state} belongs to nobody" in done.stderr and "OTTB_STATE_DIR" in done.stderr
    assert sorted(path.name for path in state.iterdir()) == ["keys"]


@as_root
@pytest.mark.parametrize("name", [
    "keys/0002.key", "log/gateway.log", "nats/a/b", "adb/x", "secrets/DEPLOY", "repositories/app.git/config",
    "figures.sqlite3", "log-b.sqlite3-wal", "runner-local", "smtp-password",
])  # fmt: skip
def test_no_site_starts_with_what_a_stranger_has_put_deep_into_it(place: Path, name: str) -> None:
    state = place / "state"
    planted = state / name
    planted.parent.mkdir(parents=True)
    planted.symlink_to("/etc/shadow")
    close(state)  # a link of our own
    give(planted)
    with pytest.raises(CannotStart, match=rf"{planted.name} is not yours"):
        close(state)


@as_root
@pytest.mark.parametrize("name", ["secrets/DEPLOY", "smtp-password", "repositories/app.git/config", "runner-local/x"])
def test_what_was_there_before_the_first_start_is_closed_to_others(place: Path, name: str) -> None:
    """As whoever sets a site up makes it, with the rights that files usually have."""
    state = place / "state"
    state.mkdir(mode=0o755)
    (state / name).parent.mkdir(parents=True, exist_ok=True)
    (state / name).write_text("hunter2")
    for path in (state, *state.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    close(state)
    asked = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "cat", str(state / name)]
    read = subprocess.run(asked, capture_output=True, check=False)
    print(f"{name}: {len(read.stdout)} bytes read as uid {NOBODY}, of a state folder that is {state.stat().st_mode:o}")
    assert read.returncode != 0 and read.stdout == b""
    assert open_to_others(state) == []


def above_lax(place: Path) -> Path:
    (place / "above").mkdir()
    (place / "above").chmod(0o777)
    return place / "above" / "state"


def above_theirs(place: Path) -> Path:
    (place / "above").mkdir()
    give(place / "above")
    return place / "above" / "state"


def link_above_theirs(place: Path) -> Path:
    (place / "real").mkdir()
    (place / "link").symlink_to("real")
    give(place / "link")
    return place / "link" / "state"


def link_in_a_lax_folder(place: Path) -> Path:
    """Two links, of which the second is where everybody may put another one."""
    (place / "real").mkdir()
    above_lax(place)
    (place / "above" / "link").symlink_to("../real")
    (place / "link").symlink_to("above/link")
    return place / "link" / "state"


@pytest.mark.parametrize("of", [above_lax, link_in_a_lax_folder])
def test_no_site_starts_where_others_may_swap_the_state_folder(place: Path, of: Callable[[Path], Path]) -> None:
    state = of(place)
    with pytest.raises(CannotStart, match=rf"another thing in the place of .*{place}/above"):
        close(state)
    assert place / "above" in open_to_others(state)


class User(NamedTuple):
    """As the system's lists have it."""

    uid: int
    gid: int
    shell: str = "/bin/sh"


OWNER, STAFF = 1001, 50
ROOTS, OWNS, STRANGER = User(0, 0), User(OWNER, OWNER), User(NOBODY, NOBODY)
RED_HATS = {
    "sync": User(5, 0, "/bin/sync"), "shutdown": User(6, 0, "/sbin/shutdown"), "halt": User(7, 0, "/sbin/halt"),
    "operator": User(11, 0, "/sbin/nologin"),
}  # fmt: skip
DIRECTORY = "passwd: sss files systemd\ngroup: sss files systemd\n"
LOCAL = "# as Debian has it\npasswd:         files systemd\ngroup: files [NOTFOUND=return] systemd\n"
# The owner of a folder, its group's number and name, who is named in the group, other users, where names are from.
Lists = tuple[str, int, str | None, list[str], dict[str, User], str | None]
PRIVATE: dict[str, Lists] = {
    "the owner's": ("me", OWNER, "me", [], {}, LOCAL),
    "the owner's, named in it": ("me", OWNER, "me", ["me"], {}, LOCAL),
    "the owner's, where a directory is asked": ("me", OWNER, "me", [], {}, DIRECTORY),
    "nobody's: /var/local of Debian": ("root", STAFF, "staff", [], {}, LOCAL),
    "nobody's, and no word where names are from": ("root", STAFF, "staff", [], {}, None),
    "nobody's but root's": ("me", STAFF, "staff", ["root"], {}, LOCAL),
    "root's, with accounts that nobody uses": ("root", 0, "root", ["root"], RED_HATS, DIRECTORY),
    "root's, the first one of the owner": (
        "default", 0, "root", [], {**RED_HATS, "default": User(OWNER + 1, 0)}, LOCAL,
    ),
}  # fmt: skip
SHARED: dict[str, Lists] = {
    "the stranger's": ("root", NOBODY, "stranger", [], {"stranger": STRANGER}, LOCAL),
    "no name's": ("root", 4_000_000, None, [], {}, LOCAL),
    "the owner's, with another one in it": ("me", OWNER, "me", ["stranger"], {"stranger": STRANGER}, LOCAL),
    "the owner's, with somebody unknown in it": ("me", OWNER, "me", ["somebody"], {}, LOCAL),
    "the owner's, and the first one of another": ("me", OWNER, "me", [], {"stranger": User(NOBODY, OWNER)}, LOCAL),
    "staff, with somebody in it": ("root", STAFF, "staff", ["stranger"], {"stranger": STRANGER}, LOCAL),
    "a daemon's, which runs without a shell": (
        "root", 33, "www-data", [], {"www-data": User(33, 33, "/usr/sbin/nologin")}, LOCAL,
    ),
    "root's, with another one in it": ("root", 0, "root", ["stranger"], {"stranger": STRANGER}, LOCAL),
    "root's, and the first one of another": ("root", 0, "root", [], {"stranger": User(NOBODY, 0)}, LOCAL),
    "nobody's that is listed, where a directory is asked": ("root", STAFF, "staff", [], {}, DIRECTORY),
    "the owner's first one, where a directory is asked": (
        "me", STAFF, "domain users", [], {"me": User(OWNER, STAFF)}, DIRECTORY,
    ),
}  # fmt: skip


def mapped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lists: Lists) -> int:
    """Have the system's lists say who is in a group. Returns the owner's number."""
    owner, gid, name, members, more, names = lists
    users = [
        pwd.struct_passwd((user, "x", one.uid, one.gid, "", "", one.shell))
        for user, one in {"root": ROOTS, "me": OWNS, **more}.items()
    ]
    groups = {} if name is None else {gid: grp.struct_group((name, "x", gid, members))}
    monkeypatch.setattr(grp, "getgrgid", groups.__getitem__)
    monkeypatch.setattr(grp, "getgrall", lambda: [*groups.values()])
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {one.pw_uid: one for one in users}[uid])
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(private, "NAMES", tmp_path / "nsswitch.conf")
    if names is not None:
        private.NAMES.write_text(names)
    return next(one.pw_uid for one in users if one.pw_name == owner)


COMMANDS = ["user passwd op12", "audit head", "audit verify", "events"]


@as_root
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_believes_whose_folder_was_put_there(place: Path, command: str, commands: Commands) -> None:
    """They speak to whose the state is: the stranger waits on the ports while the site is down."""
    state = above_lax(place)
    state.mkdir()
    give(state)
    given = {"OTTB_STATE_DIR": str(state), "OTTB_PASSWORD": "1234", "OTTB_NEW_PASSWORD": "1234"}
    done = commands.run(command, given)
    assert done.returncode != 0 and f"another thing in the place of the state folder, at {state.parent}" in done.stderr
    assert [*state.iterdir()] == []


def above_of(place: Path, monkeypatch: pytest.MonkeyPatch, lists: Lists) -> Path:
    """A folder that its group may write, by those lists, with a state folder of its owner's in it."""
    owner, above = mapped(monkeypatch, place, lists), place / "above"
    (above / "state").mkdir(parents=True)
    for path in (above, above / "state"):
        os.chown(path, owner, lists[1])
    above.chmod(0o775)
    return above


@as_root
@pytest.mark.parametrize("kind", PRIVATE)
def test_a_group_with_nobody_else_in_it_is_nobody(place: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With umask 002, as Debian has it for users whose group is theirs alone, a checkout's folders are its group's."""
    above = above_of(place, monkeypatch, PRIVATE[kind])
    owner_of(above / "state")
    assert open_to_others(above / "state") == []


@as_root
@pytest.mark.parametrize("kind", SHARED)
def test_a_group_of_others_may_not_swap_it(place: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    above = above_of(place, monkeypatch, SHARED[kind])
    with pytest.raises(CannotStart, match=rf"another thing in the place of .*{above}\. .*`chmod g-w {above}`"):
        owner_of(above / "state")
    assert open_to_others(above / "state") == [above]
    above.chmod(0o1775)  # there only the owner of the state folder moves it
    owner_of(above / "state")


@as_root
def test_a_groups_other_name_counts_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above = above_of(place, monkeypatch, PRIVATE["nobody's: /var/local of Debian"])
    second = grp.struct_group(("locals", "x", STAFF, ["stranger"]))
    monkeypatch.setattr(grp, "getgrall", lambda: [grp.getgrgid(STAFF), second])
    with pytest.raises(CannotStart, match="another thing in the place of"):
        owner_of(above / "state")


@as_root
def test_an_access_list_is_no_group_of_the_owners(place: Path) -> None:
    """A user in it may write as far as the group's bits say, and is in no group."""
    above, nobody = place / "above", 2**32 - 1
    above.mkdir()
    entries = ((1, 7, nobody), (2, 7, NOBODY), (4, 5, nobody), (16, 7, nobody), (32, 5, nobody))  # who, rights, number
    try:
        packed = struct.pack("<I", 2) + b"".join(ENTRY.pack(*one) for one in entries)
        os.setxattr(above, "system.posix_acl_access", packed)
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    assert stat.S_IMODE(above.stat().st_mode) == 0o775
    with pytest.raises(CannotStart, match="another thing in the place of"):
        close(above / "state")


@as_root
@pytest.mark.parametrize("of", [above_theirs, link_above_theirs])
def test_no_site_starts_below_what_is_a_strangers(place: Path, of: Callable[[Path], Path]) -> None:
    state = of(place)
    with pytest.raises(CannotStart, match="another thing in the place of"):
        close(state)
    assert open_to_others(state)


def test_a_site_starts_where_only_its_user_can_change_the_way(place: Path) -> None:
    """The zeros above are not had from a start that refuses every place."""
    (place / "real").mkdir()
    (place / "link").symlink_to(place / "real")
    close(place / "link" / "state")
    assert stat.S_IMODE((place / "real" / "state").stat().st_mode) == 0o700
    assert open_to_others(place / "link" / "state") == []


NO_FOLDER: dict[str, Callable[[Path], object]] = {
    "a file": Path.touch,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "below a file": lambda path: path.parent.touch(),
}


@pytest.mark.parametrize("what", NO_FOLDER)
@pytest.mark.parametrize("command", ["up", *COMMANDS])
def test_what_is_no_folder_is_named_with_what_to_do(
    place: Path, what: str, command: str, commands: Commands
) -> None:
    state = place / "above" / "state"
    if what != "below a file":
        state.parent.mkdir()
    NO_FOLDER[what](state)
    given = {"OTTB_STATE_DIR": str(state), "OTTB_PASSWORD": "1234", "OTTB_NEW_PASSWORD": "1234"}
    done = commands.run(command, given)
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    assert command != "up" or (str(state.parent) in done.stderr and "OTTB_STATE_DIR" in done.stderr), done.stderr


def test_a_name_that_is_too_long_is_named_with_what_to_do(place: Path) -> None:
    with pytest.raises(CannotStart, match=r"x{300} cannot be used: File name too long\. .*OTTB_STATE_DIR"):
        close(place / ("x" * 300))


@pytest.fixture
def state(place: Path) -> Iterator[Path]:
    close(place / "state")
    ensure_keys(place / "state")
    yield place / "state"


@as_root
@pytest.mark.parametrize("swapped", [False, True])
def test_no_key_of_a_stranger_is_believed(state: Path, swapped: bool) -> None:
    """Put beside ours, or in a folder in the place of ours, while we look."""
    time = 0.0
    public, secret = PublicKeys(state, lambda: time), KeyRing(state, lambda: time)
    assert list(public) == list(secret) == ["0001"]
    folder = state / "keys"
    if swapped:
        folder.rename(state / "old")
        folder.mkdir()
        give(folder)
    for name, content in (("9999.pub", bytes(public_key(SECRET))), ("9999.key", SECRET)):
        (folder / name).write_bytes(content)
        give(folder / name)
    time = 9.0
    assert list(public) == list(secret) == ["0001"]
    assert "9999" not in public and "9999" not in secret
    assert "9999" not in PublicKeys(state)  # nor by who starts now


def test_a_key_that_is_a_link_is_not_believed(state: Path) -> None:
    (state / "seen").write_bytes(bytes(public_key(SECRET)))
    (state / "keys" / "9999.pub").symlink_to(state / "seen")
    assert list(PublicKeys(state)) == ["0001"]


async def test_no_log_is_written_through_a_link(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, folder = place / "target", place / "log"
    target.write_text("as it was")
    folder.mkdir()
    (folder / "one.log").symlink_to(target)
    supervisor = Supervisor(folder=folder, say=lambda line: None)
    with pytest.raises(GaveUp, match=r"one\.log"):
        await supervisor.start(python("one", ["platform"], {}))
    await supervisor.stop()
    (folder / "one.log").unlink()
    (folder / "one.log").write_text("grown")
    (folder / "one.log.1").symlink_to(target)
    monkeypatch.setattr(supervisor_module, "LOG_LIMIT", 1)
    supervisor.rotate()
    assert target.read_text() == "as it was"
    assert (folder / "one.log.1").read_text() == "grown" and not (folder / "one.log.1").is_symlink()
    assert (folder / "one.log").stat().st_size == 0


async def test_no_lock_is_written_through_a_link(place: Path) -> None:
    target = place / "target"
    target.write_text("as it was")
    (place / "host-a.lock").symlink_to(target)
    (place / "phones.lock").symlink_to(place / "none")
    with pytest.raises(OSError, match="symbolic links"):
        await HostLock(place, "a").acquire()
    PhoneLocks(place, server="here").take("boot")
    assert target.read_text() == "as it was"
    assert not (place / "none").exists()


@as_root
async def test_no_log_and_no_lock_of_a_stranger_is_used(place: Path) -> None:
    """However it has come there."""
    (place / "log").mkdir()
    planted = [place / name for name in ("log/one.log", "host-a.lock", "phones.lock")]
    for each in planted:
        each.write_text("theirs")
        give(each)
    supervisor = Supervisor(folder=place / "log", say=lambda line: None)
    with pytest.raises(GaveUp, match=r"one\.log"):
        await supervisor.start(python("one", ["platform"], {}))
    await supervisor.stop()
    with pytest.raises(PermissionError):
        await HostLock(place, "a").acquire()
    PhoneLocks(place, server="here").take("boot")
    assert [each.read_text() for each in planted] == ["theirs"] * 3


@as_root
async def test_no_log_and_no_lock_is_made_in_a_folder_of_a_stranger(place: Path) -> None:
    """Where theirs has come to the place of ours while the site ran."""
    theirs = place / "theirs"
    theirs.mkdir()
    give(theirs)
    supervisor = Supervisor(folder=theirs, say=lambda line: None)
    with pytest.raises(GaveUp, match=r"one\.log"):
        await supervisor.start(python("one", ["platform"], {}))
    await supervisor.stop()
    with pytest.raises(PermissionError):
        await HostLock(theirs, "a").acquire()
    PhoneLocks(theirs, server="here").take("boot")
    assert [*theirs.iterdir()] == []


def makers(state: Path) -> list[Callable[[], object]]:
    """What makes secrets in a state folder, also when root calls it."""
    (state / "keys").mkdir()
    give(state / "keys")
    return [
        lambda: heads.key_of(state), lambda: rotate(state), lambda: write_secret(state / "secrets.json", b"{}"),
    ]  # fmt: skip


@as_root
def test_what_root_makes_for_whose_the_code_is_is_theirs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a head that root has signed keeps the user's site from starting."""
    (place / "state").mkdir()
    state = give(place / "state")
    (place / "code").touch()
    monkeypatch.setattr(secret_files, "CODE", give(place / "code"))
    for make in makers(state):
        make()
    made = [path for path in state.rglob("*") if path.is_file()]
    assert len(made) == 4
    assert {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in made} == {(NOBODY, 0o600)}


@as_root
def test_no_secret_is_made_in_a_folder_of_a_stranger(place: Path) -> None:
    (place / "state").mkdir()
    state = give(place / "state")
    tried = makers(state)
    for make in tried:
        with pytest.raises((PermissionError, heads.BadHead), match=f"user {NOBODY}"):
            make()
    print(f"{len(tried)} secrets for a stranger's folder: {len([*state.rglob('*')]) - 1} were made there")
    assert [path.name for path in state.rglob("*")] == ["keys"]
