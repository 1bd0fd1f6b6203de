"""The keys that sign tokens: files in the state folder, readable by their owner alone.

The newest key signs, all of them are believed. A new one is made by putting a file there (`ottb keys rotate`, or
POINT itself once a month); an old one goes when nothing that it signed can still be good. Nobody is logged out. What
another user has put there, or in the folder's place, is no key.

`0001.key` is the secret, which POINT alone reads; `0001.pub` is its public half, all that a gateway needs, and what
`/.well-known/jwks.json` shows. `0002.next` is a secret that signs later: its public half is shown first, so that others
who keep the set for a while know it in time.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from nacl.signing import VerifyKey

from actors.point.tokens import SHORTEST_KEY, public_key
from actors.runtime.secret_files import check_owner, claim_secret, write_secret

log = structlog.get_logger()

KEY_BYTES = 48
LONGEST = 4096  # bytes of a file that are read
FOLDER = "keys"
SECRET, PUBLIC, COMING = ".key", ".pub", ".next"
SHOWN = 1800.0  # seconds for which a key of the monthly change is in the key set before it signs
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
        self._changed_at = 0
        self._looked = float("-inf")
        self._keys: Mapping[str, Key] = {}
        self._reported: set[str] = set()

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
            with _opened(self._folder, os.O_DIRECTORY) as folder:
                changed = check_owner(folder).st_mtime_ns
                if changed == self._changed_at:
                    return
                self._keys = dict(self._read(folder))
        except FileNotFoundError:  # not there yet
            return
        except OSError as error:  # its file system is away, or it is another user's: what is known stays so
            self._report(self._folder.name, error)
            return
        settled = time.time_ns() - changed > SETTLED  # else more may come that bears the same time
        self._changed_at = changed if settled else 0

    def _read(self, folder: int) -> Iterator[tuple[str, Key]]:
        """Of this very folder, whatever has come to its place meanwhile."""
        for name in sorted(os.listdir(folder)):
            stem = name.removesuffix(self._ending)
            if stem != name and stem.isdecimal():
                try:
                    with _opened(name, os.O_NOFOLLOW | os.O_NONBLOCK, folder) as file:
                        check_owner(file)
                        yield stem, self._made_of(os.read(file, LONGEST))
                except FileNotFoundError:
                    continue  # it went meanwhile
                except (OSError, ValueError) as error:  # another user's, or damaged: nobody's key
                    self._report(name, error)

    def _report(self, name: str, error: Exception) -> None:
        if name not in self._reported:
            self._reported.add(name)
            log.warning("signing keys cannot be read", file=name, error=str(error))


class KeyRing(_Keys[bytes]):
    """The secret keys."""

    def __init__(self, state: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(state, SECRET, _secret, now)


class PublicKeys(_Keys[VerifyKey]):
    """The public keys."""

    def __init__(self, state: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(state, PUBLIC, _public, now)


@contextlib.contextmanager
def _opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@lru_cache(maxsize=32)  # the same one each time that a folder is read: whoever compares it for each request need not
def _public(content: bytes) -> VerifyKey:  # look at its bytes
    return VerifyKey(content)


def _secret(content: bytes) -> bytes:
    """What stands in a secret's file. ValueError where everybody could guess it."""
    if len(content) < SHORTEST_KEY or not any(content):
        raise ValueError("empty, short or of zeros, as a machine leaves it that lost its power")
    return content


def ensure_keys(state: Path) -> KeyRing:
    """The secret keys; one is made if there is none, and the public half of each."""
    if not KeyRing(state):
        rotate(state)
    _publish(state)
    return KeyRing(state)


def rotate(state: Path) -> str:
    """Make a new key, which signs from now on. Returns its name."""
    return _make(state, SECRET)


def _make(state: Path, ending: str) -> str:
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = secrets.token_bytes(KEY_BYTES)
    while True:
        newest = max((int(name) for name in _names(folder) if name.isdecimal()), default=0)
        name = f"{newest + 1:04}"
        # The public half first: nothing is signed that a gateway could not check. It also claims the number, so that of
        # two hosts that rotate at once neither keeps the other's half.
        if claim_secret(folder / f"{name}{PUBLIC}", bytes(public_key(secret))):
            write_secret(folder / f"{name}{ending}", secret)
            return name


def drop_others(state: Path, name: str) -> list[str]:
    """Believe no key that was there before this one: whatever they signed is void. Returns their names."""
    folder = state / FOLDER
    newer = {other for other in _names(folder) if other.isdecimal() and int(other) > int(name)}  # another host's
    gone = sorted(_names(folder) - newer - {name})
    for other in gone:
        _remove(folder, other)
    return gone


def renew(state: Path, *, after: float, keep: float, now: float) -> None:
    """Show a new key when the newest is older than `after` seconds, let it sign `SHOWN` later, and remove those whose
    successor is older than `keep`: nothing that they signed is good any more. `now`: epoch seconds."""
    folder = state / FOLDER
    names = list(ensure_keys(state))
    ages = [now - (folder / f"{name}{SECRET}").stat().st_mtime for name in names]
    for name, age_of_next in zip(names, ages[1:], strict=False):
        if age_of_next > keep:
            _remove(folder, name)
    coming = list(folder.glob(f"*{COMING}"))
    if not coming and ages[-1] > after:
        _make(state, COMING)
    for path in coming:
        with contextlib.suppress(FileNotFoundError):  # another host was first
            if now - path.stat().st_mtime >= SHOWN:
                os.utime(path, (now, now))  # its age counts from now
                path.rename(path.with_suffix(SECRET))


def _publish(state: Path) -> None:
    """Write the public half of each key where it is missing or damaged."""
    for name, secret in KeyRing(state).items():
        public, content = state / FOLDER / f"{name}{PUBLIC}", bytes(public_key(secret))
        if not public.exists() or public.read_bytes() != content:
            write_secret(public, content)


def _names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.suffix in (SECRET, PUBLIC, COMING)}


def _remove(folder: Path, name: str) -> None:
    for ending in (SECRET, COMING, PUBLIC):
        (folder / f"{name}{ending}").unlink(missing_ok=True)
