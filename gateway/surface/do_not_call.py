"""Do-not-call lists over HTTP, and what Socket.IO clients hear of one."""


from bus_schemas.do_not_call import (
    ADD_DO_NOT_CALL,
    CHECK_DO_NOT_CALL,
    DO_NOT_CALL,
    DO_NOT_CALL_ADDED,
    DO_NOT_CALL_REMOVED,
    IMPORT_DO_NOT_CALL,
    LIST_DO_NOT_CALL,
    REMOVE_DO_NOT_CALL,
    DoNotCallAdded,
    DoNotCallRemoved,
    DoNotCallUpdate,
    ListId,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method  path                               contract            status part
    Route("GET",  "/api/do-not-call",               LIST_DO_NOT_CALL,   200, P.OTTB, table=True),
    Route("GET",  "/api/do-not-call/check",         CHECK_DO_NOT_CALL,  200, P.OTTB, light=True),
    Route("POST", "/api/do-not-call/{list}",        ADD_DO_NOT_CALL,    200, P.OTTB, True),
    Route("POST", "/api/do-not-call/{list}/remove", REMOVE_DO_NOT_CALL, 200, P.OTTB, True),
    Route("POST", "/api/do-not-call/{list}/import", IMPORT_DO_NOT_CALL, 200, P.OTTB, lines=True),
)
# fmt: on


def present(event: DoNotCallAdded | DoNotCallRemoved) -> DoNotCallUpdate:
    """What an event says of its list."""
    fields = shared_fields(event, DoNotCallUpdate) | {"entries": len(event.entries)}
    return DoNotCallUpdate(**fields, change="added" if isinstance(event, DoNotCallAdded) else "removed")


ROOM = Room(
    DO_NOT_CALL, DoNotCallUpdate, (DO_NOT_CALL_ADDED, DO_NOT_CALL_REMOVED), present, narrows=(("list", ListId),)
)
