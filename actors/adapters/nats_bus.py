"""The bus port over nats-py: where every habit of the client that could lose or repeat something is dealt with.

What is avoided and why: `publish_async` never reports errors; the KV wrapper misreads limit markers; the default
`connect()` gives up after 60 tries and notices a dead peer after minutes; a repeat of a conditional write is
answered 10071 before its deduplication is looked at (R1), so the last message's id is compared.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, NoRespondersError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RePublish, StreamConfig, SubjectTransform
from nats.js.errors import APIError, NotFoundError

from actors.runtime.bus import (
    BusUnavailable,
    Entry,
    Fenced,
    Handler,
    Headers,
    Message,
    NoAnswer,
    NobodyThere,
    Recorded,
    Size,
    Unsubscribe,
)
from actors.settings import Nats

log = structlog.get_logger()

JOURNAL = "OTTB_EVT"
WRITTEN = "ottb.v1.write."  # what is put here and accepted is stored and said as EVENTS
EVENTS = "ottb.v1.evt."
BUCKETS: Mapping[str, float] = {"OTTB_OWN": 0.0, "OTTB_SNAP": 0.0, "OTTB_IDEM": 24 * 3600.0}  # name: seconds kept

WRONG_SEQUENCE, SEQUENCE_IN_FLIGHT = 10071, 10164
TRY_TIMEOUT = 1.5  # of one write; a server that restarts answers nothing
APPEND_DEADLINE = 5.0
RETRY_PAUSE = 0.05
BATCH = 256  # entries of a replay that are asked for at once
PENDING_MESSAGES = 65536  # of one subscription; beyond, nats-py drops and reports a slow consumer
IDLE_HEARTBEAT = 0.5  # seconds; the default of 5 leaves a follower blind for 15 s after a server crash
DUPLICATE_WINDOW = 120.0
START_PATIENCE = 30.0  # seconds to wait for the server at the start
CONNECT_PAUSE = 0.2
RECONNECT_PAUSE: Any = 0.2  # nats-py says int and takes any number of seconds

ID = "Nats-Msg-Id"
EXPECT = "Nats-Expected-Last-Subject-Sequence"
EXPECT_SCOPE = "Nats-Expected-Last-Subject-Sequence-Subject"


class NatsBus:
    """One connection. Build it with `connect`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=TRY_TIMEOUT)
        self._followers: set[Follower] = set()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        user: str | None = None,
        password: str | None = None,
        on_closed: Callable[[], None] = lambda: None,
        timeout: float = 10.0,
    ) -> "NatsBus":
        """Connect, or raise BusUnavailable. After that the connection is kept up for ever."""

        async def closed() -> None:
            on_closed()

        async def error(problem: Exception) -> None:
            log.warning("bus", error=repr(problem))

        async def connected() -> None:
            log.info("bus connected again")

        async def lost() -> None:
            log.warning("bus connection lost")

        client = Client()
        try:
            async with asyncio.timeout(timeout):
                await client.connect(
                    url,
                    name=name,
                    user=user,
                    password=password,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_PAUSE,
                    ping_interval=2,
                    max_outstanding_pings=2,
                    connect_timeout=2,
                    allow_reconnect=True,
                    inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
                    closed_cb=closed,
                    error_cb=error,
                    reconnected_cb=connected,
                    disconnected_cb=lost,
                )
        except (OSError, NatsError, TimeoutError) as problem:
            raise BusUnavailable(f"cannot connect to {url}: {problem!r}") from None
        if not client.is_connected:  # connect() may return without a connection
            raise BusUnavailable(f"cannot connect to {url}: {client.last_error!r}")
        return cls(client)

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    async def close(self) -> None:
        for follower in list(self._followers):
            await follower.stop()
        await self._client.close()

    async def ensure_streams(self) -> None:
        """Make the journal and the buckets if they are missing."""
        await self._ensure(
            StreamConfig(
                name=JOURNAL,
                subjects=[f"{WRITTEN}>"],
                # A plain subscriber of a stream's own subjects also hears what the stream then refuses. So writes go
                # to subjects of their own, and the server itself says what was accepted.
                subject_transform=SubjectTransform(src=f"{WRITTEN}>", dest=f"{EVENTS}>"),
                republish=RePublish(src=f"{EVENTS}>", dest=f"{EVENTS}>"),
                allow_direct=True,
                allow_msg_ttl=True,
                allow_msg_schedules=True,
                deny_delete=True,
                duplicate_window=DUPLICATE_WINDOW,
            )
        )
        for bucket, age in BUCKETS.items():
            await self._ensure(
                StreamConfig(
                    name=f"KV_{bucket}",
                    subjects=[f"$KV.{bucket}.>"],
                    max_msgs_per_subject=1,
                    max_age=age,
                    allow_direct=True,
                    allow_msg_ttl=True,
                    subject_delete_marker_ttl=0,
                )
            )

    async def _ensure(self, config: StreamConfig) -> None:
        assert config.name is not None
        try:
            known = await self._js.stream_info(config.name)
            if known.config.subjects != config.subjects:  # of an earlier version
                await self._js.update_stream(config)
        except NotFoundError:
            await self._js.add_stream(config)

    # --- requests and telemetry

    async def request(self, subject: str, data: bytes, headers: Headers, *, timeout: float) -> Message:
        if not self._client.is_connected:
            raise BusUnavailable("not connected")
        try:
            answer = await self._client.request(subject, data, timeout=max(timeout, 0.001), headers=dict(headers))
        except NoRespondersError:
            raise NobodyThere(subject) from None
        except (NatsTimeout, TimeoutError):
            raise NoAnswer(subject) from None
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None
        return Message(subject=answer.subject, data=answer.data, headers=answer.headers or {})

    async def publish(self, subject: str, data: bytes, headers: Headers) -> None:
        if not self._client.is_connected:
            raise BusUnavailable("not connected")
        try:
            await self._client.publish(subject, data, headers=dict(headers))
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Unsubscribe:
        async def receive(message: Msg) -> None:
            try:
                await handler(_message(message))
            except Exception:
                log.exception("handler failed", subject=message.subject)

        subscription = await self._client.subscribe(
            subject, queue=queue, cb=receive, pending_msgs_limit=PENDING_MESSAGES
        )
        return partial(_unsubscribe, subscription)

    # --- the journal

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        all_headers = {**headers, EXPECT: str(expect), EXPECT_SCOPE: scope}
        written = WRITTEN + subject.removeprefix(EVENTS)
        return await self._write(JOURNAL, written, data, all_headers, scope)

    async def _write(
        self, stream: str, subject: str, data: bytes, headers: dict[str, str], scope: str, ttl: float | None = None
    ) -> int:
        """Write until it is certain: the same id each time, so that what arrived once counts once."""
        deadline = asyncio.get_running_loop().time() + APPEND_DEADLINE
        while True:
            if not self._client.is_connected:
                raise BusUnavailable("not connected")
            try:
                acked = await self._js.publish(subject, data, timeout=TRY_TIMEOUT, headers=dict(headers), msg_ttl=ttl)
                return int(acked.seq)
            except APIError as problem:
                if problem.err_code == WRONG_SEQUENCE:
                    return await self._was_it_mine(stream, scope, headers.get(ID))
                if problem.err_code != SEQUENCE_IN_FLIGHT:
                    raise BusUnavailable(repr(problem)) from None
            except (NatsTimeout, TimeoutError, NoRespondersError):
                pass
            except (NatsError, OSError) as problem:
                raise BusUnavailable(repr(problem)) from None
            if asyncio.get_running_loop().time() >= deadline:
                raise NoAnswer(subject)
            await asyncio.sleep(RETRY_PAUSE)

    async def _was_it_mine(self, stream: str, scope: str, mine: str | None) -> int:
        last = await self._last(stream, scope)
        if last is not None and mine is not None and last.headers.get(ID) == mine:
            return last.seq
        raise Fenced(scope)

    async def replay(self, scope: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        while True:
            batch = await self._batch(scope, after + 1)
            for recorded in batch:
                yield recorded
            if len(batch) < BATCH:
                return
            after = batch[-1].seq

    async def _batch(self, scope: str, start: int) -> list[Recorded]:
        """Up to BATCH entries from `start` on, by one batched direct get (ADR-31)."""
        found: list[Recorded] = []
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def receive(message: Msg) -> None:
            headers = message.headers or {}
            if "Status" in headers:
                if not over.done():
                    over.set_result(None)
            elif not over.done():
                found.append(_recorded(message.subject, message.data, headers))

        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=receive, pending_msgs_limit=PENDING_MESSAGES)
        query = msgspec.json.encode({"seq": start, "batch": BATCH, "next_by_subj": scope})
        try:
            await self._client.publish(f"$JS.API.DIRECT.GET.{JOURNAL}", query, reply=inbox)
            async with asyncio.timeout(APPEND_DEADLINE):
                await over
        except TimeoutError:
            raise NoAnswer("replay") from None
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None
        finally:
            await _unsubscribe(subscription)
        return found

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        follower = Follower(js=self._js, client=self._client, scope=scope, handler=handler, after=after)
        await follower.start()
        self._followers.add(follower)

        async def stop() -> None:
            self._followers.discard(follower)
            await follower.stop()

        return stop

    async def last(self, scope: str) -> Recorded | None:
        return await self._last(JOURNAL, scope)

    async def _last(self, stream: str, scope: str) -> Recorded | None:
        try:
            raw = await self._js.get_last_msg(stream, scope, direct=True)
        except NotFoundError:
            return None
        except (NatsTimeout, TimeoutError):
            raise NoAnswer(scope) from None
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None
        return _recorded(raw.subject or "", raw.data or b"", raw.headers or {})

    async def ids(self, scope: str) -> list[str]:
        try:
            info = await self._js.stream_info(JOURNAL, subjects_filter=scope)
        except (NatsTimeout, TimeoutError):
            raise NoAnswer(scope) from None
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None
        return sorted(info.state.subjects or {})

    async def last_seq(self) -> int:
        return (await self.size()).last_seq

    async def size(self) -> Size:
        try:
            state = (await self._js.stream_info(JOURNAL)).state
            return Size(entries=int(state.messages), last_seq=int(state.last_seq))
        except (NatsTimeout, TimeoutError):
            raise NoAnswer(JOURNAL) from None
        except (NatsError, OSError) as problem:
            raise BusUnavailable(repr(problem)) from None

    # --- keys

    async def get(self, bucket: str, key: str) -> Entry | None:
        last = await self._last(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        if last is None:
            return None
        gone = "Nats-Marker-Reason" in last.headers or "KV-Operation" in last.headers
        return Entry(data=None if gone else last.data, revision=last.seq)

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        subject = f"$KV.{bucket}.{key}"
        headers = {} if expect is None else {EXPECT: str(expect)}
        seconds = None if ttl is None else float(max(math.ceil(ttl), 1))
        return await self._write(f"KV_{bucket}", subject, data, headers, subject, seconds)

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        subject = f"$KV.{bucket}.{key}"
        headers = {"KV-Operation": "DEL"} | ({} if expect is None else {EXPECT: str(expect)})
        await self._write(f"KV_{bucket}", subject, b"", headers, subject)


async def connect(nats: Nats, *, name: str, on_closed: Callable[[], None]) -> NatsBus:
    """The bus of the settings, with patience: it may be starting too. Raises BusUnavailable."""
    url = nats.url or f"nats://127.0.0.1:{nats.port}"
    give_up = asyncio.get_running_loop().time() + START_PATIENCE
    while True:
        try:
            return await NatsBus.connect(url, name=name, user=nats.user, password=nats.password, on_closed=on_closed)
        except BusUnavailable:
            if asyncio.get_running_loop().time() >= give_up:
                raise
            await asyncio.sleep(CONNECT_PAUSE)


class Follower:
    """An ordered reading of the journal that starts its consumer anew wherever it was interrupted.

    nats-py's ordered consumer is used for what it is good at; that no entry is given twice or left out is checked
    here by the stream's own sequence, and a consumer that stays silent past its heartbeats is replaced.
    """

    def __init__(
        self,
        *,
        js: JetStreamContext,
        client: Client,
        scope: str,
        handler: Callable[[Recorded], Awaitable[None]],
        after: int,
    ) -> None:
        self._js = js
        self._client = client
        self._scope = scope
        self._handler = handler
        self._last = after
        self._subscription: Subscription | None = None
        self._heard = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._consume()
        self._watch = asyncio.get_running_loop().create_task(self._keep_alive())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._subscription is not None:
            await _unsubscribe(self._subscription)

    async def _consume(self) -> None:
        inbox = self._client.new_inbox()
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            filter_subject=self._scope,
            deliver_subject=inbox,
            flow_control=True,
            idle_heartbeat=IDLE_HEARTBEAT,
            inactive_threshold=5.0,
            mem_storage=True,
            num_replicas=1,
            max_deliver=1,
        )
        self._subscription = await self._client.subscribe(inbox, cb=self._receive, pending_msgs_limit=PENDING_MESSAGES)
        self._heard = asyncio.get_running_loop().time()
        await self._js.add_consumer(JOURNAL, config)

    async def _receive(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers or {}
        if "Status" in headers:
            if message.reply:  # flow control asks whether we keep up
                await self._client.publish(message.reply)
            return
        metadata = message.metadata
        sequence = int(metadata.sequence.stream)
        if sequence <= self._last:
            return
        recorded = Recorded(
            subject=message.subject,
            data=message.data,
            headers=headers,
            seq=sequence,
            at=metadata.timestamp.timestamp(),
        )
        await self._handler(recorded)
        self._last = sequence

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(IDLE_HEARTBEAT)
            if loop.time() - self._heard < 4 * IDLE_HEARTBEAT or not self._client.is_connected:
                continue
            if self._subscription is not None:
                await _unsubscribe(self._subscription)
                self._subscription = None
            try:
                await self._consume()
            except (NatsError, OSError, TimeoutError) as problem:
                log.info("journal not readable yet", error=repr(problem))


def _message(message: Msg) -> Message:
    async def reply(data: bytes, headers: Headers) -> None:
        try:
            await message._client.publish(message.reply, data, headers=dict(headers) or None)
        except (NatsError, OSError) as problem:
            log.info("answer not sent", subject=message.subject, error=repr(problem))

    return Message(
        subject=message.subject,
        data=message.data,
        headers=message.headers or {},
        reply_to=message.reply,
        reply=reply if message.reply else None,
    )


def _recorded(subject: str, data: bytes, headers: Mapping[str, str]) -> Recorded:
    stamp = headers.get("Nats-Time-Stamp", "")
    return Recorded(
        subject=headers.get("Nats-Subject", subject),
        data=data,
        headers=dict(headers),
        seq=int(headers.get("Nats-Sequence", "0")),
        at=_epoch(stamp) if stamp else 0.0,
    )


def _epoch(stamp: str) -> float:
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or '0'}")


async def _unsubscribe(subscription: Subscription) -> None:
    with contextlib.suppress(ConnectionClosedError, NatsError):  # it is gone with its connection
        await subscription.unsubscribe()
