"""What can hold a line by an event on record, kind by kind: which event begins the hold, which ends it, and how they
are read. The subjects of all of them name the line: `<root>.evt.<kind>.<line>.<id>.<verb>`.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment
from actors.telephony.line import CALL, SCRIPT, Began, Holder, Over, over_of
from actors.telephony.line_call import AnyLineHolder, LineCall, LineRun
from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing, CallEnded
from bus_schemas.contract import AnyTopic
from bus_schemas.script import RUN_ENDED, RUN_STARTED, RunEnded, RunStarted


class Holding(Struct, frozen=True, kw_only=True):
    """One kind. `began`, `over`: its first event and its last one, and `begins`, `ends`, what they say to the line,
    which raise what a codec raises. `actor`: who keeps it on record. `counts`: for the limits on calls."""

    began: AnyTopic
    over: AnyTopic
    begins: Callable[[Recorded], Began]
    ends: Callable[[Recorded], Over]
    actor: type[AnyLineHolder]
    counts: bool = False


def began_of(event: CallDialing, seq: int) -> Began:
    """What a call's attempt says to its line."""
    holder = Holder(id=event.call_id, user=event.user, slot=event.slot, inside=event.run)
    return Began(holder=holder, at=Moment.of(event), seq=seq, after_ref=event.after_ref)


def _call_began(recorded: Recorded) -> Began:
    return began_of(msgspec.json.decode(recorded.data, type=CallDialing), recorded.seq)


def _call_over(recorded: Recorded) -> Over:
    return over_of(msgspec.json.decode(recorded.data, type=CallEnded), recorded.seq)


def run_began(event: RunStarted, seq: int) -> Began:
    """What the first event of a run that holds its slot says to it."""
    holder = Holder(id=event.script_id, user=event.user, slot=event.slot, kind=SCRIPT)
    return Began(holder=holder, at=Moment.of(event), seq=seq)


def _run_began(recorded: Recorded) -> Began:
    return run_began(msgspec.json.decode(recorded.data, type=RunStarted), recorded.seq)


def _run_over(recorded: Recorded) -> Over:
    event = msgspec.json.decode(recorded.data, type=RunEnded)
    return Over(id=event.script_id, at=event.at, seq=recorded.seq)


HOLDINGS: Mapping[str, Holding] = {
    CALL: Holding(
        began=CALL_DIALING, over=CALL_ENDED, begins=_call_began, ends=_call_over, actor=LineCall, counts=True
    ),
    SCRIPT: Holding(began=RUN_STARTED, over=RUN_ENDED, begins=_run_began, ends=_run_over, actor=LineRun),
}
