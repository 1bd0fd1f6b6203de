"""Monitoring over HTTP. What phones and hosts tell live is in the rooms of slots and of the dashboard."""

from bus_schemas.monitor import (
    GET_HOST,
    GET_NETWORK,
    GET_SYSTEM,
    HOST_HISTORY,
    HUB_HISTORY,
    LIST_HOSTS,
    SLOT_FIGURES,
    SLOT_HISTORY,
)
from gateway.routes import Part, Route

P = Part

# fmt: off
ROUTES = (
    #     method path                               contract      status part
    Route("GET", "/api/monitor/system",               GET_SYSTEM,   200, P.OTTB, costly=True),
    Route("GET", "/api/monitor/network",              GET_NETWORK,  200, P.OTTB, costly=True),
    Route("GET", "/api/monitor/slots/{slot}",         SLOT_FIGURES, 200, P.OTTB, light=True),
    Route("GET", "/api/monitor/slots/{slot}/history", SLOT_HISTORY, 200, P.OTTB, costly=True),
    Route("GET", "/api/monitor/hosts",                LIST_HOSTS,   200, P.OTTB),
    Route("GET", "/api/monitor/hosts/{host}",         GET_HOST,     200, P.OTTB, costly=True),
    Route("GET", "/api/monitor/hosts/{host}/history", HOST_HISTORY, 200, P.OTTB, costly=True),
    Route("GET", "/api/monitor/usb/{hub}/history",    HUB_HISTORY,  200, P.OTTB, costly=True),
)
# fmt: on
