"""Calls through a trunk by HTTP, bus and journal, on a real Asterisk, far end SIPp: against a bare AMI loop, which
writes and asks nothing, and against the steps alone that such a call cannot do without (`bare_originate.py`).

Each call is refused as busy by the far end at once. Two ends are timed: the PBX's hang-up, which is all that a bare
loop has, and the news of the end on the bus, which comes once the end is on record.
"""

import asyncio
import itertools
import time
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
from bench.gateway import ready, token_of
from bench.parts import free_port, nats_server, process, python
from bench.table import Row, rate
from cli.site.asterisk import NoAsterisk, ensure
from simulators.carrier.rules import mobile
from tests.support.pbx import SECRET, real_pbx
from tests.support.sipp import far_end

RATE, SECONDS, ROUNDS = 50.0, 5.0, 5  # calls a second: ten times VICIdial's default for one server
PATIENCE = 10.0
COUNT, AT_ONCE = 300, 20
OF_STEPS, NEWS_OF_STEPS = 0.5, 1.5  # docs/decisions/0017

Ends = tuple[float, float]

SETTINGS = """
[dial]
user_pool_share = 1.0
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
    """The calls of all, each with its hang-up and the news of its end."""

    def __init__(self) -> None:
        self._hung_up: dict[str, asyncio.Event] = {}
        self._told: dict[str, asyncio.Event] = {}
        self._numbers = (mobile(number, "0001") for number in itertools.count())
        self._ids = itertools.count()

    async def hear(self, message: Message) -> None:
        _of(self._told, message.subject.split(".")[5]).set()

    async def hear_steps(self, message: Message) -> None:
        _of(self._told, message.subject.split(".")[2]).set()

    def on_event(self, event: AmiMessage) -> None:
        never = event["Event"] == "OriginateResponse" and event.get("Reason") == "0"  # there was no channel at all
        if event["Event"] == "Hangup" or never:
            _of(self._hung_up, event["Uniqueid"]).set()

    async def ours(self, session: aiohttp.ClientSession, url: str) -> Ends:
        """Seconds to the hang-up, and to the news of the end."""
        began = time.perf_counter()
        body = {"from": "slot_11", "to": next(self._numbers), "trunk": "trunk-1"}
        async with session.post(f"{url}/api/pbx/dial", json=body) as answer:
            data = await answer.read()
            assert answer.status == 201, data
        call_id = msgspec.json.decode(data)["call_id"]
        return await self._ends(call_id, self._hung_up, began), await self._ends(call_id, self._told, began)

    async def bare(self, ami: AmiClient) -> Ends:
        began = time.perf_counter()
        call_id, number = f"c_bare{next(self._ids)}", next(self._numbers)
        await originate(ami, call_id, number)
        over = await self._ends(call_id, self._hung_up, began)
        return over, over

    async def _ends(self, call_id: str, ended: dict[str, asyncio.Event], began: float) -> float:
        async with asyncio.timeout(PATIENCE):
            await _of(ended, call_id).wait()
        return time.perf_counter() - began


def _of(events: dict[str, asyncio.Event], call_id: str) -> asyncio.Event:
    return events.setdefault(call_id, asyncio.Event())


async def offered(one: Callable[[], Awaitable[Ends]]) -> tuple[float, float, float]:
    """At a fixed rate of starts: calls a second that came to their end, and the 99th percentiles in ms to the hang-up
    and to the news."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks: list[asyncio.Future[Ends]] = []
    for place in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(began + place / RATE - loop.time(), 0))
        tasks.append(asyncio.ensure_future(one()))
    ends = await asyncio.gather(*tasks)
    spent = loop.time() - began
    hung_up, told = (sorted(times)[int(len(ends) * 0.99) - 1] for times in zip(*ends, strict=True))
    return len(ends) / spent, 1000 * hung_up, 1000 * told


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
        steps_url = f"http://127.0.0.1:{(steps_port := free_port())}"
        for role in ("host", "http"):
            steps = python("-m", "bench.bare_originate", str(nats_port), str(steps_port), str(address.port), role)
            await stack.enter_async_context(process(*steps))
        for module in ("actors.main", "gateway.main"):
            await stack.enter_async_context(process(*python("-m", module, "--config", str(config)), **env))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        session.headers["Authorization"] = f"Bearer {await token_of(session, ports['POINT'])}"
        url = f"http://127.0.0.1:{ports['OTTB']}"
        await ready(session, f"{url}/api/pbx/status")
        await asyncio.sleep(3.0)
        race = Race()
        bus = await NatsBus.connect(f"nats://127.0.0.1:{nats_port}", name="bench")
        stack.push_async_callback(bus.close)
        await bus.subscribe("ottb.v1.evt.call.*.*.ended", race.hear)
        await bus.subscribe(bare_originate.ENDED, race.hear_steps)
        ami = await bare_client(address.port, "bare", race.on_event)
        stack.push_async_callback(ami.stop)
        ways: dict[str, Callable[[], Awaitable[Ends]]] = {
            "ours": lambda: race.ours(session, url),
            "steps": lambda: race.ours(session, steps_url),
            "bare": lambda: race.bare(ami),
        }
        slow: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        fast: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, one in ways.items():
                slow[way].append(await offered(one))
            for way, one in ways.items():
                fast[way].append((await rate(one, count=COUNT, at_once=AT_ONCE))[0])
    steady = {way: [median(figures) for figures in zip(*rounds, strict=True)] for way, rounds in slow.items()}
    most = {way: median(rounds) for way, rounds in fast.items()}
    (rate_ours, hung_up, told), (_, _, told_steps), (rate_bare, hung_up_bare, _) = (
        steady[way] for way in ("ours", "steps", "bare")
    )
    name = f"originate through a trunk, {RATE:.0f}/s offered"
    return [
        Row(name, f"{rate_ours:.1f}/s", f"bare AMI loop {rate_bare:.1f}/s", rate_ours / rate_bare, ">= 0.9"),
        Row(
            f"{name}, p99 to the hang-up",
            f"{hung_up:.1f} ms",
            f"bare AMI loop {hung_up_bare:.1f} ms",
            hung_up / hung_up_bare,
            "<= 2.0",
        ),
        Row(
            f"{name}, p99 to the news of the end",
            f"{told:.1f} ms",
            f"its steps alone {told_steps:.1f} ms",
            told / told_steps,
            f"<= {NEWS_OF_STEPS}",
        ),
        Row(
            f"the same, {AT_ONCE} calls at once",
            f"{most['ours']:.0f}/s",
            f"its steps alone {most['steps']:.0f}/s (AMI {most['bare']:.0f})",
            most["ours"] / most["steps"],
            f">= {OF_STEPS}",
        ),
    ]
