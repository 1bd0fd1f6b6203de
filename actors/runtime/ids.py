"""The port to new names: unguessable in the product, counted in the simulator."""

from base64 import b32encode
from hashlib import blake2b
from typing import Protocol


class Ids(Protocol):
    """Where new ids come from."""

    def new(self) -> str:
        """A new name of 26 characters `a-z2-7`, never given twice."""


def derived(prefix: str, *parts: str) -> str:
    """A name that always is the same for the same parts, so that a repeated command finds its first result."""
    digest = blake2b("\0".join(parts).encode(), digest_size=10).digest()
    return f"{prefix}_{b32encode(digest).decode().lower()}"
