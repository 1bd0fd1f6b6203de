"""What stands for a number that was erased: a keyed hash in the form of a number that nobody has.

The same number has the same mark for good, so a do-not-call list still knows it. Without the key nobody gets from one
to the other; with it, by trying all numbers that there are. The key is the site's, in a bucket that hosts alone read.
"""

import secrets
from hashlib import blake2b

from actors.runtime.bus import Bus, Fenced

BUCKET = "OTTB_HOOK"  # of secrets
KEY = "mark"
BEGIN = "+0"  # no number of any country: E.164 has no code that begins so
SPAN = 9 * 10**17  # 18 digits, more than a number can have


class Marks:
    """The marks of one site."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, e164: str) -> str:
        """What stands for a number, E.164. A mark stands for itself."""
        if is_mark(e164):
            return e164
        digest = blake2b(e164.encode(), key=self._key, digest_size=16).digest()
        return f"{BEGIN}{10**17 + int.from_bytes(digest) % SPAN}"


def is_mark(number: str) -> bool:
    """Whether this stands for a number that was erased."""
    return number.startswith(BEGIN)


async def marks_of(bus: Bus) -> Marks:
    """The site's. Whoever is first makes the key. Raises BusError."""
    while True:
        found = await bus.get(BUCKET, KEY, certain=True)
        if found is not None and found.data is not None:
            return Marks(found.data)
        try:
            await bus.put(BUCKET, KEY, secrets.token_hex(32).encode(), expect=0 if found is None else found.revision)
        except Fenced:
            continue
