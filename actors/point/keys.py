"""The keys that sign tokens: files in the state folder, readable by their owner alone.

The newest key signs, all of them are believed. A new one is made by putting a file there (`ottb keys rotate`, or
POINT itself once a month); an old one goes when nothing that it signed can still be good. Nobody is logged out.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

KEY_BYTES = 48
FOLDER = "keys"
LOOK_AGAIN = 0.5  # seconds; how often the folder is looked at, at most


class KeyRing(Mapping[str, bytes]):
    """The keys by name; the newest has the greatest name. Follows the folder."""

    def __init__(self, state: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._folder = state / FOLDER
        self._now = now
        self._seen = 0
        self._looked = float("-inf")
        self._keys: Mapping[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        self._look()
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(self._keys)

    def __len__(self) -> int:
        self._look()
        return len(self._keys)

    def _look(self) -> None:
        if self._now() - self._looked < LOOK_AGAIN:
            return
        self._looked = self._now()
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._seen:
            self._keys = {path.stem: path.read_bytes() for path in sorted(self._folder.glob("*.key"))}
            self._seen = changed


def ensure_keys(state: Path) -> KeyRing:
    """The keys; the first is made if there is none."""
    if not any((state / FOLDER).glob("*.key")):
        rotate(state)
    return KeyRing(state)


def rotate(state: Path) -> str:
    """Make a new key, which signs from now on. Returns its name."""
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    newest = max((int(path.stem) for path in folder.glob("*.key")), default=0)
    name = f"{newest + 1:04}"
    write_secret(folder / f"{name}.key", secrets.token_bytes(KEY_BYTES))
    return name


def renew(state: Path, *, after: float, keep: float, now: float) -> None:
    """Make a new key when the newest is older than `after` seconds, and remove those whose successor is older than
    `keep`: nothing that they signed is good any more. `now`: epoch seconds."""
    files = sorted((state / FOLDER).glob("*.key"))
    ages = [now - path.stat().st_mtime for path in files]
    for path, age_of_next in zip(files, ages[1:], strict=False):
        if age_of_next > keep:
            path.unlink(missing_ok=True)
    if ages and ages[-1] > after:
        rotate(state)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whole or not at all."""
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
