"""Scripts over HTTP, and what Socket.IO clients hear of their runs."""

from msgspec import Struct

from bus_schemas.fields import SlotId
from bus_schemas.script import (
    CHECK_SCRIPT,
    GET_RUN,
    GET_SCRIPT,
    LIST_RUNS,
    LIST_SCRIPTS,
    RUN_ENDED,
    RUN_MOVED,
    RUN_QUEUED,
    RUN_SCREEN,
    RUN_SCRIPT,
    RUN_STARTED,
    RUN_STOPPING,
    RUN_TREE,
    SCRIPT,
    STOP_RUN,
    RunEnded,
    RunMoved,
    RunQueued,
    RunState,
    RunStopping,
    ScriptId,
    ScriptUpdate,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part
G = "/api/gacs"
LONGEST = 1_000_000  # bytes of a script's text, as JSON

# fmt: off
ROUTES = (
    #     method  path                                   contract     status part
    Route("POST", G + "/run-script",                     RUN_SCRIPT,   201, P.OTTB, True),
    Route("GET",  G + "/status/{script_id}",             GET_RUN,      200, P.OTTB, light=True),
    Route("POST", G + "/stop/{script_id}",               STOP_RUN,     200, P.OTTB, True),
    Route("GET",  G + "/scripts",                        LIST_SCRIPTS, 200, P.OTTB),
    Route("GET",  G + "/scripts/{name}",                 GET_SCRIPT,   200, P.OTTB, light=True),
    Route("POST", G + "/check",                          CHECK_SCRIPT, 200, P.OTTB, most=LONGEST),
    Route("GET",  G + "/runs",                           LIST_RUNS,    200, P.OTTB),
    Route("GET",  G + "/runs/{script_id}/screenshot",    RUN_SCREEN,   200, P.OTTB, stored=True),
    Route("GET",  G + "/runs/{script_id}/tree",          RUN_TREE,     200, P.OTTB, stored=True),
)
# fmt: on


def present(event: Struct) -> ScriptUpdate:
    """What an event says of its run."""
    fields = shared_fields(event, ScriptUpdate)
    match event:
        case RunQueued():
            return ScriptUpdate(**fields, change="queued", state=RunState.QUEUED)
        case RunMoved():
            return ScriptUpdate(**fields, change="moved", state=RunState.RUNNING)
        case RunStopping():
            return ScriptUpdate(**fields, change="stopping", state=RunState.RUNNING)
        case RunEnded():
            return ScriptUpdate(**fields, change="ended")
    return ScriptUpdate(**fields, change="started", state=RunState.RUNNING)


ROOM = Room(
    SCRIPT, ScriptUpdate, (RUN_QUEUED, RUN_STARTED, RUN_MOVED, RUN_STOPPING, RUN_ENDED), present,
    narrows=(("slot", SlotId), ("script_id", ScriptId)),
)  # fmt: skip
