"""The real adbd of Debian, in a folder of its own: found, or built once with debootstrap (root, half a minute)."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.parts import free_port
from cli.site.building import clear
from tests.support.site import ROOT

FOLDER = Path(os.environ.get("OTTB_TEST_ADBD", ROOT / "var" / "cache" / "adbd"))
ADBD = "usr/lib/android-sdk/platform-tools/adbd"
START_SECONDS = 10.0


class NoAdbd(Exception):
    """The real adbd cannot be had here. The message says what to do."""


def ensure() -> Path:
    """The folder with adbd in it. Raises NoAdbd."""
    if (FOLDER / ADBD).exists():
        return FOLDER
    if os.geteuid() != 0:
        raise NoAdbd("building a folder for the real adbd needs root: run as root, or leave out tests/live")
    if shutil.which("debootstrap") is None:
        raise NoAdbd("debootstrap is missing: apt-get install debootstrap")
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    building = FOLDER.with_name("adbd.building")
    clear(building)
    print(f"\nlive: building {FOLDER} with debootstrap (once, about half a minute)", flush=True)
    command = ["debootstrap", "--variant=minbase", "--include=adbd", "sid", str(building)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise NoAdbd(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-500:]}")
    building.rename(FOLDER)
    return FOLDER


@asynccontextmanager
async def real_adbd() -> AsyncIterator[tuple[Path, int]]:
    """adbd for as long as the block lasts. Gives its root folder and its port."""
    folder = await asyncio.to_thread(ensure)
    port = free_port()
    environment = {**os.environ, "ADBD_PORT": str(port)}  # the Debian package's own variable; else it is 5555
    process = await asyncio.create_subprocess_exec(
        "chroot", str(folder), f"/{ADBD}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):
                if process.returncode is not None:
                    raise NoAdbd(f"adbd ended with code {process.returncode}")
                await asyncio.sleep(0.05)
        yield folder, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
