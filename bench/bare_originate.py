"""The floor of an originate by HTTP, bus and journal: the steps that a call cannot do without, and nothing else.

One process takes the request (aiohttp) and asks another over NATS (nats-py), which writes the attempt, reads one entry
back from the stream's leader, sends the Originate, answers, and writes the end when the PBX tells it. Without users,
numbers, trunks' states, slots, actors, audit, ledger or live events.

`python -m bench.bare_originate NATS_PORT HTTP_PORT AMI_PORT host|http`
"""

import asyncio
import itertools
import sys

import msgspec
import nats
from aiohttp import web
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from actors.adapters.ami import AmiClient, AmiMessage
from actors.adapters.nats_bus import EXPECT, EXPECT_SCOPE
from bench.ami import bare_client, originate

ASKED = "bench.originate"
ENDED = "bench.call.*.ended"


async def host(port: int, ami_port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="BENCH", subjects=["bench.call.>"], allow_direct=True))
    ids = itertools.count()
    ending: set[asyncio.Task[None]] = set()

    async def end(call_id: str) -> None:
        await js.publish(f"bench.call.{call_id}.ended", b"{}")

    def on_event(event: AmiMessage) -> None:
        if event["Event"] == "Hangup" and event["Uniqueid"].startswith("c_steps"):
            task = asyncio.get_running_loop().create_task(end(event["Uniqueid"]))
            ending.add(task)
            task.add_done_callback(ending.discard)

    ami: AmiClient = await bare_client(ami_port, "steps", on_event)

    async def start(message: Msg) -> None:
        call_id, number = f"c_steps{next(ids)}", msgspec.json.decode(message.data)["to"]
        subject = f"bench.call.{call_id}.dialing"
        await js.publish(subject, message.data, headers={EXPECT: "0", EXPECT_SCOPE: f"bench.call.{call_id}.*"})
        await client.request("$JS.API.STREAM.MSG.GET.BENCH", b'{"last_by_subj": "%b"}' % subject.encode())
        await message.respond(msgspec.json.encode({"call_id": call_id}))
        await originate(ami, call_id, number)

    async def receive(message: Msg) -> None:
        task = asyncio.get_running_loop().create_task(start(message))
        ending.add(task)
        task.add_done_callback(ending.discard)

    await client.subscribe(ASKED, cb=receive)
    await asyncio.Event().wait()


async def http(port: int, http_port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")

    async def dial(request: web.Request) -> web.Response:
        answer = await client.request(ASKED, await request.read(), timeout=5)
        return web.Response(body=answer.data, status=201, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/pbx/dial", dial)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port).start()
    await asyncio.Event().wait()


def main() -> None:
    port, http_port, ami_port = (int(argument) for argument in sys.argv[1:4])
    asyncio.run(host(port, ami_port) if sys.argv[4] == "host" else http(port, http_port))


if __name__ == "__main__":
    main()
