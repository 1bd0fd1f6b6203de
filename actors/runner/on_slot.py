"""What a step does on one slot: asked as anybody asks it, with the slot kept free of calls meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import Struct

from actors.dialing.attempts import call_id_of
from actors.pipeline import language as say
from actors.pipeline.language import Value, filled
from actors.run.record import run_id_of
from actors.runner.desk import Desk
from actors.runner.on_phones import CALL, OF_OTHERS, SCRIPT, SLOT, Begun, ending, is_over
from actors.runner.output import Output
from actors.runner.port import Artefact, RunnerError, Workspace
from actors.runner.rights import NotSaid, in_the_name_of
from actors.runtime.context import Context
from actors.runtime.files import PieceWriter
from actors.runtime.wire import ask
from bus_schemas.call import GET_CALL, START_CALL, CallState, CallView, GetCall, StartCall
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.pipeline import ClaimedRun
from bus_schemas.script import GET_RUN, RUN_SCRIPT, GetRun, RunScript, RunState, RunView
from bus_schemas.script import OVER as RUN_OVER
from bus_schemas.slot import (
    ADB_COMMAND,
    GET_ADB_COMMAND,
    GET_SLOT,
    REBOOT_DEVICE,
    RESERVE_SLOT,
    AdbCommand,
    AdbCommandResult,
    AdbCommandStatus,
    GetAdbCommand,
    GetSlot,
    RebootDevice,
    ReserveSlot,
    SlotStatus,
    SlotSummary,
)
from bus_schemas.slot_files import (
    INSTALL_APP,
    OPEN_PUSH,
    PIECE,
    PUT_PIECE,
    InstallApp,
    OpenPush,
    PutPiece,
    SentFile,
)

LOOK = 0.3  # seconds between two looks at what goes on
BUSY = 2.0  # seconds until a slot that is busy is asked again
LONGEST_COMMAND = 300.0  # seconds of a shell command
GIVEN_UP = 20.0  # seconds in which what nobody wants any more ends
UNKNOWN = 10.0  # seconds in which a call or a script is there, of which nobody knows whether it was begun
LEAVES = 10.0  # seconds in which a phone that restarts is seen to be away
Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")
Seen = TypeVar("Seen")
Say = Callable[[str], Awaitable[None]]
STOPPED = "it was stopped"
PASSING = (ErrorCode.SLOT_BUSY, ErrorCode.RATE_LIMITED)
OVER = (CallState.ENDED, CallState.FAILED)


@dataclass(frozen=True, kw_only=True)
class Session:
    """In whose name it is done. `run`: of which; `context`: as they were at first; `stop`: it is to end."""

    desk: Desk
    run: ClaimedRun
    context: Context
    stop: asyncio.Event

    async def ask(self, rpc: Rpc[Request, Reply], request: Request) -> Reply:
        """Look at something, or end it, as whoever began it could. Raises Refusal."""
        return await ask(self.desk.bus, rpc, request, self._for(rpc, self.context))

    def _for(self, rpc: Rpc[Request, Reply], who: Context) -> Context:
        mine = rpc.needed - OF_OTHERS
        return Context(command_id=self.desk.ids.new(), user=who.user, actions=who.actions & mine)

    async def begin(self, rpc: Rpc[Request, Reply], request: Request) -> Reply:
        """Begin something, as far as they may by now: a slot may have been waited for for a day. Raises Refusal,
        RunnerError."""
        context = self._for(rpc, await in_the_name_of(self.desk, self.run))
        if self.stop.is_set():  # whoever says so was asked for seconds, perhaps, or this host stood still
            raise RunnerError(STOPPED)
        begins = _begins(request, context)
        if begins is None:
            return await ask(self.desk.bus, rpc, request, context)
        await self.note(begins)  # before there is one: after it may be too late
        try:
            return await ask(self.desk.bus, rpc, request, context)
        except (Refusal, asyncio.CancelledError) as error:
            if _is_unknown(error):
                await self.end(begins)
            else:
                self.desk.phones.over(begins)
            raise

    async def end(self, begun: Begun) -> None:
        """End a call or a script that may have begun, and that nobody waits for any more; also where it is there a
        little later, or its host is being started anew. What is away for longer is asked on beside."""
        rpc, request = ending(begun)
        try:
            async with asyncio.timeout(UNKNOWN):
                while self.desk.phones.is_noted(begun):
                    with contextlib.suppress(Refusal):
                        await self.ask(rpc, request)
                        self.desk.phones.over(begun)
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            pass
        finally:
            self._end_later(begun)

    async def give_back(self, slot: Begun) -> None:
        """End a reservation; where its host is away, that is asked on beside."""
        rpc, request = ending(slot)
        try:
            if await is_over(rpc, request, self._for(rpc, self.context), self.desk.bus):
                self.desk.phones.over(slot)
        finally:
            self._end_later(slot)

    def _end_later(self, begun: Begun) -> None:
        """Go on beside with what is not ended yet, also where the step's own time is over meanwhile."""
        if self.desk.phones.is_noted(begun):
            self.desk.phones.end_later(begun, self.context.user, self.desk.bus, self.desk.ids)

    async def note(self, begun: Begun) -> None:
        """Have the next runner here end it, should this one not come to that. Raises RunnerError."""
        try:
            await self.desk.phones.note(begun, self.context.user)
        except OSError as error:
            raise RunnerError(f"it cannot be noted: {error.strerror or error}") from None

    async def once_free(self, rpc: Rpc[Request, Reply], request: Request, patience: float, waits: Say) -> Reply:
        """The same, waiting while the slot is busy, or others have their turn, which is said once. Raises Refusal,
        RunnerError."""
        until, why = self.desk.clock.monotonic() + patience, ""
        while True:
            try:
                return await self.begin(rpc, request)
            except (Refusal, NotSaid) as error:
                passing = isinstance(error, NotSaid) or error.code in PASSING
                if not passing or self.desk.clock.monotonic() >= until:
                    raise
                if str(error) != why:
                    why = str(error)
                    await waits(why)
            await self.pause(BUSY)

    async def pause(self, seconds: float) -> None:
        """Wait. Raises RunnerError where the run is to end."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return
        raise RunnerError(STOPPED)


def _is_unknown(error: BaseException) -> bool:
    """Whether nobody knows what became of what was asked: there was no answer, or nobody waited for it."""
    return isinstance(error, asyncio.CancelledError) or getattr(error, "code", None) is ErrorCode.TIMEOUT


def _begins(request: object, context: Context) -> Begun | None:
    """What goes on by itself on a phone once this was asked."""
    match request:
        case StartCall():
            return Begun(CALL, call_id_of(context))
        case RunScript():
            return Begun(SCRIPT, run_id_of(context))
    return None


async def _to_its_end(work: Coroutine[Any, Any, Reply], most: float) -> None:
    """Do what nothing on a phone ends: when nobody wants it any more, it is waited for all the same, for so many
    seconds, since the slot is not free before. Raises what it does."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        with contextlib.suppress(Refusal, RunnerError, TimeoutError):
            async with asyncio.timeout(most):
                await doing
        raise


