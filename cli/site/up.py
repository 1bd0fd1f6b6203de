"""`ottb up`: the whole site on this machine, in the foreground."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from actors.adapters.tls import trusting
from actors.campaign.presets import presets_of
from actors.dialing.site_rules import rules_of
from actors.runtime.settings import SettingsError
from actors.settings import Settings
from cli.site import asterisk
from cli.site.banner import banner
from cli.site.certificates import Reload
from cli.site.children import children
from cli.site.ports import CannotStart, check_ports
from cli.site.private import closed
from cli.site.readiness import until_ready
from cli.site.sandbox_repository import make_repository
from cli.site.secrets import is_first_start, secrets_of
from cli.site.supervisor import GaveUp, Supervisor


async def run(settings: Settings, config: Path | None, say: Callable[[str], None]) -> None:
    """Start everything, say how to use it, and keep it running until SIGINT or SIGTERM. Raises SettingsError where a
    host would not start with these dial rules, or those of campaigns."""
    began = time.monotonic()
    rules_of(settings.dial)
    presets_of(settings.campaigns)
    in_place = closed(settings.state)
    asterisk.end_stale(settings.state)
    check_ports(settings)
    first_start = is_first_start(settings.state)
    make_repository(settings)
    supervisor = Supervisor(folder=settings.state / "log", say=say, in_place=in_place)
    reload = Reload(settings, pid=supervisor.pid, say=say)
    if reload.certificates:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    watchdog: asyncio.Task[None] | None = None
    try:
        started = await _before_the_end(supervisor.start_all(children(settings, config)), stopped)
        if started and await _before_the_end(_until_ready(settings, say), stopped, supervisor.wait()):
            for line in banner(settings, time.monotonic() - began, first_start=first_start):
                say(line)
            watchdog = asyncio.create_task(_watch_bus(settings, supervisor, say))
            await _before_the_end(supervisor.wait(), stopped)
        say("stopping; calls in progress go on and are taken over at the next start")
    finally:
        if watchdog is not None:
            watchdog.cancel()
            await asyncio.gather(watchdog, return_exceptions=True)
        await supervisor.stop()


async def _watch_bus(settings: Settings, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    if settings.nats.url is None:  # otherwise it is somebody else's
        from cli.site.bus_watchdog import watch_server  # a fifth of a second, in which others start

        password = secrets_of(settings.state)["sys"]
        await watch_server(settings, password, pid=lambda: supervisor.pid("nats-server"), say=say)


async def _before_the_end(
    work: Coroutine[Any, Any, None], stopped: asyncio.Event, *failures: Coroutine[Any, Any, None]
) -> bool:
    """Whether the work was done before somebody stopped the site. Raises GaveUp, the work's or a failure's."""
    tasks = [asyncio.ensure_future(each) for each in (work, stopped.wait(), *failures)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return not stopped.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_ready(settings: Settings, say: Callable[[str], None]) -> None:
    """Raises GaveUp."""
    http = settings.http
    tls = trusting(http.certificate) if http.certificate else None
    ports = [http.point_port, http.dci_port, http.ottb_port, http.workspace_port]
    try:
        await until_ready(ports, http.workspace_port, http.host, tls, say=say)
    except GaveUp as error:
        raise GaveUp(f"{error}; see {settings.state / 'log'} and `ottb doctor`") from None


def start(settings: Settings, config: Path | None) -> int:
    """Run in the foreground. Returns the exit code."""

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        asyncio.run(run(settings, config, say))
    except (CannotStart, GaveUp, SettingsError) as error:
        print(f"ottb: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
