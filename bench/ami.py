"""A bare AMI session, as the rows of trunks compare with."""

import asyncio
from collections.abc import Callable

from actors.adapters.ami import AmiClient, AmiMessage
from tests.support.pbx import SECRET


async def bare_client(port: int, prefix: str, on_event: Callable[[AmiMessage], None]) -> AmiClient:
    """Logged in. Raises TimeoutError."""
    up = asyncio.Event()
    client = AmiClient(
        host="127.0.0.1", port=port, user="ottb", secret=SECRET, prefix=prefix,
        on_event=on_event, on_up=up.set, on_down=lambda why: None,
    )  # fmt: skip
    client.start()
    async with asyncio.timeout(10):
        await up.wait()
    return client


async def originate(client: AmiClient, call_id: str, number: str) -> None:
    fields = (
        ("Channel", f"PJSIP/{number}@trunk-1"), ("ChannelId", call_id), ("Async", "true"),
        ("Context", "ottb-slots"), ("Exten", "11"), ("Priority", "1"),
    )  # fmt: skip
    await client.act("Originate", fields)
