"""Routes: operator. Written by `make client` from the contract."""

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.operator import Disposition, DispositionWord, OperatorDay, OperatorStatus, OperatorView
from ottb_client.answers import Listing, Table
from ottb_client.http import Http


class OperatorRoutes(Http):
    """What is asked over HTTP."""

    def list_operators(
        self, *, status: OperatorStatus | UnsetType | None = UNSET, campaign_id: str | UnsetType | None = UNSET,
        limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[OperatorView]:  # fmt: skip
        """Operators: `GET /api/operators`. Raises ApiError."""
        return self._list(
            "/api/operators", list[OperatorView], {"status": status, "campaign_id": campaign_id, "limit": limit,
            "cursor": cursor},
        )  # fmt: skip

    async def get_own_status(self) -> OperatorView:
        """How I am: `GET /api/operators/me`. Raises ApiError."""
        return await self._ask("GET", "/api/operators/me", OperatorView, {})

    async def set_own_status(
        self, *, status: Literal["offline", "ready", "break"], reason: str | UnsetType = UNSET, key: str | None = None,
    ) -> OperatorView:  # fmt: skip
        """Be ready, have a break, or go: `POST /api/operators/me/status`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/operators/me/status", OperatorView, {"status": status, "reason": reason}, key,
        )  # fmt: skip

    async def extend_wrap_up(self, *, seconds: int, key: str | None = None) -> OperatorView:
        """Have more time to wrap up: `POST /api/operators/me/wrap-up`. `key`: an Idempotency-Key; one is made up where
        none is given. Raises ApiError."""
        return await self._do("POST", "/api/operators/me/wrap-up", OperatorView, {"seconds": seconds}, key)

    async def get_operator(self, user: str) -> OperatorView:
        """One operator: `GET /api/operators/{user}`. Raises ApiError."""
        return await self._ask("GET", "/api/operators/{user}", OperatorView, {"user": user})

    async def set_operator_status(
        self, user: str, *, status: Literal["offline", "ready", "break"], reason: str | UnsetType = UNSET,
        key: str | None = None,
    ) -> OperatorView:  # fmt: skip
        """Set the status of somebody else: `POST /api/operators/{user}/status`. `key`: an Idempotency-Key; one is made
        up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/operators/{user}/status", OperatorView, {"user": user, "status": status, "reason": reason},
            key,
        )  # fmt: skip

    async def assign_operator(
        self, user: str, *, campaigns: Sequence[str] | None, key: str | None = None,
    ) -> OperatorView:  # fmt: skip
        """Say which campaigns an operator works for: `POST /api/operators/{user}/campaigns`. `key`: an Idempotency-Key;
        one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/operators/{user}/campaigns", OperatorView, {"user": user, "campaigns": campaigns}, key,
        )  # fmt: skip

    def report_operators(
        self, *, since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET,
        user: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Table[OperatorDay]:  # fmt: skip
        """Operators' time by day: `GET /api/reports/operators`. Raises ApiError."""
        return self._table(
            "/api/reports/operators", list[OperatorDay], {"since": since, "until": until, "user": user, "limit": limit,
            "cursor": cursor},
        )  # fmt: skip

    async def list_dispositions(self, *, campaign_id: str | UnsetType | None = UNSET) -> list[DispositionWord]:
        """The words for what came of a call: `GET /api/dispositions`. Raises ApiError."""
        return await self._ask("GET", "/api/dispositions", list[DispositionWord], {"campaign_id": campaign_id})

    async def dispose_call(
        self, call_id: str, *, disposition: str, note: str | UnsetType = UNSET,
        callback: str | UnsetType | None = UNSET, callback_to: Literal["same", "any"] | UnsetType = UNSET,
        key: str | None = None,
    ) -> Disposition:  # fmt: skip
        """Say what came of a call: `POST /api/call/{call_id}/disposition`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/call/{call_id}/disposition", Disposition, {"call_id": call_id, "disposition": disposition,
            "note": note, "callback": callback, "callback_to": callback_to}, key,
        )  # fmt: skip
