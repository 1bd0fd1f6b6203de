"""Requests whose head alone says that nothing can come of them: compressed, expecting, malformed."""

import asyncio
import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import LOGIN, REFRESH
from gateway import pace, server
from gateway.surface import ROUTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving
from tests.support.raw_http import RawConnection, ask_once, head, path_of

BOMB = gzip.compress(bytes(4_000_000), 9)  # 4 KB
BODIES = {
    "gzip": BOMB,
    "deflate": zlib.compress(bytes(100_000)),
    "br": b"\x00" * 64,
    "zstd": b"\x28\xb5\x2f\xfd" + b"\x00" * 60,
    "x-gzip": BOMB,
    "GZip": b"garbage" * 10,
    "identity": b"{}",
    "gzip, deflate": b"garbage",
    "nothing-known": b"garbage",
    "": b"{}",
}
PAGES = ("/livez", "/readyz", "/metrics", "/version", "/", "/openapi.json", "/docs", "/docs.js", "/nothing",
         "/api/nothing")  # fmt: skip
CLOSING = 5.0  # seconds for a connection to be closed
SOCKET_IO = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    broker = MemoryBroker(clock=SystemClock())
    refused = dict.fromkeys((LOGIN, REFRESH), refuse)
    async with serving(broker, {RECORD_AUDIT: audited, **refused}), gateway_on(MemoryBus(broker)) as running:
        yield running


async def refuse(request: Any, context: Context) -> Any:
    raise Refusal(ErrorCode.AUTH_FAIL, "Wrong.")


