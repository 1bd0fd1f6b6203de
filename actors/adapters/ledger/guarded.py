"""What keeps the password of PostgreSQL from whoever is on its port instead of it."""

import stat
from collections.abc import Mapping
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

VERIFIED = ("verify-ca", "verify-full")


def guarded(url: str) -> Mapping[str, str]:
    """More for a connection: no password in the clear to a server that is only known by its address, unless the URL
    itself has `require_auth`. A server that proves who it is (`sslmode=verify-full`), or that has a socket file where
    not everybody may make one, may ask for it so; any one may ask for proof that we know it (SCRAM)."""
    try:
        given = conninfo_to_dict(url)
    except ProgrammingError:
        given = {"host": "unknown"}
    hosts = f"{given.get('hostaddr') or given.get('host') or ''}".split(",")
    known = given.get("sslmode") in VERIFIED or all(_is_closed(host) for host in hosts)
    return {} if known or "require_auth" in given else {"require_auth": "!password"}


def _is_closed(host: str) -> bool:
    """Whether it is a folder of socket files that not everybody may write in."""
    folder = Path(host)
    return folder.is_absolute() and folder.is_dir() and not folder.stat().st_mode & stat.S_IWOTH
