"""Recordings, from the folder of their PBX to the client: whole, or the part that `Range` asks for."""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from bus_schemas.call import Recording
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit

GONE = RefusalTemplate(ErrorCode.NOT_FOUND, "The recording is not in the folder of its PBX (any more, or not yet).")


class Recordings:
    """The folders by the name of the PBX."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def send(self, request: web.Request, recording: Recording) -> web.StreamResponse:
        """The file as an answer. Raises Refusal(NOT_FOUND), HTTPRequestRangeNotSatisfiable."""
        folder = self._folders.get(recording.pbx)
        path = folder / recording.file if folder is not None else None
        if path is None or "/" in recording.file or not path.is_file():
            raise GONE()
        size = path.stat().st_size
        try:
            start = request.http_range.start or 0
        except ValueError:
            raise misfit("Range", "no range: write it as bytes=0-1023.") from None
        if start >= max(size, 1):
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
        headers = {
            "Content-Type": "audio/wav",
            "Content-Disposition": f'attachment; filename="{recording.file}"',
            "Cache-Control": "private, no-store",
        }
        return web.FileResponse(path, headers=headers)
