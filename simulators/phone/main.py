"""`python -m simulators.phone.main --config config/sandbox.toml`: the sandbox's virtual phones and their control API.

One phone for each slot whose serial is an address of this machine.
"""

from contextlib import AsyncExitStack

import structlog

from actors.adapters.adb_place import FRONT, AdbFile, place_of
from actors.settings import Settings
from actors.slot.settings import Adb
from simulators.phone.control import control
from simulators.phone.fleet import Fleet
from simulators.serving import run, serving

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Serve the fleet until SIGTERM or SIGINT."""
    fleet, sandbox = Fleet.of(settings), settings.sandbox
    await fleet.start()
    async with AsyncExitStack() as stack:
        for number, front in enumerate(fleet.fronts):
            place = place_of(Adb(socket=FRONT), settings.state, number)
            assert isinstance(place, AdbFile)
            await stack.enter_async_context(front.serving(place.path))
        served = serving(control(fleet), sandbox.control_port, sandbox.control_secret)
        stopped = await stack.enter_async_context(served)
        log.info("virtual phones are up", phones=len(fleet.phones), control=sandbox.control_port)
        await stopped.wait()
    await fleet.stop()


def main() -> None:
    run(__doc__, serve, service="phones")


if __name__ == "__main__":
    main()
