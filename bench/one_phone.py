"""The sandbox's phone of slot 44 in a process of its own, with an adb server that is connected to it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from actors.adapters.adb import AdbClient
from actors.adapters.adb_place import AdbPlace
from bench.parts import adb_server, free_port, process, python

SECRET = "bench"
SLOT = """
state_dir = "{state}"
[[slots]]
id = 44
serial = "{serial}"
region = "UA"
"""


class OnePhone(Struct, frozen=True, kw_only=True):
    """`control`: the port of the phone's control API, whose secret is SECRET. `folder`: of this phone alone."""

    place: AdbPlace
    client: AdbClient
    serial: str
    control: int
    folder: Path


@asynccontextmanager
async def one_phone(folder: Path) -> AsyncIterator[OnePhone]:
    """The phone, connected. Raises TimeoutError where it is not within 30 s."""
    own = Path(tempfile.mkdtemp(dir=folder))
    state, config = own / "state", own / "phone.toml"
    (state / "adb").mkdir(parents=True)  # where the phones' process has its socket
    serial, control = f"127.0.0.1:{free_port()}", free_port()
    config.write_text(SLOT.format(state=state, serial=serial))
    fleet = python("-m", "simulators.phone.main", "--config", str(config))
    env = {"OTTB_SANDBOX__CONTROL_PORT": str(control), "OTTB_SANDBOX__CONTROL_SECRET": SECRET}
    async with adb_server(own) as place, process(*fleet, **env):
        client = AdbClient(place)
        async with asyncio.timeout(30):
            while "connected" not in await client.connect(serial):
                await asyncio.sleep(0.1)
        yield OnePhone(place=place, client=client, serial=serial, control=control, folder=own)
