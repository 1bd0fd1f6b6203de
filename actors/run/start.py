"""How the runs of a host start."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from actors.dialing.pool_share import PoolShare
from actors.dialing.rules import DialRules
from actors.dialing.slot_dialer import SlotDialer
from actors.run.actor import RunActor
from actors.run.calls import InApps
from actors.run.desk import RunDesk
from actors.run.keeping import Keeper
from actors.run.library import SHIPPED, Scripts
from actors.run.settings import Scripts as Settings
from actors.run.strays import Strays
from actors.runtime.checks import Checks
from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.runtime.toml_files import EVERY
from actors.slot.registry import SlotRegistry
from bus_schemas.script import CHECK_SCRIPT, GET_SCRIPT, LIST_SCRIPTS, RUN_ON_SLOT, RUN_SCRIPT


async def start(
    parts: HostParts,
    stack: AsyncExitStack,
    *,
    settings: Settings,
    slots: SlotRegistry,
    rules: DialRules,
    dialer: SlotDialer,
    share: PoolShare,
    shipped: Path = SHIPPED,
) -> RunDesk:
    """Scripts can be run on the slots of the host."""
    host = parts.host

    def tell(script: str, problem: str | None) -> None:
        if problem is None:
            host.quarantined.pop(("script", script), None)
        else:
            host.quarantine("script", script, problem)

    scripts = Scripts((shipped, Path(settings.folder)) if settings.folder else (shipped,), tell)
    scripts.look()
    in_apps, keeper = InApps(host=host, dialer=dialer), Keeper(bus=parts.bus)

    def make(id: str, host: Host) -> RunActor:
        return RunActor(id=id, host=host, in_apps=in_apps, keeper=keeper)

    host.add_maker(RunActor.made_by(make))
    checks = Checks("scripts")
    stack.callback(checks.stop)
    desk = RunDesk(
        host=host, slots=slots, scripts=scripts, checks=checks, rules=rules, share=share, settings=settings
    )
    host.serve_beside(RUN_ON_SLOT, desk.run_here)
    parts.any_host.append(
        (
            serve(RUN_SCRIPT, desk.run),
            serve(LIST_SCRIPTS, desk.list_scripts),
            serve(GET_SCRIPT, desk.one),
            serve(CHECK_SCRIPT, desk.check),
        )
    )

    async def look_at_files() -> None:
        while True:
            await host.pause(EVERY)
            seen = scripts.changed()
            if seen is not None:
                scripts.take(seen, *await asyncio.to_thread(scripts.read, seen))

    parts.background.append(look_at_files)
    parts.background.append(Strays(host=host, waits=desk.waits).run)
    return desk