async def audited(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


def everywhere() -> list[tuple[str, str]]:
    """Each route, each page, paths that nobody knows, and Socket.IO."""
    routes = [(route.method, path_of(route.path)) for route in ROUTES]
    pages = [(method, path) for path in PAGES for method in ("GET", "POST")]
    return [*routes, *pages, ("GET", SOCKET_IO), ("POST", SOCKET_IO), ("OPTIONS", SOCKET_IO)]


async def test_an_encoded_body_is_refused_on_every_path(gateway: InProcess) -> None:
    asked = 0
    for method, path in everywhere():
        for encoding in ("gzip", "deflate"):
            body = b"garbage" if asked % 2 else BODIES[encoding]
            request = head(method, path, Content_Encoding=encoding, Content_Length=str(len(body))) + body
            answer = await ask_once(gateway.listener.port, request, closing=CLOSING)
            assert (answer.status, json.loads(answer.body)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE"), (method, path)
            assert answer.closed, (method, path)
            asked += 1
    print(f"{asked} encoded bodies on {len(everywhere())} paths, 0 taken")


@pytest.mark.parametrize("encoding", BODIES)
async def test_no_encoding_is_taken(gateway: InProcess, encoding: str) -> None:
    body = BODIES[encoding]
    whole = head("POST", "/api/auth/login", Content_Encoding=encoding, Content_Length=str(len(body))) + body
    chunked = head("POST", "/api/auth/login", Content_Encoding=encoding, Transfer_Encoding="chunked")
    for request in (whole, chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)):
        answer = await ask_once(gateway.listener.port, request, closing=CLOSING)
        assert (answer.status, answer.closed) == (415, True)


async def test_what_follows_a_refused_body_is_not_decompressed(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not on the way to the end of the connection, where aiohttp reads on and throws away."""
    made = 0

    def count(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        raise AssertionError("a decompressor was made")

    monkeypatch.setattr("aiohttp.http_parser.ZLibDecompressor", count)
    for body in (BOMB, b"garbage"):
        request = head("POST", "/api/auth/login", Content_Encoding="gzip", Content_Length=str(len(body))) + body
        assert (await ask_once(gateway.listener.port, request)).status == 415
    print(f"2 encoded bodies, {made} decompressors made")
    assert not made


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "chunked, gzip", "deflate, chunked"])
async def test_a_compressed_transfer_is_refused(gateway: InProcess, coding: str) -> None:
    request = head("POST", "/api/auth/login", Transfer_Encoding=coding) + b"2\r\n{}\r\n0\r\n\r\n"
    answer = await ask_once(gateway.listener.port, request, closing=CLOSING)
    assert answer.status in (400, 415) and json.loads(answer.body)["error"] is True and answer.closed


async def test_no_compressed_frames_are_agreed_upon(gateway: InProcess) -> None:
    request = head(
        "GET", "/socket.io/?EIO=4&transport=websocket", Upgrade="websocket", Connection="Upgrade",
        Sec_WebSocket_Version="13", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
    )  # fmt: skip
    answer = await ask_once(gateway.listener.port, request, closing=CLOSING)
    assert answer.status == 101 and "sec-websocket-extensions" not in answer.headers


# --- expectations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expectation", ["foo<script>", "100-continue, foo", "", "x" * 4000])
async def test_an_expectation_is_answered_as_documented_and_not_repeated(gateway: InProcess, expectation: str) -> None:
    asked = 0
    for method, path in everywhere()[:: 1 if expectation.startswith("foo") else 12]:
        answer = await ask_once(gateway.listener.port, head(method, path, Expect=expectation), closing=CLOSING)
        assert (answer.status, answer.headers["content-type"]) == (417, "application/json"), (method, path)
        said = json.loads(answer.body)
        assert (said["error"], said["code"]) == (True, "INVALID_PARAMS") and answer.closed
        assert not expectation or expectation.encode() not in answer.body
        asked += 1
    print(f"{asked} expectations, 0 answered in text, 0 repeated")


async def test_100_continue_is_answered_as_it_asks(gateway: InProcess) -> None:
    connection = await RawConnection.open(gateway.listener.port)
    connection.writer.write(head("POST", "/api/call/start", Expect="100-continue", Content_Length="2"))
    async with asyncio.timeout(5):
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.ask(b"{}")).status == 401
    await connection.close()


# --- names --------------------------------------------------------------------------------------------------------

MALFORMED = {
    "no HTTP": b"\x00\x01\x02\r\n\r\n",
    "another version": b"GET / HTTP/9\r\n\r\n",
    "a bad header": head("GET", "/livez", X="a\x00b"),
    "a long header": head("GET", "/livez", X="a" * 9000),
    "many headers": head("GET", "/livez", **{f"X{number}": "a" for number in range(200)}),
    "a long path": head("GET", "/" + "a" * 9000),
    "a bad length": head("POST", "/api/call/start", Content_Length="-1"),
    "two lengths": head("POST", "/api/call/start", Content_Length="1", content_length="2"),
}


async def test_no_answer_names_what_it_was_made_with(gateway: InProcess) -> None:
    requests = [
        *MALFORMED.values(),
        *(head(method, path) for method, path in everywhere()),
        head("GET", "/livez", Expect="foo"),
        head("GET", "/livez", Content_Encoding="gzip"),
        head("TRACE", "/livez"),
        head("OPTIONS", "*"),
        head("GET", "/docs", If_None_Match="*", Range="bytes=9999-"),
    ]
    for request in requests:
        answer = await ask_once(gateway.listener.port, request)
        assert "server" not in answer.headers, request[:80]
        body = answer.body.lower().replace(b'"python"', b"")  # a field of the status that some may see, in the document
        assert b"aiohttp" not in body and b"python" not in body, request[:80]
    print(f"{len(requests)} answers, 0 with a name")


@pytest.fixture
def written() -> Iterator[list[str]]:
    """The lines of the log."""
    lines: list[str] = []

    def write(_: Any, method: str, event: dict[str, Any]) -> str:
        lines.append(f"{method} {event}")
        raise structlog.DropEvent

    former = structlog.get_config()
    structlog.configure(processors=[write], wrapper_class=structlog.BoundLogger)
    yield lines
    structlog.configure(**former)


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_http_is_one_short_line_in_the_log(
    gateway: InProcess, kind: str, written: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        answer = await ask_once(gateway.listener.port, MALFORMED[kind])
        assert (answer.status, json.loads(answer.body)["code"]) == (400, "INVALID_PARAMS"), kind
    lines = [line for line in written if "malformed" in line]
    print(f"50 malformed requests: {len(written)} lines, {sum(map(len, written))} bytes")
    assert not caplog.records
    assert 1 <= len(lines) <= 10 and max(map(len, lines)) < 200


# --- bodies that do not end, or break off -------------------------------------------------------------------------

TINY = b"1\r\na\r\n" * 1000
TARGETS = ("/api/auth/login", "/nothing", "/livez", SOCKET_IO)
CHUNKED = {"Content_Type": "application/json", "Transfer_Encoding": "chunked"}


@pytest.mark.parametrize("path", TARGETS)
async def test_a_request_that_breaks_off_is_short_in_the_log(
    gateway: InProcess, path: str, written: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The client goes away in the middle of the body, or goes on with what is no HTTP."""
    for _ in range(5):
        connection = await RawConnection.open(gateway.listener.port)
        connection.writer.write(head("POST", path, Content_Type="application/json", Content_Length="10") + b"{")
        await connection.is_closed(0.02)
        connection.writer.transport.abort()
        connection = await RawConnection.open(gateway.listener.port)
        connection.writer.write(head("POST", path, **CHUNKED) + b"1\r\n{\r\n")
        await connection.is_closed(0.02)
        connection.writer.write(b"nonsense\r\n")
        await connection.is_closed(0.02)
        await connection.close()
    print(f"10 requests that break off: {len(written)} lines, {sum(map(len, written))} bytes, 0 tracebacks")
    assert not [line for line in written if "error" in line.partition(" ")[0] or "exc_info" in line]
    assert not [one for one in caplog.records if one.exc_info] and max(map(len, written)) < 400


@pytest.mark.parametrize("path", TARGETS)
@pytest.mark.parametrize("unit", [TINY, b"1000\r\n" + b"a" * 4096 + b"\r\n"], ids=["tiny", "large"])
async def test_little_is_read_of_a_body_without_end(
    gateway: InProcess, path: str, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And little at once: in tiny chunks each byte costs microseconds, in which nobody else is answered."""
    pieces: list[int] = []
    receive = server.Protocol.data_received

    def count(self: server.Protocol, data: bytes) -> None:
        pieces.append(len(data))
        receive(self, data)

    monkeypatch.setattr(server.Protocol, "data_received", count)
    connection = await RawConnection.open(gateway.listener.port)
    connection.writer.write(head("POST", path, **CHUNKED))
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 50_000_000:
            connection.writer.write(unit)
            sent += len(unit)
            await connection.writer.drain()
    await connection.close()
    print(f"{sent} bytes sent, {sum(pieces)} read, at most {max(pieces)} at once")
    assert sum(pieces) < (20_000 if unit is TINY else 500_000) and max(pieces) <= pace.TURN_BYTES


@pytest.mark.parametrize("size", [1, 100, 5000])
async def test_a_body_in_chunks_is_taken_that_is_more_than_frames(gateway: InProcess, size: int) -> None:
    body = b'{"username": "x", "password": "%s"}' % (b"y" * (50 if size == 1 else 200))
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    answer = await ask_once(gateway.listener.port, head("POST", "/api/auth/login", **CHUNKED) + framed)
    assert (answer.status, json.loads(answer.body)["message"]) == (401, "Wrong.")
