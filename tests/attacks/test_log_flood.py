"""The platform's log is flooded: by who may write there, and by who can cause what the platform itself writes."""

import asyncio
from itertools import count

import msgspec
import pytest

from actors.assembly import running
from actors.log.noting import LASTING, LASTING_AT_ONCE, MOST, Noting
from actors.log.share import DAY, LogShare
from actors.log.writer import LogWriter
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.log import LOG_SCOPE, MOST_BYTES, MOST_EVENTS, WRITE_LOG, LogEvent
from bus_schemas.names import share_of
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_RESTARTING, SlotRestarting, SlotStatus
from bus_schemas.user import LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

HOURS, TRIES = 3, 2_000
LONG = LogEvent(module="x", severity="error", message="m" * 4_000, context={"a": "b" * 8_000})
ALLOWED = frozenset({Action.LOG_WRITE.value})


class Site:
    """A host that takes in events, for some hours in no time."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self._asked = count()

    async def write(self, event: LogEvent, credential: str) -> Refusal | None:
        command, user = f"k{next(self._asked)}", credential.rpartition(":")[2]
        context = Context(command_id=command, user=user, credential=credential, actions=ALLOWED)
        try:
            await ask(MemoryBus(self.broker), WRITE_LOG, event, context)
        except Refusal as refusal:
            return refusal
        return None

    async def flood(self, event: LogEvent, credential: str) -> Refusal | None:
        """Write until that is refused, or is much."""
        for _ in range(TRIES):
            if (refused := await self.write(event, credential)) is not None:
                return refused
        return None


@pytest.mark.parametrize("size", [1, 150, 5_000, 12_000])
def test_one_sender_has_an_eighth_of_it_in_a_day(size: int) -> None:
    """Whatever the events are like."""
    now = written = 0.0
    share, sender = LogShare(lambda: now), share_of(LoginKind.SESSION, "op12")
    while now < DAY:
        try:
            share.take(sender, size)
            written += 1
        except Refusal as refusal:
            now += float((refusal.details or {})["retry_after"])
    part = max(written / MOST_EVENTS, written * size / MOST_BYTES)
    print(f"{written:.0f} events of {size} bytes in a day: {part:.1%} of the log by one sender")
    assert 0.1 < part < 0.126


def test_one_sender_does_not_push_out_what_others_have_written() -> None:
    async def main() -> None:
        site = Site()
        bus = MemoryBus(site.broker)
        async with running(
            Settings(), bus=bus, clock=site.clock, ids=CountedIds("t"), devices=lambda: (), pbxs={},
            lost=asyncio.Event(),
            make_phone=lambda config: SimulatedPhone(Handset(), alive=lambda: True, buried=bus.buried),
        ):  # fmt: skip
            await asyncio.sleep(8.0)
            refused = await site.flood(LONG, "session:op12")
            sizes = [len(one.data) async for one in bus.log.replay(LOG_SCOPE)]
            print(f"{len(sizes)} events of {sizes[0]} bytes at once: {sum(sizes) / MOST_BYTES:.1%} of the log")
            assert sum(sizes) < 0.03 * MOST_BYTES
            assert refused is not None and refused.code is ErrorCode.RATE_LIMITED
            assert (refused.details or {})["rule"] == "log_share"
            for other in ("session:op21", "token:op12"):  # who has got hold of a token does not silence its owner
                assert await site.write(LONG, other) is None

    run(main, 1)


def test_who_can_cause_what_the_platform_writes_does_not_fill_it() -> None:
    async def main() -> None:
        site = Site()
        bus = MemoryBus(site.broker)
        share = LogShare(site.clock.monotonic)
        writer = LogWriter(bus=bus, ids=CountedIds("n"), host="a", share=share)
        noting = Noting(bus=bus, clock=site.clock, writer=writer)
        await noting.start()
        noting.watch(dict)
        restarts = HOURS * 1800
        for number in range(restarts):
            event = SlotRestarting(
                slot=number % 90 + 1, at="2026-01-01T00:00:00.000Z", status=SlotStatus.RESTARTING, by="a"
            )
            subject = SLOT_RESTARTING.subject_for(event)
            last = await bus.last(subject)
            data, headers = msgspec.json.encode(event), {ID: f"r{number}"}
            await bus.append(subject, data, headers, scope=subject, expect=last.seq if last is not None else 0)
            await asyncio.sleep(2.0)
        await noting.stop()
        written = len([one async for one in bus.log.replay(LOG_SCOPE)])
        minutes = HOURS * 60
        print(f"{restarts} slots restarted in {HOURS} hours: {written} events, where {MOST} may be in a minute")
        assert MOST < written <= LASTING_AT_ONCE + (LASTING + 1) * minutes + 2

    run(main, 1)
