"""Routes: alert. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.alert import AlertDetails, AlertSeverity, AlertState, AlertView, Matcher, SilenceView
from ottb_client.answers import Listing
from ottb_client.http import Http


class AlertRoutes(Http):
    """What is asked over HTTP."""

    def list_alerts(
        self, *, state: AlertState | UnsetType = UNSET, severity: AlertSeverity | UnsetType | None = UNSET,
        kind: str | UnsetType | None = UNSET, rule: str | UnsetType | None = UNSET,
        host: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[AlertView]:  # fmt: skip
        """Alerts: `GET /api/monitor/alerts`. Raises ApiError."""
        return self._list(
            "/api/monitor/alerts", list[AlertView], {"state": state, "severity": severity, "kind": kind, "rule": rule,
            "host": host, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def get_alert(self, alert: str) -> AlertDetails:
        """One alert: `GET /api/monitor/alerts/{alert}`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/alerts/{alert}", AlertDetails, {"alert": alert})

    async def acknowledge_alert(
        self, alert: str, *, note: str | UnsetType = UNSET, key: str | None = None,
    ) -> AlertView:  # fmt: skip
        """Say that one looks after an alert: `POST /api/monitor/alerts/{alert}/acknowledge`. `key`: an Idempotency-Key;
        one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/monitor/alerts/{alert}/acknowledge", AlertView, {"alert": alert, "note": note}, key,
        )  # fmt: skip

    async def list_silences(self) -> list[SilenceView]:
        """Silences: `GET /api/monitor/silences`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/silences", list[SilenceView], {})

    async def make_silence(self, *, matcher: Matcher, until: str, why: str, key: str | None = None) -> SilenceView:
        """Have some alerts told to nobody for a while: `POST /api/monitor/silences`. `key`: an Idempotency-Key; one is
        made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/monitor/silences", SilenceView, {"matcher": matcher, "until": until, "why": why}, key,
        )  # fmt: skip

    async def end_silence(self, silence: str) -> SilenceView:
        """Have them told again: `DELETE /api/monitor/silences/{silence}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/monitor/silences/{silence}", SilenceView, {"silence": silence})
