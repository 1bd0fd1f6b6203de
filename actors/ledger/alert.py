"""Alerts in the ledger: one row for each that has fired."""

from operator import eq, lt
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.alert import (
    NO_ALERT,
    PAST_ALERT,
    PAST_ALERTS,
    AlertAcknowledged,
    AlertDetails,
    AlertFired,
    AlertResolved,
    AlertSeverity,
    AlertSilenced,
    AlertState,
    AlertUnsilenced,
    AlertView,
    GetAlert,
    ListAlerts,
    OfAlert,
)
from bus_schemas.catalogue import topics_of

S = AlertState
MILLI = 1000


class AlertRow(Struct, frozen=True, gc=False):
    """`seq`: of the event by which it fired, by which lists go on. `value`: in thousandths."""

    alert: str
    seq: int
    state: str
    rule: str
    severity: str
    kind: str
    id: str
    host: str
    words: str
    since: str
    fired: str
    hub: str | None = None
    value: int | None = None
    resolved: str | None = None
    acknowledged: str | None = None
    acknowledged_by: str | None = None
    note: str = ""
    silence: str | None = None


ALERTS = sa.Table(
    "alerts", METADATA, *columns(AlertRow, primary="alert", unique="seq"), sa.Index("alerts_state", "state", "seq")
)
C = ALERTS.c


def fold(row: AlertRow | None, event: OfAlert, seq: int) -> AlertRow | None:
    """The alert after an event."""
    match event:
        case AlertFired():
            return row or AlertRow(
                event.alert, seq, str(S.FIRING), event.rule, str(event.severity), event.kind, event.id, event.host,
                event.words, event.since, event.at, event.hub,
                None if event.value is None else round(MILLI * event.value), silence=event.silence,
            )  # fmt: skip
        case AlertResolved():
            return row and replace(row, state=str(S.RESOLVED), resolved=event.at)
        case AlertAcknowledged():
            return row and replace(row, acknowledged=event.at, acknowledged_by=event.by, note=event.note)
        case AlertSilenced():
            return row and replace(row, silence=event.silence)
        case AlertUnsilenced():
            return row and replace(row, silence=None)


def view(row: AlertRow) -> AlertView:
    """As it is shown."""
    return AlertView(**_said(row))


def _said(row: AlertRow) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in AlertRow.__struct_fields__ if name != "seq"}
    value = None if row.value is None else row.value / MILLI
    return {**said, "state": S(row.state), "severity": AlertSeverity(row.severity), "value": value}


def one(alert: str) -> Query[AlertDetails]:
    found = sa.select(ALERTS).where(C.alert == alert)
    return Query(found, made_of(AlertRow, lambda row: AlertDetails(**_said(row))))


def those(wanted: ListAlerts) -> Query[tuple[int, AlertView]]:
    """The newest first and one more than the page has, each with its key."""
    severity = str(wanted.severity) if wanted.severity is not None else None
    conditions = given(
        (C.state, eq, str(wanted.state)), (C.severity, eq, severity), (C.kind, eq, wanted.kind),
        (C.rule, eq, wanted.rule), (C.host, eq, wanted.host), (C.seq, lt, from_cursor(wanted.cursor)),
    )  # fmt: skip
    found = sa.select(ALERTS).where(*conditions).order_by(C.seq.desc()).limit(wanted.limit + 1)
    return Query(found, made_of(AlertRow, lambda row: (row.seq, view(row))))


class AlertAnswers(Answers):
    """What has fired, and what became of it."""

    def handlers(self) -> tuple[Served, ...]:
        return serve(PAST_ALERT, self.get), serve(PAST_ALERTS, self.list)

    async def get(self, request: GetAlert, context: Context) -> AlertDetails:
        found = await self.one(context, one(request.alert))
        if found is None:
            raise NO_ALERT()
        return found

    async def list(self, request: ListAlerts, context: Context) -> Page:
        return page(await self.read(context, those(request)), limit=request.limit)


PROJECTIONS: tuple[Projection[Any], ...] = (
    Projection(
        table=ALERTS, row=AlertRow, key="alert",
        events=(AlertFired, AlertResolved, AlertAcknowledged, AlertSilenced, AlertUnsilenced), fold=fold,
    ),
)  # fmt: skip
READ_MODEL = ReadModel(topics=topics_of("alert"), projections=PROJECTIONS, answers=AlertAnswers)
