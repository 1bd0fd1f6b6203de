"""The device side of the ADB protocol over TCP: packets, authentication, streams with flow control.

Source: AOSP `packages/modules/adb` (protocol.txt, adb.h, shell_protocol.h, file_sync_protocol.h). A message is six
little-endian u32 (command, arg0, arg1, length, checksum, magic) and its payload; with version 0x01000001 checksums
are not looked at. One WRTE may be under way on a stream until its OKAY; `delayed_ack` is not announced.
"""

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable
from enum import Enum

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = 0x4E584E43, 0x48545541, 0x4E45504F, 0x59414B4F, 0x45534C43, 0x45545257
VERSION = 0x01000001
MAX_PAYLOAD = 1024 * 1024
FEATURES = "shell_v2,cmd,stat_v2,ls_v2"
AUTH_TOKEN, AUTH_SIGNATURE = 1, 2
STREAM_BACKLOG = 64  # unread payloads of one stream; the host may have one under way, so more is a broken host

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = 0, 1, 2, 3, 4

_HEADER = struct.Struct("<6I")
_FRAME = struct.Struct("<BI")


class Auth(Enum):
    """What the phone does with a host's key."""

    ACCEPT = "accept"
    PROMPT = "prompt"  # shows a question on its screen and stays silent: the host sees `unauthorized`
    NONE = "none"


class StreamClosed(Exception):
    """The host closed the stream, or the connection is gone."""


def frame(kind: int, data: bytes) -> bytes:
    """One shell v2 frame."""
    return _FRAME.pack(kind, len(data)) + data


class Stream:
    """One opened service. `read` gives the host's payloads, `write` waits for room."""

    def __init__(self, connection: "Connection", local: int, remote: int) -> None:
        self._connection = connection
        self._local = local
        self._remote = remote
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self._rest = b""

    async def read(self) -> bytes:
        """The next payload. Raises StreamClosed at the end."""
        data = await self._incoming.get()
        if data is None:
            raise StreamClosed
        return data

    async def read_exactly(self, count: int) -> bytes:
        """So many bytes. Raises StreamClosed at the end."""
        while len(self._rest) < count:
            self._rest += await self.read()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    async def write(self, data: bytes) -> None:
        """Send in pieces that the host takes. Raises StreamClosed."""
        for start in range(0, len(data), self._connection.max_payload):
            await self._room.wait()
            if self._closed:
                raise StreamClosed
            self._room.clear()
            await self._connection.send(
                WRTE, self._local, self._remote, data[start : start + self._connection.max_payload]
            )

    async def close(self) -> None:
        if not self._closed:
            self.end()
            await self._connection.send(CLSE, self._local, self._remote)

    # --- from the connection

    def feed(self, data: bytes) -> None:
        if self._incoming.qsize() >= STREAM_BACKLOG:
            raise ConnectionError("the host writes without waiting")
        self._incoming.put_nowait(data)

    def make_room(self) -> None:
        self._room.set()

    def end(self) -> None:
        self._closed = True
        self._room.set()
        self._incoming.put_nowait(None)


KnownKey = Callable[[bytes, bytes], bool]  # a token, and its signature: whether a host that may come in made it
Service = Callable[[str, Stream], Awaitable[None]]


class Connection:
    """One host's connection. `frozen` set: nothing is read or answered any more."""

    def __init__(
        self,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        banner: str,
        auth: Callable[[], Auth],
        known: KnownKey,
        service: Service,
        thawed: asyncio.Event,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._banner = banner
        self._auth = auth
        self._known = known
        self._token = b""
        self._proved = False  # the host has the key of a host that may come in
        self._service = service
        self._thawed = thawed
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._online = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.max_payload = 4096

    async def run(self) -> None:
        """Serve the host until one side closes."""
        try:
            while True:
                header = await self._reader.readexactly(_HEADER.size)
                command, arg0, arg1, length, _, magic = _HEADER.unpack(header)
                if magic != command ^ 0xFFFFFFFF or length > MAX_PAYLOAD:
                    return
                payload = await self._reader.readexactly(length)
                await self._thawed.wait()
                await self._handle(command, arg0, arg1, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            await self.close()

    async def close(self) -> None:
        for stream in self._streams.values():
            stream.end()
        self._streams.clear()
        current = asyncio.current_task()
        for task in [task for task in self._tasks if task is not current]:
            task.cancel()
        self._writer.close()

    async def allow(self) -> None:
        """The question on the screen was answered with yes: it was about the key that the phone knows."""
        if not self._online and self._proved:
            await self._connect()

    async def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        await self._thawed.wait()
        if self._writer.is_closing():
            raise StreamClosed
        magic = command ^ 0xFFFFFFFF
        self._writer.write(_HEADER.pack(command, arg0, arg1, len(payload), sum(payload), magic) + payload)
        try:
            await self._writer.drain()
        except ConnectionError:
            raise StreamClosed from None

    async def _handle(self, command: int, arg0: int, arg1: int, payload: bytes) -> None:
        match command:
            case 0x4E584E43:  # CNXN
                self.max_payload = min(MAX_PAYLOAD, arg1)
                await (self._connect() if self._auth() is Auth.NONE else self._ask_for_key())
            case 0x48545541:  # AUTH
                await self._authenticate(arg0, payload)
            case 0x4E45504F if self._online:  # OPEN
                await self._open(arg0, payload.rstrip(b"\0").decode(errors="replace"))
            case 0x59414B4F if arg1 in self._streams:  # OKAY
                self._streams[arg1].make_room()
            case 0x45545257 if arg1 in self._streams:  # WRTE
                self._streams[arg1].feed(payload)
                await self.send(OKAY, arg1, arg0)
            case 0x45534C43 if arg1 in self._streams:  # CLSE
                self._streams.pop(arg1).end()

    async def _connect(self) -> None:
        self._online = True
        await self.send(CNXN, VERSION, MAX_PAYLOAD, self._banner.encode())

    async def _ask_for_key(self) -> None:
        self._token = os.urandom(20)
        await self.send(AUTH, AUTH_TOKEN, 0, self._token)

    async def _authenticate(self, kind: int, payload: bytes) -> None:
        self._proved = self._proved or self._known(self._token, payload if kind == AUTH_SIGNATURE else b"")
        if self._auth() is Auth.ACCEPT and self._proved:
            await self._connect()
        elif kind == AUTH_SIGNATURE:
            await self._ask_for_key()

    async def _open(self, remote: int, name: str) -> None:
        local, self._next_id = self._next_id, self._next_id + 1
        stream = self._streams[local] = Stream(self, local, remote)
        task = asyncio.get_running_loop().create_task(self._serve(local, remote, name, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, local: int, remote: int, name: str, stream: Stream) -> None:
        try:
            await self.send(OKAY, local, remote)
            await self._service(name, stream)
            await stream.close()
        except StreamClosed:
            pass
        finally:
            self._streams.pop(local, None)
