"""Routes: erasure. Written by `make client` from the contract."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.erasure import ErasureView
from ottb_client.answers import Listing
from ottb_client.http import Http


class ErasureRoutes(Http):
    """What is asked over HTTP."""

    async def erase_person(self, *, numbers: Sequence[str], reason: str, key: str | None = None) -> ErasureView:
        """Erase a person: `POST /api/crm/erasures`. `key`: an Idempotency-Key; one is made up where none is given.
        Raises ApiError."""
        return await self._do("POST", "/api/crm/erasures", ErasureView, {"numbers": numbers, "reason": reason}, key)

    def list_erasures(
        self, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[ErasureView]:  # fmt: skip
        """All erasures: `GET /api/crm/erasures`. Raises ApiError."""
        return self._list("/api/crm/erasures", list[ErasureView], {"limit": limit, "cursor": cursor})

    async def get_erasure(self, erasure: str) -> ErasureView:
        """What became of an erasure: `GET /api/crm/erasures/{erasure}`. Raises ApiError."""
        return await self._ask("GET", "/api/crm/erasures/{erasure}", ErasureView, {"erasure": erasure})
