"""A bus client that keeps no rules: it writes what it likes and notes what the server says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.site import PATIENCE


class RawBus:
    """One connection. `sent`: messages that were handed over before the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.said = b""
        self.sent = 0

    @property
    def refused(self) -> bytes:
        """What the server refused it with, or nothing."""
        return self.said.partition(b"-ERR")[2].partition(b"\r\n")[0].strip()

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self, until: bytes, seconds: float = PATIENCE) -> bool:
        """Whether the server says this before it ends the connection, or the time is over."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                while until not in self.said:
                    data = await self._reader.read(65536)
                    if not data:
                        return False
                    self.said += data
        return until in self.said

    async def flood(self, subject: str, *, most: int, size: int = 32, reply: str = "") -> bool:
        """Publish as fast as the server takes it, `most` messages at most. Whether all were taken."""
        one = f"PUB {subject} {reply} {size}\r\n".encode() + b"x" * size + b"\r\n"
        try:
            while self.sent < most:
                await self.say(one * min(500, most - self.sent))
                self.sent += min(500, most - self.sent)
            await self.say(b"PING\r\n")
        except OSError:
            return False
        return await self.hear(b"PONG\r\n")


@asynccontextmanager
async def raw_bus(port: int, user: str, password: str) -> AsyncIterator[RawBus]:
    """A connection that has sent its login, and has been let in unless `refused` says otherwise."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = RawBus(reader, writer)
    try:
        options = {"user": user, "pass": password, "verbose": False, "pedantic": False, "headers": True,
                   "no_responders": True, "protocol": 1}  # fmt: skip
        with contextlib.suppress(OSError):
            await client.say(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        await client.hear(b"PONG\r\n")
        client.said = client.said.replace(b"PONG\r\n", b"")
        yield client
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
