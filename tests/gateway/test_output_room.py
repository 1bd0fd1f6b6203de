"""What steps write, to who follows it live: each line once and in its order, also over a break; who does not read is
cut off, and finds the rest in the text of the step."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jsonschema
import msgspec
import pytest
import socketio

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.pipeline import STEP_LOG, GetStepLog, RunOutput
from bus_schemas.pipeline_events import OutputLines, output_subject
from gateway.live import output_room
from gateway.openapi import asyncapi
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, InProcess, gateway_on, serving, token_of


class Writer:
    """Steps that write, each entry some numbered lines."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.lines: dict[tuple[int, int, str], int] = {}
        self.offsets: dict[tuple[int, int, str], int] = {}
        self.entries = 0

    async def write(self, pipeline: int = 7, *, lines: int = 3, width: int = 1) -> int:
        run, step = 1, "build"
        about = (pipeline, run, step)
        first, offset = self.lines.get(about, 0) + 1, self.offsets.get(about, 0)
        text = "".join(f"{number:>{width}}\n" for number in range(first, first + lines))
        self.lines[about], self.offsets[about] = first + lines - 1, offset + len(text)
        said = OutputLines(pipeline=pipeline, run=run, step=step, first=first, offset=offset, text=text)
        self.entries += 1
        headers = {"Nats-Msg-Id": f"m{self.entries}"}
        recorded = await self.bus.outputs.write(output_subject(*about), msgspec.json.encode(said), headers)
        return recorded.seq


class Follower:
    """A client that hears `pipeline.log`."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.socket = socketio.AsyncClient(reconnection=False)
        self.socket.on("pipeline.log", self._hear)

    async def _hear(self, payload: dict[str, Any]) -> None:
        self.heard.append(payload)

    def numbers(self, pipeline: int = 7) -> list[int]:
        """The lines of its step, as they came."""
        mine = [one["data"] for one in self.heard if one["data"]["pipeline"] == pipeline]
        return [int(line) for data in mine for line in data["text"].split()]

    async def subscribe(self, **options: Any) -> dict[str, Any]:
        told: dict[str, Any] = await self.socket.call("subscribe:pipelines", options, timeout=20)
        return told

    async def until(self, last: int, pipeline: int = 7) -> None:
        async with asyncio.timeout(10):
            while not self.numbers(pipeline) or self.numbers(pipeline)[-1] < last:
                await asyncio.sleep(0.01)


class Lab:
    def __init__(self, writer: Writer, gateway: InProcess) -> None:
        self.writer = writer
        self.gateway = gateway

    @asynccontextmanager
    async def follower(self) -> AsyncIterator[Follower]:
        one = Follower()
        url = f"http://127.0.0.1:{self.gateway.listener.port}"
        await one.socket.connect(url, auth={"token": token_of(USER)}, transports=["websocket"])
        yield one
        await one.socket.disconnect()


async def log(request: GetStepLog, context: Context) -> RunOutput:
    return RunOutput(pipeline=7, run=1, subjects=[output_subject(7, 1, "build")], name="x-1")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {STEP_LOG: log}), gateway_on(MemoryBus(broker)) as gateway:
        yield Lab(Writer(MemoryBus(broker)), gateway)


async def test_who_comes_back_hears_each_line_once(lab: Lab) -> None:
    async with lab.follower() as first:
        assert (await first.subscribe(pipeline=7))["log_seq"] == 0
        await lab.writer.write()
        await first.until(3)
        [heard] = first.heard
    for _ in range(600):  # more than is read at once
        await lab.writer.write()
        await lab.writer.write(8)
    async with lab.follower() as again:
        writing = asyncio.create_task(_keep_writing(lab, 200))
        told = await again.subscribe(pipeline=7, log_since=heard["log_seq"])
        assert told["error"] is False and "log_snapshot_needed" not in told
        await writing
        await again.until(lab.writer.lines[7, 1, "build"])
        assert again.numbers() == list(range(4, lab.writer.lines[7, 1, "build"] + 1))
        assert again.numbers(8) == []
        offsets = [one["data"]["offset"] for one in again.heard]
        assert offsets == sorted(offsets) and again.heard[-1]["log_seq"] >= told["log_seq"]


async def test_who_comes_back_again_and_again_is_read_for_gently(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each lookup over the gateway's connection waited 12 ms for as long as that went on, instead of 0.4."""
    replay, read = lab.gateway.bus.outputs.replay, list[bool]()

    def seen(scope: str, *, after: int, gently: bool = False) -> AsyncIterator[Any]:
        read.append(gently)
        return replay(scope, after=after, gently=gently)

    monkeypatch.setattr(lab.gateway.bus.outputs, "replay", seen)
    before = await lab.writer.write()
    await lab.writer.write()
    async with lab.follower() as one:
        await one.subscribe(pipeline=7, log_since=before)
        assert one.numbers() == [4, 5, 6] and read == [True]


