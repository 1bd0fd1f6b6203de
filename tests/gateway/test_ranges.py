"""Parts of files that steps have left, and of what they have written: which one gets, and how one knows that it is of
the same."""

import base64
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime import files
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.pipeline import GET_ARTEFACT, STEP_LOG, GetArtefact, GetStepLog, KeptArtefact, RunOutput
from bus_schemas.pipeline_events import OutputLines, output_subject
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, gateway_on, serving, token_of

WHOLE = bytes(range(256)) * 4100  # two pieces and a bit
SIZE = len(WHOLE)
DIGEST = hashlib.sha256(WHOLE).hexdigest()
TAG = f'"{DIGEST}"'
LINES = ("one\n", "two\n", "three\n")
TEXT = "".join(LINES).encode()
RUN = "/api/dci/pipeline/1/runs/2"
ARTEFACT, EMPTY, LOG = f"{RUN}/artefacts/a1", f"{RUN}/artefacts/empty", f"{RUN}/steps/build/log"


class Door:
    """A gateway with one run of one pipeline."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}"

    async def ask(self, path: str, method: str = "GET", **more: str) -> tuple[aiohttp.ClientResponse, bytes]:
        headers = {"Authorization": f"Bearer {token_of(USER)}", **more}
        async with self._session.request(method, self._url + path, headers=headers) as answer:
            return answer, await answer.read()


async def artefact(request: GetArtefact, context: Context) -> KeptArtefact:
    size, digest = (0, hashlib.sha256().hexdigest()) if request.artefact == "empty" else (SIZE, DIGEST)
    return KeptArtefact(
        pipeline=1, run=2, key=request.artefact, size=size, pieces=-(-size // files.PIECE),
        type="application/octet-stream", name="app.apk", sha256=digest,
    )  # fmt: skip


async def record(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


async def log(request: GetStepLog, context: Context) -> RunOutput:
    return RunOutput(pipeline=1, run=2, subjects=[output_subject(1, 2, "build")], name="x-2")


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    broker = MemoryBroker(clock=SystemClock())
    bus = MemoryBus(broker)
    writer = files.FileWriter(bus, "a1")
    await writer.add(WHOLE)
    await writer.finish()
    offset = 0
    for number, line in enumerate(LINES, 1):
        said = OutputLines(pipeline=1, run=2, step="build", first=number, offset=offset, text=line)
        await bus.outputs.write(output_subject(1, 2, "build"), msgspec.json.encode(said), {"Nats-Msg-Id": f"m{number}"})
        offset += len(line)
    async with (
        serving(broker, {GET_ARTEFACT: artefact, STEP_LOG: log, RECORD_AUDIT: record}),
        gateway_on(MemoryBus(broker)) as gateway, aiohttp.ClientSession() as session,
    ):  # fmt: skip
        yield Door(session, gateway.listener.port)


PIECE = files.PIECE
RANGES = [
    ("the first bytes", "bytes=0-9", 0, 10),
    ("one byte", "bytes=7-7", 7, 8),
    ("from the middle of a piece", f"bytes={PIECE + 3}-{PIECE + 9}", PIECE + 3, PIECE + 10),
    ("over a piece's end", f"bytes={PIECE - 2}-{PIECE + 1}", PIECE - 2, PIECE + 2),
    ("to the end", f"bytes={SIZE - 5}-", SIZE - 5, SIZE),
    ("beyond the end", f"bytes={SIZE - 5}-{SIZE * 9}", SIZE - 5, SIZE),
    ("the last bytes", "bytes=-6", SIZE - 6, SIZE),
    ("more than all of the last", f"bytes=-{SIZE * 2}", 0, SIZE),
    ("all", f"bytes=0-{SIZE - 1}", 0, SIZE),
]


@pytest.mark.parametrize(("asked", "start", "stop"), [one[1:] for one in RANGES], ids=[one[0] for one in RANGES])
async def test_a_part_of_an_artefact_is_that_part(door: Door, asked: str, start: int, stop: int) -> None:
    answer, body = await door.ask(ARTEFACT, Range=asked)
    assert answer.status == 206 and body == WHOLE[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert int(answer.headers["Content-Length"]) == stop - start


@pytest.mark.parametrize("path", [ARTEFACT, LOG])
@pytest.mark.parametrize("asked", ["bytes=-0", f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=" + "9" * 30 + "-"])
async def test_a_part_that_is_not_there_is_416(door: Door, path: str, asked: str) -> None:
    answer, _ = await door.ask(path, Range=asked)
    size = SIZE if path == ARTEFACT else len(TEXT)
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("path", [ARTEFACT, LOG])
@pytest.mark.parametrize("asked", ["bytes=5-3", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "bytes=--1"])
async def test_what_is_no_range_is_refused(door: Door, path: str, asked: str) -> None:
    answer, body = await door.ask(path, Range=asked)
    assert answer.status == 400 and msgspec.json.decode(body)["details"]["field"] == "Range"


@pytest.mark.parametrize("path", [ARTEFACT, LOG])
async def test_other_units_and_no_range_are_the_whole(door: Door, path: str) -> None:
    whole = WHOLE if path == ARTEFACT else TEXT
    for headers in ({}, {"Range": "lines=1-2"}):
        answer, body = await door.ask(path, **headers)
        assert (answer.status, body, answer.headers["Accept-Ranges"]) == (200, whole, "bytes")
        assert int(answer.headers["Content-Length"]) == len(whole)


async def test_an_artefact_says_its_checksum_and_tag(door: Door) -> None:
    wanted = f"sha-256=:{base64.b64encode(bytes.fromhex(DIGEST)).decode()}:"
    for headers in ({}, {"Range": "bytes=0-1"}):
        answer, _ = await door.ask(ARTEFACT, **headers)
        assert (answer.headers["Repr-Digest"], answer.headers["ETag"]) == (wanted, TAG)
    for known in (TAG, f'"x", W/{TAG}', "*"):
        answer, body = await door.ask(ARTEFACT, **{"If-None-Match": known})
        assert (answer.status, body, answer.headers.get("ETag")) == (304, b"", TAG)
    assert (await door.ask(ARTEFACT, **{"If-None-Match": '"x"'}))[0].status == 200


@pytest.mark.parametrize("tag", ['"x"', f"W/{TAG}", "Sat, 28 Nov 2026 09:00:00 GMT", "x"])
async def test_a_part_of_something_else_is_the_whole(door: Door, tag: str) -> None:
    for path, whole in ((ARTEFACT, WHOLE), (LOG, TEXT)):
        answer, body = await door.ask(path, Range="bytes=0-1", **{"If-Range": tag})
        assert (answer.status, body) == (200, whole)
    answer, body = await door.ask(ARTEFACT, Range="bytes=0-1", **{"If-Range": TAG})
    assert (answer.status, body) == (206, WHOLE[:2])


async def test_a_head_says_all_but_the_body(door: Door) -> None:
    for path, whole in ((ARTEFACT, WHOLE), (LOG, TEXT)):
        answer, body = await door.ask(path, "HEAD")
        assert (answer.status, body) == (200, b"") and int(answer.headers["Content-Length"]) == len(whole)
        answer, body = await door.ask(path, "HEAD", Range="bytes=1-3")
        assert (answer.status, body, int(answer.headers["Content-Length"])) == (200, b"", len(whole))
        assert (await door.ask(path))[1] == whole  # on the same connection
    assert (await door.ask("/api/dci/pipeline/1/runs/2", "HEAD"))[0].status == 405


async def test_an_empty_file_is_one(door: Door) -> None:
    answer, body = await door.ask(EMPTY)
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert (await door.ask(EMPTY, Range="bytes=0-"))[0].status == 416
