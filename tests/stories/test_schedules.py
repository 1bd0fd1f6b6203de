"""Thousands of random schedules of slots, trunks and calls, with crashes between any two steps, in simulated time.

Each seed is one small world: a journal that survives, phones and a PBX that keep their own log, one host process that
is killed now and then and started again, callers, hang-ups, unpluggings, cuts, a PBX that dies, lost acknowledgements.
Whatever happens, in the end every acknowledged call has one terminal event, no number was dialled twice, and every slot
and every channel is free again.
"""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from actors.assembly import running
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.settings import Calls, Dial, Settings
from actors.slot.machine import holder
from actors.trunk.machine import carried
from bus_schemas.call import END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.errors import Refusal
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import DIAL_PBX, DialPbx, TrunkConfig
from simulators.clock_loop import CountedIds, SimClock, SimLoop, run
from simulators.memory_bus import MemoryBroker, MemoryBus
from simulators.pocket_pbx import PocketPbx, Switch
from simulators.pocket_phone import Handset, PocketPhone

SEEDS = int(os.environ.get("OTTB_TEST_SEEDS", "400"))
SLOTS = 3
CALLERS = 8
SETTLE = 150.0
ENDINGS = ("0001", "0003", "0004", "0006", "0008", "1003", "2005", "4567")

SETTINGS = Settings(
    slots=tuple(SlotConfig(id=number, serial=f"pocket{number}", region="UA") for number in range(1, SLOTS + 1)),
    calls=Calls(ring_timeout=20.0, max_duration=60.0, lost_timeout=15.0),
    dial=Dial(slot_calls_per_hour=10_000),
    trunks=tuple(
        TrunkConfig(name=f"trunk-{number}", endpoint=f"trunk-{number}", channels=2, calls_per_second=100)
        for number in (1, 2)
    ),
)


