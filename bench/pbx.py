"""Calls through a trunk by HTTP, bus and journal, on a real Asterisk, far end SIPp: against a bare AMI loop, which
writes and asks nothing, and against the steps alone that such a call cannot do without (`bare_originate.py`).

Each call is refused as busy by the far end at once. A call's time is from the request to the news of its end.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import aiohttp
import msgspec

from actors.adapters.ami import AmiClient, AmiMessage
from actors.adapters.nats_bus import NatsBus
from actors.runtime.bus import Message
from bench import bare_originate
from bench.ami import bare_client, originate
from bench.gateway import _ready, _token
from bench.parts import free_port, nats_server, process, python
from bench.table import Row, rate
from cli.asterisk import NoAsterisk, ensure
from tests.support.pbx import SECRET, real_pbx
from tests.support.sipp import far_end

RATE, SECONDS, ROUNDS = 50.0, 5.0, 5  # calls a second: ten times VICIdial's default for one server
PATIENCE = 10.0
COUNT, AT_ONCE = 300, 20
OF_STEPS = 0.5  # docs/decisions/0017
BARE = "c_bare"

SETTINGS = """
[dial]
extension_calls = 100000
user_calls_per_minute = 1000000
user_concurrent_calls = 100000
[ami.main]
port = {ami}
secret = "{secret}"
[[trunks]]
name = "trunk-1"
endpoint = "trunk-1"
channels = 5000
calls_per_second = 1000
[[slots]]
id = 11
serial = "127.0.0.1:{phone}"
region = "UA"
"""


class Race:
    """The calls of both, each with the news of its end."""

    def __init__(self) -> None:
        self._over: dict[str, asyncio.Event] = {}
        self._numbers = (f"+38050{number:04d}0001" for number in itertools.count())
        self._ids = itertools.count()

    def _ended(self, call_id: str) -> asyncio.Event:
        return self._over.setdefault(call_id, asyncio.Event())

    async def hear(self, message: Message) -> None:
        self._ended(message.subject.split(".")[5]).set()

    async def hear_steps(self, message: Message) -> None:
        self._ended(message.subject.split(".")[2]).set()

    def on_event(self, event: AmiMessage) -> None:
        if event["Event"] == "Hangup" and event["Uniqueid"].startswith(BARE):  # the others' news come over the bus
            self._ended(event["Uniqueid"]).set()

    async def ours(self, session: aiohttp.ClientSession, url: str) -> None:
        body = {"from": "slot_11", "to": next(self._numbers), "trunk": "trunk-1"}
        async with session.post(f"{url}/api/pbx/dial", json=body) as answer:
            data = await answer.read()
            assert answer.status == 201, data
        async with asyncio.timeout(PATIENCE):
            await self._ended(msgspec.json.decode(data)["call_id"]).wait()

    async def bare(self, ami: AmiClient) -> None:
        call_id, number = f"{BARE}{next(self._ids)}", next(self._numbers)
        await originate(ami, call_id, number)
        async with asyncio.timeout(PATIENCE):
            await self._ended(call_id).wait()


async def offered(one: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Calls a second that came to their end, and the 99th percentile in ms, at a fixed rate of starts."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def timed() -> None:
        began = loop.time()
        async with asyncio.timeout(PATIENCE):
            await one()
        times.append(loop.time() - began)

    began = loop.time()
    tasks = []
    for place in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(began + place / RATE - loop.time(), 0))
        tasks.append(asyncio.create_task(timed()))
    await asyncio.gather(*tasks)
    times.sort()
    return len(times) / (loop.time() - began), 1000 * times[int(len(times) * 0.99) - 1]


async def measure(folder: Path) -> list[Row]:
    try:
        await asyncio.to_thread(ensure, print)
    except NoAsterisk as error:
        print(f"bench: no Asterisk, so no figures of trunks: {error}")
        return []
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(far_end(folder, ring=10, talk=10))
        address = await stack.enter_async_context(real_pbx(folder / "pbx", far_port=far))
        nats_port = await stack.enter_async_context(nats_server(folder))
        config = folder / "pbx.toml"
        config.write_text(SETTINGS.format(ami=address.port, secret=SECRET, phone=free_port()))
        ports = {name: free_port() for name in ("POINT", "DCI", "OTTB", "WORKSPACE")}
        env = {f"OTTB_HTTP__{name}_PORT": str(port) for name, port in ports.items()}
        env |= {"OTTB_NATS__PORT": str(nats_port), "OTTB_STATE_DIR": str(folder / "pbx-state")}
        env |= {"OTTB_ADB__PORT": str(free_port())}
        steps_url = f"http://127.0.0.1:{(steps_port := free_port())}"
        for role in ("host", "http"):
            steps = python("-m", "bench.bare_originate", str(nats_port), str(steps_port), str(address.port), role)
            await stack.enter_async_context(process(*steps))
        for module in ("actors.main", "gateway.main"):
            await stack.enter_async_context(process(*python("-m", module, "--config", str(config)), **env))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        session.headers["Authorization"] = f"Bearer {await _token(session, ports['POINT'])}"
        url = f"http://127.0.0.1:{ports['OTTB']}"
        await _ready(session, f"{url}/api/pbx/status")
        await asyncio.sleep(3.0)
        race = Race()
        bus = await NatsBus.connect(f"nats://127.0.0.1:{nats_port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.subscribe("ottb.v1.evt.call.*.*.ended", race.hear)
        await bus.subscribe(bare_originate.ENDED, race.hear_steps)
        ami = await bare_client(address.port, "bare", race.on_event)
        stack.push_async_callback(ami.stop)
        one, two, fast, fast_bare, fast_steps = [], [], [], [], []
        for _ in range(ROUNDS):
            one.append(await offered(lambda: race.ours(session, url)))
            two.append(await offered(lambda: race.bare(ami)))
            fast.append((await rate(lambda: race.ours(session, url), count=COUNT, at_once=AT_ONCE))[0])
            fast_bare.append((await rate(lambda: race.bare(ami), count=COUNT, at_once=AT_ONCE))[0])
            fast_steps.append((await rate(lambda: race.ours(session, steps_url), count=COUNT, at_once=AT_ONCE))[0])
    steady, steady_bare = median(r for r, _ in one), median(r for r, _ in two)
    most, most_bare, most_steps = median(fast), median(fast_bare), median(fast_steps)
    tail, tail_bare = median(p for _, p in one), median(p for _, p in two)
    name = f"originate through a trunk, {RATE:.0f}/s offered"
    return [
        Row(name, f"{steady:.1f}/s", f"bare AMI loop {steady_bare:.1f}/s", steady / steady_bare, ">= 0.9"),
        Row(f"{name}, p99 to the end", f"{tail:.1f} ms", f"{tail_bare:.1f} ms", tail / tail_bare, "<= 2.0"),
        Row(
            f"the same, {AT_ONCE} calls at once, against its steps alone",
            f"{most:.0f}/s",
            f"{most_steps:.0f}/s (bare AMI loop {most_bare:.0f}/s)",
            most / most_steps,
            f">= {OF_STEPS}",
        ),
    ]
