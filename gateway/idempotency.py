"""`Idempotency-Key`, on the bus `Nats-Msg-Id`: the same command sent again gets the first one's answer, for 24 hours.

The record is made before the command is sent, by compare-and-set, so of two at once one runs. It gets its answer when
there is one that stays: done, or refused for good. Without an answer a repeat sends the command again, under the same
id, which is derived from the key: the actors find what became of the first one in the journal. So it does no harm to
take over a record whose gateway only seemed dead. What is in no journal, a touch of a screen, is told that it is sent
again.
"""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.bus import (
    Bus,
    BusError,
    BusUnavailable,
    Entry,
    Fenced,
    Message,
    NoResponders,
    RequestTimeout,
    Unsubscribe,
)
from actors.runtime.context import Context
from actors.runtime.ids import Ids, derived
from actors.runtime.wire import answer
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, Refused
from bus_schemas.gateway import IS_RUNNING, IsRunning, Running
from gateway.errors import MAYBE_DONE, REPLAYED, Replayed
from gateway.routes import BODY_LIMIT

log = structlog.get_logger()

BUCKET = "OTTB_IDEM"
LONGEST_KEY = 255
STALE = 15.0  # seconds after which a record is taken over although its gateway, which is there, does not say a word
ASK_TIMEOUT = IS_RUNNING.timeout
NOT_ANSWERS = MAYBE_DONE | {ErrorCode.AUTH_FAIL}

NO_KEY = RefusalTemplate(
    ErrorCode.INVALID_PARAMS,
    "An Idempotency-Key (on the bus: Nats-Msg-Id) is 1 to 255 printable ASCII characters.",
    field="Idempotency-Key",
)
AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "The bus is not reachable now. Try again.")
USED = RefusalTemplate(ErrorCode.CONFLICT, "The key is being used. Try again.", retry_after=1)
STILL_RUNNING = RefusalTemplate(ErrorCode.CONFLICT, "The first request with this key is still running.", retry_after=1)
OTHER_BODY = RefusalTemplate(
    ErrorCode.IDEMPOTENCY_MISMATCH, "This key was used with another body, or on the bus for another command."
)


Work = Callable[[bool], Awaitable[web.Response]]  # whether an earlier one may have been carried out


class Record(Struct, frozen=True, kw_only=True):
    """What is kept of one key: whose body, who works on it, and the answer once there is one.

    `at`: epoch seconds. `gateway`, `nonce`: which request of which gateway made this record. `status` and `answer`
    (base64) when it was done, `refused` when it was not."""

    body: str
    at: float
    gateway: str = ""
    nonce: str = ""
    status: int | None = None
    answer: str = ""
    refused: Refused | None = None

    @property
    def answered(self) -> bool:
        return self.status is not None or self.refused is not None


