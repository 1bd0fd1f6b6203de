"""One user takes every slot of the pool: with AUTO, by their numbers, with scripts, and once more after a restart."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest

from actors.assembly import running
from actors.dialing.limits import CallLimits
from actors.dialing.settings import Dial
from actors.run.settings import Scripts
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot.pool import IdleSlot, Pool
from bus_schemas.call import END_CALL, START_CALL, CallStarted, EndCall, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.script import RUN_SCRIPT, STOP_RUN, RunScript, StopRun
from bus_schemas.slot import SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

POOL, OWN = 11, 2  # slots of the pool, and op12's own
SHARE = 6  # half of the pool, and one where it is odd
ACTIONS = frozenset({Action.CALL_START.value, Action.CALL_END.value, Action.SCRIPT_RUN.value})
TIMES, MOST_LOOKS = 20_000, 100
Wanted = int | Literal["AUTO"]


class Hosts:
    """One host after the other, with the same phones."""

    def __init__(self, share: float, calls_per_hour: int = 240, scripts: str = "") -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self._asked = self._starts = 0
        owned = [SlotConfig(id=id, serial=f"p{id}", region="UA", user="op12") for id in range(1, OWN + 1)]
        pool = [SlotConfig(id=id, serial=f"p{id}", region="UA") for id in range(11, 11 + POOL)]
        self._phones = {slot.serial: Handset() for slot in (*owned, *pool)}
        dial = Dial(user_pool_share=share, slot_calls_per_hour=calls_per_hour)
        self._settings = Settings(slots=(*owned, *pool), dial=dial, scripts=Scripts(folder=scripts))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        bus, self._starts = MemoryBus(self.broker), self._starts + 1
        ids = CountedIds(f"t{self._starts}_")  # a process that starts anew makes no id again
        async with running(
            self._settings,
            bus=bus, clock=self.clock, ids=ids, devices=lambda: (), pbxs={}, lost=asyncio.Event(),
            make_phone=lambda config: SimulatedPhone(
                self._phones[config.serial or ""], alive=lambda: True, buried=bus.buried
            ),
        ):  # fmt: skip
            await asyncio.sleep(8.0)
            yield

    async def start(self, user: str, slot: Wanted) -> CallStarted | Refusal:
        self._asked += 1
        context = Context(command_id=f"k{self._asked}", user=user, actions=ACTIONS)
        number = f"+38050{self._asked:03}4567"  # talks until somebody hangs up
        try:
            return await ask(MemoryBus(self.broker), START_CALL, StartCall(number=number, slot=slot), context)
        except Refusal as refusal:
            return refusal

    async def run_on(self, user: str, slot: int, *, queue: bool = False) -> str | Refusal:
        self._asked += 1
        context = Context(command_id=f"r{self._asked}", user=user, actions=ACTIONS)
        wanted = RunScript(slot_id=slot, script="waits", queue=queue)
        try:
            return (await ask(MemoryBus(self.broker), RUN_SCRIPT, wanted, context)).script_id
        except Refusal as refusal:
            return refusal

    async def run_all(self, user: str, slots: list[int]) -> tuple[dict[int, str], Counter[str]]:
        """All at once: the runs by their slots, and by which rule the others were refused."""
        answers = await asyncio.gather(*(self.run_on(user, slot) for slot in slots))
        rules = Counter(str((one.details or {}).get("rule", one.code)) for one in answers if isinstance(one, Refusal))
        return {slot: one for slot, one in zip(slots, answers, strict=True) if isinstance(one, str)}, rules

    async def stop(self, user: str, run: str) -> None:
        context = Context(command_id=f"s{run}", user=user, actions=ACTIONS)
        await ask(MemoryBus(self.broker), STOP_RUN, StopRun(script_id=run), context)

    async def end(self, user: str, call: CallStarted) -> None:
        context = Context(command_id=f"e{call.call_id}", user=user, actions=ACTIONS)
        await ask(MemoryBus(self.broker), END_CALL, EndCall(call_id=call.call_id), context)

    async def start_all(self, user: str, slots: list[Wanted]) -> tuple[list[CallStarted], Counter[str]]:
        """All at once: the calls, and by which rule the others were refused."""
        answers = await asyncio.gather(*(self.start(user, slot) for slot in slots))
        rules = Counter(str((one.details or {}).get("rule", one.code)) for one in answers if isinstance(one, Refusal))
        return [one for one in answers if isinstance(one, CallStarted)], rules


async def _with_auto() -> None:
    hosts = Hosts(share=0.5)
    async with hosts.one():
        first, rules = await hosts.start_all("op12", ["AUTO"] * 40)
        assert {call.slot for call in first} >= set(range(1, OWN + 1))  # one's own are nobody else's
        pooled = [call for call in first if call.slot > OWN]
        print(f"40 starts of one user at once: {len(pooled)} of {POOL} slots of the pool taken, {dict(rules)}")
        assert len(pooled) == SHARE and rules == {"user_pool_share": 40 - SHARE - OWN}
        second, rules = await hosts.start_all("op21", ["AUTO"] * 40)
        assert len(second) == POOL - SHARE and rules == {"SLOT_BUSY": 40 - (POOL - SHARE)}
        await hosts.end("op12", pooled[0])
        await asyncio.sleep(5.0)
        assert len((await hosts.start_all("op12", ["AUTO"] * 3))[0]) == 1  # what was given back can be had again


async def _by_number() -> None:
    hosts = Hosts(share=0.5)
    async with hosts.one():
        by_number: list[Wanted] = list(range(11, 11 + POOL))
        first, rules = await hosts.start_all("op12", by_number)
        assert len(first) == SHARE and rules == {"user_pool_share": POOL - SHARE}
        refused = await hosts.start("op12", "AUTO")  # one's own slot is no part of the pool
        assert isinstance(refused, CallStarted) and refused.slot <= OWN
        another, last = sorted({*range(11, 11 + POOL)} - {call.slot for call in first})[:2]
        assert isinstance(await hosts.start("op21", another), CallStarted)
        told = await hosts.start("op12", last)
        assert isinstance(told, Refusal)
        assert (told.code, told.details) == (ErrorCode.RATE_LIMITED, {"rule": "user_pool_share", "slots": SHARE})


async def _after_a_restart() -> None:
    hosts = Hosts(share=0.5)
    async with hosts.one():
        first, _ = await hosts.start_all("op21", ["AUTO"] * 40)
        assert len(first) == SHARE
    async with hosts.one():
        again, rules = await hosts.start_all("op21", ["AUTO"] * 40)
        print(f"40 starts after a restart: {len(again)} beyond the share of {SHARE}")
        assert not again and rules == {"user_pool_share": 40}


async def _all_of_it() -> None:
    hosts = Hosts(share=1.0)
    async with hosts.one():
        first, rules = await hosts.start_all("op21", ["AUTO"] * 40)
        assert len(first) == POOL and set(rules) == {"SLOT_BUSY"}


async def _the_hours_calls(hosts: Hosts, user: str, slots: list[Wanted]) -> tuple[int, Counter[str]]:
    """Calls, each ended as soon as it has begun, until nothing of the pool is left for who makes them."""
    made, rules = 0, Counter[str]()
    while not rules.keys() & {"slot_calls_per_hour", "user_slot_calls_per_hour"}:
        begun, rules = await hosts.start_all(user, slots)
        made += sum(call.slot > OWN for call in begun)
        for call in begun:
            await hosts.end(user, call)
        await asyncio.sleep(15.0)
    return made, rules


WAITS = """
name = "waits"
version = 1
summary = "An hour."
deadline = 3600
[[steps]]
do = "repeat"
most = 60
steps = [{ do = "wait", seconds = 60 }]
"""


async def _with_scripts() -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "waits.toml").write_text(WAITS)
        hosts, every = Hosts(share=0.5, scripts=folder), list(range(11, 11 + POOL))
        async with hosts.one():
            begun, rules = await hosts.run_all("op12", every)
            print(f"a script of one user's on each slot: {len(begun)} of {POOL} run, {dict(rules)}")
            assert len(begun) == SHARE and rules == {"user_pool_share": POOL - SHARE}
            calls, rules = await hosts.start_all("op12", ["AUTO"] * 9)
            assert {call.slot for call in calls} == set(range(1, OWN + 1)) and rules == {"user_pool_share": 9 - OWN}
            queued = await hosts.run_on("op12", min({*every} - begun.keys()), queue=True)
            assert isinstance(queued, Refusal) and queued.code is ErrorCode.RATE_LIMITED
        async with hosts.one():  # another process, which has them from the record
            assert (await hosts.run_all("op12", every))[0] == {}
            await hosts.stop("op12", next(iter(begun.values())))
            await asyncio.sleep(5.0)
            again, rules = await hosts.start_all("op12", ["AUTO"] * 3)
            assert len(again) == 1 and rules == {"user_pool_share": 2}
            others, rules = await hosts.start_all("op21", ["AUTO"] * 40)
            assert len(others) == POOL - SHARE and rules == {"SLOT_BUSY": 40 - (POOL - SHARE)}


async def _of_an_hour(slots: list[Wanted], places: int) -> None:
    hosts = Hosts(share=0.5, calls_per_hour=4)
    async with hosts.one():
        begun = await hosts.start("op21", 11)
        assert isinstance(begun, CallStarted)
        await hosts.end("op21", begun)
        mine, rules = await _the_hours_calls(hosts, "op34", slots)
        print(f"an hour of {POOL} slots with 4 calls each, where others call too: {mine} by one user, {dict(rules)}")
        assert mine == 2 * places and rules["user_slot_calls_per_hour"]
        assert (await _the_hours_calls(hosts, "op21", ["AUTO"]))[0] == POOL * 2 - 1


async def _of_an_hour_with_auto() -> None:
    await _of_an_hour(["AUTO"], POOL)


async def _of_an_hour_by_number() -> None:
    await _of_an_hour([12, 13, 14], 3)


async def _of_an_hour_after_a_restart() -> None:
    hosts = Hosts(share=0.5, calls_per_hour=4)
    async with hosts.one():
        assert isinstance(await hosts.start("op21", 21), CallStarted)
        await asyncio.sleep(60.0)
    async with hosts.one():
        mine, rules = await _the_hours_calls(hosts, "op34", ["AUTO"])
        assert mine <= POOL * 2 and rules["user_slot_calls_per_hour"]


async def _of_an_hour_that_was_used_up() -> None:
    """Who finds nothing is known: of what can be used again they get their part."""
    hosts = Hosts(share=0.5, calls_per_hour=4)
    async with hosts.one():
        mine, rules = await _the_hours_calls(hosts, "op34", ["AUTO"])
        assert mine == POOL * 4 and not rules["user_slot_calls_per_hour"]  # nobody else was there
        assert (await hosts.start_all("op21", ["AUTO"]))[1] == {"slot_calls_per_hour": 1}
        await asyncio.sleep(3000.0)  # the first are an hour old
        assert (await hosts.start_all("op34", ["AUTO"]))[1] == {"user_slot_calls_per_hour": 1}
        assert isinstance(await hosts.start("op21", "AUTO"), CallStarted)


async def _when_all_have_had_their_calls() -> None:
    """A slot that may make no more calls in this hour is idle, and is not looked at again and again."""
    hosts = Hosts(share=1.0, calls_per_hour=1)
    async with hosts.one():
        first, _ = await hosts.start_all("op21", ["AUTO"] * 40)
        assert len(first) == POOL
        for call in first:
            await hosts.end("op21", call)
        await asyncio.sleep(20.0)
        began = hosts.clock.monotonic()
        later, rules = await hosts.start_all("op21", ["AUTO"] * 5)
        print(f"5 starts where all {POOL} slots have had their calls: {len(later)} begun, {dict(rules)}")
        assert not later and rules == {"slot_calls_per_hour": 5} and hosts.clock.monotonic() - began < 5.0
        assert isinstance(await hosts.start("op12", "AUTO"), CallStarted)  # on one of their own


@pytest.mark.parametrize(
    "attack",
    [
        _with_auto,
        _by_number,
        _after_a_restart,
        _all_of_it,
        _with_scripts,
        _when_all_have_had_their_calls,
        _of_an_hour_with_auto,
        _of_an_hour_by_number,
        _of_an_hour_after_a_restart,
        _of_an_hour_that_was_used_up,
    ],
)
def test_one_user_holds_no_more_than_a_share_of_the_pool(attack: object) -> None:
    run(attack, seed=1)  # type: ignore[arg-type]  # any of them


def test_one_slot_at_least_is_within_a_share() -> None:
    limits = CallLimits(per_minute=100, at_once=100, pool_share=0.01)
    assert limits.share(0) == limits.share(1) == limits.share_of(0) == 1 and not limits.all_are_shared
    limits.hold_in_pool("c_1", "a", 7)
    limits.hold_in_pool("c_1", "a", 7)  # told twice, counted once
    assert limits.pooled("a") == {7} and not limits.pooled("b") and limits.share(100) == 2
    limits.over("c_1", "a")
    limits.let_go_in_pool("c_1", "a")
    assert limits.share(100) == 1 and not limits.pooled("a")


def test_the_pool_knows_how_many_of_its_slots_are_idle() -> None:
    pool = Pool()
    for slot, user in ((1, None), (2, "a"), (3, None), (1, "a"), (1, None)):
        pool.put(IdleSlot(slot=slot, user=user, region="UA", last_used=f"{slot}"))
    assert pool.shared == 2
    pool.drop(3)
    pool.drop(3)
    assert pool.shared == 1
    assert pool.take("b", None, shared=False) is None
    taken = pool.take("b", None)
    assert taken is not None and taken.slot == 1 and pool.shared == 0


def test_a_slot_that_comes_and_goes_is_looked_at_once() -> None:
    """As one does that somebody reserves and releases on end, or whose phone is there now and then."""
    pool, user = Pool(), "op12"
    place = IdleSlot(slot=11, user=None, region="UA", last_used="2026-01-01T00:00:00.000Z")
    others = [IdleSlot(slot=slot, user=user, region="UA", last_used=f"2026-01-{slot:02}T") for slot in range(12, 20)]
    for other in others:
        pool.put(other)
    for _ in range(TIMES):
        pool.drop(place.slot)
        pool.put(place)
    looked = list[int]()

    def fits(one: IdleSlot) -> bool:
        looked.append(one.slot)
        return False

    assert pool.take("op34", None, fits=fits) is None
    print(f"a slot that has come {TIMES:,} times: looked at {len(looked)} times")
    assert 0 < len(looked) < MOST_LOOKS
    assert pool.take("op34", None) == place and pool.take("op34", None) is None
    assert [pool.take(user, None) for _ in others] == others and not len(pool)
