"""The dashboard over HTTP, and in its room."""

from bus_schemas.dashboard import GET_BREAKDOWN, GET_DASHBOARD, GET_SERIES, Dashboard
from bus_schemas.kinds import Kind
from bus_schemas.permissions import Action
from gateway.routes import Part, Room, Route

P = Part

# fmt: off
ROUTES = (
    #     method path                        contract       status part
    Route("GET", "/api/dashboard",           GET_DASHBOARD, 200, P.WORKSPACE, costly=True),
    Route("GET", "/api/dashboard/series",    GET_SERIES,    200, P.WORKSPACE),
    Route("GET", "/api/dashboard/breakdown", GET_BREAKDOWN, 200, P.WORKSPACE),
)
# fmt: on

# Filled by asking (`live/dashboard_room.py`): no event says what a sum is after it.
ROOM = Room(
    Kind("dashboard", "dashboard", view=Action.DASHBOARD_VIEW, view_others=Action.CALL_VIEW_ANY), Dashboard, (),
    lambda event: None,
)  # fmt: skip
