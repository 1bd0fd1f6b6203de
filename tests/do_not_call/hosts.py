"""Two hosts with phones and trunks in simulated time, and the do-not-call lists as each of them hears them: a host can
be made to hear late, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.do_not_call.followed import SCOPE
from actors.runtime.bus import Recorded, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.contract import Rpc
from bus_schemas.do_not_call import ADD_DO_NOT_CALL, GLOBAL, AddDoNotCall, DoNotCallChanged
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.time.loop import SimLoop, run
from simulators.world.world import HomeBus, World

EVERYTHING = frozenset(Action)
READY = 6.0  # seconds in which hosts have their lines and shards
Story = Callable[["Hosts"], Awaitable[None]]


class Hosts:
    """`hears[host]` set: it hears of the lists at once; cleared: when it is set again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hears = {machine.host: asyncio.Event() for machine in world.machines}
        for event in self.hears.values():
            event.set()
        self._commands = 0

    @property
    def now(self) -> float:
        return self.world.now

    def context(self, campaign: str | None = None) -> Context:
        self._commands += 1
        return Context(command_id=f"k{self._commands}", user="op", actions=EVERYTHING, campaign=campaign)

    async def ask(self, rpc: Rpc[Any, Any], request: Any, *, campaign: str | None = None, door: int = 0) -> Any:
        """The answer, or the Refusal."""
        try:
            return await ask(self.world.gateways[door], rpc, request, self.context(campaign))
        except Refusal as refusal:
            return refusal

    async def add(self, *entries: str, list: str = GLOBAL, **more: Any) -> DoNotCallChanged:
        said = await self.ask(ADD_DO_NOT_CALL, AddDoNotCall(list=list, entries=entries, **more))
        assert isinstance(said, DoNotCallChanged), said
        return said

    async def start(self, number: str, slot: int | str = "AUTO", **more: Any) -> Any:
        return await self.ask(START_CALL, StartCall(number=number, slot=slot), **more)

    async def dial(self, number: str, trunk: str, **more: Any) -> Any:
        return await self.ask(DIAL_PBX, DialPbx(from_="slot_2", to=number, trunk=trunk), **more)

    def end(self, host: str) -> None:
        """A host is gone for good."""
        [life] = [one for one in self.world.lives if one.machine.host == host]
        self.world._keepers[self.world.machines.index(life.machine)].cancel()
        self.world.crash(life)

    def dialled(self, number: str) -> int:
        """How often a number was dialled, on whatever line."""
        phones = sum(handset.dials.count(number) for handset in self.world.handsets.values())
        return phones + self.world.switch.dials[number]

    def attempts(self, number: str) -> dict[str, int]:
        """The calls to a number for which an attempt is on record, and where that stands in the journal."""
        found = (one for one in self.world.broker.journal if one.subject.endswith(".dialing"))
        return {one.subject.split(".")[5]: one.seq for one in found if number.encode() in one.data}

    def added(self, number: str) -> int:
        """Where the addition of a number stands in the journal."""
        journal = self.world.broker.journal
        return next(one.seq for one in journal if one.subject.endswith(".added") and number.encode() in one.data)

    def ends(self, number: str) -> list[str]:
        """How the calls to a number ended."""
        ended = [[call, "ended"] for call in self.attempts(number)]
        return [one.data.decode() for one in self.world.broker.journal if one.subject.split(".")[5:] in ended]


def play(story: Story, folder: Path, seed: int = 1) -> None:
    """A story on two hosts."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, folder, user_calls=100, slow=0.0, deaf=0.0)
        world.calm = True
        hosts = Hosts(world)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HomeBus, "follow", _late(hosts))
            for machine in world.machines:
                world.keep(machine)
            try:
                await asyncio.sleep(READY)
                await story(hosts)
            finally:
                for event in hosts.hears.values():
                    event.set()
                await world.stop()
                for life in world.lives:
                    life.bus.bury()
                    life.process.bury()
                await asyncio.sleep(0.1)
        assert world.broken == []

    run(main, seed)


def _late(hosts: Hosts) -> Any:
    follow = HomeBus.follow

    async def follow_late(
        bus: HomeBus, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int
    ) -> Unsubscribe:
        [life] = [life for life in hosts.world.lives if life.bus is bus]
        hears = hosts.hears[life.machine.host]

        async def hear(recorded: Recorded) -> None:
            await hears.wait()
            await handler(recorded)

        return await follow(bus, scope, hear if scope == SCOPE else handler, after=after)

    return follow_late
