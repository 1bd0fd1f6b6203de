"""What the simulators that are processes of their own have in common: a command line, a control API, an end."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from actors.runtime.logging import configure
from actors.settings import Settings, load


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[asyncio.Event]:
    """Serve a control API on loopback. Gives an event that is set by SIGTERM or SIGINT."""
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


def main(description: str | None, serve: Callable[[Settings], Coroutine[Any, Any, None]], *, service: str) -> None:
    """Read the settings, then serve. `service`: what its log lines call it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path)
    settings = load(config=parser.parse_args().config, environment=os.environ)
    configure(level=settings.log.level, service=service)
    asyncio.run(serve(settings))
