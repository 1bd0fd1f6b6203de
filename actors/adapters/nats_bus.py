"""The bus port over NATS: what is said, asked, written and read over a link of our own (`nats_link.py`); streams,
buckets and consumers made by nats-py, where every habit of it that could lose or repeat something is dealt with.

What is avoided of nats-py and why: `publish_async` never reports errors; the KV wrapper misreads limit markers; the
default `connect()` gives up after 60 tries and notices a dead peer after minutes.
"""

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, ClassVar, cast
from urllib.parse import unquote, urlsplit

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from actors.adapters import nats_streams
from actors.adapters.nats_follower import Follower
from actors.adapters.nats_link import PORT, Link
from actors.adapters.nats_reading import (
    FIGURES,
    JOURNAL,
    LOG,
    OUTPUT,
    TRY_TIMEOUT,
    are_pending,
    asking,
    get,
    missed,
    recorded,
    size,
)  # fmt: skip
from actors.adapters.nats_redactions import Redactions, erase, wipe
from actors.adapters.nats_streams import EVENTS, to_be_stored
from actors.adapters.nats_wire import (
    PLAIN,
    STRANGE,
    Refused,
    decode_headers,
    encode_headers,
    nobody_heard,
)
from actors.adapters.nats_writer import EXPECT, EXPECT_SCOPE, Writer
from actors.adapters.peer import is_strange
from actors.adapters.random_ids import RandomIds
from actors.adapters.tls import ClientTls
from actors.runtime.bus import (
    APPEND_DEADLINE,
    AWAY,
    ID,
    BusError,
    BusUnavailable,
    Entry,
    Handler,
    Headers,
    Message,
    NoResponders,
    Recorded,
    RequestTimeout,
    Size,
    Unsubscribe,
)
from actors.runtime.context import FRESH_HEADER, not_fresh
from actors.runtime.patience import until_sent
from actors.runtime.settings import BUS_PATIENCE, JOURNAL_LIMIT, Nats
from bus_schemas.host import StreamUse
from bus_schemas.log import LOG_SCOPE
from bus_schemas.monitor import FIGURES_SCOPE
from bus_schemas.pipeline_events import OUTPUT_SCOPE

log = structlog.get_logger()

Batch = tuple[list[Recorded], bool, int]  # entries, whether there are more, and how many to ask for next

BATCH = 2048  # entries of a replay that are asked for at once: the server counts those that are left for each batch
FIRST_BATCH = 256  # at first, with nothing read ahead: many who read want no more
TURN = 256  # of them that are worked on until others have their turn
BATCH_BYTES = 4 * 1024 * 1024
# The server works on one after the other before it reads anything else of this connection, and on a batch of few among
# a million others for a second: with many of them leases would run out, and the server would take us for dead.
BATCHES_AT_ONCE = 2
BATCH_SECONDS = 0.2  # in which a batch is to come: else half as many are asked for
LEAST_BATCH = 64
# The same where somebody reads who may do so over and over.
GENTLE_BATCH, GENTLE_LEAST, GENTLE_BYTES, GENTLE_SECONDS = 64, 16, 256 * 1024, 0.02
ANY = ">"  # for each entry that it seeks by another wildcard, the server looks through all subjects of a block
MOST_KEYS = 1000  # of a bucket that is read whole
PENDING_MESSAGES = 65536  # of one subscription; beyond, they are dropped, which the log says
WAITS_SAID = 10.0  # seconds between two lines that say what is waited for
CONNECT_PAUSE = 0.2
CLOSE_SECONDS = 10.0
RECONNECT_PAUSE: Any = 0.2  # nats-py says int and takes any number of seconds

new_id = RandomIds().new


class Sealed(Client):
    """nats-py's client, which by itself sends the password in the clear where a server at `tls://` says, or somebody on
    the way says for it, that it speaks no TLS; and to any user of this machine who listens where `owner`'s server does
    not. It keeps for ever what it has once shown, where `tls` may be renewed."""

    def __init__(self, owner: int | None = None, tls: ClientTls | None = None) -> None:
        super().__init__()
        self._owner = owner
        self._tls = tls

    @property
    def ssl_context(self) -> ssl.SSLContext:
        return self._tls.context if self._tls is not None else super().ssl_context

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._current_server is not None and self._current_server.uri.scheme == "tls":
            info["tls_required"] = True
        if initial_connection and self._owner is not None:
            known = cast(Any, self._transport)._io_writer.get_extra_info
            if is_strange(known("sockname"), known("peername"), self._owner):
                raise NatsError(STRANGE)
        await super()._process_info(info, initial_connection)

    async def _process_connect_init(self) -> None:
        """nats-py does not tell the protocol that it puts on TLS so; asyncio would warn of that at the end."""
        await super()._process_connect_init()
        streams = cast(Any, self._transport)._io_writer.transport
        if streams.get_extra_info("sslcontext") is not None:
            streams.get_protocol()._over_ssl = True


