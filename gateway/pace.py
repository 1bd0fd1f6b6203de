"""That nobody waits long for what others send: how much is read of a connection before it is others' turn."""

import asyncio

TURN_BYTES = 1024  # in chunks of one byte these cost half a millisecond


def take_turns(transport: asyncio.BaseTransport) -> None:
    """Read little of a connection at once. asyncio reads 256 KiB, of which none is left for later."""
    if hasattr(transport, "max_size"):  # not where TLS reads for it
        transport.max_size = TURN_BYTES
