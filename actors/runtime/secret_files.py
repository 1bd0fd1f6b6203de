"""Files that only the user of the site can read, each written whole or not at all.

Every name is opened without following a link: what stands there may have been put there by somebody else.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = 0
UMASK = 0o077  # of every process of ours: what it makes is its user's alone
CODE = Path(__file__)  # who may change this file does with us what they like anyway


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only the folder's owner can read; whole or not at all, also where the power goes. Raises
    PermissionError where the folder is a stranger's."""
    partial = f"{path.name}.{secrets.token_hex(4)}.partial"  # two hosts may write one file at once
    with own_folder(path.parent) as folder:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == ROOT:  # for root writes for whoever runs the site
                owner = os.fstat(folder)
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)


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
    """A descriptor of a file that is no link and no stranger's, nor its folder; it is made if it is missing. Raises
    OSError."""
    with own_folder(path.parent) as folder:
        descriptor = os.open(path.name, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        check_owner(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def own_folder(path: Path) -> Iterator[int]:
    """A descriptor of a folder: what is done through it is done there, whatever comes to its place. Raises OSError,
    PermissionError where it is a stranger's."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        check_owner(folder)
        yield folder
    finally:
        os.close(folder)


def check_owner(descriptor: int) -> os.stat_result:
    """Of an open file or folder. Raises PermissionError where it is a stranger's, who could write what they like."""
    found = os.fstat(descriptor)
    refuse_stranger(found.st_uid)
    return found


def refuse_stranger(owner: int) -> None:
    """Raise PermissionError where a user is neither us nor root, nor whose the code is."""
    if owner not in (os.geteuid(), ROOT, CODE.stat().st_uid):
        raise PermissionError(0, f"it is user {owner}'s")
