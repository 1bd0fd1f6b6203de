"""Files that only the user of the site can read, each written whole or not at all.

Every name is opened without following a link: what stands there may have been put there by somebody else.
"""

import os
import secrets
from pathlib import Path

ROOT = 0


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only the folder's owner can read; whole or not at all, also where the power goes."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")  # two hosts may write one file at once
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == ROOT:  # for root writes for whoever runs the site
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.replace(path)


def claim_secret(path: Path, content: bytes) -> bool:
    """As `write_secret`, but a file that was not there yet. False: somebody else has made it."""
    own = path.with_name(f"{secrets.token_hex(8)}.partial")
    write_secret(own, content)
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    finally:
        own.unlink()
    return True


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a file that is no link; it is made if it is missing. Raises OSError."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def check_owner(descriptor: int) -> os.stat_result:
    """Of an open file or folder. Raises PermissionError where it is another user's, who could write what they like."""
    found = os.fstat(descriptor)
    if found.st_uid not in (os.geteuid(), ROOT):
        raise PermissionError(0, f"it is user {found.st_uid}'s")
    return found
