"""Routes: call. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.call import CallStarted, CallView, Cdr
from ottb_client.answers import Listing
from ottb_client.http import Http


class CallRoutes(Http):
    """What is asked over HTTP."""

    async def start_call(
        self, *, number: str, slot: int | Literal["AUTO"] | UnsetType = UNSET, key: str | None = None,
    ) -> CallStarted:  # fmt: skip
        """Start a call: `POST /api/call/start`. `key`: an Idempotency-Key; one is made up where none is given. Raises
        ApiError."""
        return await self._do("POST", "/api/call/start", CallStarted, {"number": number, "slot": slot}, key)

    async def end_call(self, *, call_id: str, key: str | None = None) -> CallView:
        """End a call: `POST /api/call/end`. `key`: an Idempotency-Key; one is made up where none is given. Raises
        ApiError."""
        return await self._do("POST", "/api/call/end", CallView, {"call_id": call_id}, key)

    async def get_call(self, call_id: str) -> CallView:
        """One call: `GET /api/call/{call_id}`. Raises ApiError."""
        return await self._ask("GET", "/api/call/{call_id}", CallView, {"call_id": call_id})

    async def get_cdr(self, call_id: str) -> Cdr:
        """The record of one ended call: `GET /api/call/{call_id}/cdr`. Raises ApiError."""
        return await self._ask("GET", "/api/call/{call_id}/cdr", Cdr, {"call_id": call_id})

    def calls_feed(
        self, *, all: Literal[0, 1] | UnsetType = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[CallView]:  # fmt: skip
        """Live feed of all calls: `GET /api/calls/feed`. Raises ApiError."""
        return self._list("/api/calls/feed", list[CallView], {"all": all, "limit": limit, "cursor": cursor})
