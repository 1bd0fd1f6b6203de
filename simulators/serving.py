"""What the simulators that are processes of their own have in common: a command line, a control API, an end."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from actors.runtime.logging import configure
from actors.runtime.secret_files import UMASK
from actors.settings import Settings, load
from bus_schemas.errors import ErrorCode, Refusal


def asking(secret: str) -> Middleware:
    """Every request shows the secret (`Authorization: Bearer ...`): other users of the machine reach loopback too, and
    so does any page in a browser here."""
    wanted = f"Bearer {secret}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not secrets.compare_digest(given, wanted):
            message = "The control ports ask for the secret of the site: docs/sandbox.md."
            raise Refusal(ErrorCode.AUTH_FAIL, message)
        return await handler(request)

    return check


@asynccontextmanager
async def serving(app: web.Application, port: int, secret: str | None) -> AsyncIterator[asyncio.Event]:
    """Serve a control API, which answers refusals, on loopback. Gives an event that is set by SIGTERM or SIGINT."""
    assert secret
    app.middlewares.append(asking(secret))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        await runner.cleanup()


def run(description: str | None, serve: Callable[[Settings], Coroutine[Any, Any, None]], *, service: str) -> None:
    """Read the settings, then serve. `service`: what its log lines call it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path)
    os.umask(UMASK)
    settings = load(config=parser.parse_args().config, environment=os.environ)
    if not settings.sandbox.control_secret:
        sys.exit(f"ottb: {service}: sandbox.control_secret is not set")
    configure(level=settings.log.level, service=service)
    asyncio.run(serve(settings))
