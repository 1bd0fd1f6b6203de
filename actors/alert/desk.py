"""What any host is asked about alerts: what fires and what is over the records know, the rest the board."""

import structlog

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.wire import Page, ask, forward
from bus_schemas.alert import (
    LOOK_AT_BOARD,
    PAST_ALERT,
    PAST_ALERTS,
    AlertDetails,
    AlertState,
    AlertView,
    BoardStands,
    GetAlert,
    ListAlerts,
    LookAtBoard,
)
from bus_schemas.errors import Refusal

log = structlog.get_logger()


class Desk:
    """Of one host, for all of them."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus

    async def list_alerts(self, request: ListAlerts, context: Context) -> Page:
        """What is pending is a matter of minutes, and comes whole."""
        if request.state is not AlertState.PENDING:
            return await forward(self._bus, PAST_ALERTS, request, context)
        stands = await ask(self._bus, LOOK_AT_BOARD, LookAtBoard(), context)
        return Page(body=[one for one in stands.pending if _is_wanted(one, request)][: request.limit])

    async def get_alert(self, request: GetAlert, context: Context) -> AlertDetails:
        stands = await self._stands(request, context)
        shown = [one for one in (stands.pending if stands else ()) if one.alert == request.alert]
        if shown:
            return _details(shown[0], ())
        found = await ask(self._bus, PAST_ALERT, request, context)
        within = stands.within if stands is not None else None
        parent = next((id for id, members in (within or {}).items() if request.alert in _ids(members)), None)
        members = within.get(request.alert, ()) if within is not None else None
        return _details(found, members, parent)

    async def _stands(self, request: GetAlert, context: Context) -> BoardStands | None:
        """What the board has in memory of an alert. None: it does not say."""
        try:
            return await ask(self._bus, LOOK_AT_BOARD, LookAtBoard(alert=request.alert), context, retry=False)
        except Refusal as refusal:
            log.info("the board of alerts did not answer", why=refusal.message)
            return None

def _ids(views: tuple[AlertView, ...]) -> set[str]:
    return {one.alert for one in views}

def _is_wanted(one: AlertView, request: ListAlerts) -> bool:
    wanted = ((name, getattr(request, name)) for name in ("severity", "kind", "rule", "host"))
    return all(value is None or getattr(one, name) == value for name, value in wanted)

def _details(view: AlertView, members: tuple[AlertView, ...] | None, within: str | None = None) -> AlertDetails:
    said = {name: getattr(view, name) for name in AlertView.__struct_fields__}
    return AlertDetails(**{**said, "within": within or view.within}, members=members)

