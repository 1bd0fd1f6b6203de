"""A run of a script as its events tell it. Pure."""


import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment, elapsed
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.script.engine import running
from actors.script.language import Script
from actors.script.position import Failed, Position, Succeeded
from actors.script.program import Program, program
from bus_schemas.script import (
    RunAdopted,
    RunAsked,
    RunEnded,
    RunEvent,
    RunMoved,
    RunQueued,
    RunStarted,
    RunState,
    RunStopping,
    RunView,
)

_SCRIPTS = msgspec.json.Decoder(dict[str, Script]).decode
_POSITION = msgspec.json.Decoder(Position).decode
_GIVEN = msgspec.json.Decoder(dict[str, str]).decode


def run_id_of(context: Context) -> str:
    """The one run that a command can begin."""
    return derived("gacs", context.user, context.command_id)


class Run(Struct, frozen=True, kw_only=True):
    """One run. `position`: where it stands; on record is the last of them that something was done after. Only this
    owner's memory are `position` beyond that, and `turn`: how often something was asked, by which late answers are
    known. `called`: the call that it placed, or is in, by its id, and `earlier`: the one before, for as long as it may
    still be refused. `noted`: the last position on record."""

    asked: RunAsked
    began: Moment
    started: Moment | None = None
    position: Position | None = None
    noted: Position | None = None
    turn: int = 0
    called: str | None = None
    earlier: str | None = None
    stopping: RunStopping | None = None
    ended: RunEnded | None = None

    @property
    def state(self) -> RunState:
        if self.ended is not None:
            return self.ended.state
        return RunState.QUEUED if self.started is None else RunState.RUNNING

    @property
    def user(self) -> str:
        return self.asked.user

    @property
    def given(self) -> dict[str, str]:
        """The parameters that it was begun with."""
        return _GIVEN(self.asked.given)


def program_of(asked: RunAsked) -> Program:
    """What a run carries out: made of what was kept with it, on any host and at any time the same."""
    scripts = scripts_of(asked)
    return program(scripts[asked.script], scripts, frozenset(asked.ussd))


def scripts_of(asked: RunAsked) -> dict[str, Script]:
    """What was kept with a run: its script and all that it runs, by name."""
    scripts: dict[str, Script] = _SCRIPTS(asked.scripts)
    return scripts


def evolve(run: Run | None, event: RunEvent) -> Run | None:
    """The run after an event."""
    match event:
        case RunQueued():
            return Run(asked=event, began=Moment.of(event))
        case RunStarted():
            began = run.began if run is not None else Moment.of(event)
            return Run(asked=event, began=began, started=Moment.of(event))
    return _later(run, event) if run is not None else None


def _later(run: Run, event: RunEvent) -> Run:
    match event:
        case RunMoved():
            run = replace(run, position=(position := _POSITION(event.position)), noted=position)
            if event.call_id is None or event.call_id == run.called:
                return run
            return replace(run, called=event.call_id, earlier=run.called)
        case RunStopping():
            return replace(run, stopping=event)
        case RunEnded():
            return replace(run, ended=event)
        case RunAdopted():
            return run
    return run


# --- events -----------------------------------------------------------------------------------------------------


def moved(run: Run, to: Program, position: Position, now: Moment, *, call_id: str | None) -> RunMoved:
    """Where it stands, before what is asked next is done."""
    asked, stands = run.asked, running(to, position)
    return RunMoved(
        line=asked.line, script_id=asked.script_id, slot=asked.slot, user=asked.user, script=asked.script, at=now.at,
        step=stands.step, steps=stands.steps, place=stands.at, waits_for=stands.waits_for,
        position=msgspec.json.encode(position).decode(), call_id=call_id,
    )  # fmt: skip


def ended(
    run: Run, now: Moment, outcome: Succeeded | Failed | None, *, screenshot: int = 0, tree: int = 0
) -> RunEnded:
    """The one terminal event. `outcome` None: it was stopped. `screenshot`, `tree`: bytes that were kept."""
    asked, to = run.asked, program_of(run.asked)
    stands = running(to, run.position) if run.position is not None else None
    over = RunEnded(
        line=asked.line, script_id=asked.script_id, slot=asked.slot, user=asked.user, script=asked.script,
        version=asked.version, at=now.at, state=RunState.STOPPED,
        seconds=round(elapsed(run.started or run.began, now)[0], 3), call_id=run.called,
        by=run.stopping.by if run.stopping is not None else None,
        step=stands.step if stands is not None else None, steps=to.steps if run.started is not None else None,
        place=stands.at if stands is not None else None,
    )  # fmt: skip
    match outcome:
        case Succeeded():
            return replace(
                over, state=RunState.SUCCEEDED, values=outcome.values, step=None, place=None, by=None
            )
        case Failed():
            return replace(
                over, state=RunState.FAILED, step=outcome.number, place=outcome.at, step_name=outcome.step,
                reason=outcome.reason, uncertain=outcome.uncertain, screenshot=screenshot, tree=tree, by=None,
            )  # fmt: skip
    return over


# --- view -------------------------------------------------------------------------------------------------------


def view(run: Run, to: Program) -> RunView:
    """The run in the documented shape."""
    asked, over = run.asked, run.ended
    shown = RunView(
        script_id=asked.script_id, slot=asked.slot, script=asked.script, version=asked.version, user=asked.user,
        state=run.state, asked=run.began.at, started=run.started.at if run.started is not None else None,
        stopping=run.stopping is not None and over is None, call_id=run.called, trace_id=asked.trace_id,
    )  # fmt: skip
    if over is not None:
        return replace(
            shown, ended=over.at, step=over.step, steps=over.steps, place=over.place, step_name=over.step_name,
            values=over.values, reason=over.reason, uncertain=over.uncertain, call_id=over.call_id, by=over.by,
            screenshot=over.screenshot > 0, tree=over.tree > 0,
        )  # fmt: skip
    if run.position is None:
        return shown
    stands = running(to, run.position)
    return replace(shown, step=stands.step, steps=stands.steps, place=stands.at, waits_for=stands.waits_for)
