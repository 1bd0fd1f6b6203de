"""The run's shell: keeps one run's record from its first event to its one terminal event, and has its slot's phone do
what the script says next.
"""

import asyncio

import structlog

from actors.call.actor import CallActor
from actors.run import machine
from actors.run.calls import InApps
from actors.run.keeping import Keeper
from actors.run.machine import (
    Begin,
    CameBack,
    CannotBegin,
    Capture,
    Captured,
    CarryOut,
    GiveUp,
    Halt,
    Halted,
    RunDecision,
    RunReport,
)
from actors.run.record import Run, ended, evolve, program_of, view
from actors.runtime.bus import BusError, Recorded
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect
from actors.runtime.host import Host
from actors.script.effects import (
    Back,
    Done,
    Dump,
    LaunchApp,
    Looked,
    NotDone,
    Pause,
    PlaceCall,
    PressKey,
    RunCommand,
    TakeScreenshot,
    TellCall,
)
from actors.script.language import KEYS
from actors.script.position import Failed
from actors.script.program import Program
from actors.script.tree import Crashed
from actors.slot.actor import SlotActor
from actors.slot.foreseen import Foreseen
from actors.slot.phone import PhoneError
from actors.slot.screen import OnScreen
from actors.telephony.holdings import run_began
from actors.telephony.line import Over
from actors.telephony.line_call import LineRun
from actors.telephony.orders import Drop, Fence
from actors.telephony.reports import InApp
from bus_schemas.call import EndReason
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import Share
from bus_schemas.permissions import Action
from bus_schemas.script import (
    GET_RUN,
    RUN_STARTED,
    SCRIPT,
    STOP_RUN,
    GetRun,
    RunAdopted,
    RunAsked,
    RunEnded,
    RunEvent,
    RunStarted,
    RunView,
    StopRun,
)

log = structlog.get_logger()

NO_RUN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such run.")
NOT_SURE = "this host is not sure that it owns the slot"
STOLEN = "somebody else owns the slot by now"
NO_LINE = "slot-0"  # of a run of which nothing is on record
KEEP_ENDED = 5.0  # seconds an ended run still answers for itself, until the records surely have it
HOME = PressKey(code=KEYS["home"])
LONGEST = 90.0  # seconds of one effect: a phone's own deadlines are shorter


class StartNow(Order[None], frozen=True, kw_only=True):
    """The slot is held for this run, which waited: it begins. `fence`: see `Dial`."""

    fence: Fence


class Refuse(Order[None], frozen=True, kw_only=True):
    """The run waits in vain."""

    cause: str


