"""Files from clients to where any host reads them, and back: a piece at a time, however large a file is."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from actors.runtime import files
from actors.runtime.bus import Bus, BusError, BusFull
from actors.runtime.files import PIECE, FileGone, FileWriter
from actors.runtime.ids import Ids
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.imports import ErrorFile, StoredFile
from bus_schemas.names import Share
from bus_schemas.pipeline import KeptArtefact
from bus_schemas.script import KeptFile
from bus_schemas.slot_files import SentFile
from gateway import pace, ranges
from gateway.answers import attachment
from gateway.bodies import BROKEN_OFF, LATE
from gateway.phone_streams import Poured
from gateway.routes import Upload

AT_ONCE, AT_ONCE_EACH = 16, 4  # uploads of one gateway, and of one user: each holds a piece or two in memory
SECONDS, SILENCE = 300.0, 20.0  # for a whole file, and for a little more of it to come
LITTLE = 20_000  # bytes
NO_FILES = ("multipart/", "application/json")  # what a body says that it is, and is no file then

BUSY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many files are being uploaded. Wait.", rule="uploads", retry_after=5
)
NOT_A_FILE = RefusalTemplate(
    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the file itself as the body, and its name as `name`."
)
NO_ROOM = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "There is no room for the file now. Wait.", rule="files", retry_after=30
)
NOT_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "Files cannot be kept now. Try again.")
GONE = RefusalTemplate(ErrorCode.NOT_FOUND, "The file is not kept any longer: it is too old, or a person was erased.")


@dataclass(eq=False, kw_only=True)
class UploadUnderWay:
    """An upload that is under way. `size`: bytes that it may have. `limit`: of the time that it has; `given`: its place
    is somebody else's. Its `writer` is another one where it is poured on to a phone's host, and takes no room then."""

    share: Share
    user: str
    size: int
    writer: FileWriter | Poured
    limit: asyncio.Timeout | None = None
    given: bool = False

    def give(self) -> None:
        """Break it off, for somebody else's sake."""
        assert self.limit is not None
        self.given = True
        self.limit.reschedule(asyncio.get_running_loop().time())


class StoredFiles:
    """The files that pass through one gateway."""

    def __init__(self, *, bus: Bus, ids: Ids) -> None:
        self._bus = bus
        self._ids = ids
        self._under_way: list[UploadUnderWay] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def size_of(self, request: web.Request, upload: Upload) -> int:
        """Bytes of the file in a body, as far as its head says; else as many as it may have. Raises Refusal."""
        if request.content_type.startswith(NO_FILES):
            raise NOT_A_FILE()
        size = request.content_length
        if size is not None and size > upload.most:
            raise _too_large(upload.most)
        return upload.most if size is None else size

    @contextmanager
    def place(self, share: Share, user: str, size: int) -> "Iterator[UploadUnderWay]":
        """Be one of the uploads while the block lasts. Raises Refusal where there are too many."""
        here = [one for one in self._under_way if not one.given]
        if sum(one.share == share for one in here) >= AT_ONCE_EACH:
            raise BUSY()
        if len(here) >= AT_ONCE:
            _make_room(here, user)
        place = UploadUnderWay(share=share, user=user, size=size, writer=FileWriter(self._bus, self._ids.new()))
        self._under_way.append(place)
        try:
            yield place
        finally:
            self._under_way.remove(place)

    def to_come(self, user: str | None = None) -> int:
        """Bytes of the uploads under way that are in no bucket yet, of everybody or of a user."""
        kept = (one for one in self._under_way if user in (None, one.user) and isinstance(one.writer, FileWriter))
        return sum(one.size - one.writer.size for one in kept)

    async def take(
        self, request: web.Request, upload: Upload, place: "UploadUnderWay"
    ) -> StoredFile | SentFile:
        """Keep the body, or pour it on. Raises Refusal; then nothing of it stays."""
        try:
            return await self._written(request, upload, place)
        except BaseException:
            self.undo(place)
            raise

    async def _written(
        self, request: web.Request, upload: Upload, place: UploadUnderWay
    ) -> StoredFile | SentFile:
        body, writer, time = request.content, place.writer, asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(SECONDS) as place.limit, asyncio.timeout(SILENCE) as silence:
                enough = LITTLE
                while data := await body.readany():
                    if writer.size + len(data) > upload.most:
                        raise _too_large(upload.most)
                    await writer.add(data)
                    if writer.size >= enough:
                        enough = writer.size + LITTLE
                        silence.reschedule(time() + SILENCE)
                silence.reschedule(None)
                return await writer.finish()
        except TimeoutError:
            raise BUSY() if place.given else LATE() from None
        except (ConnectionError, web.RequestPayloadError):
            raise BROKEN_OFF() from None
        except BusFull:
            raise NO_ROOM() from None
        except BusError:
            raise NOT_NOW() from None

    def undo(self, place: UploadUnderWay) -> None:
        """Remove what nobody needs of an upload."""
        self._later(place.writer.undo())

    async def send(self, request: web.Request, file: ErrorFile | KeptFile | KeptArtefact) -> web.StreamResponse:
        """The pieces as one file, or the part of it that is asked for. Raises Refusal(NOT_FOUND, UNAVAILABLE) before
        anything is sent, and what `ranges.wanted` raises."""
        response = web.StreamResponse(headers={
            "Content-Type": "text/csv; charset=utf-8" if isinstance(file, ErrorFile) else file.type,
            "Content-Disposition": attachment(_name(file)),
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        })  # fmt: skip
        start, stop = 0, file.pieces * PIECE
        if isinstance(file, KeptArtefact):
            tag = ranges.tag_of(file.sha256)
            response.headers.update({"ETag": tag, "Repr-Digest": ranges.digest_of(file.sha256)})
            if ranges.is_known(request, tag):
                return web.Response(status=304, headers=response.headers)
            span = ranges.wanted(request, file.size, tag)
            span.say(response)
            start, stop = span.start, span.stop
        names = files.pieces_of(file.key, file.pieces)[start // PIECE : -(-stop // PIECE)]
        first = await self._first(names)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            for at, name in enumerate(names, start // PIECE):
                piece = first if name == names[0] else await files.piece(self._bus, name)
                await pace.write(response, piece[max(start - at * PIECE, 0) : stop - at * PIECE])
            await response.write_eof()
        except (FileGone, BusError, TimeoutError):  # what is out cannot be taken back: it is seen not to be whole
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _first(self, names: Sequence[str]) -> bytes:
        """The first of these pieces: where that is there, the others are. Raises Refusal."""
        try:
            return await files.piece(self._bus, names[0]) if names else b""
        except FileGone:
            raise GONE() from None
        except BusError:
            raise NOT_NOW() from None

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(Refusal):  # of a host that is away, which forgets by itself
        await work


def _name(file: ErrorFile | KeptFile | KeptArtefact) -> str:
    return f"{file.key}.csv" if isinstance(file, ErrorFile) else file.name


def _make_room(here: Sequence[UploadUnderWay], user: str) -> None:
    """Take a place from whoever holds the most, with all their service tokens, for one who holds fewer. Raises
    Refusal where nobody does."""
    held = Counter(one.user for one in here)
    theirs = [one for one in here if held[one.user] > held[user] + 1 and one.limit is not None]
    if not theirs:
        raise BUSY()
    max(theirs, key=lambda one: (held[one.user], -one.writer.size)).give()


def _too_large(most: int) -> Refusal:
    return Refusal(ErrorCode.PAYLOAD_TOO_LARGE, f"The file is larger than {most >> 20} MB.")
