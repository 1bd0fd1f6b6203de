"""Alerts over HTTP, and what Socket.IO clients hear of one."""

from msgspec import Struct

from bus_schemas.alert import (
    ACKNOWLEDGE_ALERT,
    ALERT,
    ALERT_ACKNOWLEDGED,
    ALERT_FIRED,
    ALERT_RESOLVED,
    ALERT_SILENCED,
    ALERT_UNSILENCED,
    END_SILENCE,
    GET_ALERT,
    LIST_ALERTS,
    LIST_SILENCES,
    MAKE_SILENCE,
    AlertAcknowledged,
    AlertFired,
    AlertResolved,
    AlertSeverity,
    AlertSilenced,
    AlertUpdate,
    RuleName,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part

# fmt: off
ROUTES = (
    #     method    path                                       contract           status part
    Route("GET",    "/api/monitor/alerts",                     LIST_ALERTS,       200, P.OTTB),
    Route("GET",    "/api/monitor/alerts/{alert}",             GET_ALERT,         200, P.OTTB, light=True),
    Route("POST",   "/api/monitor/alerts/{alert}/acknowledge", ACKNOWLEDGE_ALERT, 200, P.OTTB, True),
    Route("GET",    "/api/monitor/silences",                   LIST_SILENCES,     200, P.OTTB),
    Route("POST",   "/api/monitor/silences",                   MAKE_SILENCE,      201, P.OTTB, True),
    Route("DELETE", "/api/monitor/silences/{silence}",         END_SILENCE,       200, P.OTTB),
)
# fmt: on


def present(event: Struct) -> AlertUpdate:
    """What an event says of an alert."""
    fields = shared_fields(event, AlertUpdate)
    match event:
        case AlertFired():
            return AlertUpdate(**fields, change="fired")
        case AlertResolved():
            return AlertUpdate(**fields, change="resolved")
        case AlertAcknowledged():
            return AlertUpdate(**fields, change="acknowledged")
        case AlertSilenced():
            return AlertUpdate(**fields, change="silenced")
    return AlertUpdate(**fields, change="unsilenced")


ROOM = Room(
    ALERT, AlertUpdate, (ALERT_FIRED, ALERT_RESOLVED, ALERT_ACKNOWLEDGED, ALERT_SILENCED, ALERT_UNSILENCED), present,
    narrows=(("severity", AlertSeverity), ("rule", RuleName)),
)  # fmt: skip
