"""The keys that sign tokens: files in the state folder, readable by their owner alone."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

KEY_BYTES = 48
FOLDER = "keys"


def load_keys(state: Path) -> Mapping[str, bytes]:
    """The keys by name; the newest has the greatest name. Empty before the first start."""
    return {path.stem: path.read_bytes() for path in sorted((state / FOLDER).glob("*.key"))}


def ensure_keys(state: Path) -> Mapping[str, bytes]:
    """The keys; the first is made if there is none."""
    keys = load_keys(state)
    if not keys:
        (state / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(state / FOLDER / "0001.key", secrets.token_bytes(KEY_BYTES))
        keys = load_keys(state)
    return keys


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whole or not at all."""
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
