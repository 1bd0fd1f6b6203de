"""The dashboard over HTTP."""

from bus_schemas.dashboard import GET_BREAKDOWN, GET_DASHBOARD, GET_SERIES
from gateway.routes import Part, Route

P = Part

# fmt: off
ROUTES = (
    #     method path                        contract       status part
    Route("GET", "/api/dashboard",           GET_DASHBOARD, 200, P.WORKSPACE),
    Route("GET", "/api/dashboard/series",    GET_SERIES,    200, P.WORKSPACE),
    Route("GET", "/api/dashboard/breakdown", GET_BREAKDOWN, 200, P.WORKSPACE),
)
# fmt: on
