"""The floor of a gateway read: aiohttp with one nats-py request to an echo in another process, and nothing else.

`python -m bench.floor NATS_PORT HTTP_PORT echo|http`
"""

import asyncio
import sys

import nats
from aiohttp import web
from nats.aio.msg import Msg

BODY = b'{"id":44,"status":"ONLINE","device":"A52","user":"op12","trunk":"trunk-1"}' + b" " * 500


async def echo(port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")

    async def answer(message: Msg) -> None:
        await message.respond(BODY)

    await client.subscribe("bench.slot.*", cb=answer)
    await asyncio.Event().wait()


async def serve(app: web.Application, http_port: int) -> None:
    """Serve on this machine, with nothing in between, until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port).start()
    await asyncio.Event().wait()


async def http(port: int, http_port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")

    async def get(request: web.Request) -> web.Response:
        answer = await client.request(f"bench.slot.{request.match_info['slot']}", b'{"slot":44}', timeout=5)
        return web.Response(body=answer.data, content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/slots/{slot}", get)
    await serve(app, http_port)


def main() -> None:
    port, http_port, role = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    asyncio.run(echo(port) if role == "echo" else http(port, http_port))


if __name__ == "__main__":
    main()
