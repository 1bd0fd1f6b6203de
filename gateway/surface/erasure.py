"""Erasures over HTTP."""

from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, LIST_ERASURES
from gateway.routes import Part, Route

P = Part

# fmt: off
ROUTES = (
    #     method   path                            contract       status part
    Route("POST",  "/api/crm/erasures",            ERASE_PERSON,  202, P.WORKSPACE, True),
    Route("GET",   "/api/crm/erasures",            LIST_ERASURES, 200, P.WORKSPACE),
    Route("GET",   "/api/crm/erasures/{erasure}",  GET_ERASURE,   200, P.WORKSPACE, light=True),
)
# fmt: on
