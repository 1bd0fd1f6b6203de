"""Pipelines over HTTP, and what Socket.IO clients hear of their runs."""

from msgspec import Struct

from bus_schemas.pipeline import (
    APPROVE_STEP,
    CHECK_PIPELINE,
    DCI_STATUS,
    DEFINE_PIPELINE,
    DELETE_PIPELINE,
    GET_ARTEFACT,
    GET_DEFINITION,
    GET_PIPELINE_RUN,
    LIST_PIPELINE_RUNS,
    LIST_PIPELINES,
    PIPELINE,
    PIPELINE_STATUS,
    RUN_LOG,
    RUN_PIPELINE,
    SIGNING,
    STEP_LOG,
    STOP_PIPELINE,
    TRIGGER_PIPELINE,
    PipelineId,
)
from bus_schemas.pipeline_events import (
    PIPELINE_APPROVED,
    PIPELINE_ENDED,
    PIPELINE_QUEUED,
    PIPELINE_STARTED,
    PIPELINE_STEP,
    PIPELINE_STOPPING,
    OutputLines,
    PipelineApproved,
    PipelineEnded,
    PipelineQueued,
    PipelineStarted,
    PipelineStep,
    PipelineUpdate,
)
from gateway.routes import Beside, Part, Room, Route, shared_fields

P = Part
D = "/api/dci"
ONE = D + "/pipeline/{pipeline}"
RUN = ONE + "/runs/{run}"
LONGEST = 400_000  # bytes of a definition's text, as JSON

# fmt: off
ROUTES = (
    #     method  path                             contract            status part
    Route("GET",  D + "/pipelines",                LIST_PIPELINES,     200, P.DCI, linked=True),
    Route("POST", D + "/pipelines",                DEFINE_PIPELINE,    201, P.DCI, True, most=LONGEST),
    Route("POST", D + "/pipelines/check",          CHECK_PIPELINE,     200, P.DCI, most=LONGEST),
    Route("GET",  D + "/status",                   DCI_STATUS,         200, P.DCI, light=True),
    Route("GET",  ONE,                             GET_DEFINITION,     200, P.DCI, light=True),
    Route("DELETE", ONE,                           DELETE_PIPELINE,    200, P.DCI),
    Route("POST", ONE + "/run",                    RUN_PIPELINE,       201, P.DCI, True, linked=True),
    Route("POST", ONE + "/webhook",                TRIGGER_PIPELINE,   202, P.DCI, signing=SIGNING),
    Route("POST", ONE + "/stop",                   STOP_PIPELINE,      200, P.DCI, True),
    Route("GET",  ONE + "/status",                 PIPELINE_STATUS,    200, P.DCI, light=True, linked=True),
    Route("GET",  ONE + "/runs",                   LIST_PIPELINE_RUNS, 200, P.DCI, linked=True),
    Route("GET",  RUN,                             GET_PIPELINE_RUN,   200, P.DCI, light=True, linked=True),
    Route("GET",  RUN + "/log",                    RUN_LOG,            200, P.DCI, output=True, costly=True),
    Route("GET",  RUN + "/steps/{step}/log",       STEP_LOG,           200, P.DCI, output=True, costly=True),
    Route("POST", RUN + "/steps/{step}/approve",   APPROVE_STEP,       200, P.DCI, True),
    Route("GET",  RUN + "/artefacts/{artefact}",   GET_ARTEFACT,       200, P.DCI, stored=True),
)
# fmt: on


def present(event: Struct) -> PipelineUpdate | None:
    """What an event says of its run."""
    fields = shared_fields(event, PipelineUpdate)
    match event:
        case PipelineQueued():
            return PipelineUpdate(**fields, change="queued", status="queued")
        case PipelineStarted():
            return PipelineUpdate(**fields, change="started", status="running")
        case PipelineStep():
            return PipelineUpdate(**fields, change="step")
        case PipelineApproved():
            return PipelineUpdate(**fields, change="approved")
        case PipelineEnded():
            return PipelineUpdate(**fields, change="ended")
    return PipelineUpdate(**fields, change="stopping")


LOG = Beside("pipeline.log", OutputLines, "log_seq")
ROOM = Room(
    PIPELINE, PipelineUpdate,
    (PIPELINE_QUEUED, PIPELINE_STARTED, PIPELINE_STEP, PIPELINE_APPROVED, PIPELINE_STOPPING, PIPELINE_ENDED), present,
    narrows=(("pipeline", PipelineId),), beside=(LOG,),
)  # fmt: skip
