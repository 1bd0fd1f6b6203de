"""Those who use a site of two gateways while its processes stand still and die: they start calls on phones and through
trunks, over HTTP and over the bus, end some, and repeat every tenth command, at once or later, through any gateway."""

import asyncio
import contextlib
import json
import random
from typing import Any

import aiohttp
import msgspec
import nats
from nats.aio.client import Client as Nats
from nats.errors import Error as NatsError

from bus_schemas.call import END_CALL, START_CALL, CallStarted, CallView, EndCall, StartCall
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal, Refused
from bus_schemas.trunk import DIAL_PBX, DialPbx, PbxCallStarted
from simulators.carrier.rules import mobile
from simulators.world.callers import Answer, Command
from tests.faults.witness import RealWorld

USER = "admin"
PATIENCE = 12.0  # seconds for one answer
EVERY = 10  # so many commands, of which one is repeated
ENDINGS = ("0001", "0002", "0003", "0004", "0006", "0007", "0008", "1003", "1007", "2001", "2005", "3002", "4567",
           "4567")  # fmt: skip
REPLIES: dict[str, Any] = {
    START_CALL.subject: CallStarted, DIAL_PBX.subject: PbxCallStarted, END_CALL.subject: CallView,
}  # fmt: skip
PATHS = {START_CALL.subject: "/api/call/start", DIAL_PBX.subject: "/api/pbx/dial", END_CALL.subject: "/api/call/end"}
NO_ANSWER = Refusal(ErrorCode.TIMEOUT, "no answer")


