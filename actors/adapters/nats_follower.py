"""Reading the journal on, in order and without a gap, however slow the reader is.

nats-py makes the consumer; nothing of its ordered one is used. The consumer's own numbers must grow by one from entry
to entry, and each heartbeat says the last one that was sent: on any gap a new consumer starts after the last good
entry. How much may wait here is bounded by acknowledgements (the server stops after `UNACKED` entries; its flow control
counts bytes only, and 32 MB are more small messages than a subscription keeps), so that the reader falls behind on the
server's disk.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from actors.adapters.nats_link import Hearing, Link
from actors.adapters.nats_reading import get
from actors.adapters.nats_redactions import Redactions
from actors.runtime.bus import BusError, BusUnavailable, Message, Recorded

log = structlog.get_logger()

IDLE_HEARTBEAT = 2.0  # seconds; a host has some thirty followers, and most of them hear nothing but this
SILENCE = 2 * IDLE_HEARTBEAT  # after that a consumer is replaced; after a new connection, which a crash brings, at once
RETRY = 0.5  # seconds
UNACKED = 4096  # entries that may be on their way to one follower
ACK_EVERY = 1024
ACK_WAIT = 24 * 3600.0  # seconds; nothing is ever delivered again: a gap is dealt with here
PENDING_MESSAGES = 65536  # more than ever wait: entries, heartbeats and questions of the flow control
STALLED = "Nats-Consumer-Stalled"
LAST_CONSUMER = "Nats-Last-Consumer"


class Follower:
    """One reading of a stream under a subject filter. `last`: the sequence of the last entry that was handled."""

    def __init__(
        self,
        *,
        js: JetStreamContext,
        link: Link,
        stream: str,
        scope: str,
        handler: Callable[[Recorded], Awaitable[None]],
        after: int,
        redactions: Redactions,
    ) -> None:
        self._redactions = redactions
        self._js = js
        self._link = link
        self._stream = stream
        self._scope = scope
        self._handler = handler
        self.last = after
        self._reading: _Reading | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises nats-py's errors, OSError, TimeoutError."""
        await self._consume()
        self._watch = asyncio.get_running_loop().create_task(self._keep_alive())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._reading is not None:
            await self._reading.stop()

    async def _consume(self) -> None:
        reading = self._reading = _Reading(self._link, self.handle, self.idle)
        await reading.start(self._js, self._stream, self._scope, self.last + 1)

    async def handle(self, recorded: Recorded) -> None:
        """Hand over one entry, unless it was handed over before."""
        if recorded.seq <= self.last:
            return
        redactions, before = self._redactions, recorded.seq + 1
        for entry in await redactions.into([recorded], self._scope, after=self.last, before=before):
            await self._hand_over(entry)

    async def idle(self) -> None:
        """The server says that it sends nothing now. What was redacted and nothing comes after is handed over."""
        if not await self._redactions.under(self._scope, after=self.last):
            return
        last = await get(self._link, self._stream, {"last_by_subj": self._scope}, certain=True)
        if last is None or last.seq <= self.last:
            for entry in await self._redactions.into([], self._scope, after=self.last, before=math.inf):
                await self._hand_over(entry)

    async def _hand_over(self, recorded: Recorded) -> None:
        try:
            await self._handler(recorded)
        except Exception:
            log.exception("journal entry passed over", subject=recorded.subject, seq=recorded.seq)
        self.last = recorded.seq

    async def _keep_alive(self) -> None:
        """Start anew where it broke, until somebody stops it."""
        while True:
            if self._reading is not None:
                await self._reading.broken(SILENCE)
                await self._reading.stop()
                self._reading = None
            if self._link.up:
                try:
                    await self._consume()
                    continue
                except (NatsError, OSError, TimeoutError) as problem:
                    log.info("journal not readable yet", error=repr(problem))
            await asyncio.sleep(RETRY)


