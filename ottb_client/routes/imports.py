"""Routes: imports. Written by `make client` from the contract."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.imports import ImportPreview, ImportStatus, ImportView
from ottb_client.answers import Download, Listing
from ottb_client.http import Http


class ImportsRoutes(Http):
    """What is asked over HTTP."""

    async def create_import(
        self, file: bytes, *, campaign_id: str, name: str, begin: bool | UnsetType = UNSET,
        run: bool | UnsetType = UNSET, key: str | None = None,
    ) -> ImportView:  # fmt: skip
        """Import a list of leads: `POST /api/autodialer/imports`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/imports", ImportView, {"campaign_id": campaign_id, "name": name, "begin": begin,
            "run": run}, key, file=file,
        )  # fmt: skip

    async def import_from_path(
        self, *, campaign_id: str, path: str, begin: bool | UnsetType = UNSET, run: bool | UnsetType = UNSET,
        key: str | None = None,
    ) -> ImportView:  # fmt: skip
        """Import a list of leads from the allowed folder: `POST /api/autodialer/imports/from-path`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/imports/from-path", ImportView, {"campaign_id": campaign_id, "path": path,
            "begin": begin, "run": run}, key,
        )  # fmt: skip

    def list_imports(
        self, *, campaign_id: str | UnsetType | None = UNSET, status: ImportStatus | UnsetType | None = UNSET,
        limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[ImportView]:  # fmt: skip
        """Imports: `GET /api/autodialer/imports`. Raises ApiError."""
        return self._list(
            "/api/autodialer/imports", list[ImportView], {"campaign_id": campaign_id, "status": status, "limit": limit,
            "cursor": cursor},
        )  # fmt: skip

    async def get_import(self, import_id: str) -> ImportView:
        """One import: `GET /api/autodialer/imports/{import_id}`. Raises ApiError."""
        return await self._ask("GET", "/api/autodialer/imports/{import_id}", ImportView, {"import_id": import_id})

    async def preview_import(self, import_id: str) -> ImportPreview:
        """The first rows of a file: `GET /api/autodialer/imports/{import_id}/preview`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/autodialer/imports/{import_id}/preview", ImportPreview, {"import_id": import_id},
        )  # fmt: skip

    async def map_columns(
        self, import_id: str, *, fields: Sequence[str], header: bool, skip: int | UnsetType | None = UNSET,
        unsure: Sequence[int] | UnsetType | None = UNSET, key: str | None = None,
    ) -> ImportView:  # fmt: skip
        """Say what is in the columns of a file: `POST /api/autodialer/imports/{import_id}/columns`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/imports/{import_id}/columns", ImportView, {"import_id": import_id,
            "fields": fields, "header": header, "skip": skip, "unsure": unsure}, key,
        )  # fmt: skip

    async def start_import(
        self, import_id: str, *, run: bool | UnsetType | None = UNSET, key: str | None = None,
    ) -> ImportView:  # fmt: skip
        """Start an import: `POST /api/autodialer/imports/{import_id}/start`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/imports/{import_id}/start", ImportView, {"import_id": import_id, "run": run}, key,
        )  # fmt: skip

    async def cancel_import(self, import_id: str, *, key: str | None = None) -> ImportView:
        """Cancel an import: `POST /api/autodialer/imports/{import_id}/cancel`. `key`: an Idempotency-Key; one is made
        up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/imports/{import_id}/cancel", ImportView, {"import_id": import_id}, key,
        )  # fmt: skip

    def import_errors(self, import_id: str) -> Download:
        """The rows of an import that are no leads, as CSV: `GET /api/autodialer/imports/{import_id}/errors`. Raises
        ApiError."""
        return self._file("/api/autodialer/imports/{import_id}/errors", {"import_id": import_id})