class Doors:
    """All ways into the site. `gateways`: the base of each one's OTTB port."""

    def __init__(self, world: RealWorld, session: aiohttp.ClientSession, token: str, gateways: list[str]) -> None:
        self.world = world
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self.gateways = gateways
        self._bus: Nats | None = None
        self.commands: list[Command] = []
        self.over_bus: set[str] = set()  # ids of commands that go over the bus, for a repeat must be of its kind
        self.repeats = 0

    async def connect(self, port: int, password: str) -> None:
        async def silent(_: Exception) -> None:
            pass

        self._bus = await nats.connect(
            f"nats://127.0.0.1:{port}", user=USER, password=password, inbox_prefix=f"_INBOX.u.{USER}".encode(),
            max_reconnect_attempts=-1, reconnect_time_wait=1, ping_interval=2, max_outstanding_pings=2, error_cb=silent,
        )  # fmt: skip

    async def close(self) -> None:
        if self._bus is not None:
            with contextlib.suppress(NatsError):
                await self._bus.close()

    def command(self, id: str, rpc: Rpc[Any, Any], request: Any, number: str = "", *, bus: bool = False) -> Command:
        command = Command(id, USER, rpc, request, number)
        self.commands.append(command)
        if bus:
            self.over_bus.add(id)
        return command

    async def ask(self, command: Command) -> Answer:
        """Ask by the command's way, through any gateway, whatever comes of it."""
        asked = self.world.now
        self.repeats += bool(command.answers)
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await (self._by_bus(command) if command.id in self.over_bus else self._by_http(command))
            answer = Answer(asked, self.world.now, reply=reply)
        except (aiohttp.ClientError, NatsError, OSError, TimeoutError):
            answer = Answer(asked, self.world.now, refusal=NO_ANSWER)
        except Refusal as refusal:
            answer = Answer(asked, self.world.now, refusal=refusal)
        command.answers.append(answer)
        return answer

    async def get(self, path: str, gateway: int = 0) -> Any:
        """A query's answer. Raises aiohttp.ClientError, TimeoutError, Refusal."""
        async with (
            asyncio.timeout(PATIENCE),
            self._session.get(f"{self.gateways[gateway]}{path}", headers=self._headers) as answer,
        ):
            body = await answer.read()
            if answer.status >= 300:
                raise _refusal(body)
            return json.loads(body)

    async def _by_http(self, command: Command) -> Any:
        subject = command.rpc.subject
        url = f"{random.choice(self.gateways)}{PATHS[subject]}"
        headers = self._headers | {"Idempotency-Key": command.id, "Content-Type": "application/json"}
        body = msgspec.json.encode(command.request)
        async with self._session.post(url, data=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise _refusal(text)
            return msgspec.json.decode(text, type=REPLIES[subject])

    async def _by_bus(self, command: Command) -> Any:
        assert self._bus is not None
        subject = f"ottb.v1.own.{USER}." + command.rpc.subject_for(command.request).removeprefix("ottb.v1.")
        body = msgspec.json.encode(command.request)
        message = await self._bus.request(subject, body, timeout=PATIENCE, headers={"Nats-Msg-Id": command.id})
        if "Ottb-Error" in (message.headers or {}):
            raise _refusal(message.data)
        return msgspec.json.decode(message.data, type=REPLIES[command.rpc.subject])


def _refusal(body: bytes) -> Refusal:
    """What the documented error format says; a passing one where the same may be asked again."""
    try:
        refused = msgspec.json.decode(body, type=Refused)
    except msgspec.DecodeError:
        return NO_ANSWER
    if refused.code is ErrorCode.CONFLICT and "retry_after" in (refused.details or {}):  # the first one still runs
        return Refusal(ErrorCode.UNAVAILABLE, refused.message)
    return Refusal(refused.code, refused.message, **(refused.details or {}))


class Callers:
    """Everybody who calls, until told to stop."""

    def __init__(self, doors: Doors, slots: list[int], trunks: list[str]) -> None:
        self.doors = doors
        self._slots, self._trunks = slots, trunks
        self._stopped = asyncio.Event()
        self._going_on: set[asyncio.Task[None]] = set()
        self._count = 0

    async def run(self) -> None:
        """One who calls again and again."""
        while not self._stopped.is_set():
            command = self._start()
            if self._count % EVERY == 0:
                self._later(self._repeat(command))
            answer = await self.doors.ask(command)
            if answer.refusal is None and random.random() < 0.5:
                self._later(self._end(command))
            await asyncio.sleep(random.uniform(0.3, 1.2) if answer.refusal is None else random.uniform(0.1, 0.6))

    async def stop(self) -> None:
        self._stopped.set()
        while self._going_on:
            await asyncio.wait(self._going_on)

    def _start(self) -> Command:
        self._count += 1
        number = mobile(self._count, random.choice(ENDINGS))
        slot, id, bus = random.choice(self._slots), f"k{self._count}", random.random() < 0.3
        if random.random() < 0.4:
            dial = DialPbx(from_=f"slot_{slot}", to=number, trunk=random.choice(["AUTO", *self._trunks]))
            return self.doors.command(id, DIAL_PBX, dial, number, bus=bus)
        start = StartCall(number=number, slot=random.choice((slot, "AUTO", "AUTO")))
        return self.doors.command(id, START_CALL, start, number, bus=bus)

    async def _end(self, start: Command) -> None:
        await self._wait(random.choice((0.0, 0.2, 1.0, 4.0, 9.0)) * random.uniform(0.5, 1.5))
        assert isinstance(start.first, CallStarted | PbxCallStarted)
        self._count += 1
        end = EndCall(call_id=start.first.call_id)
        command = self.doors.command(f"{start.id}-end", END_CALL, end, bus=random.random() < 0.3)
        if self._count % EVERY == 0:
            self._later(self._repeat(command))
        await self.doors.ask(command)

    async def _repeat(self, command: Command) -> None:
        """The same again, once or more often, also while it is still being answered and long after."""
        for _ in range(random.randrange(1, 4)):
            await self._wait(random.choice((0.0, 0.01, 0.5, 5.0, 30.0)) * random.uniform(0.5, 1.5))
            await self.doors.ask(command)

    async def _wait(self, seconds: float) -> None:
        """So long, or until all stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
