"""What a gateway passes on of phones: how it is named, who reads slowly, and what breaks off."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot_files import (
    END_STREAM,
    FOLLOW_LOGCAT,
    NEXT_PIECE,
    OPEN_PUSH,
    PIECE,
    PULL_FILE,
    PUSH_FILE,
    PUT_PIECE,
    EndStream,
    FilePushed,
    FollowLogcat,
    LogcatLines,
    NextPiece,
    OpenedStream,
    OpenPush,
    PullFile,
    PushFile,
    PutPiece,
    StreamDone,
    StreamPiece,
)
from bus_schemas.slot_screen import WATCH_SCREEN, WatchScreen
from gateway import phone_streams
from gateway.http import HttpApi
from gateway.phone_streams import headers_of
from gateway.routes import Passed
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving
from tests.support.site import PATIENCE

FILE, LOGCAT = "/api/slots/44/files?path=/sdcard/x", "/api/slots/44/logcat"
GONE = Refusal(ErrorCode.SLOT_OFFLINE, "Gone.")


class Phone:
    """A host that streams as a test says. `asked`: for pieces; `ended`: streams; `put`: what it was given."""

    def __init__(self, pieces: list[bytes | Refusal], size: int | None = None) -> None:
        self.pieces = pieces
        self.size = size
        self.asked = 0
        self.ended: list[str] = []
        self.watched: list[float] = []
        self.put = b""
        self.pushed: list[PushFile] = []

    async def open(self, request: PullFile | FollowLogcat, context: Context) -> OpenedStream:
        return OpenedStream(stream="s_1", name="x", size=self.size)

    async def open_push(self, request: OpenPush, context: Context) -> OpenedStream:
        if request.size > 1_000:
            raise Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "No.")
        return OpenedStream(stream="s_1")

    async def next(self, request: NextPiece, context: Context) -> StreamPiece:
        assert request.number == self.asked
        piece = self.pieces[min(self.asked, len(self.pieces) - 1)]
        self.asked += 1
        if isinstance(piece, Refusal):
            raise piece
        return StreamPiece(data=piece, end=self.asked == len(self.pieces))

    async def watch(self, request: WatchScreen, context: Context) -> OpenedStream:
        self.watched.append(request.fps)
        return OpenedStream(stream="s_1")

    async def take(self, request: PutPiece, context: Context) -> StreamDone:
        self.put += request.data
        return StreamDone()

    async def push(self, request: PushFile, context: Context) -> FilePushed:
        self.pushed.append(request)
        return FilePushed(status="pushed", slot=44, path=request.path, size=request.file.size)

    async def end(self, request: EndStream, context: Context) -> StreamDone:
        self.ended.append(request.stream)
        return StreamDone()

    @property
    def lines(self) -> tuple[Any, ...]:
        return (
            serve(PULL_FILE, self.open), serve(FOLLOW_LOGCAT, self.open), serve(NEXT_PIECE, self.next),
            serve(END_STREAM, self.end), serve(OPEN_PUSH, self.open_push), serve(PUT_PIECE, self.take),
            serve(PUSH_FILE, self.push), serve(WATCH_SCREEN, self.watch),
        )  # fmt: skip


def test_a_name_puts_nothing_into_a_header() -> None:
    for name in ('a"; x=y', "a\r\nSet-Cookie: x", "ф\u202etxt.exe", "\\", "%00", "a;b", "\ud800"):
        said = headers_of(Passed.FILE, OpenedStream(stream="s", name=name))["Content-Disposition"]
        assert said.isascii() and said.isprintable() and said.count('"') == 2 and said.count(";") == 2, said


async def recorded(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


@asynccontextmanager
async def door(phone: Phone) -> AsyncIterator[InProcess]:
    """A gateway before that host."""
    broker = MemoryBroker(clock=SystemClock())
    service = Service(bus=MemoryBus(broker), queue="host", handlers=phone.lines, fields={"slot": "44"})
    await service.start()
    async with serving(broker, {RECORD_AUDIT: recorded}), gateway_on(MemoryBus(broker), per_second=1e6) as gateway:
        yield gateway
    await service.stop()


async def opened(gateway: InProcess, path: str = FILE) -> tuple[int, bytes]:
    async with gateway._session.get(gateway._url(path), headers=gateway._headers) as answer:
        return answer.status, await answer.read()


async def test_a_file_comes_whole_and_its_stream_ends() -> None:
    phone = Phone([b"one", b"two", b""], size=6)
    async with door(phone) as gateway:
        assert await opened(gateway) == (200, b"onetwo")
    assert not phone.ended  # it has ended by itself


@pytest.mark.parametrize("pieces", [[b"one", GONE], [b"one", b""], [b"one" * 9, b""]])
async def test_a_file_that_is_not_what_was_said_is_seen_to_be_broken(pieces: list[bytes | Refusal]) -> None:
    phone = Phone(pieces, size=6)
    async with door(phone) as gateway:
        with pytest.raises(aiohttp.ClientError):
            await opened(gateway)
        async with asyncio.timeout(PATIENCE):
            while not phone.ended and pieces != [b"one", b""]:
                await asyncio.sleep(0.02)


async def test_what_fails_before_anything_was_sent_is_an_answer() -> None:
    phone = Phone([Refusal(ErrorCode.SLOT_OFFLINE, "Gone.")], size=6)
    async with door(phone) as gateway:
        status, said = await opened(gateway)
    assert status == 409 and b"SLOT_OFFLINE" in said and phone.ended == ["s_1"]


async def test_who_reads_nothing_is_not_read_for_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_streams, "WRITE_SECONDS", 0.3)
    phone = Phone([bytes(PIECE)] * 400)
    async with door(phone) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.listener.port, limit=1)
        head = f"GET {FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(PATIENCE):
            while not phone.ended:
                await asyncio.sleep(0.02)
        assert phone.asked < 60  # what the kernels take; 400 would be all
        print(f"{phone.asked} of 400 pieces were asked for, for one who reads nothing")
        writer.close()


async def test_so_many_at_once_and_no_more() -> None:
    phone = Phone([b"x"] * 3)
    phone_streams_held = asyncio.Event()

    async def wait(request: NextPiece, context: Context) -> StreamPiece:
        await phone_streams_held.wait()
        return StreamPiece(data=b"", end=True)

    phone.next = wait  # type: ignore[method-assign]
    async with door(phone) as gateway:
        begun = [asyncio.ensure_future(opened(gateway)) for _ in range(phone_streams.EACH)]
        await asyncio.sleep(0.3)
        status, said = await opened(gateway)
        assert status == 429 and b"streams" in said
        phone_streams_held.set()
        assert {one[0] for one in await asyncio.gather(*begun)} == {200}


async def test_a_body_is_poured_on_in_pieces_and_named_by_its_digest() -> None:
    phone, content = Phone([b""]), bytes(range(256)) * 3
    async with door(phone) as gateway:
        kind = {"Content-Type": "application/octet-stream"}
        status, said = await gateway.ask("PUT", FILE, content, **kind)
        assert status == 200, said
        assert (status, said["size"], phone.put) == (200, len(content), content)
        [pushed] = phone.pushed
        assert pushed.file.key == "s_1" and pushed.file.digest == hashlib.sha256(content).hexdigest()
        status, said = await gateway.ask("PUT", FILE, bytes(1_001), **kind)
        assert (status, said["code"]) == (413, "PAYLOAD_TOO_LARGE") and phone.put == content


async def test_a_log_that_ends_says_why() -> None:
    said = msgspec.json.encode(LogcatLines(lines=("a\nb", "c"), left_out=7))
    phone = Phone([said, Refusal(ErrorCode.SLOT_OFFLINE, "Gone.")])
    async with door(phone) as gateway:
        status, text = await opened(gateway, "/api/slots/44/logcat")
    assert status == 200 and text.decode() == (
        'event: gap\ndata: {"left_out":7}\n\nevent: log\ndata: {"line":"a\\nb"}\n\n'
        'event: log\ndata: {"line":"c"}\n\nevent: end\ndata: {"message":"Gone."}\n\n'
    )


async def test_who_leaves_a_quiet_log_leaves_their_place() -> None:
    phone, forever = Phone([b"x"]), asyncio.Event()

    async def wait(request: NextPiece, context: Context) -> StreamPiece:
        await forever.wait()
        return StreamPiece(data=msgspec.json.encode(LogcatLines(lines=())), end=True)

    phone.next = wait  # type: ignore[method-assign]
    async with door(phone) as gateway:
        begun = [asyncio.ensure_future(opened(gateway, LOGCAT)) for _ in range(phone_streams.EACH)]
        await asyncio.sleep(0.3)
        assert (await opened(gateway, LOGCAT))[0] == 429
        for one in begun:
            one.cancel()
        async with asyncio.timeout(PATIENCE):
            while len(phone.ended) < phone_streams.EACH:
                await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.2, forever.set)
        assert (await opened(gateway, LOGCAT))[0] == 200


async def test_what_came_once_the_right_was_gone_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    phone, still, taken = Phone([b"x"]), HttpApi._still, asyncio.Event()
    said = [msgspec.json.encode(LogcatLines(lines=(one,))) for one in ("before", "after")]

    async def next(request: NextPiece, context: Context) -> StreamPiece:
        if request.number:  # the right goes while a line is awaited
            taken.set()
        return StreamPiece(data=said[request.number])

    async def asked(self: HttpApi, *given: Any) -> Any:
        if taken.is_set():
            raise Refusal(ErrorCode.PERMISSION_DENIED, "Not any more.")
        return await still(self, *given)

    phone.next = next  # type: ignore[method-assign]
    monkeypatch.setattr(HttpApi, "_still", asked)
    async with door(phone) as gateway:
        status, text = await opened(gateway, LOGCAT)
    assert status == 200 and b"before" in text and b"after" not in text and b"Not any more." in text


async def test_fractions_are_taken_where_they_are_promised() -> None:
    phone = Phone([b"x"])
    async with door(phone) as gateway:
        for query, status in (
            ("fps=0.2", 200), ("fps=4.75", 200), ("fps=3", 200), ("fps=0.1", 400), ("fps=5.01", 400), ("fps=-0.5", 400),
            ("fps=nan", 400), ("fps=1e0", 400), ("fps=.5", 400), ("fps=1.", 400), ("width=480.0", 400),
        ):  # fmt: skip
            phone.asked = 0
            assert (await opened(gateway, f"/api/slots/44/live?{query}"))[0] == status, query
    assert phone.watched == [0.2, 4.75, 3.0]
