"""The ledger's shell: folds the journal into its store in groups, and answers what is asked of the past.

What it has said it may be asked for at once: a query carries the journal's sequence that its asker has seen, and
waits until that is folded. What is known to be short has a thread of its own, and so have the lists of whoever has
read long of late: they wait for each other, and nobody else for them. A read ends when nobody waits for it any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.ledger.answers import ReadModel
from actors.ledger.follow import Following, Health, Source
from actors.ledger.kinds import READ_MODELS
from actors.ledger.model import Placed, Query
from actors.ledger.store import INTERRUPTED, LONGEST_READ, Soundness, Store, StoreDamaged, StoreFailed
from actors.runtime.bus import Bus, BusError, Message, Stream, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.lane import Lane
from actors.runtime.problems import Problem
from actors.runtime.service import Service
from actors.telephony.numbers import NOWHERE
from bus_schemas.contract import UNDECODABLE, Rpc, Topic
from bus_schemas.erasure import ErasureCleared
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import SYSTEM, Share

log = structlog.get_logger()

CATCH_UP = 1.0  # seconds a query waits for what its asker has seen
QUICK = 0.3  # seconds for a list; what takes longer is asked again where nobody else waits for it
COUNTED_FOR = 3.0  # seconds in which all the lists of one may take so long together
SLOW_FOR = 60.0  # seconds that the lists of whoever asked for more are read there, too
START_PATIENCE = 30.0  # seconds that the start of everything else waits for a rebuild
SERVE_PAUSE = 1.0  # seconds between tries to serve
RENEWS = frozenset({ErasureCleared})

NOT_READABLE = RefusalTemplate(ErrorCode.UNAVAILABLE, "The records cannot be read now. Try again.")

Answer = TypeVar("Answer")


def now_in_utc() -> datetime:
    return datetime.now(UTC)


class NotQuick(Exception):
    """A list takes longer than it may where others wait."""


class Ledger:
    """The read models of one host. `region`, `joins`, `zone`, `wall`: see `Answers`. `threads=False`: the store is
    asked on the loop, as simulated time needs it. `source`: what is folded; None: the journal, as `stream` reads it.
    `models`: what it is folded into, whose tables the store has. `renewing`: the records of the log, which are made
    anew where these are."""

    def __init__(
        self, *, bus: Bus, store: Store, region: str = NOWHERE, joins: bool = False, threads: bool = True,
        source: Source | None = None, stream: Stream | None = None, models: Sequence[ReadModel] = READ_MODELS,
        zone: tzinfo = UTC, wall: Callable[[], datetime] = now_in_utc, renewing: "Ledger | None" = None,
    ) -> None:  # fmt: skip
        self._bus = bus
        also = renewing.anew if renewing is not None else None
        self._source = source = source or Source(stream=stream or bus, renews=RENEWS, renewing=also)
        self._store = store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger-write") if threads else None
        self._short, self._quick, self._long = (Lane(f"ledger-{of}", thread=threads) for of in ("find", "read", "long"))
        self._slow: dict[Share, float] = {}  # until when, the first to end first
        self._spent: dict[Share, float] = {}  # seconds of the quick lane
        self._counted_until = 0.0
        self._following = Following(source=source, store=store, work=self._write)
        self._serving: asyncio.Task[None] | None = None
        self._stops: list[Unsubscribe] = []
        self._examiner = ThreadPoolExecutor(1, thread_name_prefix="ledger-examine") if threads else None
        answers = [
            model.answers(
                read=self._read, read_placed=self._read_placed, folded=lambda: self.folded, unread=self._unread,
                examine=self._examine, now=self._now, region=region, joins=joins, zone=zone, wall=wall,
            )
            for model in models
        ]  # fmt: skip
        self._handlers = tuple(served for each in answers for served in each.handlers())
        self._hears: dict[Topic[Any], list[Callable[[Any], Awaitable[None]]]] = {}
        for topic, hear in (heard for each in answers for heard in each.hears().items()):
            self._hears.setdefault(topic, []).append(hear)
        self._service = Service(bus=bus, queue="ledger", handlers=self._handlers)

    @property
    def folded(self) -> int:
        """The last sequence of the journal that is in."""
        return self._following.folded

    @property
    def health(self) -> Health:
        """Whether it serves, how far behind it is, and what is in its way."""
        return self._following.health

    async def anew(self) -> None:
        """Have the records dropped: what they are made of says something else now."""
        await self._following.anew()

    def problems(self) -> list[Problem]:
        """What is in its way, and the entries of the journal that it could not take."""
        return self._following.problems()

    async def start(self) -> None:
        """Go on where the store ends; serve once it is as far as the journal is now. That is waited for, but not when
        the store fails, and not for ever: the records come later, then."""
        for topic in self._hears:
            self._stops.append(await self._bus.subscribe(topic.pattern, partial(self.hear, topic)))
        await self._following.start()
        self._serving = asyncio.get_running_loop().create_task(self._serve())
        try:
            async with asyncio.timeout(START_PATIENCE):
                if await self._following.until_settled():
                    await asyncio.shield(self._serving)
        except TimeoutError:
            log.warning("the records are being rebuilt, and are served when that is done", folded=self.folded)

    async def _serve(self) -> None:
        await self._following.until_ready()
        while True:
            try:
                return await self._service.start()
            except BusError as error:
                log.warning("ledger not served yet", error=repr(error))
                await self._service.stop()
                await asyncio.sleep(SERVE_PAUSE)

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        await self._service.stop()
        for stop in self._stops:
            await stop()
        await self._following.stop()
        for lane in (self._short, self._quick, self._long):
            lane.stop()
        if self._writer is not None:
            self._writer.shutdown(wait=True)
        self._store.close()
        if self._examiner is not None:
            self._examiner.shutdown(wait=True, cancel_futures=True)

    async def answer(self, rpc: Rpc[Any, Any], request: Struct, context: Context) -> Any:
        """What a line is answered with: its reply, or a Page of it. Raises Refusal."""
        return await next(served.handler for served in self._handlers if served.rpc is rpc)(request, context)

    async def hear(self, topic: Topic[Any], message: Message) -> None:
        """A host's figures. What is not what it should be is passed over: the next ones come soon."""
        try:
            telemetry = msgspec.json.decode(message.data, type=topic.event)
        except UNDECODABLE as error:
            log.warning("telemetry not understood", subject=message.subject, error=str(error))
        else:
            for hear in self._hears[topic]:
                await hear(telemetry)

    # --- the store

    async def _write(self, work: Any, *args: Any, **more: Any) -> Any:
        return await self._in(self._writer, work, *args, **more)

    async def _read(self, context: Context, query: Query[Answer], *, short: bool = False) -> list[Answer]:
        return await self._asked(context, partial(self._store.read, query), short=short)

    async def _read_placed(self, context: Context, query: Query[Answer], *, short: bool = False) -> Placed[Answer]:
        return await self._asked(context, partial(self._store.read_placed, query), short=short)

    async def _asked(self, context: Context, ask: Callable[..., Answer], *, short: bool) -> Answer:
        """Ask the store, once what the asker has seen is in. Raises Refusal(UNAVAILABLE)."""
        deadline = self._now() + LONGEST_READ
        await self._following.until(context.after, deadline=CATCH_UP)
        if short or context.user == SYSTEM:
            return await self._find(self._short, context.share, ask, deadline)
        if not self._is_slow(context.share):
            try:
                return await self._find(self._quick, context.share, ask, deadline)
            except NotQuick:
                self._slow.setdefault(context.share, self._now() + SLOW_FOR)
        return await self._find(self._long, context.share, ask, deadline)

    async def _unread(self, beyond: int) -> int | None:
        try:
            end = await self._source.stream.last_seq()
        except BusError:
            raise NOT_READABLE() from None
        return end if end > beyond else None

    def _is_slow(self, share: Share) -> bool:
        now = self._now()
        while self._slow and self._slow[first := next(iter(self._slow))] <= now:
            del self._slow[first]
        return share in self._slow

    def _spend(self, share: Share, seconds: float) -> None:
        """Somebody has read so long where others wait."""
        now = self._now()
        if now >= self._counted_until:
            self._spent, self._counted_until = {}, now + COUNTED_FOR
        self._spent[share] = self._spent.get(share, 0.0) + seconds
        if self._spent[share] > QUICK:
            self._slow.setdefault(share, now + SLOW_FOR)

    async def _find(self, lane: Lane, share: Share, ask: Callable[..., Answer], deadline: float) -> Answer:
        """Raises NotQuick where only more time was wanting."""
        loop = asyncio.get_running_loop()
        generation, now = self._following.generation, loop.time
        most = QUICK if lane is self._quick else LONGEST_READ

        def read() -> Answer:
            if lane is self._quick and share in self._slow:  # known since this one has waited
                raise NotQuick
            begun = now()
            try:
                return ask(seconds=min(deadline - begun, most))
            finally:
                if lane is self._quick:
                    loop.call_soon_threadsafe(self._spend, share, now() - begun)

        try:
            return await lane.read(share, read, until=deadline)
        except TimeoutError:
            raise NOT_READABLE() from None
        except StoreFailed as error:
            if lane is self._quick and error.kind == INTERRUPTED and now() < deadline:
                raise NotQuick from None
            log.error("records not readable", kind=error.kind, error=str(error))
            if isinstance(error, StoreDamaged):
                self._following.damaged(generation, str(error))
            raise NOT_READABLE() from None

    async def _examine(self, table: str) -> Soundness:
        """Look at a table beside whoever reads and writes. Raises Refusal(UNAVAILABLE)."""
        try:
            found: Soundness = await self._in(self._examiner, self._store.examine, table)
        except StoreFailed as error:
            log.error("records not examined", kind=error.kind, error=str(error))
            raise Refusal(ErrorCode.UNAVAILABLE, f"The indexes could not be looked at: {error.kind}.") from None
        return found

    async def _in(self, pool: ThreadPoolExecutor | None, work: Any, *args: Any, **more: Any) -> Any:
        if pool is None:
            return work(*args, **more)
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(*args, **more))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
