"""A run of a script: what its owner decides. The engine says what comes next; here is what of it is put on record, when
the run is over, and what becomes of the call that it is in. Pure.

Where the run stands is on record before anything is done on the phone. Looks and pauses are not: who takes over begins
them anew. After a step that must not be done twice it is written once more that it was done.
"""

from msgspec import Struct
from msgspec.structs import replace

from actors.run.record import Run, ended, evolve, moved, program_of, view
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, Effect, SetTimer, Tell, TimerFired
from actors.runtime.ids import derived
from actors.script import engine
from actors.script import language as say
from actors.script.effects import AnyEffect, Back, Dump, NotDone, Pause, PlaceCall, TakeScreenshot
from actors.script.position import Failed, Position, Succeeded
from actors.script.program import Program
from actors.telephony.orders import EndInApp, StillThere
from actors.telephony.reports import InApp
from bus_schemas.script import RunEvent, RunStopping

__all__ = ["Run", "begin", "evolve", "observe", "program_of", "resume", "stop", "view"]

STOP, STOP_LIMIT = "stop", 1.8  # seconds that a phone has to be left at its home screen; then the run is over anyway
SHOT, SHOT_LIMIT = "shot", 12.0  # seconds for the screen that a run failed at
ABOUT_CALL = frozenset({"talk", "tell", "hang_up"})  # phases in which a call is up, as far as anybody knows
SETTLED = frozenset({"end"})  # in which its end is told
NOT_BEGUN = "nothing was done: {cause}"


# --- effects and reports ------------------------------------------------------------------------------------------


class CarryOut(Effect, frozen=True, kw_only=True):
    """Do what is asked; `CameBack` comes. `call_id`: of the call that it is about. `give_up`: a call that is up and
    that the script goes on without is ended before."""

    turn: int
    effect: AnyEffect
    position: Position
    call_id: str | None = None
    give_up: bool = False


class GiveUp(Effect, frozen=True, kw_only=True):
    """End the call in the app that the run is in, beside whatever it does."""

    call_id: str


class Halt(Effect, frozen=True, kw_only=True):
    """Leave off whatever is under way, end the call, and leave the phone at its home screen and set
    right; `Halted` comes."""

    call_id: str | None = None


class Capture(Effect, frozen=True, kw_only=True):
    """Keep the screen that the run has failed at; `Captured` comes. `give_up`: see `CarryOut`. `clean_up`: set right
    what it has changed."""

    call_id: str | None = None
    give_up: bool = False
    clean_up: bool = False


class Begin(Struct, frozen=True, kw_only=True):
    """The run holds its slot, and nobody else has it."""


class CannotBegin(Struct, frozen=True, kw_only=True):
    """It must not begin."""

    cause: str


class CameBack(Struct, frozen=True, kw_only=True):
    """What came of what was asked."""

    turn: int
    back: Back


class Halted(Struct, frozen=True, kw_only=True):
    """The phone was left."""


class Captured(Struct, frozen=True, kw_only=True):
    """Bytes that are kept of the screen. 0: it could not be had."""

    screenshot: int = 0
    tree: int = 0


RunReport = Begin | CannotBegin | CameBack | Halted | Captured | TimerFired | EndInApp | StillThere
RunDecision = Decision[RunEvent, Run]  # its memory: the run, with what needs no record


# --- decide -------------------------------------------------------------------------------------------------------


def begin(run: Run, to: Program, now: Moment) -> RunDecision:
    """The first step."""
    return _stands(run, to, engine.begin(to, run.given, now.seconds), now)


def stop(run: Run, by: str, command_id: str, now: Moment) -> RunDecision:
    """Stop it. One that is over, or is being stopped, stays as it is; one that waits for its slot is over at once."""
    if run.ended is not None or run.stopping is not None:
        return NOTHING
    asked = run.asked
    event = RunStopping(
        line=asked.line, script_id=asked.script_id, slot=asked.slot, user=asked.user, script=asked.script, at=now.at,
        by=by, command_id=command_id,
    )  # fmt: skip
    if run.started is None:
        return Decision(events=(event, ended(replace(run, stopping=event), now, None)))
    return Decision(events=(event,), effects=_halted(run))


def resume(run: Run | None, to: Program | None, now: Moment) -> RunDecision:
    """A new owner's first steps: whoever had it may or may not have done what was asked last."""
    if run is None or to is None or run.ended is not None or run.started is None:
        return NOTHING
    if run.stopping is not None:
        return Decision(effects=_halted(run))
    if run.position is None:
        return begin(run, to, now)
    run = replace(run, position=run.noted or run.position)
    assert run.position is not None
    if run.position.outcome is not None:
        return _over(run, run.position, now, give_up=False)
    return _stands(run, to, engine.resumed(to, run.position, now.seconds), now, taken_over=True)