class _Reading:
    """One consumer, for as long as nothing is missing."""

    def __init__(
        self, link: Link, handle: Callable[[Recorded], Awaitable[None]], idle: Callable[[], Awaitable[None]]
    ) -> None:
        self._link = link
        self._connections = link.connections
        self._handle = handle
        self._idle = idle
        self._hearing: Hearing | None = None
        self._broken = asyncio.Event()
        self._delivered = 0  # the consumer's number of the last entry
        self._busy = False
        self._received_at = asyncio.get_running_loop().time()

    async def start(self, js: JetStreamContext, stream: str, scope: str, start: int) -> None:
        inbox = self._link.new_inbox()
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=start,
            ack_policy=AckPolicy.ALL,
            ack_wait=ACK_WAIT,
            max_ack_pending=UNACKED,
            filter_subject=scope,
            deliver_subject=inbox,
            flow_control=True,
            idle_heartbeat=IDLE_HEARTBEAT,
            inactive_threshold=5.0,
            mem_storage=True,
            num_replicas=1,
            max_deliver=1,
        )
        self._hearing = self._link.subscribe(inbox, self._receive, most=PENDING_MESSAGES)
        try:
            await js.add_consumer(stream, config)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        self._broken.set()  # what is still in the queue is not handled any more
        if self._hearing is not None:
            await self._hearing.stop()

    async def broken(self, silence: float) -> None:
        """Wait until something is missing, nothing was heard for that many seconds, or there is another connection: to
        a server that may know nothing of the consumer."""
        loop = asyncio.get_running_loop()
        while not self._broken.is_set():
            if self._link.up and self._link.connections != self._connections:
                return
            waiting = self._busy or (self._hearing is not None and self._hearing.waits)
            quiet = 0.0 if waiting else loop.time() - self._received_at
            if quiet >= silence and self._link.up:
                return
            try:
                async with asyncio.timeout(RETRY):
                    await self._broken.wait()
            except TimeoutError:
                pass

    async def _receive(self, message: Message) -> None:
        self._received_at = asyncio.get_running_loop().time()
        if self._broken.is_set():
            return
        if "Status" in message.headers:
            await self._control(message)
            return
        seq, number, at = _place(message.reply_to)
        if number != self._delivered + 1:
            self._miss(number - 1)
            return
        self._busy = True
        try:
            await self._handle(
                Recorded(
                    subject=message.subject,
                    data=message.data,
                    headers=message.headers,
                    seq=seq,
                    at=at,
                )
            )
        finally:
            self._busy = False
            self._received_at = asyncio.get_running_loop().time()
        self._delivered = number
        if number % ACK_EVERY == 0:
            await self._say(message.reply_to, b"+ACK")

    async def _control(self, message: Message) -> None:
        sent = int(message.headers.get(LAST_CONSUMER, self._delivered))
        if sent != self._delivered:
            self._miss(sent)
            return
        ask = message.headers.get(STALLED) or message.reply_to  # flow control asks whether we keep up
        if ask:
            await self._say(ask, b"")
            return
        try:
            await self._idle()
        except BusError as error:  # the next one says it again
            log.debug("redactions not read yet", error=repr(error))

    async def _say(self, subject: str, data: bytes) -> None:
        try:
            await self._link.publish(subject, data, b"")
        except BusUnavailable:  # the consumer is lost with the connection
            self._broken.set()

    def _miss(self, sent: int) -> None:
        log.warning("a follower missed entries and starts anew", handled=self._delivered, sent=sent)
        self._broken.set()


def _place(reply_to: str) -> tuple[int, int, float]:
    """Where an entry stands in the stream and with the consumer, and when it was stored: what its acknowledgement's
    subject says (ADR-15: `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<tries>.<seq>.<number>.<ns>.<left>`)."""
    tokens = reply_to.split(".")
    at = 5 if len(tokens) == 9 else 7
    return int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 2]) / 1e9
