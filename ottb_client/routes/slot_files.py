"""Routes: slot_files. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.slot_files import AppChanged, FilePushed
from ottb_client.answers import Download
from ottb_client.http import Http


class SlotFilesRoutes(Http):
    """What is asked over HTTP."""

    def pull_file(self, slot: int, *, path: str) -> Download:
        """A file of a phone: `GET /api/slots/{slot}/files`. Raises ApiError."""
        return self._file("/api/slots/{slot}/files", {"slot": slot, "path": path})

    async def push_file(self, slot: int, file: bytes, *, path: str) -> FilePushed:
        """Put a file on a phone: `PUT /api/slots/{slot}/files`. Raises ApiError."""
        return await self._ask("PUT", "/api/slots/{slot}/files", FilePushed, {"slot": slot, "path": path}, file=file)

    async def install_app(
        self, slot: int, file: bytes, *, grant: bool | UnsetType = UNSET, key: str | None = None,
    ) -> AppChanged:  # fmt: skip
        """Install an app on a phone: `POST /api/slots/{slot}/apk`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/apk", AppChanged, {"slot": slot, "grant": grant}, key, file=file,
        )  # fmt: skip

    async def uninstall_app(self, slot: int, package: str) -> AppChanged:
        """Remove an app from a phone: `DELETE /api/slots/{slot}/apk/{package}`. Raises ApiError."""
        return await self._ask(
            "DELETE", "/api/slots/{slot}/apk/{package}", AppChanged, {"slot": slot, "package": package},
        )  # fmt: skip

    def follow_logcat(
        self, slot: int, *, buffer: Literal["main", "system", "radio", "events", "crash", "all"] | UnsetType = UNSET,
        tag: str | UnsetType | None = UNSET, level: Literal["V", "D", "I", "W", "E", "F"] | UnsetType = UNSET,
        text: str | UnsetType | None = UNSET, lines: int | UnsetType = UNSET,
    ) -> Download:  # fmt: skip
        """Follow a phone's log: `GET /api/slots/{slot}/logcat`. Raises ApiError."""
        return self._file(
            "/api/slots/{slot}/logcat", {"slot": slot, "buffer": buffer, "tag": tag, "level": level, "text": text,
            "lines": lines},
        )  # fmt: skip
