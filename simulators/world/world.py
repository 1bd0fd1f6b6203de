"""The world of one seed: two hosts and now and then a third, two gateways, phones and a PBX, and everything that can
go wrong between them, in simulated time.

Hosts are `Process`es: they are killed or frozen between any two steps, and started again. Phones and the PBX go on
whatever happens to a host, and keep the book that the judge reads (`judge.py`). What goes wrong is drawn in
`troubles.py`, what is asked in `callers.py`. The same seed is the same world, step by step.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.archive.archive import Archive
from actors.archive.whole import Whole
from actors.assembly import running
from actors.call.settings import Calls
from actors.campaign.settings import Campaigns
from actors.dialing.settings import Dial
from actors.ledger.ledger import Ledger
from actors.pipeline.settings import Pipelines
from actors.runner.settings import Runner
from actors.runtime.bus import BusError, Message, Stream, Unsubscribe
from actors.runtime.host import Host
from actors.settings import Settings
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import TrunkConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from simulators.device.chronicle import Chronicle
from simulators.device.wire import Impairments
from simulators.pbx.simulated_pbx import SimulatedPbx
from simulators.pbx.switch import Switch
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.runner.simulated_executor import SimulatedExecutor, Workshop
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop
from simulators.time.process import Process, Step
from simulators.world.ledgers import ledger_at
from simulators.world.records import Stored, read

SLOTS_OF = {"a": (1, 2), "b": (3,)}
TRUNK_OF = {"a": "trunk-1", "b": "trunk-2"}
HOST_OF = {
    **{f"slot-{slot}": host for host, slots in SLOTS_OF.items() for slot in slots},
    **{f"trunk-{trunk}": host for host, trunk in TRUNK_OF.items()},
}
CHANNELS = 2
FIRST_LEAD = 13_000  # of the mobile numbers: from here on are the leads of campaigns
LEADS_END = ("0001", "0001", "0003", "0006", "2002", "2002", "3001", "9999")
LISTED = tuple(mobile(FIRST_LEAD, ending) for ending in sorted(set(LEADS_END)))  # nobody may call the first of them
CALLS = Calls(ring_timeout=15.0, max_duration=25.0, created_timeout=10.0, lost_timeout=10.0)
STEPS_TO_FATE = (20, 300)
# Steps at which more is at stake count for more: what goes wrong does so there more often.
WEIGHTS = (
    ("before dial", 30), ("during dial", 100), ("before last", 3), ("after append ottb.v1.evt.call", 6),
    ("before hang-up", 6),
)  # fmt: skip
LOST_AFTER = 16.0  # seconds without a word of its runner after which a run is lost
PAUSES = (1.0, 3.0, 6.0, 15.0, 60.0)


@dataclass
class Machine:
    """A computer that runs one host process at a time."""

    id: str
    host: str
    settings: Settings
    clock: SimClock
    boots: int = 1
    lives: int = 0
    life: "Life | None" = None


@dataclass(eq=False)
class Life:
    """One process of a machine, from its start to its end."""

    machine: Machine
    process: Process
    steps: int
    bus: "HomeBus" = field(init=False)
    host: Host | None = None
    ledger: Ledger | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    doing: "asyncio.Task[None] | None" = None


class HomeBus(MemoryBus):
    """A bus client whose handlers run in their own process, whoever sends."""

    def __init__(self, broker: MemoryBroker, process: Process, *, step: Step) -> None:
        super().__init__(broker, step=step)
        self._home = process

    async def subscribe(
        self, subject: str, handler: Callable[[Message], Awaitable[None]], *, queue: str = ""
    ) -> Unsubscribe:
        async def at_home(message: Message) -> None:
            async def handle() -> None:
                await handler(message)

            await self._home.run(handle())

        return await super().subscribe(subject, at_home, queue=queue)


class World:
    """Everything of one seed. `workshop`: where steps of pipelines are carried out; None: nowhere."""

    def __init__(
        self, loop: SimLoop, folder: Path, *, user_calls: int, slow: float, deaf: float, late: float = 0.0,
        runners: bool = False,
    ) -> None:  # fmt: skip
        self.loop = loop
        self.random = loop.random
        self.folder = folder
        self.book = Chronicle()
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self.impairments = Impairments(loop.random, slow, deaf, late)
        self.handsets = {
            f"phone{slot}": Handset(f"slot-{slot}", book=self.book, impairments=self.impairments)
            for slots in SLOTS_OF.values()
            for slot in slots
        }
        self.switch = Switch(book=self.book, impairments=self.impairments)
        self.workshop = Workshop(loop.random) if runners else None
        self.machines = [self._machine(host, host, user_calls) for host in SLOTS_OF]
        self.gateways = [MemoryBus(self.broker, step=self._pass_time) for _ in range(2)]
        self.lives: list[Life] = []
        self.broken: list[str] = []  # what no host may do: end by an error that is not the bus's
        self.fates: tuple[Callable[[Life], None], ...] = ()
        self.calm = False
        self._serving: dict[str, list[Life]] = {host: [] for host in SLOTS_OF}
        self._away = {host: self.book.fault("away", f"host {host}", 0.0) for host in SLOTS_OF}
        self._keepers: list[asyncio.Task[None]] = []
        self.user_calls = user_calls

    @property
    def now(self) -> float:
        return self.loop.time()

    @property
    def channels(self) -> int:
        return CHANNELS

    @property
    def stored(self) -> list[Stored]:
        """The journal as the judge reads it."""
        return read(self.broker.journal)

    def host_of(self, line: str) -> str:
        return HOST_OF[line]

    def phone(self, slot: int) -> Handset:
        return self.handsets[f"phone{slot}"]

    def standby(self, host: str) -> Machine:
        """A second computer for a host that exists."""
        machine = self._machine(f"{host}2", host, self.user_calls)
        self.machines.append(machine)
        return machine

    def _machine(self, id: str, host: str, user_calls: int) -> Machine:
        return Machine(id, host, settings_of(host, user_calls), SimClock(self.loop, boot=f"{id}/1"))

    # --- time, and what it brings

    async def _pass_time(self, name: str) -> None:
        await asyncio.sleep(self.random.expovariate(1000.0))

    async def _step(self, life: Life, name: str) -> None:
        """Between any two steps of a host: time passes, and it may die or stand still."""
        await asyncio.sleep(self.random.expovariate(1000.0))
        if self.calm or not self.fates:
            return
        life.steps -= _weight(name)
        if life.steps <= 0:
            life.steps = self.random.randrange(*STEPS_TO_FATE)
            self.random.choice(self.fates)(life)
            await asyncio.sleep(0.0)

    def crash(self, life: Life) -> None:
        """The process is killed, now and then with its whole machine."""
        if not life.process.runs:
            return
        machine = life.machine
        self.book.fault("crash", f"host {machine.host}", self.now, self.now)
        self._end(life)
        if self.random.random() < 0.15:
            machine.boots += 1
            machine.clock = machine.clock.rebooted(f"{machine.id}/{machine.boots}")
            if self.workshop is not None:
                self.workshop.runner_is_killed(machine.id, at_once=True)

    def pause(self, life: Life) -> None:
        """The process stands still for a while, and goes on as if nothing had been."""
        if not life.process.runs:
            return
        seconds = self.random.choice(PAUSES)
        self.book.fault("pause", f"host {life.machine.host}", self.now, self.now + seconds)
        life.process.freeze()
        self.loop.call_later(seconds, life.process.thaw, context=Context())

    def _end(self, life: Life) -> None:
        life.process.kill()
        life.bus.kill()
        life.died.set()
        self._runner_is_gone(life)
        self._down(life)

    def _runner_is_gone(self, life: Life) -> None:
        if self.workshop is not None:
            self.workshop.runner_is_killed(life.machine.id)

    def _up(self, life: Life) -> None:
        host = life.machine.host
        self._serving[host].append(life)
        self._away[host].end = self.now

    def _down(self, life: Life) -> None:
        """Nobody serves a host any more, if this was the last who did."""
        host = life.machine.host
        if life in self._serving[host]:
            self._serving[host].remove(life)
            if not self._serving[host]:
                self._away[host] = self.book.fault("away", f"host {host}", self.now)

    # --- host processes

    def keep(self, machine: Machine) -> None:
        """Start a machine's process, and again whenever it has ended."""
        self._keepers.append(asyncio.ensure_future(self._keep(machine)))

    async def _keep(self, machine: Machine) -> None:
        while True:
            life = self._begin(machine)
            dead = asyncio.ensure_future(life.died.wait())
            assert life.doing is not None
            await asyncio.wait({life.doing, dead}, return_when=asyncio.FIRST_COMPLETED)
            if life.doing.done():
                self._ended(life)
            dead.cancel()
            await asyncio.sleep(self.random.uniform(0.1, 5.0))

    def _begin(self, machine: Machine) -> Life:
        machine.lives += 1
        process = self.loop.process(f"{machine.id}.{machine.lives}")
        life = Life(machine, process, self.random.randrange(*STEPS_TO_FATE))
        life.bus = HomeBus(self.broker, process, step=lambda name: self._step(life, name))
        life.doing = process.run(self._live(life))
        machine.life = life
        self.lives.append(life)
        return life

    def _ended(self, life: Life) -> None:
        assert life.doing is not None
        error = life.doing.exception()
        self.book.note(self.now, f"{life.process.name} ended: {error!r}")
        if error is not None and not isinstance(error, BusError):
            self.broken.append(f"{life.process.name} at {self.now:.3f}: {error!r}")
        life.bus.kill()
        self._runner_is_gone(life)
        self._down(life)

    def archive(self, life: Life) -> Archive:
        """As a process has it: all have one folder."""
        ids, store = CountedIds(f"archive-{life.process.name}-"), ArchiveFolder(self.folder / "archive")
        return Archive(bus=life.bus, clock=life.machine.clock, ids=ids, store=store, threads=False)

    async def _live(self, life: Life) -> None:
        machine, settings = life.machine, life.machine.settings

        def make_phone(config: SlotConfig) -> SimulatedPhone:
            handset = self.handsets[config.serial or ""]
            return SimulatedPhone(handset, alive=lambda: life.bus.alive, buried=life.bus.buried, step=life.bus._step)

        shop = self.workshop
        executor = SimulatedExecutor(shop, host=machine.host, machine=machine.id) if shop is not None else None
        pbx = SimulatedPbx(self.switch, alive=lambda: life.bus.alive, buried=life.bus.buried, step=life.bus._step)
        async with AsyncExitStack() as stack:
            life.ledger = await self._ledger(life, stack)
            life.host = await stack.enter_async_context(
                running(
                    settings,
                    bus=life.bus,
                    clock=machine.clock,
                    ids=CountedIds(f"{life.process.name}-{self.random.randrange(10**6)}-"),
                    make_phone=make_phone,
                    devices=lambda: (),
                    pbxs={"main": pbx},
                    lost=life.lost,
                    archive=self.archive(life),
                    executor=executor,
                )
            )
            self.book.note(self.now, f"{life.process.name} is up")
            self._up(life)
            await life.lost.wait()

    async def _ledger(self, life: Life, stack: AsyncExitStack) -> Ledger:
        store = ledger_at(self.ledger_file(life.machine))
        stack.callback(store.close)
        ledger = ledger_of(life.bus, store, Whole(bus=life.bus, archive=self.archive(life)))
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        return ledger

    def ledger_file(self, machine: Machine) -> Path:
        return self.folder / f"ledger-{machine.id}.sqlite3"

    async def stop(self) -> None:
        """End every host in good order."""
        for keeper in self._keepers:
            keeper.cancel()
        for machine in reversed(self.machines):  # those that wait for a lease before those that give it back
            life = machine.life
            if life is None or life.doing is None:
                continue
            if life.host is None:
                life.doing.cancel()
            life.lost.set()
            await asyncio.wait({life.doing}, timeout=20.0)


