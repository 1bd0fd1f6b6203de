"""What can hold a line by an event on record, kind by kind: which event begins the hold, which ends it, and how they
are read. The subjects of all of them name the line: `<root>.evt.<kind>.<line>.<id>.<verb>`.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment
from actors.telephony.line import CALL, Began, Holder, Over, over_of
from actors.telephony.line_call import AnyLineHolder, LineCall
from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing, CallEnded
from bus_schemas.contract import AnyTopic


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
    holder = Holder(id=event.call_id, user=event.user, slot=event.slot)
    return Began(holder=holder, at=Moment.of(event), seq=seq, after_ref=event.after_ref)


def _call_began(recorded: Recorded) -> Began:
    return began_of(msgspec.json.decode(recorded.data, type=CallDialing), recorded.seq)


def _call_over(recorded: Recorded) -> Over:
    return over_of(msgspec.json.decode(recorded.data, type=CallEnded), recorded.seq)


HOLDINGS: Mapping[str, Holding] = {
    CALL: Holding(
        began=CALL_DIALING, over=CALL_ENDED, begins=_call_began, ends=_call_over, actor=LineCall, counts=True
    ),
}
