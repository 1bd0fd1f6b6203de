"""Calls over HTTP, and what Socket.IO clients hear of one."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.call import (
    CALL,
    CALL_ALERTING,
    CALL_CONNECTED,
    CALL_DIALING,
    CALL_ENDED,
    CALL_ENDING,
    CALL_JOINED,
    CALLS_FEED,
    END_CALL,
    GET_CALL,
    GET_CDR,
    START_CALL,
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallJoined,
    CallsFeed,
    CallState,
    CallStatus,
    EndReason,
    Phase,
    state_of,
    status_of,
)
from bus_schemas.fields import CallId, LineName, SlotId, Username, Utc
from gateway.routes import Listing, Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method    path                       contract    status part
    Route("POST",   "/api/call/start",         START_CALL, 201, P.OTTB, True),
    Route("POST",   "/api/call/end",           END_CALL,   200, P.OTTB, True),
    Route("GET",    "/api/call/{call_id}",     GET_CALL,   200, P.OTTB, light=True),
    Route("GET",    "/api/call/{call_id}/cdr", GET_CDR,    200, P.OTTB, light=True),
    Route("GET",    "/api/calls/feed",         CALLS_FEED, 200, P.OTTB),
)
# fmt: on


Change = Literal["dialing", "alerting", "connected", "joined", "ending", "ended"]


class CallUpdate(Struct, frozen=True, kw_only=True):
    """A call has moved on. `change` says how, and with it which other fields are there; `phase`, `state` and `status`
    are those after it. Seconds for `ring_timeout`, `ring_at_least` and `max_duration`; whole
    seconds for `duration` and `ring_seconds`. `ending`: a hang-up was asked for, by `by`. `joined`: who waited is the
    `operator`'s now, at `extension`, for `by`; with `dialing`, `operator`: for whom a campaign dials it on a line of
    theirs. `slot` null: of none, whoever answers waits for that."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    change: Change
    phase: Phase | UnsetType = UNSET
    state: CallState | UnsetType = UNSET
    status: CallStatus | UnsetType = UNSET
    ending: bool | UnsetType = UNSET
    by: str | UnsetType = UNSET
    number: str | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    ring_timeout: float | UnsetType = UNSET
    ring_at_least: float | UnsetType = UNSET
    max_duration: float | UnsetType = UNSET
    reason: EndReason | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    ring_seconds: int | UnsetType = UNSET
    start_time: Utc | UnsetType = UNSET
    ring_time: Utc | UnsetType | None = UNSET
    answer_time: Utc | UnsetType | None = UNSET
    ended_by: str | UnsetType | None = UNSET
    clock_suspect: bool | UnsetType = UNSET
    trace_id: str | UnsetType | None = UNSET
    trunk: str | UnsetType | None = UNSET
    recording: str | UnsetType | None = UNSET
    campaign: str | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    extension: str | UnsetType = UNSET


BEGUN: dict[type[Struct], tuple[Change, Phase]] = {
    CallDialing: ("dialing", Phase.DIALING),
    CallAlerting: ("alerting", Phase.ALERTING),
    CallConnected: ("connected", Phase.CONNECTED),
}


def present(event: Struct) -> CallUpdate:
    """What an event says of its call."""
    fields = shared_fields(event, CallUpdate)
    match event:
        case CallJoined():
            return CallUpdate(**fields, change="joined")
        case CallEnding():
            return CallUpdate(**fields, change="ending", ending=True)
        case CallEnded():
            return CallUpdate(**fields, change="ended", phase=Phase.ENDED, status=status_of(event.state))
    change, phase = BEGUN[type(event)]
    state = state_of(phase)
    return CallUpdate(**fields, change=change, phase=phase, state=state, status=status_of(state))


ROOM = Room(
    CALL, CallUpdate,
    (CALL_DIALING, CALL_ALERTING, CALL_CONNECTED, CALL_JOINED, CALL_ENDING, CALL_ENDED), present,
    narrows=(("slot", SlotId), ("user", Username), ("call_id", CallId)),
    listing=Listing(rpc=CALLS_FEED, page=lambda cursor: CallsFeed(limit=500, cursor=cursor)),
)  # fmt: skip
