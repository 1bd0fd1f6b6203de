"""`ottb events`: the bus as another system hears it."""

import asyncio
import json
from collections.abc import Callable

import msgspec

from actors.runtime.bus import Message
from actors.settings import Settings
from cli.site.bus import connect


async def watch(settings: Settings, subject: str, say: Callable[[str], None]) -> None:
    """Print every message until interrupted. Raises BusUnavailable."""
    bus = await connect(settings, "watch", name="ottb events")

    async def show(message: Message) -> None:
        say(json.dumps({"subject": message.subject, "event": msgspec.json.decode(message.data)}))

    await bus.subscribe(subject, show)
    await asyncio.Event().wait()