def _weight(step: str) -> int:
    """How many steps one counts for. What is done for shards alone has schedules of its own (tests/runtime)."""
    if "shard" in step or "entries" in step:
        return 0
    return next((weight for start, weight in WEIGHTS if step.startswith(start)), 1)


def settings_of(host: str, user_calls: int) -> Settings:
    """The settings of one host before anybody changes them."""
    return Settings(
        host=host,
        slots=tuple(
            SlotConfig(id=slot, serial=f"phone{slot}", region="UA", host=name)
            for name, slots in SLOTS_OF.items()
            for slot in slots
        ),
        calls=CALLS,
        campaigns=Campaigns(presets=()),  # people here are called at any time
        dial=Dial(
            countries=("UA",), slot_calls_per_hour=10_000, user_concurrent_calls=user_calls, user_pool_share=1.0,
            do_not_call=LISTED,
        ),
        pipelines=Pipelines(shipped=False, lost_after=LOST_AFTER),
        runner=Runner(labels=("linux", f"host-{host}")),
        trunks=tuple(
            TrunkConfig(name=trunk, endpoint=trunk, channels=CHANNELS, calls_per_second=100, host=name)
            for name, trunk in TRUNK_OF.items()
        ),
    )


def with_slot(settings: Settings, slot: int, **changes: Any) -> Settings:
    """The same settings with another entry for one slot."""
    slots = tuple(replace(one, **changes) if one.id == slot else one for one in settings.slots)
    return replace(settings, slots=slots)


def ledger_of(bus: MemoryBus, store: SqliteLedger, stream: Stream | None = None) -> Ledger:
    """A ledger that works without threads: simulated time does not wait for them."""
    return Ledger(bus=bus, store=store, threads=False, stream=stream)
