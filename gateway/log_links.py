"""`log_url` in answers about pipelines: signed for whoever asks, so that a browser opens it without a header."""

import asyncio
from collections import OrderedDict
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from aiohttp import web

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.errors import Refusal
from bus_schemas.link import LONGEST, MAKE_LINK, MakeLink

AT_ONCE = 16
FRESH = 60.0  # seconds for which a link is said again: signing a hundred of them costs POINT 20 ms
REMEMBERED = 10_000
LOG = "/api/dci/pipeline/{id}/runs/{run}/log"
Said = dict[str, Any]  # any: JSON


class LogLinks:
    """Of one gateway."""

    def __init__(self, bus: Bus, ids: Ids) -> None:
        self._bus = bus
        self._ids = ids
        self._known: OrderedDict[tuple[str | None, str], tuple[float, str]] = OrderedDict()
        self._turns: WeakValueDictionary[str | None, asyncio.Lock] = WeakValueDictionary()  # by credential

    async def put_in(self, request: web.Request, data: bytes, asker: Context) -> bytes:
        """The same answer, in which the log of each run has an address that whoever asked can open for an hour, or a
        minute less where they have asked before; one for which no link can be made has that of who logs in."""
        answer = msgspec.json.decode(data)
        gate = asyncio.Semaphore(AT_ONCE)
        base = f"{request.scheme}://{request.host}"

        async def link(one: Said) -> None:
            path = LOG.format(id=one["id"], run=one["run"])
            async with gate:
                one["log_url"] = base + await self._signed(path, asker)

        async with self._turns.setdefault(asker.credential, asyncio.Lock()):
            await asyncio.gather(*(link(one) for one in _runs(answer)))
        return msgspec.json.encode(answer)

    async def _signed(self, path: str, asker: Context) -> str:
        key, now = (asker.credential, path), monotonic()
        made, url = self._known.get(key, (-FRESH, ""))
        if now - made < FRESH:
            return url
        context = Context(command_id=self._ids.new(), user=asker.user, credential=asker.credential)
        try:
            signed = await ask(self._bus, MAKE_LINK, MakeLink(path=path, seconds=LONGEST), context, retry=False)
        except Refusal:
            return path
        self._known[key] = now, signed.url
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return signed.url


def _runs(answer: Any) -> list[Said]:  # any: JSON
    """What in an answer is a run that has been."""
    things = answer if isinstance(answer, list) else [answer, *answer.get("runs", [])]
    return [one for one in things if isinstance(one, dict) and "log_url" in one and one.get("run")]
