"""A host of a whole site with simulated phones in its own process: `python -m bench.dialling_host <settings> <book>`.

`OTTB_BENCH_SCALE` stretches or shortens all calls. When it is asked to stop, it writes down what its phones say of all
their calls, and how long it took to start.
"""

import asyncio
import hashlib
import math
import os
import random
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.adapters.tls import client as client_tls
from actors.assembly import running
from actors.campaign.actor import CampaignActor
from actors.main import THREAD_TURN, archive_of, check_state, reach_bus, start_site
from actors.runtime import memory
from actors.runtime.host import Host
from actors.runtime.logging import configure
from actors.runtime.parts import Parts
from actors.settings import Settings, load
from bus_schemas.slot import SlotConfig
from simulators.carrier.rules import BUSY, NO_ANSWER, REMOTE, Plan, Planned, Step
from simulators.device.chronicle import Chronicle
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.phone.telephony import Telephony

ANSWERED, TALK, RING, FAILED = 0.3, 35.0, 5.0, 20.0  # the share of dials that are answered, and seconds
READY = 0.005  # seconds between two looks whether a campaign is there


class Made(Struct, frozen=True):
    """A call by the word of its phone; seconds of one clock."""

    line: str
    number: str
    created: float
    answered: float | None
    ended: float | None


class Book(Struct, frozen=True):
    """What the phones have done. `started`: until the host served; `owned`: until it had the campaign."""

    calls: list[Made]
    started: "Took"
    owned: "Took"


class Took(Struct, frozen=True):
    """`worked`: seconds of the processor in the thread of the actors."""

    seconds: float
    worked: float


def plan(number: str) -> Plan:
    """What becomes of a call, always the same for a number: three of ten are answered and talk for a while, the others
    are busy or ring in vain; a fleet that begins at once is soon spread over time."""
    chance = random.Random(int.from_bytes(hashlib.blake2b(number.encode(), digest_size=8).digest()))
    alert = Planned(after=0.5, step=Step.ALERT)
    if chance.random() < ANSWERED:
        talk = chance.expovariate(1 / TALK)
        answer = Planned(after=RING, step=Step.ANSWER)
        return (alert, answer, Planned(after=RING + talk, step=Step.END, cause=REMOTE))
    cause = chance.choice((BUSY, NO_ANSWER))
    return (alert, Planned(after=0.6 - FAILED * math.log(1.0 - chance.random()), step=Step.END, cause=cause))


async def serve(settings: Settings, scale: float) -> Book:
    """Run until it is asked to stop."""
    stopped, book = asyncio.Event(), Chronicle()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    def make_phone(config: SlotConfig) -> SimulatedPhone:
        handset = Handset(f"slot-{config.id}", book=book)
        handset.telephony = Telephony(scale=scale, plan=plan)
        return SimulatedPhone(handset, alive=lambda: True, buried=asyncio.Event())

    check_state(settings.state)
    tls = client_tls(settings.nats)
    bus = await reach_bus(settings, tls, stopped.set)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        parts = Parts(bus=bus, clock=SystemClock(), ids=RandomIds())
        archive = archive_of(settings, parts)
        site = await start_site(settings, parts, stack, tls=tls, on_closed=stopped.set, archive=archive)
        began = Took(time.monotonic(), time.thread_time())
        host = await stack.enter_async_context(
            running(
                settings, bus=bus, clock=parts.clock, ids=parts.ids, make_phone=make_phone, devices=lambda: (),
                pbxs={}, lost=stopped, problems=site.problems,
            )
        )
        started = _since(began)
        memory.freeze(memory.RARELY)
        owned = await _owned(host, began, stopped)
        await stopped.wait()
        calls = [Made(one.line, one.number, one.created, one.answered, one.ended) for one in book.ordered()]
        return Book(calls, started, owned)


async def _owned(host: Host, began: Took, stopped: asyncio.Event) -> Took:
    """How long it took until a campaign was there."""
    while not stopped.is_set() and not any(shard.all(CampaignActor) for shard in host.shards.values()):
        await asyncio.sleep(READY)
    return _since(began)


def _since(began: Took) -> Took:
    return Took(time.monotonic() - began.seconds, time.thread_time() - began.worked)


def main() -> None:
    settings = load(config=Path(sys.argv[1]), environment=os.environ)
    configure(level=settings.log.level, service="actors")
    sys.setswitchinterval(THREAD_TURN)
    book = asyncio.run(serve(settings, float(os.environ.get("OTTB_BENCH_SCALE", "1"))))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(book))


if __name__ == "__main__":
    main()
