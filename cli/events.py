"""`ottb events`: the bus as another system hears it."""

import asyncio
import json
from collections.abc import Callable

import msgspec

from actors.adapters.nats_bus import NatsBus
from actors.runtime.bus import Message
from actors.settings import Settings
from cli.up import passwords


async def watch(settings: Settings, subject: str, say: Callable[[str], None]) -> None:
    """Print every message until interrupted. Raises BusUnavailable."""
    url = settings.nats.url or f"nats://127.0.0.1:{settings.nats.port}"
    own = settings.nats.url is None
    bus = await NatsBus.connect(
        url,
        name="ottb events",
        user="watch" if own else settings.nats.user,
        password=passwords(settings.state)["watch"] if own else settings.nats.password,
    )

    async def show(message: Message) -> None:
        say(json.dumps({"subject": message.subject, "event": msgspec.json.decode(message.data)}))

    await bus.subscribe(subject, show)
    await asyncio.Event().wait()
