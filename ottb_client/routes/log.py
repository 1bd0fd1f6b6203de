"""Routes: log. Written by `make client` from the contract."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from bus_schemas.log import LogRecord
from ottb_client.answers import Table
from ottb_client.http import Http


class LogRoutes(Http):
    """What is asked over HTTP."""

    async def write_log(
        self, *, module: str, severity: Literal["info", "warning", "error"], message: str,
        context: dict[str, Any] | UnsetType = UNSET, user_id: str | UnsetType | None = UNSET, key: str | None = None,
    ) -> LogRecord:  # fmt: skip
        """Write an event to the platform's log: `POST /api/dci/log-event`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/dci/log-event", LogRecord, {"module": module, "severity": severity, "message": message,
            "context": context, "user_id": user_id}, key,
        )  # fmt: skip

    def list_logs(
        self, *, module: str | UnsetType | None = UNSET,
        severity: Literal["info", "warning", "error"] | UnsetType | None = UNSET, since: str | UnsetType | None = UNSET,
        until: str | UnsetType | None = UNSET, text: str | UnsetType | None = UNSET,
        slot: int | UnsetType | None = UNSET, call_id: str | UnsetType | None = UNSET,
        trace_id: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Table[LogRecord]:  # fmt: skip
        """The platform's log: `GET /api/dci/logs`. Raises ApiError."""
        return self._table(
            "/api/dci/logs", list[LogRecord], {"module": module, "severity": severity, "since": since, "until": until,
            "text": text, "slot": slot, "call_id": call_id, "trace_id": trace_id, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    def follow_logs(
        self, *, module: str | UnsetType | None = UNSET,
        severity: Literal["info", "warning", "error"] | UnsetType | None = UNSET, since: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET, slot: int | UnsetType | None = UNSET,
        call_id: str | UnsetType | None = UNSET, trace_id: str | UnsetType | None = UNSET,
    ) -> AsyncIterator[LogRecord]:  # fmt: skip
        """The platform's log: `GET /api/dci/logs/follow`. Raises ApiError."""
        return self._follow(
            "/api/dci/logs/follow", LogRecord, {"module": module, "severity": severity, "since": since, "text": text,
            "slot": slot, "call_id": call_id, "trace_id": trace_id},
        )  # fmt: skip
