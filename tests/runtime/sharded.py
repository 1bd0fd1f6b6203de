"""A kind that lives on shards, made for tests: a counter, which acts when it counts and once a second. And a site of
hosts that have nothing else, in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import Context as Variables
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct

from actors.assembly import serve, start_host
from actors.runtime.actor import Actor
from actors.runtime.bus import Bus, BusError
from actors.runtime.clock import Clock, Moment
from actors.runtime.commands import Outcome, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import Decision, Effect, SetTimer, TimerFired
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.parts import Parts
from actors.runtime.rendezvous import SHARDS, belongs_to, shard_of
from actors.runtime.shards import Sharded
from actors.runtime.wire import Page, ask, forward
from actors.settings import Settings
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode, Refusal
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from simulators.time.process import Process
from simulators.world.world import HomeBus

TICK = 1.0  # seconds


class Count(Struct, frozen=True, kw_only=True):
    """One more."""

    counter: str


class CountOnShard(Struct, frozen=True, kw_only=True):
    """COUNT for whoever has the shard, who makes the counter if need be."""

    shard: int
    counter: str


class Counted(Struct, frozen=True, kw_only=True):
    """It has counted."""

    counter: str
    number: int


class Activated(Struct, frozen=True, kw_only=True):
    """Another owner has it."""

    counter: str
    at: str
    epoch: int


class Closed(Struct, frozen=True, kw_only=True):
    """It counts no more."""

    counter: str


class Dropped(Struct, frozen=True, kw_only=True):
    """It counts no more, for another reason."""

    counter: str


COUNT = Rpc("ottb.v1.cmd.counter.{counter}.count", Count, Counted)
CLOSE = Rpc("ottb.v1.cmd.counter.{counter}.close", Count, Counted)
DROP = Rpc("ottb.v1.cmd.counter.{counter}.drop", Count, Counted)
COUNT_ON_SHARD = Rpc("ottb.v1.cmd.shard.{shard}.count", CountOnShard, Counted, timeout=20.0)
ACTIVATED = Topic("ottb.v1.evt.counter.{counter}.activated", Activated)
COUNTED = Topic("ottb.v1.evt.counter.{counter}.counted", Counted)
CLOSED = Topic("ottb.v1.evt.counter.{counter}.closed", Closed)
DROPPED = Topic("ottb.v1.evt.counter.{counter}.dropped", Dropped)

CounterEvent = Activated | Counted | Closed | Dropped


class Counter(Struct, frozen=True):
    """How far it has counted."""

    number: int = 0


class Act(Effect, frozen=True, kw_only=True):
    """Do something outside."""


Acted = Callable[["CounterActor"], None]


class CounterActor(Actor[Counter, CounterEvent, None, TimerFired]):
    """A counter. `acted` is told whenever it does something outside."""

    kind = "counter"
    state_type = Counter
    topics = (ACTIVATED, COUNTED, CLOSED, DROPPED)

    def __init__(self, *, id: str, host: Host, acted: Acted) -> None:
        super().__init__(id=id, host=host)
        self.acted = acted
        self.shut_out_at = 0

    @staticmethod
    def evolve(state: Counter | None, event: CounterEvent, /) -> Counter:
        counted = (state or Counter()).number
        return Counter(counted + 1) if isinstance(event, Counted) else Counter(counted)  # what is read twice counts

    def barrier(self, now: Moment, epoch: int) -> Activated:
        return Activated(counter=self.id, at=now.at, epoch=epoch)

    async def take_over(self) -> None:
        self.shut_out_at = self.seq

    def resume(self, now: Moment) -> Decision[Any, None]:
        return Decision(effects=(SetTimer(name="tick", seconds=TICK),))

    def observe(self, report: TimerFired, now: Moment) -> Decision[Any, None]:
        return Decision(effects=(Act(), SetTimer(name="tick", seconds=TICK)))

    def perform(self, effect: Effect) -> None:
        if self._host.may_act:
            self.acted(self)

    def count(self, request: Count, context: Context) -> Outcome[Counted]:
        event = Counted(counter=self.id, number=(self.state or Counter()).number + 1)
        return Outcome(decision=Decision(events=(event,), effects=(Act(),)), reply=event)

    def close(self, request: Count, context: Context) -> Outcome[Counted]:
        return self._over(Closed(counter=self.id))

    def drop(self, request: Count, context: Context) -> Outcome[Counted]:
        return self._over(Dropped(counter=self.id))

    def _over(self, event: Closed | Dropped) -> Outcome[Counted]:
        reply = Counted(counter=self.id, number=(self.state or Counter()).number)
        return Outcome(decision=Decision(events=(event,)), reply=reply)

    commands = by_verb(command(COUNT, count), command(CLOSE, close), command(DROP, drop))


def counters(acted: Acted) -> Sharded:
    """The kind, as a feature would start it."""

    def prepare(host: Host) -> None:
        async def count(request: CountOnShard, context: Context) -> Page:
            try:
                await host.activate(CounterActor, request.counter)
            except BusError:
                raise Refusal(ErrorCode.UNAVAILABLE, "Not now. Try again.") from None
            return await forward(host.bus, COUNT, Count(counter=request.counter), context, retry=False)

        host.add_maker(CounterActor.made_by(lambda id, host: CounterActor(id=id, host=host, acted=acted)))
        host.serve_beside(COUNT_ON_SHARD, count)

    return Sharded(actor=CounterActor, prepare=prepare, over=(CLOSED, DROPPED))


async def no_step(life: "Life", name: str) -> None:
    """Nothing happens between two steps."""


@dataclass(eq=False)
class Life:
    """One process of a host, from its start to its end."""

    name: str
    process: Process
    bus: MemoryBus = field(init=False)
    host: Host | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    doing: "asyncio.Task[None] | None" = None

    @property
    def ended(self) -> bool:
        return self.process.killed or (self.doing is not None and self.doing.done())

    @property
    def serves(self) -> frozenset[int]:
        """The shards that it serves now and holds."""
        if self.host is None or self.ended or self.process.frozen:
            return frozenset()
        return frozenset(number for number, host in self.host.shards.items() if host.held and host.serving)


class Site:
    """A broker, an asker, and hosts that come and go."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.step: Callable[[Life, str], Awaitable[None]] = no_step  # between any two steps of a host
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self.asker = MemoryBus(self.broker)
        self.lives: list[Life] = []
        self.acted: dict[str, list[float]] = {}
        self.stale: list[str] = []  # what a former owner did after a new one's barrier

    @property
    def now(self) -> float:
        return self.loop.time()

    # --- hosts

    def start(self, name: str) -> Life:
        process = self.loop.process(f"{name}.{len(self.lives)}")
        life = Life(name, process)
        life.bus = HomeBus(self.broker, process, step=lambda step: self.step(life, step))
        life.doing = process.run(self._live(life, len(self.lives)))
        self.lives.append(life)
        return life

    async def _live(self, life: Life, number: int) -> None:
        async with AsyncExitStack() as stack:
            ids = CountedIds(f"{life.name}{number}-")
            acted = partial(self._note, life)
            life.host = await live(life.name, stack, life.bus, self.clock, ids, acted, life.over)
            await life.over.wait()

    def _note(self, life: Life, actor: CounterActor) -> None:
        last = self.broker.last(f"ottb.v1.evt.counter.{actor.id}.activated")
        if last is None or last.seq != actor.shut_out_at or not life.bus.alive:
            self.stale.append(f"{life.process.name} acts for {actor.id} at {self.now:.3f}")
        self.acted.setdefault(actor.id, []).append(self.now)

    def kill(self, life: Life) -> None:
        life.process.kill()
        life.bus.kill()

    def pause(self, life: Life, seconds: float) -> None:
        life.process.freeze()
        self.loop.call_later(seconds, life.process.thaw, context=Variables())

    async def end(self) -> None:
        """Whoever is still there leaves in good order."""
        self.step = no_step
        for life in self.lives:
            if not life.ended:
                await self.leave(life)
            life.bus.bury()

    async def leave(self, life: Life) -> None:
        """End a host in good order."""
        life.over.set()
        assert life.doing is not None
        if life.host is None:  # it waits for a lease
            life.doing.cancel()
        await asyncio.wait({life.doing})

    # --- what is seen

    def holders(self) -> dict[int, list[str]]:
        """Who serves each shard."""
        serving = [(life.name, life.serves) for life in self.lives]
        return {shard: [name for name, serves in serving if shard in serves] for shard in range(SHARDS)}

    def right(self, *names: str) -> bool:
        """Whether each shard is served by one process, of the host of these to which it belongs."""
        return all(holders == [belongs_to(shard, names)] for shard, holders in self.holders().items())

    async def until_right(self, *names: str, within: float = 60.0) -> float:
        """How long that takes, in seconds."""
        began = self.now
        while not self.right(*names):
            assert self.now - began < within, self.holders()
            await asyncio.sleep(0.01)
        return self.now - began

    async def count(self, counter: str, command_id: str, *, bus: MemoryBus | None = None) -> int:
        """Ask for one more. Raises Refusal."""
        return await count(bus or self.asker, counter, command_id)

    def on_record(self) -> dict[str, list[str]]:
        """The commands that were counted, by counter, in their order."""
        found: dict[str, list[str]] = {}
        for entry in self.broker.journal:
            if entry.subject.startswith("ottb.v1.evt.counter.") and entry.subject.endswith(".counted"):
                found.setdefault(entry.subject.split(".")[4], []).append(entry.headers["Ottb-Command"])
        return found

    def left_over(self) -> list[str]:
        """What hosts that have ended in good order left behind."""
        keys = [key for key in self.broker.values if (value := self.broker.value(key)) and value.data is not None]
        found = [f"key {key}" for key in keys if key.startswith("OTTB_OWN/")]
        for life in self.lives:
            if not life.process.killed:
                found += [f"{life.process.name}: {one!r}" for one in self.loop.tasks_of(life.process)]
                found += [f"{life.process.name}: {one!r}" for one in self.loop.timers_of(life.process)]
        return found


