"""One TCP connection to a NATS server: bytes to messages and back. Knows nothing of requests and subscriptions.

Protocol: docs.nats.io/reference/reference-protocols/nats-protocol.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

import msgspec
import structlog
from msgspec import Struct

from actors.adapters.peer import is_strange
from actors.runtime.bus import BusUnavailable, Headers

log = structlog.get_logger()

PING_SECONDS, PINGS = 2.0, 2  # between two questions; so many without an answer end the connection
TURN = 256 * 1024  # bytes after which whoever publishes lets others have a turn
READ = 64 * 1024  # bytes that are read at once: asyncio's 256 KiB are 20,000 messages of nothing
PATIENCE = 5.0  # seconds that a publisher waits for a server that takes nothing
LONGEST_LINE = 64 * 1024

VERSION = b"NATS/1.0"
PLAIN = VERSION + b"\r\n"  # the first line of headers without a status
STATUS = "Status"
STRANGE = "another user of this machine listens there: nothing was said to them"


class Info(Struct):
    """What the server says of itself."""

    max_payload: int = 1024 * 1024
    tls_required: bool = False
    connect_urls: list[str] = []
    version: str | None = None


class Refused(Exception):
    """The server does not let us in, or has broken the protocol."""


def encode_headers(headers: Headers) -> bytes:
    """Header lines as they are sent; none for none. A value cannot end its line."""
    if not headers:
        return b""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        clean = ((_one_line(name), _one_line(value)) for name, value in headers.items())
        text = "".join([f"{name}: {value}\r\n" for name, value in clean])
    return b"%b\r\n%b\r\n" % (VERSION, text.encode())


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def decode_headers(raw: bytes) -> dict[str, str]:
    """Headers by name, the last of a name counts; `Status` where the server has put one into the first line."""
    found: dict[str, str] = {}
    first, *lines = raw.decode("utf-8", "replace").split("\r\n")
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    found.pop(STATUS, None)  # what somebody else calls so
    if status := first[len(VERSION) :].strip():
        found[STATUS] = status[:3]
    return found


def status_of(raw: bytes) -> str | None:
    """The status that the server has put into the first line, if there is one."""
    return None if raw.startswith(PLAIN) else decode_headers(raw).get(STATUS)


class LateHeaders(Mapping[str, str]):
    """The headers of a message, taken apart when somebody asks for one that may be there: of thousands of entries that
    are read at a start nobody asks."""

    __slots__ = ("_found", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._found: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def get(self, name: str, default: Any = None) -> Any:  # any: of whoever asks
        if name != STATUS and name.encode() not in self._raw:  # `_may_have`, for what is asked of every entry
            return default
        return self._all().get(name, default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._may_have(name) and name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _may_have(self, name: str) -> bool:
        return status_of(self._raw) is not None if name == STATUS else name.encode() in self._raw

    def _all(self) -> dict[str, str]:
        if self._found is None:
            self._found = decode_headers(self._raw)
        return self._found


def nobody_heard(headers: bytes, data: bytes) -> bool:
    """Whether an answer is the server's word that there is no subscriber."""
    return not data and headers.startswith(b"NATS/1.0 503")


class Upstream(Protocol):
    """Who has the connection."""

    def hear(self, sid: int, subject: str, reply_to: str, headers: bytes, data: bytes) -> None:
        """A message has come for a subscription."""

    def news(self, info: Info) -> None:
        """The server has said something of itself."""

    def refused(self, why: str) -> None:
        """The server does not do what it was told."""

    def lost(self, wire: "Wire", why: str) -> None:
        """The connection is gone."""