class NatsBus:
    """One connection. Build it with `connect`."""

    _stream: ClassVar[str] = JOURNAL  # that is read here
    _scope: ClassVar[str] = f"{EVENTS}>"  # of all its entries
    _batch_bytes: ClassVar[int] = BATCH_BYTES

    def __init__(self, client: Client, link: Link) -> None:
        self._client = client
        self._link = link
        self._js: JetStreamContext = client.jetstream(timeout=TRY_TIMEOUT)
        self._followers: set[Follower] = set()
        self._turns = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._writer = Writer(link)
        self._redactions = Redactions(link, self._writer, self._stream)

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        user: str | None = None,
        password: str | None = None,
        tls: ClientTls | None = None,
        owner: int | None = None,
        on_closed: Callable[[], None] = lambda: None,
        on_error: Callable[[str], None] | None = None,
        timeout: float = 10.0,
    ) -> "NatsBus":
        """Connect, or raise BusUnavailable. After that the connection is kept up for ever. `owner`: the user of this
        machine whose server it must be, if it is on this machine. `on_error` is told what the server refuses; without
        it the log is."""

        url, user, password = _address(url, user, password)
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port or PORT}"  # without a password
        bus: NatsBus | None = None

        async def closed() -> None:
            if bus is not None:
                on_closed()

        async def error(problem: Exception) -> None:
            log.warning("bus", error=repr(problem))

        async def connected() -> None:
            log.info("bus connected again")

        async def lost() -> None:
            if not link.closed:  # by us
                log.warning("bus connection lost")

        client = Sealed(owner, tls)
        link = Link(url, name=name, user=user, password=password, tls=tls, owner=owner, on_error=on_error)
        try:
            async with asyncio.timeout(timeout):
                await link.start()
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
                    tls=tls.context if tls is not None else None,
                    tls_hostname=tls.name or None if tls is not None else None,
                    inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
                    closed_cb=closed,
                    error_cb=error,
                    reconnected_cb=connected,
                    disconnected_cb=lost,
                )
            if not client.is_connected:  # connect() may return without a connection
                raise Refused(repr(client.last_error))
        except (OSError, NatsError, TimeoutError, Refused) as problem:
            await link.close()
            if client.is_connected:  # one that never was cannot be closed
                await client.close()
            raise BusUnavailable(f"cannot connect to {where}: {problem!r}") from None
        bus = cls(client, link)
        return bus

    @cached_property
    def log(self) -> "NatsLog":
        return NatsLog(self._client, self._link)

    @cached_property
    def figures(self) -> "NatsLog":
        return NatsFigures(self._client, self._link)

    @cached_property
    def outputs(self) -> "NatsLog":
        return NatsOutputs(self._client, self._link)

    @property
    def connected(self) -> bool:
        return self._client.is_connected and self._link.up

    @property
    def server_version(self) -> str | None:
        return self._link.server_version

    def healthy(self) -> str | None:
        return self._writer.refuses() if self.connected else AWAY

    @property
    def full(self) -> bool:
        """Whether writes are refused or swallowed, as far as the last of them showed."""
        return self._writer.refuses() is not None

    async def close(self) -> None:
        """End the connections. What does not end in time is left to the process's own end."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                beside = (self.log, self.figures, self.outputs)
                for follower in [*self._followers, *(one for log in beside for one in log._followers)]:
                    await follower.stop()
                await self._link.close()
                await self._client.close()
        except TimeoutError:
            log.warning("bus not closed in good order")

    async def ensure_streams(self, limit: int = JOURNAL_LIMIT) -> None:
        """Make the journal and the buckets if they are missing, each with its limit. `limit`: the journal's, bytes."""
        await nats_streams.ensure_streams(self._js, limit)

    async def usage(self) -> list[StreamUse]:
        async with asking(self._client, JOURNAL):
            return await nats_streams.usage(self._js)

    # --- requests and telemetry

    async def request(
        self, subject: str, data: bytes, headers: Headers, *, timeout: float, again: float | None = None
    ) -> Message:
        encoded = encode_headers(headers)
        later = encode_headers(not_fresh(headers)) if again is not None and FRESH_HEADER in headers else encoded
        second = (again, later) if again is not None else None
        raw, answer = await self._link.request(subject, data, encoded, timeout, second)
        if nobody_heard(raw, answer):
            raise NoResponders(subject)
        return Message(subject=subject, data=answer, headers=decode_headers(raw) if raw else {})

    async def publish(self, subject: str, data: bytes, headers: Headers) -> None:
        await self._link.publish(subject, data, encode_headers(headers))

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Unsubscribe:
        return self._link.subscribe(subject, handler, queue=queue, most=PENDING_MESSAGES).finish

    # --- the journal

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        last = await self._redactions.last_there(scope, expect)
        all_headers = {ID: new_id(), **headers, EXPECT: str(last), EXPECT_SCOPE: scope}
        first_after = {"seq": expect + 1, "next_by_subj": scope}
        return await self._writer.write(JOURNAL, to_be_stored(subject), data, all_headers, first_after)

    async def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]:
        first: dict[str, object] = {"seq": after + 1}
        if since and not after:
            first = {"start_time": datetime.fromtimestamp(since, UTC).isoformat()}
        read = partial(self._batch_gently if gently else self._batch, scope)
        batch, more, most = await read(first, after, GENTLE_BATCH if gently else FIRST_BATCH)
        ahead = False
        while batch:
            last = batch[-1].seq
            following = partial(read, {"seq": last + 1}, last, most)
            coming = asyncio.ensure_future(following()) if more and ahead else None
            try:
                await until_sent()
                for begin in range(0, len(batch), TURN):
                    for entry in batch[begin : begin + TURN]:
                        if entry.at >= since:
                            yield entry
                    await asyncio.sleep(0)
                batch, more, most = await (coming or following()) if more else ([], False, most)
                ahead = True
            finally:
                if coming is not None:
                    coming.cancel()

    async def _batch(self, scope: str, start: Mapping[str, object], after: int, most: int) -> Batch:
        """Up to `most` entries and BATCH_BYTES from `start` on, which is right behind `after`, whether there are more,
        and how many of them to ask for next."""
        found, more, took = await self._sought(scope, start, after, most, self._batch_bytes)
        return found, more, min(most * 2, BATCH) if took < BATCH_SECONDS else max(most // 2, LEAST_BATCH)

    async def _batch_gently(self, scope: str, start: Mapping[str, object], after: int, most: int) -> Batch:
        """The same for who is not to be felt: fewer at once, and whoever else asks over this connection has the server
        for as long again."""
        found, more, took = await self._sought(scope, start, after, most, min(GENTLE_BYTES, self._batch_bytes))
        await asyncio.sleep(min(took, BATCH_SECONDS))
        return found, more, min(most * 2, GENTLE_BATCH) if took < GENTLE_SECONDS else max(most // 2, GENTLE_LEAST)

    async def _sought(
        self, scope: str, start: Mapping[str, object], after: int, most: int, size: int
    ) -> tuple[list[Recorded], bool, float]:
        """A batch, whether there are more behind it, and how many seconds that took."""
        sought = ANY if scope == self._scope else scope
        query = {**start, "batch": most, "max_bytes": size, "next_by_subj": sought}
        async with self._turns:
            began = time.monotonic()
            found, more = await self._read(self._stream, query)
            took = time.monotonic() - began
        more = more and bool(found)
        before = found[-1].seq + 1 if more else math.inf
        return await self._redactions.into(found, scope, after=after, before=before), more, took

    async def _read(self, stream: str, query: Mapping[str, object]) -> tuple[list[Recorded], bool]:
        """Several messages by one batched direct get (ADR-31), and whether there are more. The server ends a batch
        where it likes and says how many are pending."""
        found: list[Recorded] = []
        over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def receive(subject: str, reply_to: str, raw: bytes, data: bytes) -> None:
            if over.done():
                return
            last = found[-1].seq if found else 0
            try:
                if raw.startswith(PLAIN):
                    entry, before = recorded(raw, data)
                    if before != last:
                        raise missed(stream)
                    found.append(entry)
                else:
                    over.set_result(are_pending(stream, raw, last))
            except BusError as error:
                over.set_exception(error)

        inbox = self._link.new_inbox()
        hearing = self._link.listen(inbox, receive)
        try:
            await self._link.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(query), b"", inbox)
            async with asyncio.timeout(APPEND_DEADLINE):
                more = await over
        except TimeoutError:
            raise RequestTimeout(stream) from None
        finally:
            self._link.unsubscribe(hearing)
        return found, more

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        follower = Follower(
            js=self._js, link=self._link, stream=self._stream, scope=scope, handler=handler, after=after,
            redactions=self._redactions,
        )
        async with asking(self._client, scope):
            await follower.start()
        self._followers.add(follower)

        async def stop() -> None:
            self._followers.discard(follower)
            await follower.stop()

        return stop

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        found = await get(self._link, self._stream, {"last_by_subj": scope}, certain=certain)
        return await self._redactions.last(scope, found)

    async def entry(self, seq: int) -> Recorded | None:
        found = await get(self._link, self._stream, {"seq": seq}, certain=True)
        return await self._redactions.of(seq) or found

    async def ids(self, scope: str) -> list[str]:
        async with asking(self._client, scope):
            info = await self._js.stream_info(self._stream, subjects_filter=scope)
        return sorted({*(info.state.subjects or {}), *await self._redactions.subjects(scope)})

    async def last_seq(self) -> int:
        return (await self.size()).last_seq

    async def size(self) -> Size:
        return await size(self._link, self._stream)

    async def redact(self, entry: Recorded, data: bytes, headers: Headers) -> None:
        await self._redactions.redact(entry, data, headers)

    async def finish_redactions(self) -> None:
        await self._redactions.finish()

    async def remove(self, seq: int, *, overwrite: bool = True) -> None:
        await erase(self._link, JOURNAL, seq, overwrite=overwrite)
        await self._redactions.remove(seq)

    # --- keys

    async def get(self, bucket: str, key: str, *, certain: bool = False) -> Entry | None:
        last = await get(self._link, f"KV_{bucket}", {"last_by_subj": f"$KV.{bucket}.{key}"}, certain=certain)
        return _entry(last) if last is not None else None

    async def entries(self, bucket: str) -> Mapping[str, Entry]:
        every = f"$KV.{bucket}."
        found, _ = await self._read(f"KV_{bucket}", {"multi_last": [f"{every}>"], "batch": MOST_KEYS})
        return {one.subject.removeprefix(every): _entry(one) for one in found}

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        seconds = None if ttl is None else float(max(math.ceil(ttl), 1))
        return await self._change(bucket, key, data, {}, expect=expect, ttl=seconds)

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        await self._change(bucket, key, b"", {"KV-Operation": "DEL"}, expect=expect)

    async def erase(self, bucket: str, key: str) -> None:
        if (last := await self.get(bucket, key, certain=True)) is not None:
            await erase(self._link, f"KV_{bucket}", last.revision)

    async def wipe(self, bucket: str) -> None:
        await wipe(self._link, f"KV_{bucket}")

    async def _change(
        self, bucket: str, key: str, data: bytes, more: Headers, *, expect: int | None, ttl: float | None = None
    ) -> int:
        subject = f"$KV.{bucket}.{key}"
        headers = {ID: new_id(), **more} | ({} if expect is None else {EXPECT: str(expect)})
        return await self._writer.write(f"KV_{bucket}", subject, data, headers, {"last_by_subj": subject}, ttl)


class NatsLog(NatsBus):
    """The platform's log, over the same connection."""

    _stream, _scope = LOG, LOG_SCOPE

    async def write(self, subject: str, data: bytes, headers: Headers, *, ttl: float | None = None) -> Recorded:
        newest = {"last_by_subj": subject}
        seq = await self._writer.write(self._stream, subject, data, {ID: new_id(), **headers}, newest, ttl)
        found = await get(self._link, self._stream, {"seq": seq}, certain=True)
        if found is None:
            raise RequestTimeout(f"{self._stream}: entry {seq} is gone already")
        return found

    async def erase_entry(self, seq: int) -> None:
        await erase(self._link, self._stream, seq)


class NatsFigures(NatsLog):
    """What was measured, over the same connection."""

    _stream, _scope = FIGURES, FIGURES_SCOPE


class NatsOutputs(NatsLog):
    """What steps of pipelines write, over the same connection."""

    _stream, _scope = OUTPUT, OUTPUT_SCOPE
    _batch_bytes = 256 * 1024  # a browser reads them by way of a gateway, whose other answers come behind each batch


def _entry(last: Recorded) -> Entry:
    """The value of a key whose newest message this is."""
    gone = "Nats-Marker-Reason" in last.headers or "KV-Operation" in last.headers
    return Entry(data=None if gone else last.data, revision=last.seq)


def _address(url: str, user: str | None, password: str | None) -> tuple[str, str | None, str | None]:
    """An address with its scheme, and who to be there: what is given, or else what the address itself says."""
    if "://" not in url:
        url = f"nats://{url}"
    parts = urlsplit(url)
    if not user and parts.username:
        return url, unquote(parts.username), unquote(parts.password or "")
    return url, user, password


async def connect(nats: Nats, *, name: str, on_closed: Callable[[], None], tls: ClientTls | None = None) -> NatsBus:
    """The bus of the settings, with patience: it may be starting too. Raises BusUnavailable."""
    said = asyncio.get_running_loop().time()
    give_up = said + BUS_PATIENCE
    while True:
        try:
            return await NatsBus.connect(
                nats.address, name=name, user=nats.user, password=nats.password, tls=tls, owner=nats.owner,
                on_closed=on_closed,
            )  # fmt: skip
        except BusUnavailable as error:
            now = asyncio.get_running_loop().time()
            if now >= give_up:
                raise
            if now - said >= WAITS_SAID:
                said = now
                log.warning("waiting for the bus", why=str(error))
            await asyncio.sleep(CONNECT_PAUSE)
