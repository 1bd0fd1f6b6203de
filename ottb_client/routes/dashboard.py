"""Routes: dashboard. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.dashboard import Dashboard, Series, Share
from ottb_client.http import Http


class DashboardRoutes(Http):
    """What is asked over HTTP."""

    async def get_dashboard(self) -> Dashboard:
        """What goes on now and was today: `GET /api/dashboard`. Raises ApiError."""
        return await self._ask("GET", "/api/dashboard", Dashboard, {})

    async def get_series(
        self, *, since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET,
        step: Literal["quarter", "hour", "day"] | UnsetType = UNSET,
        by: Literal["operator", "campaign", "trunk", "slot"] | UnsetType | None = UNSET,
        value: str | UnsetType | None = UNSET,
    ) -> Series:  # fmt: skip
        """What calls came to over time: `GET /api/dashboard/series`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/dashboard/series", Series, {"since": since, "until": until, "step": step, "by": by,
            "value": value},
        )  # fmt: skip

    async def get_breakdown(
        self, *, by: Literal["operator", "campaign", "trunk", "slot"], since: str | UnsetType | None = UNSET,
        until: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
    ) -> list[Share]:  # fmt: skip
        """What calls came to by whose they are: `GET /api/dashboard/breakdown`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/dashboard/breakdown", list[Share], {"by": by, "since": since, "until": until, "limit": limit},
        )  # fmt: skip