def observe(run: Run | None, to: Program | None, report: RunReport, now: Moment) -> RunDecision:
    """What follows from a report. Late ones mean nothing."""
    if run is None or to is None or run.ended is not None:
        return NOTHING
    match report:
        case EndInApp():
            up = run.called == report.call_id and _in_call(run)
            return Decision(effects=(GiveUp(call_id=report.call_id),) if up else ())
        case StillThere():
            there = run.called == report.call_id and (_in_call(run) or _placing(run))
            answer = Tell(kind="call", id=report.call_id, report=InApp(state="up"))
            return Decision(effects=(answer,) if there else ())
        case Halted() | TimerFired(name="stop") if run.stopping is not None:
            return Decision(events=(ended(run, now, None),))
    return NOTHING if run.stopping is not None else _observed(run, to, report, now)


def _observed(run: Run, to: Program, report: RunReport, now: Moment) -> RunDecision:
    position = run.position
    match report:
        case Begin() if position is None and run.started is not None:
            return begin(run, to, now)
        case CannotBegin() if position is None:
            failed = Failed(number=0, at="", step="", reason=NOT_BEGUN.format(cause=report.cause))
            return Decision(events=(ended(run, now, failed),))
        case CameBack() if position is not None and report.turn == run.turn and position.outcome is None:
            if isinstance(report.back, NotDone) and report.back.unplaced:  # there is no such call
                run = replace(run, called=run.earlier)
            return _stands(run, to, engine.advance(to, position, report.back, now.seconds), now)
        case Captured() if position is not None and position.outcome is not None:
            over = ended(run, now, position.outcome, screenshot=report.screenshot, tree=report.tree)
            return Decision(events=(over,))
        case TimerFired(name="shot") if position is not None and position.outcome is not None:
            return Decision(events=(ended(run, now, position.outcome),))
    return NOTHING


def _stands(run: Run, to: Program, position: Position, now: Moment, *, taken_over: bool = False) -> RunDecision:
    """Where it stands now, and what follows: put on record what must be, then do what is asked."""
    before = run.position
    leaves = before is not None and _left(before, position, taken_over=taken_over)
    run = replace(run, position=position, turn=run.turn + 1)
    if position.outcome is not None:
        return _over(run, position, now, give_up=leaves)
    assert position.asked is not None
    call_id = run.called
    if isinstance(position.asked, PlaceCall):
        call_id = call_of(run, position)
    write = taken_over or _must_be_written(to, run.noted, position)
    events: tuple[RunEvent, ...] = (moved(run, to, position, now, call_id=call_id),) if write else ()
    carry = CarryOut(
        turn=run.turn, effect=position.asked, position=position, call_id=call_id, give_up=leaves
    )
    return Decision(memory=run, events=events, effects=(carry,))


def _over(run: Run, position: Position, now: Moment, *, give_up: bool) -> RunDecision:
    """The script is at its end: at once where it has succeeded, else once its screen is kept."""
    if isinstance(position.outcome, Succeeded) and not give_up:
        return Decision(memory=run, events=(ended(run, now, position.outcome),))
    capture = Capture(call_id=run.called, give_up=give_up, clean_up=isinstance(position.outcome, Failed))
    return Decision(memory=run, effects=(capture, SetTimer(name=SHOT, seconds=SHOT_LIMIT)))


def _halted(run: Run) -> tuple[Effect, ...]:
    in_it = run.called if _in_call(run) or _placing(run) else None
    return Halt(call_id=in_it), SetTimer(name=STOP, seconds=STOP_LIMIT)


def call_of(run: Run, position: Position) -> str:
    """The one call that the run can place from there."""
    return derived("c", run.asked.user, call_command(run, position))


def call_command(run: Run, position: Position) -> str:
    """The id of the command by which it does."""
    return f"{run.asked.script_id}-{position.effects}"


def _in_call(run: Run) -> bool:
    return run.position is not None and run.position.outcome is None and run.position.phase in ABOUT_CALL


def _placing(run: Run) -> bool:
    return run.position is not None and run.position.outcome is None and run.position.phase == "place"


def _left(before: Position, after: Position, *, taken_over: bool) -> bool:
    """Whether a call may be up that the script goes on without."""
    was = before.phase in ABOUT_CALL or (taken_over and before.phase == "place")
    goes_on = after.outcome is None and (after.phase in ABOUT_CALL or after.phase in SETTLED)
    return was and not goes_on


# --- what is on record ----------------------------------------------------------------------------------------------


def _must_be_written(to: Program, noted: Position | None, position: Position) -> bool:
    """Whether this position has to be on record before what it asks is done: because that has an effect, or because who
    takes over would otherwise believe that nobody knows what became of the last effect, or of the call."""
    if not isinstance(position.asked, Dump | Pause | TakeScreenshot):
        return True
    if noted is None:
        return True
    if position.phase in ABOUT_CALL:
        return (noted.phase not in ABOUT_CALL, noted.began_call, noted.answered) != (
            False, position.began_call, position.answered,
        )  # fmt: skip
    return noted.phase in ABOUT_CALL or noted.phase in SETTLED or _doubtful(to, noted)


def _doubtful(to: Program, noted: Position) -> bool:
    """Whether who takes over there would not know whether it was done."""
    if noted.phase not in ("act", "place"):
        return False
    step = getattr(to.instructions[noted.at], "step", None)
    return step is None or say.after_crash(step) == "fail"

