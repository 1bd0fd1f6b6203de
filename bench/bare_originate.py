"""The floor of an originate by HTTP, bus and journal: the steps that a call cannot do without, and nothing else.

One process takes the request (aiohttp) and asks another over NATS (our link), which writes the attempt, reads one entry
back from the stream's leader, sends the Originate, answers, and writes the end when the PBX tells it. Without users,
numbers, trunks' states, slots, actors, audit, ledger or live events.

`python -m bench.bare_originate NATS_PORT HTTP_PORT AMI_PORT host|http`
"""

import asyncio
import itertools
import sys
from collections.abc import Coroutine
from typing import Any

import msgspec
import nats
from aiohttp import web
from nats.js.api import StreamConfig

from actors.adapters.ami import AmiClient, AmiMessage
from actors.adapters.nats_link import Link
from actors.adapters.nats_wire import encode_headers
from actors.adapters.nats_writer import EXPECT, EXPECT_SCOPE
from actors.runtime.bus import Message
from bench.ami import bare_client, originate
from bench.floor import serve

ASKED = "bench.originate"
ENDED = "bench.call.*.ended"
PATIENCE = 5.0
MOST = 1000


async def _link(port: int) -> Link:
    link = Link(f"nats://127.0.0.1:{port}", name="bench", user=None, password=None)
    await link.start()
    return link


async def host(port: int, ami_port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    await client.jetstream().add_stream(StreamConfig(name="BENCH", subjects=["bench.call.>"], allow_direct=True))
    link = await _link(port)
    ids = itertools.count()
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def end(call_id: str) -> None:
        await link.request(f"bench.call.{call_id}.ended", b"{}", b"", PATIENCE)

    def on_event(event: AmiMessage) -> None:
        """A call is over with its channel, or when there never was one (`Reason: 0`)."""
        never = event["Event"] == "OriginateResponse" and event.get("Reason") == "0"
        if (event["Event"] == "Hangup" or never) and event["Uniqueid"].startswith("c_steps"):
            spawn(end(event["Uniqueid"]))

    ami: AmiClient = await bare_client(ami_port, "steps", on_event)

    async def start(message: Message) -> None:
        assert message.reply is not None
        call_id, number = f"c_steps{next(ids)}", msgspec.json.decode(message.data)["to"]
        subject = f"bench.call.{call_id}.dialing"
        expect = encode_headers({EXPECT: "0", EXPECT_SCOPE: f"bench.call.{call_id}.*"})
        await link.request(subject, message.data, expect, PATIENCE)
        query = msgspec.json.encode({"last_by_subj": subject})
        await link.request("$JS.API.STREAM.MSG.GET.BENCH", query, b"", PATIENCE)
        await message.reply(msgspec.json.encode({"call_id": call_id}), {})
        await originate(ami, call_id, number)

    async def receive(message: Message) -> None:
        spawn(start(message))

    link.subscribe(ASKED, receive, most=MOST)
    await asyncio.Event().wait()


async def http(port: int, http_port: int) -> None:
    link = await _link(port)

    async def dial(request: web.Request) -> web.Response:
        _, answer = await link.request(ASKED, await request.read(), b"", PATIENCE)
        return web.Response(body=answer, status=201, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/pbx/dial", dial)
    await serve(app, http_port)


def main() -> None:
    port, http_port, ami_port = (int(argument) for argument in sys.argv[1:4])
    asyncio.run(host(port, ami_port) if sys.argv[4] == "host" else http(port, http_port))


if __name__ == "__main__":
    main()
