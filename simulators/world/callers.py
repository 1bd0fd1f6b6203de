"""Those who use the platform in a simulated world, through its gateways: they start calls, end some, run commands on
phones, and repeat what they asked for at any time, as clients do whose answer got lost."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, START_CALL, CallStarted, EndCall, StartCall
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import (
    ADB_COMMAND,
    REBOOT_DEVICE,
    RESTART_SLOT,
    AdbCommand,
    AdbCommandStarted,
    RebootDevice,
    RestartSlot,
)
from bus_schemas.trunk import DIAL_PBX, DialPbx, PbxCallStarted
from simulators.world.world import World

CALLERS = 6
ROUNDS = 3
WINDOW = 90.0  # seconds in which things are asked
ENDINGS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "1003", "1007", "2000", "2005", "3002",
           "4567", "4567")  # fmt: skip
EVERYTHING = frozenset(Action)
PASSING = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT})


@dataclass
class Answer:
    """One answer to a command: what came, or why nothing did."""

    asked: float
    at: float
    reply: Any = None
    refusal: Refusal | None = None


@dataclass
class Command:
    """One command with everything that was answered to it. `number`: of a start."""

    id: str
    user: str
    rpc: Rpc[Any, Any]
    request: Any
    number: str = ""
    answers: list[Answer] = field(default_factory=list)

    @property
    def first(self) -> CallStarted | PbxCallStarted | AdbCommandStarted | None:
        """The first answer that said yes."""
        return next((answer.reply for answer in self.answers if answer.refusal is None), None)

    @property
    def starts(self) -> bool:
        return self.rpc in (START_CALL, DIAL_PBX)


class Callers:
    """Everybody who asks. `repeats`: whether commands are repeated at any time."""

    def __init__(self, world: World, *, repeats: bool) -> None:
        self.world = world
        self.random = world.random
        self.repeats = repeats
        self.commands: list[Command] = []
        self._going_on: list[asyncio.Task[None]] = []

    async def play(self, *others: Coroutine[Any, Any, None]) -> None:
        """Ask until the window is over. `others`: who ask beside."""
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self._caller(number))
            for work in (self._shells(), *others):
                group.create_task(work)
        await asyncio.gather(*self._going_on)

    async def ask(self, command: Command) -> Answer:
        """Ask through some gateway, whatever comes of it."""
        world = self.world
        asked = world.now
        world.broker.turn = self.random.randrange(1000)  # any host may be the one that hears it
        context = Context(command_id=command.id, user=command.user, actions=EVERYTHING)
        try:
            reply = await ask(self.random.choice(world.gateways), command.rpc, command.request, context)
            answer = Answer(asked, world.now, reply=reply)
        except Refusal as refusal:
            answer = Answer(asked, world.now, refusal=refusal)
        command.answers.append(answer)
        return answer

    def command(self, id: str, user: str, rpc: Rpc[Any, Any], request: Any, number: str = "") -> Command:
        command = Command(id, user, rpc, request, number)
        self.commands.append(command)
        return command

    async def ask_now_and_again(self, command: Command) -> Answer:
        """Ask, and now and then repeat it."""
        self._later(self._repeat(command))
        return await self.ask(command)

    # --- what they do

    async def _caller(self, number: int) -> None:
        user = f"op{number // 2}"
        for round_number in range(ROUNDS):
            await self.wait(self.random.uniform(0.0, WINDOW / ROUNDS))
            command = self._start(f"{number}-{round_number}", user, f"+3805{number}{round_number:02d}")
            if (await self.ask_now_and_again(command)).refusal is None and self.random.random() < 0.5:
                self._later(self._end(command, user))

    def _start(self, id: str, user: str, prefix: str) -> Command:
        dialled = f"{prefix}{self.random.randrange(10)}{self.random.choice(ENDINGS)}"
        slot = self.random.randrange(1, 4)
        rpc: Rpc[Any, Any] = START_CALL
        request: Any = StartCall(number=dialled, slot=self.random.choice((slot, slot, "AUTO")))
        if self.random.random() < 0.45:
            rpc = DIAL_PBX
            request = DialPbx(
                from_=f"slot_{slot}", to=dialled, trunk=self.random.choice(("AUTO", "trunk-1", "trunk-2"))
            )
        return self.command(id, user, rpc, request, dialled)

    async def _end(self, start: Command, user: str) -> None:
        await self.wait(self.random.choice((0.0, 0.2, 1.0, 4.0, 9.0)) * self.random.uniform(0.5, 1.5))
        if start.first is not None and not isinstance(start.first, AdbCommandStarted):
            command = self.command(f"{start.id}-end", user, END_CALL, EndCall(call_id=start.first.call_id))
            await self.ask_now_and_again(command)

    async def _shells(self) -> None:
        for number in range(ROUNDS):
            await self.wait(self.random.uniform(0.0, WINDOW / ROUNDS))
            slot, id = self.random.randrange(1, 4), f"shell-{number}"
            rpc: Rpc[Any, Any] = ADB_COMMAND
            request: Any = AdbCommand(slot=slot, command=f"echo {id}")
            chance = self.random.random()
            if chance < 0.15:
                rpc, request = RESTART_SLOT, RestartSlot(slot=slot)
            elif chance < 0.25:
                rpc, request = REBOOT_DEVICE, RebootDevice(slot=slot)
            command = self.command(id, "admin", rpc, request)
            await self.ask_now_and_again(command)

    async def _repeat(self, command: Command) -> None:
        """The same command again, soon or late, once or more often."""
        if not self.repeats or self.random.random() < 0.4:
            return
        for _ in range(self.random.randrange(1, 4)):
            await self.wait(self.random.choice((0.0, 0.01, 0.5, 5.0, 30.0)) * self.random.uniform(0.5, 1.5))
            await self.ask(command)

    async def wait(self, seconds: float) -> None:
        """As long as the window is open."""
        await asyncio.sleep(min(seconds, max(WINDOW - self.world.now, 0.0)))

    def _later(self, work: Any) -> None:
        self._going_on.append(asyncio.ensure_future(work))
