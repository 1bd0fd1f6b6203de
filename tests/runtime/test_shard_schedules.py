"""Random schedules of hosts with shards, with everything that can go wrong, in simulated time. Each seed is one small
world; whatever happens, what was acknowledged is on record once, nobody acts for what is another's, and in the end each
shard is where it belongs and nothing is left over."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextvars import Context as Variables

import pytest

from actors.runtime.bus import BusError
from bus_schemas.errors import Refusal
from simulators.bus.memory_bus import MemoryBus
from simulators.time.loop import SimLoop, run
from tests.runtime.sharded import CounterActor, Life, Site
from tests.support.depth import plays

SEEDS = int(os.environ.get("OTTB_TEST_SEEDS", plays(30)))
FIRST = int(os.environ.get("OTTB_TEST_FIRST_SEED", "0"))
BLOCK = 5
BLOCKS = [range(first, min(first + BLOCK, FIRST + SEEDS)) for first in range(FIRST, FIRST + SEEDS, BLOCK)]

COUNTERS = tuple(f"c{number}" for number in range(12))
LASTS = 45.0  # seconds of trouble
MENDED = 12.0  # seconds after which all of it is forgotten: a lease, a start, two looks
STEPS_TO_FATE = (1.5, 3.4)  # powers of ten: a start takes about 600


class Schedule:
    """One seed."""

    def __init__(self, loop: SimLoop) -> None:
        self.random = loop.random
        self.site = Site(loop)
        self.site.step = self._step
        self.names = ("a", "b", "c")[: self.random.randint(2, 3)]
        kinds: list[Callable[[Life], None]] = [self._kill, self._pause, self._leave, self._cut, self._cut_all]
        self.fates = self.random.sample(kinds, self.random.randint(1, len(kinds)))
        self.steps = {name: self._next_fate() for name in self.names}
        self.calm = False
        self.counts: Counter[str] = Counter()
        self.asked: dict[str, tuple[str, int]] = {}  # by command: the counter and the answer
        self.askers = [MemoryBus(self.site.broker) for _ in range(2)]
        broker = self.site.broker
        if self.random.random() < 0.3:
            broker.lose_ack = lambda: not self.calm and self.random.random() < 0.02
        if self.random.random() < 0.3:
            broker.overlooks = lambda name: not self.calm and name.endswith(self.names) and self.random.random() < 0.3
        if self.random.random() < 0.3:
            broker.reply_delays = lambda: (self.random.expovariate(20.0),) * self.random.randint(1, 2)

    # --- what goes wrong

    async def _step(self, life: Life, name: str) -> None:
        await asyncio.sleep(self.random.expovariate(2000.0))
        if self.calm or life.ended:
            return
        self.steps[life.name] -= 1
        if self.steps[life.name] <= 0:
            self.steps[life.name] = self._next_fate()
            self.random.choice(self.fates)(life)
            await asyncio.sleep(0.0)

    def _next_fate(self) -> int:
        return int(10 ** self.random.uniform(*STEPS_TO_FATE))

    def _kill(self, life: Life) -> None:
        self.counts["kill"] += 1
        self.site.kill(life)

    def _pause(self, life: Life) -> None:
        self.counts["pause"] += 1
        self.site.pause(life, self.random.choice((1.0, 2.5, 3.0, 4.0, 10.0, 60.0)))

    def _leave(self, life: Life) -> None:
        self.counts["leave"] += 1
        life.over.set()

    def _cut(self, life: Life) -> None:
        self.counts["cut"] += 1
        self._cut_off([life.bus])

    def _cut_all(self, life: Life) -> None:
        self.counts["outage"] += 1
        self._cut_off([*(life.bus for life in self.site.lives if not life.ended), *self.askers])

    def _cut_off(self, buses: list[MemoryBus]) -> None:
        for bus in buses:
            self.site.broker.cut(bus, notice=self.random.uniform(0, 2))
        seconds = self.random.choice((0.1, 1.0, 3.0, 6.0, 20.0))
        for bus in buses:
            self.site.loop.call_later(seconds, self.site.broker.mend, bus, context=Variables())

    # --- what goes on

    async def _keep(self, name: str) -> None:
        """A host, which is started again whenever it has ended."""
        while True:
            life = self.site.start(name)
            while not life.ended:
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.random.uniform(0.1, 5.0))

    async def _ask(self, asker: int) -> None:
        number = 0
        while not self.calm:
            number += 1
            counter, id = self.random.choice(COUNTERS), f"{asker}-{number}"
            await asyncio.sleep(self.random.expovariate(1.0))
            await self._count(counter, id, tries=5)
            if self.random.random() < 0.2:
                await self._count(counter, id, tries=1)

    async def _count(self, counter: str, id: str, *, tries: int) -> None:
        for _ in range(tries):
            buses = self.askers if self.random.random() < 0.2 else [self.random.choice(self.askers)]
            answers = await asyncio.gather(
                *(self.site.count(counter, id, bus=bus) for bus in buses), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, int):
                    self.counts["answered"] += 1
                    assert self.asked.setdefault(id, (counter, answer)) == (counter, answer), f"{id}: another answer"
                elif not isinstance(answer, Refusal):
                    raise answer
            if id in self.asked:
                return

    async def play(self) -> list[str]:
        """What is wrong in the end."""
        site = self.site
        keepers = [asyncio.ensure_future(self._keep(name)) for name in self.names]
        if self.random.random() < 0.3:
            keepers.append(asyncio.ensure_future(self._keep(self.names[0])))  # a second process of a host's name
        askers = [asyncio.ensure_future(self._ask(number)) for number in range(3)]
        await asyncio.sleep(LASTS)
        self.calm = True
        await asyncio.gather(*askers)
        for life in site.lives:
            life.process.thaw()
            site.broker.mend(life.bus)
        for bus in self.askers:
            site.broker.mend(bus)
        await asyncio.sleep(MENDED)
        wrong = self._placed()
        for id, (counter, answer) in list(self.asked.items()):
            if (again := await site.count(counter, id)) != answer:
                wrong.append(f"{id} was answered {answer} and is now {again}")
        for keeper in keepers:
            keeper.cancel()
        wrong += self._recorded() + site.stale
        await site.end()
        await asyncio.sleep(1.0)
        return wrong + self._ended() + site.left_over()

    # --- what has to be

    def _placed(self) -> list[str]:
        """Each shard is served by the host to which it belongs, and each counter lives there."""
        serving = [life for life in self.site.lives if life.serves]
        wrong = [] if sorted(life.name for life in serving) == sorted(self.names) else ["not each host serves"]
        if not self.site.right(*self.names):
            wrong.append(f"shards elsewhere: {self.site.holders()}")
        there = {actor.id for life in serving for actor in self._actors(life)}
        return wrong + [f"nobody has {counter}" for counter in self.site.on_record().keys() - there]

    def _actors(self, life: Life) -> list[CounterActor]:
        assert life.host is not None
        return [actor for host in life.host.shards.values() for actor in host.all(CounterActor) if actor.alive]

    def _recorded(self) -> list[str]:
        """Each command is on record once at most, and once where it was acknowledged, as it was answered."""
        wrong = []
        for counter, ids in self.site.on_record().items():
            wrong += [f"{id} is on record {times} times" for id, times in Counter(ids).items() if times > 1]
            for number, id in enumerate(ids, start=1):
                if id in self.asked and self.asked[id] != (counter, number):
                    wrong.append(f"{id} was answered {self.asked[id]} and is {number} of {counter}")
        known = {id for ids in self.site.on_record().values() for id in ids}
        return wrong + [f"{id} was acknowledged and is not on record" for id in self.asked.keys() - known]

    def _ended(self) -> list[str]:
        wrong = []
        for life in self.site.lives:
            error = life.doing.exception() if life.doing and life.doing.done() and not life.doing.cancelled() else None
            if error is not None and not isinstance(error, BusError):
                wrong.append(f"{life.process.name} ended: {error!r}")
        return wrong


def play(seed: int) -> tuple[list[str], Counter[str]]:
    async def main() -> tuple[list[str], Counter[str]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        schedule = Schedule(loop)
        return await schedule.play(), schedule.counts

    return run(main, seed)


@pytest.mark.parametrize("seeds", BLOCKS, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_every_schedule_of_shards_keeps_every_promise(seeds: range) -> None:
    counts: Counter[str] = Counter()
    for seed in seeds:
        wrong, seen = play(seed)
        assert not wrong, f"seed {seed}: {wrong}"
        counts += seen
    print(f"\n{len(seeds)} schedules: {dict(counts)}")
    assert counts["answered"] > 50 * len(seeds)