class World:
    """Everything of one seed."""

    def __init__(self, loop: SimLoop) -> None:
        self.random = loop.random
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self.handsets = {slot: Handset() for slot in range(1, SLOTS + 1)}
        self.switch = Switch()
        self.acknowledged: dict[str, str] = {}
        self.lives = 0
        self.bus: MemoryBus | None = None
        self.buses: list[MemoryBus] = []
        self.processes: list[asyncio.Future[None]] = []
        self.host: Host | None = None
        self.steps_to_live: int | None = None
        self.died = asyncio.Event()
        self.calm = False

    async def step(self, name: str) -> None:
        """Between any two steps: time passes, and the process may die."""
        await asyncio.sleep(self.random.expovariate(1000.0))
        if self.steps_to_live is not None and not self.calm:
            self.steps_to_live -= 1
            if self.steps_to_live <= 0:
                self.steps_to_live = None
                assert self.bus is not None
                self.bus.kill()
                self.died.set()

    async def live_and_die(self) -> None:
        """Start the host process again whenever it has died. It is never stopped in good order."""
        while True:
            self.lives += 1
            self.died.clear()
            bus = self.bus = MemoryBus(self.broker, step=self.step)
            self.buses.append(bus)
            self.steps_to_live = None if self.calm else self.random.randrange(20, 400)
            task = asyncio.ensure_future(self._host(bus, self.lives))
            self.processes.append(task)
            dead = asyncio.ensure_future(self.died.wait())
            await asyncio.wait({task, dead}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            await asyncio.sleep(self.random.uniform(0.0, 5.0))

    async def _host(self, bus: MemoryBus, life: int) -> None:
        ids = CountedIds(f"life{life}-{self.random.randrange(10**6)}-")

        def make_phone(config: SlotConfig) -> PocketPhone:
            return PocketPhone(self.handsets[config.id], alive=lambda: bus.alive, buried=bus.buried, step=self.step)

        async with AsyncExitStack() as stack:
            host = running(
                SETTINGS,
                bus=bus,
                clock=self.clock,
                ids=ids,
                make_phone=make_phone,
                devices=lambda: (),
                pbxs={"main": PocketPbx(self.switch, alive=lambda: bus.alive, buried=bus.buried, step=self.step)},
                lost=asyncio.Event(),
            )
            self.host = await stack.enter_async_context(host)
            await asyncio.Event().wait()

    async def caller(self, number: int) -> None:
        """Start a call now and then; end some of them."""
        bus = MemoryBus(self.broker)
        for round_number in range(3):
            await asyncio.sleep(self.random.uniform(0.0, 30.0))
            dialled = f"+3805{number}{round_number:02d}{self.random.randrange(10)}{self.random.choice(ENDINGS)}"
            context = Context(command_id=f"{number}/{round_number}", user="op", actions=frozenset({"call.start"}))
            rpc: Any = START_CALL
            request: Any = StartCall(number=dialled)
            if self.random.random() < 0.5:
                slot, trunk = self.random.randrange(1, SLOTS + 1), self.random.choice(("AUTO", "trunk-1", "trunk-2"))
                rpc, request = DIAL_PBX, DialPbx(from_=f"slot_{slot}", to=dialled, trunk=trunk)
            started = await self._try(bus, rpc, request, context)
            if started is None:
                continue
            self.acknowledged[started.call_id] = dialled
            if self.random.random() < 0.3:  # the same command again, as after a lost answer
                again = await self._try(bus, rpc, request, context)
                assert again is None or again.call_id == started.call_id
            if self.random.random() < 0.5:
                await asyncio.sleep(self.random.uniform(0.0, 6.0))
                ending = Context(command_id=f"{number}/{round_number}/end", user="op", actions=frozenset({"call.end"}))
                await self._try(bus, END_CALL, EndCall(call_id=started.call_id), ending)

    async def _try(self, bus: MemoryBus, rpc: Any, request: Any, context: Context) -> Any:
        try:
            return await ask(bus, rpc, request, context)
        except Refusal:
            return None

    async def pull_cables(self) -> None:
        while not self.calm:
            await asyncio.sleep(self.random.uniform(5.0, 60.0))
            handset = self.handsets[self.random.randrange(1, SLOTS + 1)]
            handset.unplug()
            await asyncio.sleep(self.random.uniform(0.1, 25.0))
            handset.plug()

    async def cut_wires(self) -> None:
        while not self.calm:
            await asyncio.sleep(self.random.uniform(5.0, 60.0))
            (self.switch.restart if self.random.random() < 0.4 else self.switch.cut)()
            await asyncio.sleep(self.random.choice((0.01, 0.5, 5.0, 25.0)))
            self.switch.mend()

    def judge(self) -> Counter[str]:
        """What must hold in the end. Returns how the calls ended."""
        assert self.host is not None
        ended = Counter(e.subject.split(".")[5] for e in self.broker.journal if e.subject.endswith(".ended"))
        began = {e.subject.split(".")[5] for e in self.broker.journal if e.subject.endswith(".dialing")}
        assert set(ended) == began, "a call without its terminal event, or one that never began"
        assert set(ended.values()) <= {1}, "two terminal events"
        assert set(self.acknowledged) <= began, "an acknowledged call is not on record"
        dials = Counter(number for handset in self.handsets.values() for number in handset.dials)
        dials += self.switch.dials
        assert max(dials.values(), default=0) <= 1, f"dialled twice: {dials.most_common(1)}"
        assert all(handset.most_calls_at_once <= 1 for handset in self.handsets.values()), "two calls on one phone"
        for slot in self.host.all("slot"):
            assert slot.state is not None and holder(slot.state, slot.live) is None, f"{slot} is still held"
        for trunk in self.host.all("trunk"):
            assert trunk.state is not None and not carried(trunk.state, trunk.live), (
                f"{trunk} has channels held"
            )
        assert not self.switch.calls, f"the PBX is still in calls: {list(self.switch.calls)}"
        assert not [call for call in self.host.all("call") if call.state and call.state.phase != "ended"]
        events = [e for e in self.broker.journal if e.subject.endswith(".ended")]
        return Counter(msgspec.json.decode(e.data)["reason"] for e in events)


async def _world() -> tuple[Counter[str], int, tuple[str, ...]]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    world = World(loop)
    if loop.random.random() < 0.3:
        world.broker.lose_ack = lambda: not world.calm and loop.random.random() < 0.05
    host = asyncio.ensure_future(world.live_and_die())
    cables = asyncio.ensure_future(world.pull_cables())
    wires = asyncio.ensure_future(world.cut_wires())
    await asyncio.gather(*(world.caller(number) for number in range(CALLERS)))
    world.calm = True
    world.steps_to_live = None
    await asyncio.sleep(SETTLE)
    for handset in world.handsets.values():
        handset.plug()
    world.switch.mend()
    await asyncio.sleep(30.0)
    if host.done():
        host.result()
    reasons = world.judge()
    journal = tuple(entry.subject for entry in world.broker.journal)
    for task in (host, cables, wires, *world.processes):
        task.cancel()
    for bus in world.buses:
        bus.bury()
    await asyncio.gather(host, cables, wires, *world.processes, return_exceptions=True)
    return reasons, world.lives, journal


@pytest.mark.timeout(600)
def test_every_schedule_ends_each_call_once_and_dials_no_number_twice() -> None:
    reasons: Counter[str] = Counter()
    lives = 0
    for seed in range(SEEDS):
        try:
            found, deaths, _ = run(_world, seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        reasons += found
        lives += deaths - 1
    print(f"\n{SEEDS} schedules, {sum(reasons.values())} calls, {lives} crashes: {dict(reasons)}")
    assert lives > SEEDS  # the schedules did crash
    assert reasons["hangup_remote"] and reasons["busy"] and reasons["hangup_local"] and reasons["trunk_lost"]


def test_a_seed_replays_the_same_run() -> None:
    assert [run(_world, seed) for seed in (3, 4)] == [run(_world, seed) for seed in (3, 4)]
