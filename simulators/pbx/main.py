"""`python -m simulators.pbx.main --config config/sandbox.toml`: the sandbox's virtual PBX and its control API."""

from pathlib import Path

import structlog

from actors.settings import Settings
from actors.trunk.settings import Ami
from simulators.pbx.channel import Trunk
from simulators.pbx.control import control
from simulators.pbx.virtual_pbx import VirtualPbx
from simulators.serving import run, serving

log = structlog.get_logger()


def of(settings: Settings) -> VirtualPbx:
    """The PBX of a sandbox: `[ami.main]` with the endpoints of its trunks."""
    ami = settings.ami.get("main", Ami())
    trunks = {
        trunk.endpoint: Trunk(registration="Registered" if trunk.registration else None)
        for trunk in settings.trunks
        if trunk.pbx == "main"
    }
    recordings = Path(ami.recordings) if ami.recordings else None
    scale = settings.sandbox.time_scale
    return VirtualPbx(
        user=ami.user, secret=ami.secret or "", trunks=trunks, context=ami.context, waiting=ami.waiting_context,
        operators=ami.operators_context, scale=scale, recordings=recordings,
    )  # fmt: skip


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    pbx, sandbox = of(settings), settings.sandbox
    await pbx.start(sandbox.pbx_port)
    async with serving(control(pbx), sandbox.pbx_control_port, sandbox.control_secret) as stopped:
        log.info("virtual PBX is up", port=pbx.port, trunks=len(pbx.calls.trunks))
        await stopped.wait()
    await pbx.stop()


def main() -> None:
    run(__doc__, serve, service="pbx")


if __name__ == "__main__":
    main()
