"""`Idempotency-Key`: the same POST sent again gets the first one's answer, for 24 hours.

The record is made before the command is sent, by compare-and-set, so of two at once one runs. The command's id is
derived from the key, so a command whose gateway died in between is found by the actors when it is sent again.
"""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from actors.runtime.bus import Bus, BusError, Fenced
from actors.runtime.ids import derived
from bus_schemas.errors import ErrorCode, Refusal

BUCKET = "OTTB_IDEM"
LONGEST_KEY = 255
STALE = 15.0  # seconds after which a record without an answer was left behind by a gateway that died


class Record(Struct, frozen=True, kw_only=True):
    """What is kept of one key: whose body, and the answer once there is one. `at`: epoch seconds."""

    body: str
    at: float
    status: int | None = None
    answer: str = ""


class Idempotency:
    """The records of all gateways, in one bucket."""

    def __init__(self, *, bus: Bus, now: Callable[[], float]) -> None:
        self._bus = bus
        self._now = now

    @staticmethod
    def command_id(user: str, route: str, key: str) -> str:
        """The id of the command that a key stands for."""
        if len(key) > LONGEST_KEY or not key.isprintable() or not key.isascii() or not key:
            raise Refusal(ErrorCode.INVALID_PARAMS, "An Idempotency-Key is 1 to 255 printable ASCII characters.")
        return derived("i", user, route, key)

    async def run(self, command_id: str, body: bytes, work: Callable[[], Awaitable[web.Response]]) -> web.Response:
        """Answer from the record, or do the work and keep its answer."""
        fresh = Record(body=hashlib.sha256(body).hexdigest(), at=self._now())
        try:
            revision = await self._claim(command_id, fresh)
            if isinstance(revision, Record):
                return _replayed(revision)
            response = await work()
            await self._keep(command_id, revision, fresh, response)
        except BusError:
            raise Refusal(ErrorCode.UNAVAILABLE, "The bus is not reachable now. Try again.") from None
        return response

    async def _claim(self, key: str, fresh: Record) -> int | Record:
        """Our revision of a new record, or the record that has an answer. Raises Refusal."""
        try:
            return await self._bus.put(BUCKET, key, msgspec.json.encode(fresh), expect=0)
        except Fenced:
            entry = await self._bus.get(BUCKET, key)
        if entry is None or entry.data is None:
            raise Refusal(ErrorCode.CONFLICT, "The key is being used. Try again.", retry_after=1)
        known = msgspec.json.decode(entry.data, type=Record)
        if known.body != fresh.body:
            raise Refusal(ErrorCode.IDEMPOTENCY_MISMATCH, "This key was used with another body.")
        if known.status is not None:
            return known
        if self._now() - known.at < STALE:
            raise Refusal(ErrorCode.CONFLICT, "The first request with this key is still running.", retry_after=1)
        try:
            return await self._bus.put(BUCKET, key, msgspec.json.encode(fresh), expect=entry.revision)
        except Fenced:
            raise Refusal(ErrorCode.CONFLICT, "The key is being used. Try again.", retry_after=1) from None

    async def _keep(self, key: str, revision: int, fresh: Record, response: web.Response) -> None:
        body = response.body
        assert isinstance(body, bytes)
        if response.status >= 500:  # not an answer: the next try shall find out
            await self._bus.delete(BUCKET, key, expect=revision)
            return
        done = Record(body=fresh.body, at=fresh.at, status=response.status, answer=b64encode(body).decode())
        await asyncio.shield(self._bus.put(BUCKET, key, msgspec.json.encode(done), expect=revision))


def _replayed(record: Record) -> web.Response:
    assert record.status is not None
    return web.Response(
        body=b64decode(record.answer),
        status=record.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )
