"""HTTP as it goes over the wire, for what no client library would send."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

from tests.support.site import PATIENCE


@dataclass(frozen=True)
class Answer:
    """What came back. `closed`: the server ended the connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool


class RawConnection:
    """One connection. `source`: the address it comes from, on loopback any of 127.0.0.0/8."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, *, source: str = "127.0.0.1") -> "RawConnection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))

    async def ask(self, request: bytes, *, closing: float = 0.0) -> Answer:
        """Send and read the answer. `closing`: seconds to wait for the end of the connection."""
        self.writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            while head.startswith(b"HTTP/1.1 100"):
                head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body, closing > 0 and await self.is_closed(closing))

    async def is_closed(self, seconds: float) -> bool:
        """Whether the server ends the connection, waiting so long for it."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def ask_once(port: int, request: bytes, *, closing: float = 0.0) -> Answer:
    """One request on a connection of its own."""
    connection = await RawConnection.open(port)
    try:
        return await connection.ask(request, closing=closing)
    finally:
        await connection.close()


def head(method: str, path: str, **headers: str) -> bytes:
    """The head of a request; `_` in a header's name stands for `-`."""
    named = (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *named]).encode("latin-1") + b"\r\n\r\n"


def path_of(template: str) -> str:
    """A path of a route with something in each of its places."""
    return re.sub(r"\{\w+\}", "1", template)
