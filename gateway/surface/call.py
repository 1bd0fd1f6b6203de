"""Calls over HTTP, and what Socket.IO clients hear of one."""


from msgspec import Struct

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
    CallChange,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallJoined,
    CallsFeed,
    CallUpdate,
    Phase,
    state_of,
    status_of,
)
from bus_schemas.fields import CallId, SlotId, Username
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


BEGUN: dict[type[Struct], tuple[CallChange, Phase]] = {
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
