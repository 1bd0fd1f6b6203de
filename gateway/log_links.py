"""`log_url` in answers about pipelines: signed for whoever asks, so that a browser opens it without a header."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.errors import Refusal
from bus_schemas.link import LONGEST, MAKE_LINK, MakeLink

AT_ONCE = 16
LOG = "/api/dci/pipeline/{id}/runs/{run}/log"
Said = dict[str, Any]  # any: JSON


class LogLinks:
    """Of one gateway."""

    def __init__(self, bus: Bus, ids: Ids) -> None:
        self._bus = bus
        self._ids = ids

    async def put_in(self, request: web.Request, data: bytes, asker: Context) -> bytes:
        """The same answer, in which the log of each run has an address that whoever asked can open for an hour; one for
        which no link can be made has that of who logs in."""
        answer = msgspec.json.decode(data)
        gate = asyncio.Semaphore(AT_ONCE)
        base = f"{request.scheme}://{request.host}"

        async def link(one: Said) -> None:
            path = LOG.format(id=one["id"], run=one["run"])
            async with gate:
                one["log_url"] = base + await self._signed(path, asker)

        await asyncio.gather(*(link(one) for one in _runs(answer)))
        return msgspec.json.encode(answer)

    async def _signed(self, path: str, asker: Context) -> str:
        context = Context(command_id=self._ids.new(), user=asker.user, credential=asker.credential)
        try:
            made = await ask(self._bus, MAKE_LINK, MakeLink(path=path, seconds=LONGEST), context, retry=False)
        except Refusal:
            return path
        return made.url


def _runs(answer: Any) -> list[Said]:  # any: JSON
    """What in an answer is a run that has been."""
    things = answer if isinstance(answer, list) else [answer, *answer.get("runs", [])]
    return [one for one in things if isinstance(one, dict) and "log_url" in one and one.get("run")]
