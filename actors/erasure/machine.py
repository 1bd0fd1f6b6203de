"""An erasure's machine. Pure."""

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision, Effect
from bus_schemas.erasure import (
    Erased,
    EraseOnShard,
    ErasureActivated,
    ErasureBegun,
    ErasureCleared,
    ErasureDone,
    ErasureEvent,
    ErasureFailed,
    ErasureStatus,
    ErasureView,
)

S = ErasureStatus


class Clear(Effect, frozen=True):
    """Have all that says something of the person say nothing."""


class Finish(Effect, frozen=True):
    """See that what was made of the journal before is made anew, and forget whom it was about."""


class Forget(Effect, frozen=True):
    """Forget whom it was about, also where that was said once more meanwhile."""


class Cleared(Struct, frozen=True, kw_only=True):
    """It was done."""

    erased: Erased


class Finished(Struct, frozen=True):
    """Likewise."""


class Impossible(Struct, frozen=True, kw_only=True):
    """It cannot be done."""

    why: str


Report = Cleared | Finished | Impossible
ErasureDecision = Decision[ErasureEvent, None]


class Erasure(Struct, frozen=True, kw_only=True):
    """One erasure as its events tell it."""

    begun: ErasureBegun
    erased: Erased | None = None
    ended: str | None = None
    why: str = ""

    @property
    def over(self) -> bool:
        return self.ended is not None


def view(erasure: Erasure) -> ErasureView:
    """As it is shown."""
    begun = erasure.begun
    status = S.RUNNING if not erasure.over else S.FAILED if erasure.why else S.DONE
    return ErasureView(
        erasure=begun.erasure, status=status, by=begun.by, at=begun.at, reason=begun.reason, marks=begun.marks,
        erased=erasure.erased or Erased(), ended=erasure.ended, why=erasure.why,
    )  # fmt: skip


def begin(erasure: Erasure | None, request: EraseOnShard, by: str, now: Moment) -> ErasureDecision:
    """Begin one that is new; a repeat changes nothing."""
    if erasure is not None:
        return Decision(effects=(Forget(),)) if erasure.over else NOTHING
    event = ErasureBegun(erasure=request.erasure, at=now.at, by=by, reason=request.reason, marks=request.marks)
    return Decision(events=(event,), effects=(Clear(),))


def resume(erasure: Erasure | None) -> ErasureDecision:
    """A new owner goes on: each step can be done again."""
    if erasure is None or erasure.over:
        return NOTHING
    return Decision(effects=(Clear() if erasure.erased is None else Finish(),))


def observe(erasure: Erasure, report: Report, now: Moment) -> ErasureDecision:
    """What follows from a step."""
    id = erasure.begun.erasure
    if erasure.over:
        return NOTHING
    match report:
        case Cleared():
            event = ErasureCleared(erasure=id, at=now.at, erased=report.erased)
            return Decision(events=(event,), effects=(Finish(),)) if erasure.erased is None else NOTHING
        case Finished():
            done = ErasureDone(erasure=id, at=now.at)
            return Decision(events=(done,), effects=(Forget(),)) if erasure.erased is not None else NOTHING
        case Impossible():
            failed = ErasureFailed(erasure=id, at=now.at, why=report.why)
            return Decision(events=(failed,), effects=(Forget(),))


def evolve(erasure: Erasure | None, event: ErasureEvent) -> Erasure | None:
    """The state after an event."""
    match event:
        case ErasureBegun():
            return erasure or Erasure(begun=event)
        case ErasureCleared():
            return erasure and replace(erasure, erased=event.erased)
        case ErasureDone():
            return erasure and replace(erasure, ended=event.at)
        case ErasureFailed():
            return erasure and replace(erasure, ended=event.at, why=event.why)
        case ErasureActivated():
            return erasure
