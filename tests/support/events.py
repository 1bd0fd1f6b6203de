"""A reader of Server-Sent Events."""

import asyncio
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from tests.support.site import PATIENCE


class Said(Struct):
    """One event. `data` as JSON."""

    event: str
    data: Any
    id: int | None = None


class Events:
    """The events of an answer, in their order."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self, seconds: float = PATIENCE) -> Said:
        """The next one; comments are passed over. Raises EOFError, TimeoutError."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            while True:
                line = (await self.answer.content.readline()).decode()
                if not line:
                    raise EOFError
                if line != "\n":
                    name, _, value = line.rstrip("\n").partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    id = int(fields["id"]) if "id" in fields else None
                    return Said(event=fields["event"], data=msgspec.json.decode(fields["data"]), id=id)
                else:
                    fields.clear()

    async def messages(self, count: int) -> list[str]:
        return [(await self.next()).data["message"] for _ in range(count)]
