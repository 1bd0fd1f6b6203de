"""The whole surface: every HTTP route and every live event, one line each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus_schemas.audit import LIST_AUDIT
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
    GET_RECORDING,
    LIST_CDRS,
    START_CALL,
)
from bus_schemas.contract import Rpc, Topic
from bus_schemas.permissions import Access, Action
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
    SLOT_COMMAND_DONE,
    SLOT_COMMAND_STARTED,
    SLOT_CONFIGURED,
    SLOT_LINKED,
    SLOT_REMOVED,
    SLOT_RESTARTING,
    SLOT_TELEMETRY,
)
from bus_schemas.trunk import DIAL_PBX, PBX_STATUS, TRUNK_CHANGED
from bus_schemas.user import (
    CHANGE_PASSWORD,
    CHANGE_USER,
    CREATE_TOKEN,
    CREATE_USER,
    DELETE_ROLE,
    DELETE_USER,
    END_SESSIONS,
    LIST_ROLES,
    LIST_TOKENS,
    LIST_USERS,
    LOGIN,
    LOGOUT,
    REFRESH,
    REVOKE_TOKEN,
    ROLE_CHECK,
    SET_ROLE,
)
from gateway.shown import SlotFreed, SlotTaken


class Part(StrEnum):
    """Which of the four documented ports serves a route. WORKSPACE serves the others' too."""

    POINT = "POINT"
    DCI = "DCI"
    OTTB = "OTTB"
    WORKSPACE = "WORKSPACE"


@dataclass(frozen=True)
class Route:
    """`{name}` in the path is a field of the contract's request. `effect`: takes an Idempotency-Key. `table`: the
    answer is also to be had as CSV. `file`: the answer says where a recording is, and the client gets that."""

    method: str
    path: str
    rpc: Rpc[Any, Any]
    status: int
    part: Part
    effect: bool = False
    table: bool = False
    file: bool = False

    @property
    def audited(self) -> bool:
        """What changes something, and what lets somebody hear what others said."""
        return self.method != "GET" or self.file

    @property
    def permission(self) -> Action | Access:
        """What the contract line asks for. A line that says nothing is not for doors."""
        if self.rpc.permission is None:
            raise TypeError(f"{self.rpc.subject} has no permission and cannot be a route")
        return self.rpc.permission


@dataclass(frozen=True)
class Live:
    """A topic as Socket.IO clients hear it: in which room, under which name, with which permission. `derived`: what it
    says of another kind of thing, which is heard in that one's room instead of the event itself."""

    topic: Topic[Any]
    room: str
    event: str
    permission: Action
    derived: type[SlotTaken | SlotFreed] | None = None

    @property
    def payload(self) -> type[Any]:
        """What the data is made of, for the documents."""
        return self.derived or self.topic.event


A = Action
P = Part

# fmt: off
ROUTES = (
    #     method   path                                          contract         status part
    Route("POST",   "/api/auth/login",                            LOGIN,           200, P.POINT),
    Route("POST",   "/api/auth/refresh",                          REFRESH,         200, P.POINT),
    Route("POST",   "/api/auth/logout",                           LOGOUT,          200, P.POINT),
    Route("POST",   "/api/auth/password",                         CHANGE_PASSWORD, 200, P.POINT),
    Route("GET",    "/api/point/rolecheck",                       ROLE_CHECK,      200, P.POINT),

    Route("GET",    "/api/users",                                 LIST_USERS,      200, P.POINT),
    Route("POST",   "/api/users",                                 CREATE_USER,     201, P.POINT),
    Route("PATCH",  "/api/users/{user}",                          CHANGE_USER,     200, P.POINT),
    Route("DELETE", "/api/users/{user}",                          DELETE_USER,     200, P.POINT),
    Route("POST",   "/api/users/{user}/logout",                   END_SESSIONS,    200, P.POINT),
    Route("GET",    "/api/roles",                                 LIST_ROLES,      200, P.POINT),
    Route("POST",   "/api/roles/{role}",                          SET_ROLE,        200, P.POINT),
    Route("DELETE", "/api/roles/{role}",                          DELETE_ROLE,     200, P.POINT),
    Route("GET",    "/api/tokens",                                LIST_TOKENS,     200, P.POINT),
    Route("POST",   "/api/tokens",                                CREATE_TOKEN,    201, P.POINT),
    Route("DELETE", "/api/tokens/{token_id}",                     REVOKE_TOKEN,    200, P.POINT),
    Route("GET",    "/api/audit",                                 LIST_AUDIT,      200, P.POINT, table=True),

    Route("GET",    "/api/slots",                                 LIST_SLOTS,      200, P.OTTB),
    Route("POST",   "/api/slots",                                 CONFIGURE_SLOT,  200, P.OTTB, True),
    Route("GET",    "/api/slots/unassigned",                      LIST_UNASSIGNED, 200, P.OTTB),
    Route("GET",    "/api/slots/{slot}",                          GET_SLOT,        200, P.OTTB),
    Route("DELETE", "/api/slots/{slot}",                          REMOVE_SLOT,     200, P.OTTB),
    Route("POST",   "/api/slots/{slot}/restart",                  RESTART_SLOT,    202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/reboot-device",            REBOOT_DEVICE,   202, P.OTTB, True),
    Route("POST",   "/api/slots/{slot}/adb-command",              ADB_COMMAND,     202, P.OTTB, True),
    Route("GET",    "/api/slots/{slot}/adb-command/{command_id}", GET_ADB_COMMAND, 200, P.OTTB),

    Route("POST",   "/api/call/start",                            START_CALL,      201, P.OTTB, True),
    Route("POST",   "/api/call/end",                              END_CALL,        200, P.OTTB, True),
    Route("GET",    "/api/call/{call_id}",                        GET_CALL,        200, P.OTTB),
    Route("GET",    "/api/call/{call_id}/cdr",                    GET_CDR,         200, P.OTTB),
    Route("GET",    "/api/calls/feed",                            CALLS_FEED,      200, P.OTTB),

    Route("GET",    "/api/pbx/status",                            PBX_STATUS,      200, P.OTTB),
    Route("POST",   "/api/pbx/dial",                              DIAL_PBX,        201, P.OTTB, True),
    Route("GET",    "/api/pbx/cdr",                               LIST_CDRS,       200, P.OTTB, table=True),
    Route("GET",    "/api/pbx/cdr/{call_id}",                     GET_CDR,         200, P.OTTB),
    Route("GET",    "/api/pbx/recordings/{call_id}",              GET_RECORDING,   200, P.OTTB, file=True),
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
    Live(CALL_DIALING,         "slots", "slot.update", A.SLOT_VIEW, SlotTaken),
    Live(CALL_ENDED,           "slots", "slot.update", A.SLOT_VIEW, SlotFreed),
    Live(SLOT_COMMAND_STARTED, "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_COMMAND_DONE,    "slots", "slot.update", A.SLOT_VIEW),
    Live(SLOT_TELEMETRY,       "slots", "slot.update", A.SLOT_VIEW),
    Live(TRUNK_CHANGED,        "trunks", "trunk.update", A.TRUNK_VIEW),
)
# fmt: on