class Pushed(PieceWriter):
    """A file on its way to a phone's host."""

    def __init__(self, session: Session, slot: int, stream: str) -> None:
        super().__init__(PIECE)
        self._session = session
        self._slot = slot
        self._stream = stream

    async def put(self, number: int, piece: bytes) -> None:
        if self._session.stop.is_set():
            raise RunnerError(STOPPED)
        wanted = PutPiece(slot=self._slot, stream=self._stream, number=number, data=piece)
        await self._session.ask(PUT_PIECE, wanted)

    async def finish(self) -> SentFile:
        digest = await self.flush()
        return SentFile(key=self._stream, size=self.size, pieces=self.pieces, digest=digest)


class OnSlot:
    """One step on one slot. `file`: of a step that installs one. Each way says in words what came of it. Raises
    Refusal, RunnerError."""

    def __init__(
        self, session: Session, slot: SlotSummary, step: say.OnFleet, parameters: dict[str, Value], output: Output,
        workspace: Workspace, file: Artefact | None,
    ) -> None:  # fmt: skip
        self._session = session
        self._slot = slot
        self._step: Any = step  # any: of the kind that the way is for
        self._parameters = parameters
        self._output = output
        self._workspace = workspace
        self._file = file

    async def _waits(self, why: str) -> None:
        await self._output.say(f"slot {self._slot.id} waits, {self._step.patience:g} s at most: {why}")

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        """Keep the slot, whatever else its user keeps it for: while it is reserved, nobody else's call begins on it,
        and in one it cannot be. A call of whoever keeps it is waited for."""
        slot, clock, lease = self._slot.id, self._session.desk.clock, self._session.desk.ids.new()
        until = clock.monotonic() + self._step.patience
        minutes = max(int(self._step.timeout // 60) + 1, 1)
        begun = Begun(SLOT, f"{slot}.{lease}")
        await self._session.note(begun)
        wanted = ReserveSlot(slot=slot, minutes=min(minutes, 480), lease=lease)
        try:
            await self._session.once_free(RESERVE_SLOT, wanted, self._step.patience, self._waits)
        except (Refusal, RunnerError, asyncio.CancelledError) as error:
            if _is_unknown(error):
                await self._session.give_back(begun)
            else:
                self._session.desk.phones.over(begun)
            raise
        told = False
        try:
            while await self._in_call():
                if not told:
                    told = True
                    await self._waits("it is in a call")
                if clock.monotonic() >= until:
                    raise RunnerError("the slot is in a call")
                await self._session.pause(BUSY)
            yield
        finally:
            await self._session.give_back(begun)

    async def _in_call(self) -> bool:
        now = await self._session.ask(GET_SLOT, GetSlot(slot=self._slot.id))
        return now.call_id is not None or now.external_call

    async def adb(self) -> str:
        async with self._kept():
            timeout = min(self._step.timeout, LONGEST_COMMAND)
            wanted = AdbCommand(slot=self._slot.id, command=self._step.command, timeout=timeout)
            started = await self._session.begin(ADB_COMMAND, wanted)
            done = await self._watched(lambda: self._of_command(started.command_id), timeout + GIVEN_UP)
        if done.output:
            told = await self._workspace.masked(f"slot {self._slot.id}: {done.output.rstrip()}\n")
            await self._output.write(told.encode())
        if done.status is AdbCommandStatus.FAILED or done.exit_code != 0:
            raise RunnerError(done.error or f"exit code {done.exit_code}")
        return "exit code 0"

    async def _of_command(self, command: str) -> AdbCommandResult | None:
        """What came of it; None: it goes on."""
        try:
            done = await self._session.ask(GET_ADB_COMMAND, GetAdbCommand(slot=self._slot.id, command_id=command))
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:  # the records have it in a moment
                raise
            return None
        return done if done.status is not AdbCommandStatus.EXECUTING else None

    async def _watched(
        self, look: Callable[[], Awaitable[Seen | None]], most: float,
        end: Callable[[], Awaitable[object]] | None = None,
    ) -> Seen:  # fmt: skip
        """Look until it is over on the phone. When nobody wants it any more, have it end, and look on for so many
        seconds: the slot is not free before. Raises Refusal, RunnerError."""
        try:
            while (seen := await look()) is None:
                await self._session.pause(LOOK)
            return seen
        except (RunnerError, Refusal, asyncio.CancelledError):
            with contextlib.suppress(Refusal, TimeoutError):
                async with asyncio.timeout(most):
                    if end is not None:
                        await end()
                    while await look() is None:
                        await asyncio.sleep(LOOK)
            raise

    async def script(self) -> str:
        params = {name: filled(value, self._parameters) for name, value in self._step.params.items()}
        wanted = RunScript(slot_id=self._slot.id, script=self._step.script, params=params)
        id = (await self._session.once_free(RUN_SCRIPT, wanted, self._step.patience, self._waits)).script_id

        async def look() -> RunView | None:
            run = await self._session.ask(GET_RUN, GetRun(script_id=id))
            return run if run.state in RUN_OVER else None

        begun = Begun(SCRIPT, id)
        run = await self._watched(look, GIVEN_UP, lambda: self._session.end(begun))
        self._session.desk.phones.over(begun)
        if run.state is not RunState.SUCCEEDED:
            raise RunnerError(f"{run.script}: {run.reason or run.state}")
        return f"{run.script} succeeded"

    async def install(self) -> str:
        file = self._file
        assert file is not None
        async with self._kept():
            opened = await self._session.begin(OPEN_PUSH, OpenPush(slot=self._slot.id, path=None, size=file.size))
            pushed = Pushed(self._session, self._slot.id, opened.stream)
            async for piece in self._workspace.read(file):
                await pushed.add(piece)
            wanted = InstallApp(slot=self._slot.id, file=await pushed.finish(), grant=self._step.grant)
            await _to_its_end(self._session.begin(INSTALL_APP, wanted), INSTALL_APP.timeout)
        return f"{file.name} installed"

    async def reboot(self) -> str:
        await self._session.once_free(REBOOT_DEVICE, RebootDevice(slot=self._slot.id), self._step.patience, self._waits)
        until = self._session.desk.clock.monotonic() + LEAVES
        away = False
        while True:
            await self._session.pause(LOOK)
            status = (await self._session.ask(GET_SLOT, GetSlot(slot=self._slot.id))).status
            away = away or status is not SlotStatus.ONLINE
            if status is SlotStatus.ONLINE and (away or self._session.desk.clock.monotonic() > until):
                return "it is back"

    async def call(self) -> str:
        number = str(filled(self._step.number, self._parameters))
        wanted = StartCall(number=number, slot=self._slot.id)
        started = await self._session.once_free(START_CALL, wanted, self._step.patience, self._waits)
        try:
            call = await self._call_until(started.call_id, lambda call: call.state is CallState.ACTIVE)
            if call.answer_time is None:
                raise RunnerError(f"it was not answered: {call.reason}")
            await self._session.pause(self._step.seconds)
        finally:
            await self._session.end(Begun(CALL, started.call_id))
        over = await self._call_until(started.call_id, lambda call: False)
        return f"{started.call_id} was answered and lasted {over.duration} s"

    async def _call_until(self, call_id: str, wanted: Any) -> CallView:  # any: of a call, whether it is as wanted
        """The call once it is so, or over."""
        while True:
            call = await self._session.ask(GET_CALL, GetCall(call_id=call_id))
            if wanted(call) or call.state in OVER:
                return call
            await self._session.pause(LOOK)
