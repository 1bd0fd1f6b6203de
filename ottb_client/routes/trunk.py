"""Routes: trunk. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.call import CallState, Cdr, EndReason
from bus_schemas.trunk import PbxCallStarted, PbxStatus
from ottb_client.answers import Download, Table
from ottb_client.http import Http


class TrunkRoutes(Http):
    """What is asked over HTTP."""

    async def pbx_status(self) -> PbxStatus:
        """The state of all trunks: `GET /api/pbx/status`. Raises ApiError."""
        return await self._ask("GET", "/api/pbx/status", PbxStatus, {})

    async def dial_pbx(
        self, *, from_: str, to: str, trunk: str | Literal["AUTO"] | UnsetType = UNSET, key: str | None = None,
    ) -> PbxCallStarted:  # fmt: skip
        """Start a call through a SIP trunk: `POST /api/pbx/dial`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do("POST", "/api/pbx/dial", PbxCallStarted, {"from": from_, "to": to, "trunk": trunk}, key)

    def list_cdrs(
        self, *, since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET,
        number: str | UnsetType | None = UNSET, user: str | UnsetType | None = UNSET,
        slot: int | UnsetType | None = UNSET, trunk: str | UnsetType | None = UNSET,
        campaign: str | UnsetType | None = UNSET, outcome: CallState | UnsetType | None = UNSET,
        reason: EndReason | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Table[Cdr]:  # fmt: skip
        """Records of ended calls: `GET /api/pbx/cdr`. Raises ApiError."""
        return self._table(
            "/api/pbx/cdr", list[Cdr], {"since": since, "until": until, "number": number, "user": user, "slot": slot,
            "trunk": trunk, "campaign": campaign, "outcome": outcome, "reason": reason, "limit": limit,
            "cursor": cursor},
        )  # fmt: skip

    async def get_cdr_at_pbx(self, call_id: str) -> Cdr:
        """The record of one ended call: `GET /api/pbx/cdr/{call_id}`. Raises ApiError."""
        return await self._ask("GET", "/api/pbx/cdr/{call_id}", Cdr, {"call_id": call_id})

    def get_recording(self, call_id: str) -> Download:
        """The recording of one call: `GET /api/pbx/recordings/{call_id}`. Raises ApiError."""
        return self._file("/api/pbx/recordings/{call_id}", {"call_id": call_id})
