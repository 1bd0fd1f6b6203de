"""The one illness of the bus that only a restart cures: a disk that was full.

nats-server stores nothing more in a stream that it once had no space for, also when there is space again; its health
says so. `ottb up` restarts it then, once there is space, and no sooner: a restart on a full disk would not help.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable

import msgspec

from actors.adapters.nats_bus import NatsBus
from actors.adapters.tls import client as client_tls
from actors.runtime.bus import Bus, BusError, BusUnavailable
from actors.settings import Settings

HEALTH = "$SYS.REQ.SERVER.PING.HEALTHZ"
NO_SPACE = "no space left on device"
LOOK = 5.0  # seconds between two looks
ENOUGH = 64 * 1024 * 1024  # bytes; with less it would soon be full again
DEADLINE = 2.0


async def complaint(sys: Bus) -> str | None:
    """What the server says is wrong with a stream's disk. `sys` is a client of the system account."""
    try:
        answer = await sys.request(HEALTH, b"", {}, timeout=DEADLINE)
    except BusError:
        return None
    found = msgspec.json.decode(answer.data).get("data", {}).get("error", "")
    return str(found) if NO_SPACE in found else None


async def watch_streams(
    sys: Bus, *, free: Callable[[], int], restart: Callable[[], None], say: Callable[[str], None], pause: float = LOOK
) -> None:
    """Restart the server whenever a stream of it is stuck on a disk that has space again. Ends never."""
    told = False
    while True:
        await asyncio.sleep(pause)
        if await complaint(sys) is None:
            told = False
        elif free() >= ENOUGH:
            say("the disk has space again, restarting nats-server")
            restart()
        elif not told:
            told = True
            say("the disk is full: nothing is stored. Free some space; then nats-server is restarted by itself")


async def watch_server(
    settings: Settings, password: str, *, pid: Callable[[], int | None], say: Callable[[str], None]
) -> None:
    """Look after this site's own server, whose process id `pid` tells. Ends never."""

    def restart() -> None:
        if (process := pid()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    store, tls = str(settings.state / "nats"), client_tls(settings.nats)
    while True:
        try:
            sys = await NatsBus.connect(
                settings.nats.address, name="watchdog", user="sys", password=password, tls=tls, owner=os.geteuid()
            )
            break
        except BusUnavailable:
            await asyncio.sleep(LOOK)
    try:
        await watch_streams(sys, free=lambda: free_bytes(store), restart=restart, say=say)
    finally:
        await sys.close()


def free_bytes(folder: str) -> int:
    """How much may be written where a folder is; 0 when that cannot be told."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0
