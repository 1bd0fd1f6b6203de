"""Whether a server answers, and as what it should."""

import asyncio
import ssl

from actors.adapters.adb import AdbClient, AdbRefused, AdbServerGone
from actors.adapters.adb_place import AdbPlace

PROBE_SECONDS = 1.0


async def nats_answers(port: int) -> bool:
    return b'"jetstream":true' in await _first_bytes(port, b"", 4096)


async def adb_answers(place: AdbPlace) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return bool(await AdbClient(place).version())
    except (AdbServerGone, AdbRefused, TimeoutError):
        return False


async def ami_answers(port: int, host: str = "127.0.0.1") -> bool:
    return (await _first_bytes(port, b"", 21, host)) == b"Asterisk Call Manager"


async def http_answers(port: int, path: str, host: str, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a path is answered with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    return b" 200 " in (await _first_bytes(port, request, 64, host, tls))[:16]


async def page(port: int, path: str, host: str, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """The status and the body of a page; 0 where nothing answers in time."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    head, _, body = (await _first_bytes(port, request, -1, host, tls)).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


async def _first_bytes(
    port: int, request: bytes, count: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> bytes:
    """What a server says, at most `count` bytes (-1: all); empty when it says nothing in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            try:
                writer.write(request)
                return await reader.read(count)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