class Idempotency:
    """The records of all gateways, in one bucket, as one of them sees them. `now`: epoch seconds."""

    def __init__(self, *, bus: Bus, ids: Ids, now: Callable[[], float]) -> None:
        self._bus = bus
        self._ids = ids
        self._now = now
        self._name = ids.new()
        self._running: set[str] = set()  # nonces of the requests that this gateway works on
        self._stop: Unsubscribe | None = None

    async def start(self) -> None:
        """Answer other gateways that find a record of ours."""
        subject = IS_RUNNING.subject_for(IsRunning(gateway=self._name, nonce=""))
        self._stop = await self._bus.subscribe(subject, self._receive)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    @staticmethod
    def record_of(whose: str, route: str, key: str) -> str:
        """The name of a key's record. `whose`, `route`: within what the key must be the only one."""
        if len(key) > LONGEST_KEY or not key.isprintable() or not key.isascii() or not key:
            raise NO_KEY()
        return derived("i", whose, route, key)

    @staticmethod
    def command_id(record: str, digest: str) -> str:
        """The id by which actors know the command again. `digest`: of its body. The record refuses another one, but it
        is not kept for ever, and not of every command: actors remember longer, and would give the one's answer to the
        other."""
        return derived("i", record, digest)

    async def run(self, record: str, digest: str, work: Work) -> web.Response:
        """Answer from the record, or do the work and keep its answer. `digest`: of what is asked. Raises Refusal."""
        mine = Record(body=digest, at=self._now(), gateway=self._name, nonce=self._ids.new())
        self._running.add(mine.nonce)
        try:
            try:
                revision, again = await self._claim(record, mine)
            except BusError:
                raise AWAY() from None
            if isinstance(revision, Record):
                return _replayed(revision)
            return await self._carry_out(record, revision, mine, lambda: work(again))
        finally:
            self._running.discard(mine.nonce)  # without an answer, the next one may try

    # --- claiming a key

    async def _claim(self, key: str, mine: Record) -> tuple[int | Record, bool]:
        """The revision of our record, or the record that has an answer; and whether there was an earlier one. Raises
        Refusal, BusError."""
        try:
            return await self._put(key, mine, expect=0), False
        except Fenced:
            entry = await self._bus.get(BUCKET, key)
        known = _read(entry)
        if entry is None or known is None:
            raise USED()
        if known.body != mine.body:
            raise OTHER_BODY()
        if known.answered:
            return known, True
        if await self._is_running(known):
            raise STILL_RUNNING()
        try:
            return await self._put(key, mine, expect=entry.revision), True
        except Fenced:
            raise STILL_RUNNING() from None

    async def _put(self, key: str, record: Record, *, expect: int) -> int:
        """Write a record. One whose acknowledgement was lost is known again by its nonce. Raises BusError."""
        try:
            return await self._bus.put(BUCKET, key, msgspec.json.encode(record), expect=expect)
        except (Fenced, RequestTimeout) as error:
            entry = await self._bus.get(BUCKET, key)
            if entry is None or _read(entry) != record:
                raise error from None
            return entry.revision

    async def _is_running(self, known: Record) -> bool:
        """Whether the gateway that made a record still works on it, as far as one can find out. Raises BusError."""
        if known.gateway == self._name:
            return known.nonce in self._running
        question = IsRunning(gateway=known.gateway or "none", nonce=known.nonce)
        try:
            message = await self._bus.request(
                IS_RUNNING.subject_for(question),
                msgspec.json.encode(question),
                Context(command_id=self._ids.new()).headers(),
                timeout=ASK_TIMEOUT,
            )
            return msgspec.json.decode(message.data, type=Running).running
        except NoResponders:
            return False
        except (RequestTimeout, BusUnavailable, msgspec.DecodeError):
            return abs(self._now() - known.at) < STALE

    async def _receive(self, message: Message) -> None:
        await answer(message, IS_RUNNING, self._say)

    async def _say(self, request: IsRunning, context: Context) -> Running:
        return Running(running=request.nonce in self._running)

    # --- doing it and keeping the answer

    async def _carry_out(
        self, key: str, revision: int, mine: Record, work: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        try:
            response = await work()
        except Refusal as refusal:
            if refusal.code in NOT_ANSWERS or "retry_after" in (refusal.details or {}):
                raise
            kept = await self._keep(key, revision, replace(mine, refused=refusal.as_refused()))
            if kept is None:  # a repeat could be carried out, so it must not have been refused
                raise AWAY() from None
            if kept.nonce == mine.nonce:
                raise
            return _replayed(kept)
        body = response.body
        assert isinstance(body, bytes)
        await self._keep(key, revision, replace(mine, status=response.status, answer=b64encode(body).decode()))
        return response  # it was done, kept or not: the journal has it too

    async def _keep(self, key: str, revision: int, done: Record) -> Record | None:
        """Put the answer on record. Returns the answer that is there now: another's, if the key was taken over."""
        try:
            await asyncio.shield(self._put(key, done, expect=revision))
            return done
        except Fenced:
            return await self._answer_of(key)
        except BusError as error:
            log.warning("answer not kept", key=key, error=repr(error))
            return None

    async def _answer_of(self, key: str) -> Record | None:
        try:
            known = _read(await self._bus.get(BUCKET, key))
        except BusError:
            return None
        return known if known is not None and known.answered else None


async def digest_of(body: bytes) -> str:
    """What no other body has. Of a large one it takes a thread, and long."""
    if len(body) <= BODY_LIMIT:
        return _digest_of(body)
    return await asyncio.to_thread(_digest_of, body)


def _digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _read(entry: Entry | None) -> Record | None:
    return msgspec.json.decode(entry.data, type=Record) if entry is not None and entry.data is not None else None


def _replayed(record: Record) -> web.Response:
    if (refused := record.refused) is not None:
        raise Replayed(refused.code, refused.message, **(refused.details or {}))
    assert record.status is not None
    return web.Response(
        body=b64decode(record.answer),
        status=record.status,
        content_type="application/json",
        headers={REPLAYED: "true"},
    )
