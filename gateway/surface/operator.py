"""Operators over HTTP, and what Socket.IO clients hear of one."""


from msgspec import Struct

from bus_schemas.fields import Username
from bus_schemas.operator import (
    ASSIGN_OPERATOR,
    DISPOSE_CALL,
    EXTEND_WRAP_UP,
    GET_OPERATOR,
    GET_OWN_STATUS,
    LIST_DISPOSITIONS,
    LIST_OPERATORS,
    OPERATOR,
    OPERATOR_ASSIGNED,
    OPERATOR_CHANGED,
    OPERATOR_CONNECTED,
    OPERATOR_DISPOSED,
    OPERATOR_FREED,
    OPERATOR_RELEASED,
    OPERATOR_RESERVED,
    REPORT_OPERATORS,
    SET_OPERATOR_STATUS,
    SET_OWN_STATUS,
    ListOperators,
    OperatorAssigned,
    OperatorChange,
    OperatorChanged,
    OperatorConnected,
    OperatorDisposed,
    OperatorFreed,
    OperatorReleased,
    OperatorReserved,
    OperatorUpdate,
)
from gateway.routes import Listing, Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method  path                               contract             status part
    Route("GET",  "/api/operators",                  LIST_OPERATORS,      200, P.OTTB),
    Route("GET",  "/api/operators/me",               GET_OWN_STATUS,      200, P.OTTB, light=True),
    Route("POST", "/api/operators/me/status",        SET_OWN_STATUS,      200, P.OTTB, True),
    Route("POST", "/api/operators/me/wrap-up",       EXTEND_WRAP_UP,      200, P.OTTB, True),
    Route("GET",  "/api/operators/{user}",           GET_OPERATOR,        200, P.OTTB, light=True),
    Route("POST", "/api/operators/{user}/status",    SET_OPERATOR_STATUS, 200, P.OTTB, True),
    Route("POST", "/api/operators/{user}/campaigns", ASSIGN_OPERATOR,     200, P.OTTB, True),
    Route("GET",  "/api/reports/operators",          REPORT_OPERATORS,    200, P.OTTB, table=True),
    Route("GET",  "/api/dispositions",               LIST_DISPOSITIONS,   200, P.OTTB),
    Route("POST", "/api/call/{call_id}/disposition", DISPOSE_CALL,        200, P.OTTB, True),
)
# fmt: on

CHANGES: dict[type[Struct], OperatorChange] = {
    OperatorChanged: "changed",
    OperatorConnected: "connected",
    OperatorFreed: "freed",
    OperatorReserved: "reserved",
    OperatorReleased: "released",
    OperatorAssigned: "assigned",
    OperatorDisposed: "disposed",
}


def present(event: Struct) -> OperatorUpdate:
    """What an event says of its operator."""
    return OperatorUpdate(**shared_fields(event, OperatorUpdate), change=CHANGES[type(event)])


ROOM = Room(
    OPERATOR,
    OperatorUpdate,
    (
        OPERATOR_CHANGED, OPERATOR_CONNECTED, OPERATOR_FREED, OPERATOR_RESERVED, OPERATOR_RELEASED, OPERATOR_ASSIGNED,
        OPERATOR_DISPOSED,
    ),
    present,
    narrows=(("user", Username),),
    board=True,
    listing=Listing(rpc=LIST_OPERATORS, page=lambda cursor: ListOperators(limit=500, cursor=cursor)),
)  # fmt: skip