async def live(
    name: str, stack: AsyncExitStack, bus: Bus, clock: Clock, ids: Ids, acted: Acted, lost: asyncio.Event
) -> Host:
    """A host with counters, and nothing else. `lost` is set when another one of its name has its lease."""
    process = Parts(bus=bus, clock=clock, ids=ids)
    parts = await start_host(process, stack, settings=Settings(host=name), on_lost=lost.set, problems=list)
    parts.shards.add(counters(acted))
    await serve(parts, stack)
    return parts.host


async def count(bus: Bus, counter: str, command_id: str) -> int:
    """Ask for one more. Raises Refusal."""
    request = CountOnShard(shard=shard_of(counter), counter=counter)
    return (await ask(bus, COUNT_ON_SHARD, request, Context(command_id=command_id, user="op"))).number


def play(test: Callable[[Site], Awaitable[None]], seed: int = 1) -> Site:
    """A test on a site, in simulated time. Whoever is still there in the end leaves in good order."""

    async def main() -> Site:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        site = Site(loop)
        await test(site)
        await site.end()
        await asyncio.sleep(0.1)
        return site

    return run(main, seed)


def simulated(test: Callable[[Site], Awaitable[None]]) -> Callable[[], None]:
    def run_it() -> None:
        play(test)

    return run_it
