"""A receiver of webhooks: a real HTTP server that notes what it gets, and answers as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from actors.runtime.signature import EVENT_ID, SIGNATURE
from tests.support.site import PATIENCE

Answer = Callable[["Got"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Got:
    """One request. `number`: of this path, from 1 on."""

    path: str
    headers: dict[str, str]
    raw: bytes
    number: int

    @property
    def id(self) -> str:
        return self.headers[EVENT_ID]

    @property
    def signature(self) -> str:
        return self.headers[SIGNATURE]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


def ok(status: int = 200, text: str = "taken") -> Answer:
    async def answer(got: Got) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return answer


def moved(to: str) -> Answer:
    async def answer(got: Got) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": to})

    return answer


def slow(seconds: float) -> Answer:
    async def answer(got: Got) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(text="late")

    return answer


@dataclass
class Receiver:
    """`answers`: by path; others are taken. `at_once`: the most requests of one path that were under way together."""

    got: list[Got] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    port: int = 0
    host: str = "127.0.0.1"
    _runner: web.AppRunner | None = None
    _under_way: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    def of(self, path: str) -> list[Got]:
        return [one for one in self.got if one.path == path]

    async def until(self, path: str, count: int, seconds: float = PATIENCE) -> list[Got]:
        """What has come under a path, once there is so much."""
        async with asyncio.timeout(seconds):
            while len(self.of(path)) < count:
                await asyncio.sleep(0.02)
        return self.of(path)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        got = Got(path, dict(request.headers), await request.read(), len(self.of(path)) + 1)
        self.got.append(got)
        self._under_way[path] = self._under_way.get(path, 0) + 1
        self.at_once[path] = max(self.at_once.get(path, 0), self._under_way[path])
        try:
            return await self.answers.get(path, ok())(got)
        finally:
            self._under_way[path] -= 1