class RunActor(LineRun[Run, RunEvent, Run, RunReport]):
    """One run, beside its slot."""

    state_type = Run
    topics = topics_of("script")

    __slots__ = ("_began", "_carrying", "_foreseen", "_in_apps", "_keeper", "_program", "_retiring")

    def __init__(self, *, id: str, host: Host, in_apps: InApps, keeper: Keeper) -> None:
        super().__init__(id=id, host=host)
        self._in_apps = in_apps
        self._keeper = keeper
        self._program: Program | None = None
        self._carrying: asyncio.Task[None] | None = None
        self._began = 0  # the sequence of the event by which it holds its slot
        self._retiring = False
        self._foreseen = Foreseen(script_id=id)

    # --- commands

    def get(self, request: GetRun, context: Context) -> Outcome[RunView]:
        return Outcome(decision=NOTHING, reply=view(self._visible_to(context), self._made()))

    def stop_run(self, request: StopRun, context: Context) -> Outcome[RunView]:
        run = self._visible_to(context)
        if context.user != run.user and not context.may(Action.SCRIPT_STOP_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The run is somebody else's.")
        decision = machine.stop(run, context.user, context.command_id, self._now())
        return Outcome(decision=decision, reply=lambda: view(self._run(), self._made()))

    commands = by_verb(command(GET_RUN, get), command(STOP_RUN, stop_run))

    def start_now(self, order: StartNow, context: Context, now: Moment) -> Outcome[None]:
        run = self._run()
        if run.started is not None or run.ended is not None:
            raise Refusal(ErrorCode.CONFLICT, "It does not wait any more.")
        asked = {name: getattr(run.asked, name) for name in RunAsked.__struct_fields__}
        begins = RunStarted(**{**asked, "at": now.at, "mono": now.mono, "boot": now.boot})
        return Outcome(decision=RunDecision(events=(begins,), effects=(_Verify(fence=order.fence),)), reply=None)

    def refuse(self, order: Refuse, context: Context, now: Moment) -> Outcome[None]:
        run = self._run()
        if run.started is not None or run.ended is not None:
            return Outcome(decision=NOTHING, reply=None)
        over = ended(run, now, Failed(number=0, at="", step="", reason=order.cause))
        return Outcome(decision=RunDecision(events=(over,)), reply=None)

    orders = by_type(StartNow.by(start_now), Refuse.by(refuse))

    def _visible_to(self, context: Context) -> Run:
        run = self._run()
        if not SCRIPT.visible(run.user, user=context.user, actions=context.actions):
            raise NO_RUN()
        return run

    def _run(self) -> Run:
        if self.state is None:
            raise NO_RUN()
        return self.state

    def _made(self) -> Program:
        if self._program is None:
            self._program = program_of(self._run().asked)
        return self._program

    def owners(self, state: Run | None) -> tuple[str | None, ...]:
        return (state.user,) if state is not None else ()

    # --- the first event

    async def claim(self, asked: RunAsked, context: Context) -> None:
        """Write the first event: it claims the command's id over all lines and hosts and, as `started`, its slot.
        Raises Fenced when the id is taken, BusError when nobody knows whether it was written, Refusal when it cannot
        be."""
        assert isinstance(asked, RunEvent)
        self._must_be_digestible((asked,))
        # Each has the script in it, and so has the start of one that waits, which nobody asks for any more.
        events = (asked,) if isinstance(asked, RunStarted) else (asked, asked)
        self._host.written.charge(share_of_runs(context), events)
        self._line = asked.line
        await self._record(asked, {}, context)

    def go_on(self, fence: Fence) -> None:
        """Now that commands for it are heard: begin."""
        self._perform_all((_Verify(fence=fence),))

    # --- the machine's place

    @property
    def line_on_record(self) -> str | None:
        return self.state.asked.line if self.state is not None else None

    def recorded(self, event: RunEvent) -> None:
        """Tell the slot what is on record of it."""
        match event:
            case RunStarted():
                self._began = self.seq
                self._tell_line(run_began(event, self.seq))
            case RunEnded():
                self._tell_line(Over(id=self.id, at=event.at, seq=self.seq))

    def replayed(self, recorded: Recorded) -> None:
        if recorded.subject.endswith(f".{RUN_STARTED.verb}"):
            self._began = recorded.seq

    def _tell_line_what_is_on_record(self) -> None:
        """The slot may have missed it."""
        run = self.state
        if run is None:
            self._tell_line(Drop(id=self.id))
            self._retire()
        elif run.ended is not None:
            self._tell_line(Over(id=self.id, at=run.ended.at, seq=self.seq))
            self._retire()
        elif isinstance(run.asked, RunStarted):
            self._tell_line(run_began(run.asked, self._began))

    evolve = staticmethod(evolve)

    def remember(self, memory: Run) -> None:
        self.state = memory

    def observe(self, report: RunReport, now: Moment) -> RunDecision:
        return machine.observe(self.state, self._made() if self.state is not None else None, report, now)

    def barrier(self, now: Moment, epoch: int) -> RunAdopted:
        """Also for a run of which nothing is on record: its first event, should it still be under way, is then void."""
        line = self._on_line or NO_LINE
        slot, user = (self.state.asked.slot, self.state.user) if self.state is not None else (_slot_of(line), "")
        host = self._host.name
        return RunAdopted(line=line, script_id=self.id, slot=slot, user=user, at=now.at, host=host, epoch=epoch)

    def resume(self, now: Moment) -> RunDecision:
        self._tell_line_what_is_on_record()
        return machine.resume(self.state, self._made() if self.state is not None else None, now)

    def state_changed(self) -> None:
        if self.state is not None and self.state.ended is not None:
            self._retire()

    def _retire(self) -> None:
        if not self._retiring:
            self._retiring = True
            self._host.retire(self, KEEP_ENDED)

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case _Verify():
                self.spawn(self._verify(effect.fence))
            case CarryOut():
                self._carrying = self.spawn(self._carry(effect))
            case GiveUp():
                self.spawn(self._give_up(effect.call_id))
            case Halt():
                self.spawn(self._halt(effect))
            case Capture():
                self.spawn(self._capture(effect))

    async def _verify(self, fence: Fence) -> None:
        """The slot may have got another owner between its being held and the first event, who knows nothing of it."""
        try:
            sure = await self._host.may_act_once_verified()
            last = await self._host.bus.last(fence[0], certain=True)
            why = NOT_SURE if not sure else None if last is not None and last.seq == fence[1] else STOLEN
        except BusError as error:
            why = f"whose the slot is could not be asked: {error}"
        self.tell(Begin() if why is None else CannotBegin(cause=why))

    async def _carry(self, order: CarryOut) -> None:
        if order.give_up and order.call_id is not None:
            await self._give_up(order.call_id)
        self.tell(CameBack(turn=order.turn, back=await self._back(order)))

    async def _back(self, order: CarryOut) -> Back:
        effect = order.effect
        if isinstance(effect, Pause):
            await self._host.pause(effect.seconds)
            return Done()
        if not await self._host.may_act_once_verified():
            return NotDone(NOT_SURE)
        try:
            async with asyncio.timeout(LONGEST):
                return await self._done(order)
        except PhoneError as error:
            return Looked(Crashed(str(error))) if isinstance(effect, Dump) else NotDone(str(error))
        except TimeoutError:
            return Looked(Crashed("no answer")) if isinstance(effect, Dump) else NotDone("no answer", maybe=True)

    async def _done(self, order: CarryOut) -> Back:
        effect, run = order.effect, self._run()
        match effect:
            case PlaceCall():
                assert order.call_id is not None
                return await self._in_apps.place(run, self._made(), order, self._slot(), self._on_screen)
            case TellCall():
                if order.call_id is not None:
                    await self._in_apps.tell(order.call_id, _as_shown(effect, order.position.gone, self._now().seconds))
                return Done()
            case TakeScreenshot():
                kept = await self._keeper.keep(f"{self.id}-{effect.label}", await self._picture())
                return Done() if kept else NotDone("the picture could not be kept")
            case Pause():
                return Done()
            case _:
                return await self._on_screen(effect)

    async def _give_up(self, call_id: str) -> None:
        """End the call in the app for sure: the app is ended."""
        call = self._host.get(CallActor, call_id)
        app = call.state.app if call is not None and call.state is not None else None
        if app is not None and await self._host.may_act_once_verified():
            await self._left(RunCommand(words=("am", "force-stop", app)))
        asked_for = call is not None and call.is_ending
        reason = EndReason.HANGUP_LOCAL if asked_for or self._is_stopping else EndReason.UNKNOWN
        await self._in_apps.tell(call_id, InApp(state="over", reason=reason, cause="its app was ended"))

    @property
    def _is_stopping(self) -> bool:
        return self.state is not None and self.state.stopping is not None

    async def _halt(self, order: Halt) -> None:
        carrying, self._carrying = self._carrying, None
        if carrying is not None:
            carrying.cancel()
            await asyncio.wait({carrying})
        if order.call_id is not None:
            await self._give_up(order.call_id)
        if await self._host.may_act_once_verified():
            await self._left(HOME)
            if self._run().position is not None:
                await self._clean_up()
        self.tell(Halted())

    async def _clean_up(self) -> None:
        """Set right what a run has changed that does not come to its end."""
        for words in self._made().cleanup:
            await self._left(RunCommand(words=words))

    async def _left(self, effect: PressKey | RunCommand | LaunchApp) -> None:
        """The phone is left as well as it can be."""
        try:
            came = await self._on_screen(effect)
        except PhoneError as error:
            came = NotDone(str(error))
        if isinstance(came, NotDone):
            log.warning("a phone was not left as it should be", script_id=self.id, why=came.why)

    async def _capture(self, order: Capture) -> None:
        picture, tree = 0, 0
        try:
            picture = await self._keeper.keep(f"{self.id}-screenshot", await self._picture())
            looked = await self._on_screen(Dump())
            tree = await self._keeper.keep(f"{self.id}-tree", self._keeper.tree(looked))
        except PhoneError as error:
            log.info("no picture of where a run failed", script_id=self.id, error=str(error))
        if order.give_up and order.call_id is not None:
            await self._give_up(order.call_id)
        if order.clean_up and await self._host.may_act_once_verified():
            await self._clean_up()
        self.tell(Captured(screenshot=picture, tree=tree))

    def _slot(self) -> SlotActor:
        slot = self._line_here()
        if not isinstance(slot, SlotActor):
            raise PhoneError(f"{self._on_line}: it is not here")
        return slot

    async def _on_screen(self, effect: OnScreen) -> Back:
        return await self._foreseen.carry_out(self._slot().screen, effect)

    async def _picture(self) -> bytes:
        return await self._foreseen.picture(self._slot().screen)

    def _now(self) -> Moment:
        return moment(self._host.clock)


class _Verify(Effect, frozen=True, kw_only=True):
    """Make sure that the slot is still ours; `Begin` or `CannotBegin` comes."""

    fence: Fence


def _slot_of(line: str) -> int:
    number = line.partition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _as_shown(told: TellCall, gone: float, now: float) -> InApp:
    """What a run sees of its call, whose screen has been gone since then. 0: it is told at once."""
    unknown = told.reason is EndReason.UNKNOWN
    cause = "its screen was not looked at when it ended" if unknown else "as its screen shows"
    age = max(now - gone, 0.0) if told.state == "over" and gone else 0.0
    return InApp(state=told.state, reason=told.reason, cause=cause, age=age)


def share_of_runs(context: Context) -> Share:
    """For whom counts what begins a run: apart from other changes, of which an import may be one for hours."""
    kind, user = context.share
    return f"runs of {kind}", user
