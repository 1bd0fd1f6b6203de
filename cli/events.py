"""`ottb events`: the bus as another system hears it."""

import asyncio
import json
from collections.abc import Callable

import msgspec

from actors.runtime.bus import Message
from actors.settings import Settings
from cli.site.bus import connect

WORKS = "`ottb.v1.evt.call.>`, `ottb.v1.evt.slot.>`, `ottb.v1.tel.>`, or something within these"


class NotHeard(Exception):
    """Nothing can be heard of this subject. The message says why."""


async def watch(settings: Settings, subject: str, say: Callable[[str], None]) -> None:
    """Print every message until interrupted. Raises BusUnavailable, and NotHeard where the server refuses that."""
    if not all(subject.split(".")) or subject.split() != [subject]:
        raise NotHeard(f"{subject!r} is no subject. Take {WORKS}.")
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def tell(why: str) -> None:
        if not refused.done() and ("subject" in why.lower() or "subscription" in why.lower()):
            refused.set_result(why)

    async def show(message: Message) -> None:
        say(json.dumps({"subject": message.subject, "event": msgspec.json.decode(message.data)}))

    bus = await connect(settings, "watch", name="ottb events", on_error=tell)
    try:
        await bus.subscribe(subject, show)
        why = await refused
    finally:
        await bus.close()
    raise NotHeard(f"the bus refuses {subject!r}: {why}. Take {WORKS}.")
