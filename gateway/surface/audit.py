"""Who did what."""

from bus_schemas.audit import LIST_AUDIT
from gateway.routes import Part, Route

ROUTES = (Route("GET", "/api/audit", LIST_AUDIT, 200, Part.POINT, table=True),)
