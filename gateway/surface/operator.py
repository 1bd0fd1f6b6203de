"""Operators over HTTP, and what Socket.IO clients hear of one."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.fields import CallId, Username, Utc
from bus_schemas.lead import Meaning
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
    Down,
    ListOperators,
    OperatorAssigned,
    OperatorChanged,
    OperatorConnected,
    OperatorDisposed,
    OperatorFreed,
    OperatorReleased,
    OperatorReserved,
    OperatorStatus,
    Spent,
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

Change = Literal["changed", "connected", "freed", "reserved", "released", "assigned", "disposed"]
CHANGES: dict[type[Struct], Change] = {
    OperatorChanged: "changed",
    OperatorConnected: "connected",
    OperatorFreed: "freed",
    OperatorReserved: "reserved",
    OperatorReleased: "released",
    OperatorAssigned: "assigned",
    OperatorDisposed: "disposed",
}


class OperatorUpdate(Struct, frozen=True, kw_only=True):
    """An operator has changed. With `changed`, `connected` and `freed` it says the status whole: `before`, and the
    milliseconds spent in that by day, without the times in which the site was `down`; `next`: what comes after call and
    wrap-up. `until`: the end of wrap-up or reservation. `by`: a user, `wrap_up` or `presence`. The other fields are
    those of the disposition."""

    user: str
    at: Utc
    change: Change
    status: OperatorStatus | UnsetType = UNSET
    before: OperatorStatus | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    next: OperatorStatus | UnsetType = UNSET
    next_reason: str | UnsetType = UNSET
    until: Utc | UnsetType | None = UNSET
    spent: tuple[Spent, ...] | UnsetType = UNSET
    down: tuple[Down, ...] | UnsetType = UNSET
    by: str | UnsetType = UNSET
    call_id: CallId | UnsetType = UNSET
    campaign_id: str | UnsetType | None = UNSET
    lead: str | UnsetType | None = UNSET
    reservation: str | UnsetType = UNSET
    why: str | UnsetType = UNSET
    campaigns: tuple[str, ...] | UnsetType | None = UNSET
    disposition: str | UnsetType = UNSET
    meaning: Meaning | UnsetType = UNSET
    note: str | UnsetType = UNSET
    callback: Utc | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    corrects: bool | UnsetType = UNSET
    day: str | UnsetType = UNSET


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
