"""The secrets that sign what webhooks post. They are in no event: a bucket has them, one key for each webhook, which is
gone with it."""

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus, Fenced

BUCKET = "OTTB_HOOK"
PREFIX = "whsec_"


class Secret(Struct, frozen=True, kw_only=True):
    """What signs: `current`, and `former` until `until` (seconds since 1970)."""

    current: str
    former: str = ""
    until: float = 0.0

    def good(self, now: float) -> list[str]:
        """Those that sign now."""
        return [self.current, self.former] if self.former and now < self.until else [self.current]


class Secrets:
    """The bucket of them."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus

    async def of(self, webhook: str) -> Secret | None:
        """Of one webhook. None: there is none. Raises BusError."""
        found = await self._bus.get(BUCKET, webhook, certain=True)
        return msgspec.json.decode(found.data, type=Secret) if found is not None and found.data is not None else None

    async def make(self, webhook: str, fresh: str) -> Secret:
        """The secret of a new webhook: `fresh`, or what it was given before, by a command of which this is a repeat.
        Raises BusError."""
        if (found := await self.of(webhook)) is not None:
            return found
        made = Secret(current=fresh)
        try:
            await self._bus.put(BUCKET, webhook, msgspec.json.encode(made), expect=0)
        except Fenced:
            return await self.of(webhook) or made
        return made

    async def replace(self, webhook: str, fresh: str, *, now: float, keep: float) -> Secret:
        """Another one; the last signs beside it for `keep` seconds. Raises BusError."""
        found = await self._bus.get(BUCKET, webhook, certain=True)
        before = msgspec.json.decode(found.data, type=Secret) if found is not None and found.data is not None else None
        made = Secret(current=fresh, former=before.current if before is not None and keep else "", until=now + keep)
        revision = found.revision if found is not None else 0
        await self._bus.put(BUCKET, webhook, msgspec.json.encode(made), expect=revision)
        return made

    async def forget(self, webhook: str) -> None:
        """Raises BusError."""
        await self._bus.delete(BUCKET, webhook)
