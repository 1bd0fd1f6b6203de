"""A host is killed while reads are in its hands, on a real nats-server: others answer them. Commands are sent once."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.adapters.nats_bus import NatsBus
from actors.runtime.bus import Message
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bench.parts import process
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from tests.runtime.reading_host import CHANGE, GET, OWNER, TAKEN, WHO, Asked, Said
from tests.runtime.test_buses import CONFIG, server
from tests.support.site import PATIENCE

MANY = 40
OTHER = "other"
CONTEXT = Context(command_id="one", user="op")


@asynccontextmanager
async def two_hosts(folder: Path) -> AsyncIterator[tuple[NatsBus, asyncio.subprocess.Process]]:
    """Who asks, and the process of the host that owns the thing."""
    async with server(folder, CONFIG) as port, AsyncExitStack() as stack:
        asker = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="asker")
        stack.push_async_callback(asker.close)
        argv = (sys.executable, "-m", "tests.runtime.reading_host", str(port))
        owner, _ = [await stack.enter_async_context(process(*argv, name)) for name in (OWNER, OTHER)]
        seen = Counter[str]()
        async with asyncio.timeout(PATIENCE):
            while not {OWNER, OTHER} <= seen.keys():
                seen.update(await asked(asker, WHO, Asked()))
        yield asker, owner


async def asked(bus: NatsBus, rpc: Rpc[Asked, Said], request: Asked) -> list[str]:
    """Who answers when many ask at once; the code of a refusal where nobody does."""

    async def one() -> str:
        try:
            return (await ask(bus, rpc, request, CONTEXT)).host
        except Refusal as refusal:
            return refusal.code

    return await asyncio.gather(*(one() for _ in range(MANY)))


async def asked_in_a_kill(bus: NatsBus, rpc: Rpc[Asked, Said], host: asyncio.subprocess.Process) -> Counter[str]:
    """The same, of a host that is killed with the questions in its hands."""
    taken = asyncio.Event()

    async def hear(message: Message) -> None:
        taken.set()

    await bus.subscribe(TAKEN, hear)
    under_way = asyncio.ensure_future(asked(bus, rpc, Asked(last=True)))
    async with asyncio.timeout(PATIENCE):
        await taken.wait()
    host.kill()
    return Counter(await under_way)


async def test_reads_of_a_killed_host_are_answered_by_another(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as (asker, owner):
        assert await asked_in_a_kill(asker, WHO, owner) == {OTHER: MANY}


async def test_what_a_killed_host_owned_is_answered_from_the_records(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as (asker, owner):
        assert await asked_in_a_kill(asker, GET, owner) == {OTHER: MANY}


async def test_a_command_of_a_killed_host_is_not_sent_again(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as (asker, owner):
        answers = await asked_in_a_kill(asker, CHANGE, owner)
        assert answers.keys() == {OTHER, ErrorCode.TIMEOUT} and answers.total() == MANY
        assert (await ask(asker, WHO, Asked(), CONTEXT)).changes == answers[OTHER]
