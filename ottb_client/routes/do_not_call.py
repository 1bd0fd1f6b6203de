"""Routes: do_not_call. Written by `make client` from the contract."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.do_not_call import DoNotCallChanged, DoNotCallEntry, DoNotCallStanding
from ottb_client.answers import Table
from ottb_client.http import Http


class DoNotCallRoutes(Http):
    """What is asked over HTTP."""

    def list_do_not_call(
        self, *, list_: str | UnsetType | None = UNSET, number: str | UnsetType | None = UNSET,
        source: str | UnsetType | None = UNSET, by: str | UnsetType | None = UNSET, removed: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Table[DoNotCallEntry]:  # fmt: skip
        """Entries of do-not-call lists: `GET /api/do-not-call`. Raises ApiError."""
        return self._table(
            "/api/do-not-call", list[DoNotCallEntry], {"list": list_, "number": number, "source": source, "by": by,
            "removed": removed, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def check_do_not_call(self, *, number: str, list_: str | UnsetType | None = UNSET) -> DoNotCallStanding:
        """Whether a number may not be called: `GET /api/do-not-call/check`. Raises ApiError."""
        return await self._ask("GET", "/api/do-not-call/check", DoNotCallStanding, {"number": number, "list": list_})

    async def add_do_not_call(
        self, list_: str, *, entries: Sequence[str], reason: str | UnsetType = UNSET, source: str | UnsetType = UNSET,
        expires: str | UnsetType | None = UNSET, key: str | None = None,
    ) -> DoNotCallChanged:  # fmt: skip
        """Put numbers on a do-not-call list: `POST /api/do-not-call/{list}`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/do-not-call/{list}", DoNotCallChanged, {"list": list_, "entries": entries, "reason": reason,
            "source": source, "expires": expires}, key,
        )  # fmt: skip

    async def remove_do_not_call(
        self, list_: str, *, entries: Sequence[str], key: str | None = None,
    ) -> DoNotCallChanged:  # fmt: skip
        """Take numbers off a do-not-call list: `POST /api/do-not-call/{list}/remove`. `key`: an Idempotency-Key; one is
        made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/do-not-call/{list}/remove", DoNotCallChanged, {"list": list_, "entries": entries}, key,
        )  # fmt: skip

    async def import_do_not_call(self, list_: str, file: bytes) -> DoNotCallChanged:
        """Put the numbers of a file on a do-not-call list: `POST /api/do-not-call/{list}/import`. Raises ApiError."""
        return await self._ask("POST", "/api/do-not-call/{list}/import", DoNotCallChanged, {"list": list_}, file=file)
