"""The whole surface: every HTTP route and every live event, one line each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus_schemas.call import (
    CALL_ALERTING,
    CALL_CONNECTED,
    CALL_DIALING,
    CALL_ENDED,
    CALL_ENDING,
    CALLS_FEED,
    END_CALL,
    GET_CALL,
    GET_CDR,
    START_CALL,
)
from bus_schemas.contract import Rpc, Topic
from bus_schemas.permissions import Action
from bus_schemas.slot import (
    ADB_COMMAND,
    CONFIGURE_SLOT,
    GET_ADB_COMMAND,
    GET_SLOT,
    LIST_SLOTS,
    LIST_UNASSIGNED,
    REBOOT_DEVICE,
    REMOVE_SLOT,
    RESTART_SLOT,
    SLOT_BOOKED,
    SLOT_COMMAND_DONE,
    SLOT_COMMAND_STARTED,
    SLOT_CONFIGURED,
    SLOT_LINKED,
    SLOT_RELEASED,
    SLOT_REMOVED,
    SLOT_RESTARTING,
    SLOT_TELEMETRY,
)
from bus_schemas.user import LOGIN, LOGOUT, REFRESH, ROLE_CHECK


class Part(StrEnum):
    """Which of the four documented ports serves a route. WORKSPACE serves the others' too."""

    POINT = "POINT"
    DCI = "DCI"
    OTTB = "OTTB"
    WORKSPACE = "WORKSPACE"


class Access(StrEnum):
    """What a route without an action needs. There is no default: each row says."""

    PUBLIC = "public"
    LOGGED_IN = "logged in"


@dataclass(frozen=True)
class Route:
    """`{name}` in the path is a field of the contract's request. `effect`: takes an Idempotency-Key."""

    method: str
    path: str
    rpc: Rpc[Any, Any]
    permission: Action | Access
    status: int
    part: Part
    effect: bool = False


@dataclass(frozen=True)
class Live:
    """A topic as Socket.IO clients hear it: in which room, under which name, with which permission."""

    topic: Topic[Any]
    room: str
    event: str
    permission: Action


A = Action
P = Part

# fmt: off
ROUTES = (
    #     method   path                                          contract         permission        status part
    Route("POST",   "/api/auth/login",                            LOGIN,           Access.PUBLIC,    200, P.POINT),
    Route("POST",   "/api/auth/refresh",                          REFRESH,         Access.LOGGED_IN, 200, P.POINT),
    Route("POST",   "/api/auth/logout",                           LOGOUT,          Access.LOGGED_IN, 200, P.POINT),
    Route("GET",    "/api/point/rolecheck",                       ROLE_CHECK,      Access.LOGGED_IN, 200, P.POINT),

    Route("GET",    "/api/slots",                                 LIST_SLOTS,      A.SLOT_VIEW,      200, P.OTTB),
    Route("POST",   "/api/slots",                                 CONFIGURE_SLOT,  A.SLOT_CONFIGURE, 200, P.OTTB, True),
    Route("GET",    "/api/slots/unassigned",                      LIST_UNASSIGNED, A.SLOT_VIEW,      200, P.OTTB),
    Route("GET",    "/api/slots/{slot}",                          GET_SLOT,        A.SLOT_VIEW,      200, P.OTTB),
    Route("DELETE", "/api/slots/{slot}",                          REMOVE_SLOT,     A.SLOT_CONFIGURE, 200, P.OTTB),
    Route("POST",   "/api/slots/{slot}/restart",                  RESTART_SLOT,    A.SLOT_RESTART,   202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/reboot-device",            REBOOT_DEVICE,   A.SLOT_REBOOT,    202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/adb-command",              ADB_COMMAND,     A.SLOT_SHELL,     202, P.OTTB, True),
    Route("GET",    "/api/slots/{slot}/adb-command/{command_id}", GET_ADB_COMMAND, A.SLOT_SHELL,     200, P.OTTB),

    Route("POST",   "/api/call/start",                            START_CALL,      A.CALL_START,     201, P.OTTB, True),
    Route("POST",   "/api/call/end",                              END_CALL,        A.CALL_END,       200, P.OTTB, True),
    Route("GET",    "/api/call/{call_id}",                        GET_CALL,        A.CALL_VIEW,      200, P.OTTB),
    Route("GET",    "/api/call/{call_id}/cdr",                    GET_CDR,         A.CALL_VIEW,      200, P.OTTB),
    Route("GET",    "/api/calls/feed",                            CALLS_FEED,      A.CALL_VIEW,      200, P.OTTB),
)

LIVE = (
    #    topic                 room     event          permission
    Live(CALL_DIALING,         "calls", "call.update", A.CALL_VIEW),
    Live(CALL_ALERTING,        "calls", "call.update", A.CALL_VIEW),
    Live(CALL_CONNECTED,       "calls", "call.update", A.CALL_VIEW),
    Live(CALL_ENDING,          "calls", "call.update", A.CALL_VIEW),
    Live(CALL_ENDED,           "calls", "call.update", A.CALL_VIEW),
    Live(SLOT_CONFIGURED,      "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_REMOVED,         "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_LINKED,          "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_RESTARTING,      "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_BOOKED,          "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_RELEASED,        "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_COMMAND_STARTED, "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_COMMAND_DONE,    "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_TELEMETRY,       "slots", "slot.update", A.SLOT_VIEW),
)
# fmt: on
