"""Pictures of screens. One is taken for all who look at a slot at the same time, and none that nobody asks for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from actors.by_hand.places import Place, Places
from actors.by_hand.streams import GONE, Streams, refusal_of
from actors.runtime.context import Context
from actors.runtime.effects import Work
from actors.runtime.under_way import UnderWay
from actors.slot.phone import PhoneError
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share
from bus_schemas.slot_files import PIECE, OpenedStream
from bus_schemas.slot_screen import TakeScreenshot, WatchScreen

FRAME_BYTES = 400 * 1024  # of a picture in one message of the bus
JPEGS = 8  # of one picture that are kept, for who wants it so again
KEPT = 6.0  # seconds that a picture is kept for others who watch; of the slowest of them a frame's time
AT_ONCE = 2  # pictures that one host makes smaller, one of each share
EACH = 4  # pictures that one share may have asked for and not got, on one host

TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many pictures are being taken for you. Wait.", rule="screenshots", retry_after=1
)
Scene = tuple[int, str | None, str | None]  # a slot, whose it is, and the phone in it: no other sees its pictures
AsJpeg = Callable[[bytes, int, int | None, int | None], bytes]  # blocks; raises PhoneError
AsPng = Callable[[bytes, int], bytes]  # the same


@dataclass
class Shot:
    """A picture as the phone gave it (PNG), taken at `at` on the loop's clock, and what was made of it."""

    png: bytes
    at: float
    jpegs: dict[tuple[int, int | None], bytes] = field(default_factory=dict)


class Camera:
    """The pictures of one host's slots. `spawn`: begins a task that its host ends."""

    def __init__(
        self, as_jpeg: AsJpeg, as_png: AsPng, spawn: Callable[[Work[Shot]], "asyncio.Task[Shot]"]
    ) -> None:
        self._as_jpeg = as_jpeg
        self._as_png = as_png
        self._spawn = spawn
        self._latest: dict[Scene, Shot] = {}
        self._under_way: dict[Scene, asyncio.Task[Shot]] = {}
        self._making = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[Share, asyncio.Lock] = WeakValueDictionary()

    async def shot(self, place: Place, younger: float) -> Shot:
        """A picture that is no older than so many seconds: the one that is under way, the last, or a new one. Raises
        PhoneError."""
        scene = (place.id, place.slot.config.user, place.slot.config.serial)
        latest, now = self._latest.get(scene), asyncio.get_running_loop().time()
        if latest is not None and now - latest.at < younger:
            return latest
        task = self._under_way.get(scene)
        if task is None:
            task = self._under_way[scene] = self._spawn(self._take(place))
            task.add_done_callback(lambda done: self._taken(scene, done))
        return await asyncio.shield(task)

    async def _take(self, place: Place) -> Shot:
        began = asyncio.get_running_loop().time()
        return Shot(await place.picture(), began)

    def _taken(self, scene: Scene, task: "asyncio.Task[Shot]") -> None:
        self._under_way.pop(scene, None)
        if task.cancelled() or task.exception() is not None:
            self._latest.pop(scene, None)
            return
        shot = self._latest[scene] = task.result()
        asyncio.get_running_loop().call_later(KEPT, self._forget, scene, shot)

    def _forget(self, scene: Scene, shot: Shot) -> None:
        if self._latest.get(scene) is shot:
            del self._latest[scene]

    @asynccontextmanager
    async def _turn(self, share: Share) -> AsyncIterator[None]:
        """To make a picture: a large one takes a second, and whoever wants many keeps nobody else waiting."""
        async with self._turns.setdefault(share, asyncio.Lock()), self._making:
            yield

    async def png(self, shot: Shot, share: Share, width: int | None) -> bytes:
        """The picture as it is, or as a PNG that is no wider. Raises PhoneError."""
        if width is None:
            return shot.png
        async with self._turn(share):
            return await asyncio.to_thread(self._as_png, shot.png, width)

    async def jpeg(self, shot: Shot, share: Share, quality: int, width: int | None, most: int | None) -> bytes:
        """The picture as a JPEG. Raises PhoneError."""
        async with self._turn(share):
            made = shot.jpegs.get((quality, width))
            if made is None:
                made = await asyncio.to_thread(self._as_jpeg, shot.png, quality, width, most)
                if most is not None and len(shot.jpegs) < JPEGS:
                    shot.jpegs[quality, width] = made
        return made


class Picture:
    """One picture on its way."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    async def next(self) -> tuple[bytes, bool]:
        piece, self._data = bytes(self._data[:PIECE]), self._data[PIECE:]
        return piece, not self._data

    async def put(self, data: bytes) -> None:
        raise GONE()

    def close(self) -> None:
        self._data = memoryview(b"")


class Frames:
    """A screen that somebody watches."""

    def __init__(self, camera: Camera, places: Places, request: WatchScreen, context: Context) -> None:
        self._camera = camera
        self._places = places
        self._request = request
        self._context = context
        self._next = 0.0

    async def next(self) -> tuple[bytes, bool]:
        loop, between = asyncio.get_running_loop(), 1.0 / self._request.fps
        await asyncio.sleep(max(self._next - loop.time(), 0.0))
        self._next = loop.time() + between
        place = self._places.seen(self._request.slot, self._context)  # it may be another phone by now, or somebody's
        shot = await self._camera.shot(place, between)
        return await self._camera.jpeg(
            shot, self._context.share, self._request.quality, self._request.width, FRAME_BYTES
        ), False

    async def put(self, data: bytes) -> None:
        raise GONE()

    def close(self) -> None:
        """Nothing is taken for them from now on."""


class Looks:
    """The contract lines of those who look."""

    def __init__(self, places: Places, streams: Streams, camera: Camera) -> None:
        self._places = places
        self._streams = streams
        self._camera = camera
        self._under_way = UnderWay(EACH, TOO_MANY)

    async def screenshot(self, request: TakeScreenshot, context: Context) -> OpenedStream:
        """TAKE_SCREENSHOT: always one that was begun after it was asked for."""
        place = self._places.seen(request.slot, context)
        self._streams.room(context)
        try:
            with self._under_way.one(context.share):
                shot = await self._camera.shot(place, 0.0)
                if request.format == "png":
                    data = await self._camera.png(shot, context.share, request.width)
                else:
                    data = await self._camera.jpeg(shot, context.share, request.quality, request.width, None)
        except PhoneError as error:
            raise refusal_of(error) from None
        kind, stream = request.format, self._streams.open(Picture(data), place.id, context)
        return OpenedStream(stream=stream, name=f"slot-{place.id}.{kind}", size=len(data), content_type=f"image/{kind}")

    async def watch(self, request: WatchScreen, context: Context) -> OpenedStream:
        """WATCH_SCREEN."""
        place = self._places.seen(request.slot, context)
        stream = self._streams.open(Frames(self._camera, self._places, request, context), place.id, context)
        return OpenedStream(stream=stream, content_type="multipart/x-mixed-replace")
