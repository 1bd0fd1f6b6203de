"""The platform's log over HTTP."""

from bus_schemas.log import LIST_LOGS, WRITE_LOG
from gateway.routes import Part, Route

P = Part

# fmt: off
ROUTES = (
    #     method   path                   contract   status part
    Route("POST", "/api/dci/log-event",   WRITE_LOG, 201, P.DCI, True),
    Route("GET",  "/api/dci/logs",        LIST_LOGS, 200, P.DCI, table=True),
    Route("GET",  "/api/dci/logs/follow", LIST_LOGS, 200, P.DCI, followed=True),
)
# fmt: on
