"""A step that writes a hundred megabytes: it is cut with a notice, and neither what runs it nor what shows it holds it
in memory, whoever reads along and however slowly."""

import asyncio
from pathlib import Path

import pytest

from bus_schemas.pipeline_events import STEP_BYTES
from tests.support.js_client import JsClient
from tests.support.memory import grown_by
from tests.support.site import admin_of, running_site, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

D = "dci"
WRITES = 100 * 2**20  # bytes
FLAT = 32 * 2**20  # bytes that a process may grow by
SMALL = 10 * 2**20  # that the first run writes: until then, each buffer and library is as large as it gets
FLOOD = """
id = 95
name = "flood"
params = {{ bytes = {{ type = "integer" }} }}
[[steps]]
name = "flood"
do = "run"
secrets = ["KEY"]
commands = ['yes "a line of a build that says a lot, and more than anybody reads" | head -c "$PARAM_BYTES"']
[[steps]]
name = "then"
do = "run"
commands = ['echo {word}']
"""
WORD = "that is all"


async def test_a_flood_is_cut_and_held_by_nobody(tmp_path: Path) -> None:
    with running_site(tmp_path, {14: None}, env={"OTTB_SECRET_KEY": "never-said"}) as site:
        async with admin_of(site) as client:
            text = FLOOD.format(word=WORD)
            assert (await client.post("/api/dci/pipelines", {"text": text}, part=D))[0] == 201

            async def ran(size: int) -> str:
                """The address of its log, once it is over."""
                body = {"parameters": {"bytes": size}}
                _, begun = await client.post("/api/dci/pipeline/95/run", body, part=D)
                path = f"/api/dci/pipeline/95/runs/{begun['run']}"
                done = await until(lambda: client.get(path, part=D), lambda seen: seen[1].get("end_time"), 120.0)
                assert done[1]["status"] == "succeeded", done
                return str(begun["log_url"])

            async def read(url: str) -> tuple[int, bytes]:
                """How long the log is, and its last kilobytes."""
                size, tail = 0, b""
                async with client.session.get(url) as answer:
                    async for part in answer.content.iter_chunked(2**16):
                        size, tail = size + len(part), (tail + part)[-4096:]
                return size, tail

            async with JsClient(site.url("workspace", ""), str(client.token)) as deaf:
                await deaf.expect(lambda said: said.get("connected"))
                assert (await deaf.ask("subscribe:pipelines", {"pipeline": 95}))["error"] is False
                await read(await ran(SMALL))  # nobody reads what the client says from here on
                ours = [pid for name in ("actors", "gateway") if (pid := site.pid(name)) is not None]
                with grown_by(ours) as grown:
                    url = await ran(WRITES)
                    both = await asyncio.gather(read(url), read(url))
            print({name: round(grown[pid] / 2**20, 1) for name, pid in zip(("actors", "gateway"), ours, strict=True)})
            for size, tail in both:
                assert STEP_BYTES < size < STEP_BYTES + 1000
                notice = f"[cut: more than {STEP_BYTES} bytes of output, the rest is not told]".encode()
                assert notice in tail and tail.rstrip().endswith(WORD.encode()), tail
            assert max(grown.values()) < FLAT, grown
