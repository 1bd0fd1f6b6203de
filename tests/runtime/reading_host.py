"""A host that answers reads and one command: `reading_host.py PORT NAME`. Who is `owner` also has the one thing that
is owned here, and takes with it what it is asked for in its last moments."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from msgspec import Struct

from actors.adapters.nats_bus import NatsBus
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from bus_schemas.contract import Rpc

OWNER = "owner"


class Asked(Struct, frozen=True, kw_only=True):
    """Who are you? `last`: the owner dies with it."""

    thing: str = "t1"
    last: bool = False


class Said(Struct, frozen=True, kw_only=True):
    """The name of who answers, and how many commands it has been given."""

    host: str
    changes: int = 0


WHO = Rpc("ottb.v1.qry.thing.who", Asked, Said)
PAST = Rpc("ottb.v1.qry.thing.past", Asked, Said)
GET = Rpc("ottb.v1.cmd.thing.{thing}.get", Asked, Said, again=WHO.asked_again, fallback=PAST)
CHANGE = Rpc("ottb.v1.cmd.things.change", Asked, Said, timeout=3.0)
TAKEN = "ottb.v1.tel.thing.taken"  # said by the owner of each question with which it dies


async def main(port: str, name: str) -> None:
    bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name=name)
    changes = 0

    async def change(request: Asked, context: Context) -> Said:
        nonlocal changes
        changes += 1
        return await say(request, context)

    async def say(request: Asked, context: Context) -> Said:
        if request.last and name == OWNER:
            await bus.publish(TAKEN, b"", {})
            await asyncio.Event().wait()
        return Said(host=name, changes=changes)

    answers: Callable[[Asked, Context], Awaitable[Said]] = say
    own = [serve(GET, answers)] if name == OWNER else [serve(PAST, answers)]
    lines = [*own, serve(CHANGE, change), serve(WHO, answers)]  # who is asked for WHO takes the others by then
    await Service(bus=bus, queue="things", handlers=lines, fields={"thing": "t1"}).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
