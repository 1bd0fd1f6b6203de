"""The keys that sign tokens: files in the state folder, readable by their owner alone.

The newest key signs, all of them are believed. A new one is made by putting a file there (`ottb keys rotate`, or
POINT itself once a month); an old one goes when nothing that it signed can still be good. Nobody is logged out.

`0001.key` is the secret, which POINT alone reads; `0001.pub` is its public half, all that a gateway needs, and what
`/.well-known/jwks.json` shows.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from nacl.signing import VerifyKey

from actors.point.tokens import public_key

KEY_BYTES = 48
FOLDER = "keys"
SECRET, PUBLIC = ".key", ".pub"
LOOK_AGAIN = 0.5  # seconds for which a key that is known is believed without a look at the folder
SETTLED = 1_000_000_000  # nanoseconds; file systems tell changes of a few milliseconds not apart

Key = TypeVar("Key")


class _Keys(Mapping[str, Key], Generic[Key]):
    """Keys by name; the newest has the greatest name. Follows the folder."""

    def __init__(
        self, state: Path, ending: str, made_of: Callable[[bytes], Key], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = state / FOLDER
        self._ending = ending
        self._made_of = made_of
        self._now = now
        self._seen = 0
        self._looked = float("-inf")
        self._keys: Mapping[str, Key] = {}

    def __getitem__(self, name: str) -> Key:
        if self._now() - self._looked >= LOOK_AGAIN or name not in self._keys:  # it may have been made just now
            self._look()
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(self._keys)

    def __len__(self) -> int:
        self._look()
        return len(self._keys)

    def _look(self) -> None:
        self._looked = self._now()
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._seen:
            self._keys = dict(self._read())
            settled = time.time_ns() - changed > SETTLED  # else more may come that bears the same time
            self._seen = changed if settled else 0

    def _read(self) -> Iterator[tuple[str, Key]]:
        for path in sorted(self._folder.glob(f"*{self._ending}")):
            with contextlib.suppress(FileNotFoundError, ValueError):  # gone meanwhile; damaged, and so nobody's key
                yield path.stem, self._made_of(path.read_bytes())


class KeyRing(_Keys[bytes]):
    """The secret keys."""

    def __init__(self, state: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(state, SECRET, bytes, now)


class PublicKeys(_Keys[VerifyKey]):
    """The public keys."""

    def __init__(self, state: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(state, PUBLIC, VerifyKey, now)


def ensure_keys(state: Path) -> KeyRing:
    """The secret keys; the first is made if there is none, and the public half of each."""
    if not any((state / FOLDER).glob(f"*{SECRET}")):
        rotate(state)
    _publish(state)
    return KeyRing(state)


def rotate(state: Path) -> str:
    """Make a new key, which signs from now on. Returns its name."""
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = secrets.token_bytes(KEY_BYTES)
    while True:
        newest = max((int(name) for name in _names(folder) if name.isdecimal()), default=0)
        name = f"{newest + 1:04}"
        # The public half first: nothing is signed that a gateway could not check. It also claims the number, so that of
        # two hosts that rotate at once neither keeps the other's half.
        if _claimed(folder / f"{name}{PUBLIC}", bytes(public_key(secret))):
            write_secret(folder / f"{name}{SECRET}", secret)
            return name


def drop_others(state: Path, name: str) -> list[str]:
    """Believe no key but this one: whatever the others signed is void. Returns their names."""
    folder = state / FOLDER
    gone = sorted(_names(folder) - {name})
    for other in gone:
        _remove(folder, other)
    return gone


def renew(state: Path, *, after: float, keep: float, now: float) -> None:
    """Make a new key when the newest is older than `after` seconds, and remove those whose successor is older than
    `keep`: nothing that they signed is good any more. `now`: epoch seconds."""
    files = sorted((state / FOLDER).glob(f"*{SECRET}"))
    ages = [now - path.stat().st_mtime for path in files]
    for path, age_of_next in zip(files, ages[1:], strict=False):
        if age_of_next > keep:
            _remove(path.parent, path.stem)
    if ages and ages[-1] > after:
        rotate(state)


def _publish(state: Path) -> None:
    """Write the public half of each key where it is missing or damaged."""
    for path in (state / FOLDER).glob(f"*{SECRET}"):
        public, content = path.with_suffix(PUBLIC), bytes(public_key(path.read_bytes()))
        if not public.exists() or public.read_bytes() != content:
            write_secret(public, content)


def _names(folder: Path) -> set[str]:
    return {path.stem for ending in (SECRET, PUBLIC) for path in folder.glob(f"*{ending}")}


def _remove(folder: Path, name: str) -> None:
    for ending in (SECRET, PUBLIC):
        (folder / f"{name}{ending}").unlink(missing_ok=True)


def _claimed(path: Path, content: bytes) -> bool:
    """Make a file that was not there yet, whole. False: somebody else has."""
    own = path.with_name(f"{secrets.token_hex(8)}.partial")
    write_secret(own, content)
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    finally:
        own.unlink()
    return True


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whole or not at all."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")  # two hosts may write one file at once
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
