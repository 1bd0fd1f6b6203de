"""The part of a line's state that every kind of line has."""

from msgspec import Struct

from actors.call.line import OnRecord
from actors.runtime.clock import Moment


class Start(Struct, frozen=True, kw_only=True):
    """That a call began, for the caps."""

    call_id: str
    user: str
    at: Moment


class LineState(Struct, frozen=True, kw_only=True):
    """What every line's record has. `starts`: of the calls of the last hour, in snapshots only."""

    calls: OnRecord = OnRecord()
    starts: tuple[Start, ...] = ()
