"""The platform's log over HTTP, and in its room."""

from bus_schemas.kinds import Kind
from bus_schemas.log import LIST_LOGS, WRITE_LOG, LogRecord
from bus_schemas.permissions import Action
from gateway.routes import Part, Room, Route

P = Part

# fmt: off
ROUTES = (
    #     method   path                   contract   status part
    Route("POST", "/api/dci/log-event",   WRITE_LOG, 201, P.DCI, True),
    Route("GET",  "/api/dci/logs",        LIST_LOGS, 200, P.DCI, table=True),
    Route("GET",  "/api/dci/logs/follow", LIST_LOGS, 200, P.DCI, followed=True),
)
# fmt: on

# Filled from the log's own stream (`live/log_room.py`): nothing in the journal is of this kind.
ROOM = Room(
    Kind("log", "log", view=Action.LOG_VIEW, view_others=Action.LOG_VIEW_ANY), LogRecord, (), lambda event: None
)
