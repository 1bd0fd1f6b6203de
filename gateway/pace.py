"""That nobody waits long for what others send, or do not read: how much is read of a connection before it is others'
turn, and how long a piece of an answer may lie there."""

import asyncio
from asyncio import sslproto
from collections.abc import Iterator

from aiohttp import web

TURN_BYTES = 1024  # in chunks of one byte these cost half a millisecond
RECORD_BYTES = 2 * 1024  # of TLS that are read at once: a millisecond in new keys, of which OpenSSL takes any number
SENT_BYTES = 64 * 1024  # of an answer that are sent at once, and beyond which it waits until some are taken
READ_SECONDS = 60.0  # for which a client may leave unread a piece of a file or a table

# asyncio makes no setting of this: what it keeps for each connection, also before the handshake is done, and reads at
# once. Its 256 KiB would be a gigabyte of all connections. That it still counts is seen by tests/attacks/test_tls.py.
sslproto.SSLProtocol.max_size = RECORD_BYTES


async def write(response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece, once the last one was read. Raises TimeoutError: whoever holds a turn with it reads nothing."""
    async with asyncio.timeout(READ_SECONDS):
        await response.write(piece)


def take_turns(transport: asyncio.BaseTransport) -> None:
    """Read little of a connection at once, and keep little that is not taken. asyncio reads 256 KiB, of which none is
    left for later, and over TLS keeps half a megabyte."""
    if hasattr(transport, "max_size"):  # not where TLS reads for it: see `pieces`
        transport.max_size = TURN_BYTES
    if isinstance(transport, asyncio.WriteTransport):
        transport.set_write_buffer_limits(high=SENT_BYTES)


def pieces(data: bytes) -> Iterator[bytes]:
    """What has come in, as little at once as without TLS: whoever takes it may have enough after the first."""
    return (data[start : start + TURN_BYTES] for start in range(0, len(data), TURN_BYTES))
