"""`python -m simulators.phone.main --config config/sandbox.toml`: the sandbox's virtual phones and their control API.

One phone for each slot whose serial is an address of this machine.
"""

import structlog

from actors.settings import Settings
from simulators.phone.control import control
from simulators.phone.fleet import Fleet
from simulators.serving import main, serving

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Serve the fleet until SIGTERM or SIGINT."""
    fleet = Fleet.of(settings)
    await fleet.start()
    async with serving(control(fleet), settings.sandbox.control_port) as stopped:
        log.info("virtual phones are up", phones=len(fleet.phones), control=settings.sandbox.control_port)
        await stopped.wait()
    await fleet.stop()


if __name__ == "__main__":
    main(__doc__, serve, service="phones")
