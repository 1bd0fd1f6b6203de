"""A bus on a real server of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.adapters.nats_bus import NatsBus
from actors.runtime.settings import JOURNAL_LIMIT
from bench.parts import nats_server


@asynccontextmanager
async def own_bus(folder: Path, limit: int = JOURNAL_LIMIT) -> AsyncIterator[NatsBus]:
    """It has its streams. `folder`: where the server keeps them; `limit`: the journal's, bytes."""
    async with nats_server(folder) as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="test")
        await bus.ensure_streams(limit)
        yield bus
        await bus.close()
