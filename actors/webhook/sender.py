"""The port to the receivers of webhooks. `actors/adapters/http_sender.py` is the real one."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Said(Struct, frozen=True, kw_only=True):
    """What a receiver has answered: its status, and the beginning of its body."""

    code: int
    body: bytes


class NotSent(Exception):
    """There was no answer. The message says why, in words for who has made the webhook."""


class Sender(Protocol):
    """Posts to receivers."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, user: str = "") -> Said:
        """Post, once, to where that is allowed, and follow no redirect. Ends within the times of the settings. `user`:
        for whom counts what that takes. Raises NotSent."""
