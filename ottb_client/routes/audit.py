"""Routes: audit. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.audit import AuditRecord
from ottb_client.answers import Table
from ottb_client.http import Http


class AuditRoutes(Http):
    """What is asked over HTTP."""

    def list_audit(
        self, *, user: str | UnsetType | None = UNSET, action: str | UnsetType | None = UNSET,
        result: str | UnsetType | None = UNSET, request_id: str | UnsetType | None = UNSET,
        since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Table[AuditRecord]:  # fmt: skip
        """Who did what: `GET /api/audit`. Raises ApiError."""
        return self._table(
            "/api/audit", list[AuditRecord], {"user": user, "action": action, "result": result,
            "request_id": request_id, "since": since, "until": until, "limit": limit, "cursor": cursor},
        )  # fmt: skip
