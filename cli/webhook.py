"""A receiver of webhooks for trying things out: prints what it gets, and whether it is signed."""

import json
import time
from collections.abc import Callable

from aiohttp import web

from actors.log.harmless import harmless
from actors.runtime.signature import EVENT_ID, SIGNATURE, verify

LARGEST = 2**20  # bytes of a body


def receiver(secret: str | None, status: int, say: Callable[[str], object]) -> web.Application:
    """An application that answers everything with `status`, where it is signed with the secret; None: nobody knows."""

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        signed = secret is not None and verify(request.headers.get(SIGNATURE, ""), secret, body, time.time())
        say(_line(request.headers.get(EVENT_ID, "-"), body, "?" if secret is None else "ok" if signed else "UNSIGNED"))
        return web.Response(status=status if signed or secret is None else 401)

    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/{path:.*}", take)
    return app


def _line(event_id: str, body: bytes, how: str) -> str:
    try:
        said = json.loads(body)
        event, data = str(said["event"]), json.dumps(said["data"], ensure_ascii=False)
    except (ValueError, KeyError, TypeError):
        event, data = "-", body[:200].decode("utf-8", "replace")
    return harmless(f"{how}  {event_id}  {event}  {data}")