async def _keep_writing(lab: Lab, times: int) -> None:
    for _ in range(times):
        await lab.writer.write(lines=1)
        await asyncio.sleep(0)


async def test_all_pipelines_at_once_are_heard_where_that_is_asked_for(lab: Lab) -> None:
    before = await lab.writer.write(9)
    await lab.writer.write(7)
    async with lab.follower() as plain, lab.follower() as all_of_them:
        assert "log_seq" not in await plain.subscribe()
        await all_of_them.subscribe(log_since=before)
        await lab.writer.write(8)
        await all_of_them.until(3, 8)
        assert (all_of_them.numbers(9), all_of_them.numbers(7), all_of_them.numbers(8)) == ([], [1, 2, 3], [1, 2, 3])
        assert plain.heard == []
        await all_of_them.subscribe(pipeline=7, log=False)
        await plain.subscribe(log=True)
        await lab.writer.write(7)
        await plain.until(6, 7)
        assert all_of_them.numbers(7) == [1, 2, 3]


async def test_what_is_too_far_back_or_forgotten_is_read_elsewhere(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_room, "FARTHEST", 20)
    for _ in range(30):
        await lab.writer.write()
    async with lab.follower() as one:
        told = await one.subscribe(pipeline=7, log_since=5)
        assert (told["log_snapshot_needed"], told["log_seq"]) == (True, 30)
        told = await one.subscribe(pipeline=7, log_since=31)
        assert (told["code"], told["details"]["log_seq"]) == ("INVALID_PARAMS", 30)
        assert one.heard == []
        told = await one.subscribe(pipeline=7, log_since=10)
        assert "log_snapshot_needed" not in told and one.numbers() == list(range(31, 91))
        size = await lab.writer.bus.outputs.size()

        async def emptier() -> Any:
            return msgspec.structs.replace(size, entries=12)  # as a stream is that has forgotten the older ones

        monkeypatch.setattr(lab.gateway.bus.outputs, "size", emptier)
        assert "log_snapshot_needed" not in await one.subscribe(pipeline=7, log_since=18)
        assert (await one.subscribe(pipeline=7, log_since=17))["log_snapshot_needed"] is True


async def test_who_does_not_read_is_cut_off_and_reads_the_rest_as_text(lab: Lab) -> None:
    port = lab.gateway.listener.port
    async with aiohttp.ClientSession() as session, lab.follower() as reads:
        socket = await session.ws_connect(f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")
        await socket.receive()
        await socket.send_str(f"40{json.dumps({'token': token_of(USER)})}")
        await socket.receive()
        await socket.send_str('421["subscribe:pipelines",{"pipeline":7}]')
        assert "log_seq" in (await socket.receive()).data
        assert socket._conn is not None and socket._conn.transport is not None
        socket._conn.transport.pause_reading()  # and reads no more
        await reads.subscribe(pipeline=7)
        clients = lab.gateway.feed._clients
        async with asyncio.timeout(30):
            while len(clients) > 1:
                last = await lab.writer.write(lines=600, width=100)
                await reads.until(lab.writer.lines[7, 1, "build"])
        total = lab.writer.lines[7, 1, "build"]
        assert reads.numbers() == list(range(1, total + 1))  # it cost nobody else anything
        socket._conn.transport.abort()
    async with lab.follower() as again, aiohttp.ClientSession() as session:
        told = await again.subscribe(pipeline=7, log_since=last - 1)
        assert told["log_seq"] == last and len(again.heard) == 1
        headers = {"Authorization": f"Bearer {token_of(USER)}", "Range": f"bytes={again.heard[0]['data']['offset']}-"}
        url = f"http://127.0.0.1:{port}/api/dci/pipeline/7/runs/1/steps/build/log"
        async with session.get(url, headers=headers) as answer:
            assert answer.status == 206 and await answer.text() == again.heard[0]["data"]["text"]


async def test_a_line_is_told_as_it_is_documented(lab: Lab) -> None:
    events = asyncapi()
    channel = events["channels"]["pipeline_log"]
    assert channel["address"] == "pipeline.log" and "the room pipelines" in channel["title"]
    async with lab.follower() as one:
        await one.subscribe(pipeline=7)
        await lab.writer.write()
        await one.until(3)
        payload = events["components"]["messages"]["pipeline_log"]["payload"]
        jsonschema.validate(one.heard[0], payload | {"components": events["components"]})
