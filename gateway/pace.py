"""That nobody waits long for what others send, or do not read: how much is read of a connection before it is others'
turn, and how long a piece of an answer may lie there."""

import asyncio

from aiohttp import web

TURN_BYTES = 1024  # in chunks of one byte these cost half a millisecond
READ_SECONDS = 60.0  # for which a client may leave unread a piece of a file or a table


async def write(response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece, once the last one was read. Raises TimeoutError: whoever holds a turn with it reads nothing."""
    async with asyncio.timeout(READ_SECONDS):
        await response.write(piece)


def take_turns(transport: asyncio.BaseTransport) -> None:
    """Read little of a connection at once. asyncio reads 256 KiB, of which none is left for later."""
    if hasattr(transport, "max_size"):  # not where TLS reads for it
        transport.max_size = TURN_BYTES
