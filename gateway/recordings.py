"""Recordings, from the folder of their PBX to the client: whole, or the part that `Range` asks for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from actors.runtime.plain_files import NO_LINK, opened
from bus_schemas.call import Recording
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from gateway.answers import attachment

GONE = RefusalTemplate(ErrorCode.NOT_FOUND, "The recording is not in the folder of its PBX (any more, or not yet).")


class Recordings:
    """The folders by the name of the PBX."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def send(self, request: web.Request, recording: Recording) -> web.StreamResponse:
        """The file as an answer. Raises Refusal(NOT_FOUND), HTTPRequestRangeNotSatisfiable."""
        folder = self._folders.get(recording.pbx)
        if folder is None or "/" in recording.file:
            raise GONE()
        try:
            file = opened(folder / recording.file, NO_LINK)
        except OSError:
            raise GONE() from None
        try:
            return self._answer(request, recording, file)
        except BaseException:
            file.close()
            raise

    def _answer(self, request: web.Request, recording: Recording, file: BinaryIO) -> web.StreamResponse:
        size = os.fstat(file.fileno()).st_size
        try:
            start = request.http_range.start or 0
        except ValueError:
            raise misfit("Range", "no range: write it as bytes=0-1023.") from None
        if start >= max(size, 1):
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
        headers = {
            "Content-Type": "audio/wav",
            "Content-Disposition": attachment(recording.file),
            "Cache-Control": "private, no-store",
        }
        return _OpenFile(file, headers)


class _OpenFile(web.FileResponse):
    """Sends the file that was opened: whoever may write to its folder cannot put another one in its place."""

    def __init__(self, file: BinaryIO, headers: Mapping[str, str]) -> None:
        super().__init__(f"/proc/self/fd/{file.fileno()}", headers=headers)
        self._file = file

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            return await super().prepare(request)
        finally:
            self._file.close()