class Wire(asyncio.Protocol):
    """One TCP connection: bytes to messages, and what goes out in one turn of the loop in one piece."""

    def __init__(self, link: Upstream) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.greeting: asyncio.Future[Info] = self._loop.create_future()
        self.ready = False  # the server has heard who we are and what we subscribe
        self.gone = False
        self.waiting = 0  # bytes that go out with the next turn
        self._out: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._rest, self._whole = bytearray(), 0  # of what is not whole, and how long that is (0: unknown)
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._quiet: asyncio.TimerHandle | None = None
        self._silent = 0  # questions since something was heard
        self._why = "the server has closed it"

    # --- its life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=TURN)
        if hasattr(transport, "max_size"):  # not where TLS reads for it
            transport.max_size = READ
        if self._quiet is None:
            self._quiet = self._loop.call_later(PING_SECONDS, self._is_quiet)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(repr(error) if error is not None else self._why)

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        assert self._transport is not None
        upgraded = await self._loop.start_tls(self._transport, self, context, server_hostname=host)
        assert upgraded is not None
        self.connection_made(upgraded)

    def is_strange(self, owner: int) -> bool:
        """Whether another user of this machine has taken the connection. Ask after the greeting, which proves that
        somebody has."""
        assert self._transport is not None
        known = self._transport.get_extra_info
        return is_strange(known("sockname"), known("peername"), owner)

    def close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._end("closed")

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end(self, why: str) -> None:
        if self.gone:
            return
        self.gone = True
        self._writable.set()
        if self._quiet is not None:
            self._quiet.cancel()
        futures: list[asyncio.Future[Any]] = [self.greeting, *self._pongs]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(Refused(why))
                waiting.exception()  # nobody need have waited for it
        self._link.lost(self, why)

    def _is_quiet(self) -> None:
        """Ask now and then: a server that is gone without a word is noticed by its silence alone."""
        if self._silent >= PINGS:
            self._why = "the server does not answer"
            self._abort()
            return
        self._silent += 1
        if self.greeting.done():
            self._ping()
        self._quiet = self._loop.call_later(PING_SECONDS, self._is_quiet)

    # --- out

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def full(self) -> bool:
        return not self._writable.is_set()

    def put(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        self.waiting += len(data)

    def _flush(self) -> None:
        out, self._out, self.waiting = self._out, [], 0
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    async def taken(self) -> None:
        """Wait until the server has taken the most of it. Raises BusUnavailable."""
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writable.wait()
        except TimeoutError:
            raise BusUnavailable("the bus takes nothing more") from None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def ask(self) -> None:
        """Wait until the server has worked on everything before. Raises Refused."""
        await self._ping()

    def _ping(self) -> "asyncio.Future[None]":
        pong: asyncio.Future[None] = self._loop.create_future()
        self._pongs.append(pong)
        self.put(b"PING\r\n")
        return pong

    # --- in

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        if self._rest:
            self._rest += data
            if len(self._rest) < self._whole:
                return
            data = bytes(self._rest)
            self._rest.clear()
        try:
            used = self._take(data)
            if used < len(data):
                self._keep(data[used:])
        except (ValueError, IndexError, Refused, msgspec.MsgspecError) as error:
            log.error("bus: this is not NATS", error=repr(error))
            self._why = repr(error)
            self._abort()

    def _keep(self, rest: bytes) -> None:
        """What is not whole yet."""
        if b"\r\n" not in rest[:LONGEST_LINE] and len(rest) > LONGEST_LINE:
            raise Refused("a line without end")
        self._rest += rest

    def _take(self, data: bytes) -> int:
        """Hand over every whole message. Returns how far that went."""
        at, size, find, hear = 0, len(data), data.find, self._link.hear
        self._whole = 0
        while at < size:
            end = find(b"\r\n", at)
            if end < 0:
                break
            first, begin = data[at], end + 2
            if first == 0x4D or first == 0x48:  # MSG subject sid [answer-to] size, HMSG ... size-of-headers size
                parts = data[at:end].split(b" ")
                total, sid = int(parts[-1]), int(parts[2])
                after = begin + total + 2
                if after > size:
                    self._whole = after - at  # a large one comes in pieces, each of which would have all copied anew
                    break
                at = after
                split = begin + (int(parts[-2]) if first == 0x48 else 0)
                reply_to = parts[3] if len(parts) == (6 if first == 0x48 else 5) else b""
                try:
                    subject, answer_to = parts[1].decode(), reply_to.decode()
                except UnicodeDecodeError:  # the server passes such names on; none of ours is one
                    log.debug("bus: a name that is not UTF-8", subject=repr(parts[1]), reply_to=repr(reply_to))
                    continue
                hear(sid, subject, answer_to, data[begin:split], data[split : begin + total])
            else:
                line, at = data[at:end], begin
                self._control(line)
        return at

    def _control(self, line: bytes) -> None:
        if line == b"PING":
            self.put(b"PONG\r\n")
        elif line == b"PONG":
            if self._pongs and not (pong := self._pongs.popleft()).done():
                pong.set_result(None)
        elif line.startswith(b"INFO "):
            info = msgspec.json.decode(line[5:], type=Info)
            self._link.news(info)
            if not self.greeting.done():
                self.greeting.set_result(info)
        elif line.startswith(b"-ERR"):
            self._why = line[5:].decode("utf-8", "replace").strip("'")
            self._link.refused(self._why)
        elif line != b"+OK":
            raise Refused(f"unknown: {line[:64]!r}")
