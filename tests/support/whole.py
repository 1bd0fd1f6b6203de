"""A whole site in one process, on a bus in memory: hosts, POINT, ledger, audit and gateway. It is started anew on what
a former life has left in the journal."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.archive.whole import Whole as Sealed
from actors.assembly import running
from actors.audit.start import start as start_audit
from actors.ledger.kinds import LOG_PROJECTIONS
from actors.ledger.start import start as start_ledger
from actors.ledger.start import start_of_log
from actors.monitor.reader import HostReader
from actors.point.keys import PublicKeys
from actors.point.settings import Auth
from actors.point.start import start as start_point
from actors.runtime.parts import Parts
from actors.runtime.problems import but_for
from actors.settings import Settings
from actors.slot.registry import Device
from actors.usb.port import Usb
from actors.webhook.sender import NotSent, Said
from actors.webhook.settings import Webhooks
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import TrunkConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.pbx.simulated_pbx import SimulatedPbx
from simulators.pbx.switch import Switch
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.world.ledgers import ledger_at
from tests.support.door import InProcess, gateway_on

PASSWORD = "secure123"
SETTINGS = Settings(
    slots=(SlotConfig(id=44, serial="p44", user="op12", region="UA"), SlotConfig(id=11, serial="p11", region="UA")),
    trunks=(TrunkConfig(name="trunk-1", endpoint="trunk-1"),),
    auth=Auth(change_at_first_login=False),
    webhooks=Webhooks(per_user=1_000, per_site=10_000),
)


class Quick:
    """Passwords without the time that a hash takes on purpose."""

    async def hash(self, password: str) -> str:
        return f"quick:{password!r}"

    async def check(self, stored: str | None, password: str) -> bool:
        return stored == f"quick:{password!r}"


class Nowhere:
    """Where webhooks are posted from here: nobody is reached."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, user: str = "") -> Said:
        raise NotSent("there is no such host")


class Whole:
    """The site. `problems`: what any part of the life that runs now could not read. `usb`, `listed`: what hangs on its
    host, and what adb would list of it. `machine`: it runs on. `no_executor`: why it carries no pipelines out."""

    def __init__(
        self, folder: Path, settings: Settings = SETTINGS, *, usb: Usb | None = None,
        listed: Callable[[], Sequence[Device] | None] = tuple, machine: HostReader | None = None,
        no_executor: str | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.settings = settings
        self.usb = usb
        self.listed = listed
        self.machine = machine
        self.no_executor = no_executor
        self.broker = MemoryBroker(clock=SystemClock())
        self.handsets: defaultdict[str, Handset] = defaultdict(Handset)
        self.switch = Switch()
        self.lives = 0
        self._life = AsyncExitStack()

    async def start(self) -> None:
        """Begin a life: whatever is on record is read from its beginning."""
        self.lives += 1
        stack = self._life = AsyncExitStack()
        bus = MemoryBus(self.broker)
        parts = Parts(bus=bus, clock=SystemClock(), ids=RandomIds())
        audit = await start_audit(parts, stack)
        point = await start_point(
            parts, stack, settings=self.settings.auth, passwords=Quick(), state=self.folder, sandbox=True
        )
        await point.seed("root", PASSWORD, "admin")
        store = ledger_at(self.folder / f"ledger-{self.lives}")
        segments = ArchiveFolder(self.folder / "archive")
        self.archive = Archive(bus=bus, clock=parts.clock, ids=parts.ids, store=segments)
        stream = Sealed(bus=bus, archive=self.archive)
        ledger = await start_ledger(
            parts, stack, store=store, region=self.settings.dial.site_region, stream=stream
        )
        log_store = ledger_at(self.folder / f"log-{self.lives}", LOG_PROJECTIONS)
        log = await start_of_log(parts, stack, store=log_store)

        def make_phone(config: SlotConfig) -> SimulatedPhone:
            handset = self.handsets[config.serial or f"{config.hub}.{config.port}"]
            return SimulatedPhone(handset, alive=lambda: bus.alive, buried=bus.buried)

        pbx = SimulatedPbx(self.switch, alive=lambda: bus.alive, buried=bus.buried)
        self.host = host = await stack.enter_async_context(
            running(
                self.settings, bus=bus, clock=parts.clock, ids=parts.ids, make_phone=make_phone, devices=lambda: (),
                pbxs={"main": pbx}, lost=asyncio.Event(), sender=Nowhere(), usb=self.usb,
                listed=self.listed, machine=self.machine, archive=self.archive, no_executor=self.no_executor,
            )
        )  # fmt: skip
        self.gateway: InProcess = await stack.enter_async_context(
            gateway_on(MemoryBus(self.broker), keys=PublicKeys(self.folder), per_second=1e9, rest=0.0)
        )
        stack.push_async_callback(self.gateway.auditor.stop)  # while it still has its bus
        self._reads = lambda: [
            *(f"{kind} {id}: {why}" for (kind, id), why in host.left_alone().items()),
            *(
                f"{one.kind} {one.id}: {one.reason}"
                for one in (
                    *but_for(
                        self.settings.journal.step_over, audit.problems(), point.problems(), ledger.problems(),
                        stream.problems(),
                    ),
                    *log.problems(),
                )
            ),
        ]

    async def stop(self) -> None:
        await self._life.aclose()

    async def again(self) -> None:
        """End this life, and begin another one."""
        await self.stop()
        await self.start()

    @property
    def problems(self) -> list[str]:
        return self._reads()

    async def login(self, user: str = "root", password: str = PASSWORD) -> None:
        self.gateway.token = ""
        status, answer = await self.ask("POST", "/api/auth/login", {"username": user, "password": password})
        assert status == 200, answer
        self.gateway.token = answer["token"]

    async def ask(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any]:
        """One request. The body is sent as it is where it is bytes. `more`: headers."""
        return await self.gateway.ask(method, path, body, **more)


@contextlib.asynccontextmanager
async def whole_site(folder: Path, settings: Settings = SETTINGS) -> AsyncIterator[Whole]:
    site = Whole(folder, settings)
    await site.start()
    try:
        yield site
    finally:
        await site.stop()
