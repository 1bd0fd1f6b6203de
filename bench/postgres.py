"""A PostgreSQL server of our own, on a unix socket in a folder of its own, for as long as it is needed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import quote as percent_encoded

ADVICE = (
    "PostgreSQL's server programs (initdb, postgres) are not installed here. Debian, Ubuntu: apt install postgresql;"
    " or leave its tests out with -m 'not postgresql', as `make test` does."
)
PATIENCE = 60  # seconds
ROOM = 70  # bytes of a path, to which a folder's and a socket's name are added
SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=200", "max_parallel_workers_per_gather=0")


class NotInstalled(Exception):
    """There is no PostgreSQL on this machine. The message says what to do."""


def program(name: str) -> str:
    """Where a program of the server is: in PATH, or where Debian puts it. Raises NotInstalled."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = shutil.which(name) or (str(versions[-1]) if versions else None)
    if found is None:
        raise NotInstalled(ADVICE)
    return found


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start an empty server and give its URL; it is gone at the end. It does not run as root: then it is the user
    `postgres`, else `nobody`. Raises NotInstalled."""
    initdb, control = program("initdb"), program("pg_ctl")
    folder = _short_folder()
    more = _as_somebody_else(folder) if os.geteuid() == 0 else {}
    data = folder / "data"
    try:
        _run([initdb, "--auth=trust", "--username=ottb", "--encoding=UTF8", "--no-sync", "-D", str(data)], **more)
        options = " ".join([f"-k {quote(str(folder))}", *(f"-c {setting}" for setting in SETTINGS)])
        _run([control, "-D", str(data), "-w", "-t", str(PATIENCE), "-l", str(folder / "log"), "-o", options, "start"],
             **more)  # fmt: skip
        try:
            yield f"postgresql://ottb@/postgres?host={percent_encoded(str(folder))}"
        finally:
            _run([control, "-D", str(data), "-m", "immediate", "-w", "stop"], **more)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    """A new folder whose path leaves room for a unix socket's (107 bytes): a site's TMPDIR may be deep, and `/tmp` not
    everybody's."""
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(os.fsencode(place)) <= ROOM and os.access(place, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="ottb-pg-", dir=place))
    raise RuntimeError(f"no folder for temporary files is writable and has a path of at most {ROOM} bytes; set TMPDIR")


def _as_somebody_else(folder: Path) -> dict[str, Any]:
    user = pwd.getpwnam("nobody")
    with suppress(KeyError):
        user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(command: list[str], **more: Any) -> None:
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE + 10,
        **more,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")
