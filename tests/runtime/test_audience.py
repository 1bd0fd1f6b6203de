"""What a host says on feeds, by who may be listening."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from actors.runtime.audience import LASTS, Audience
from actors.runtime.bus import Message
from actors.runtime.feeds import Feeds
from bus_schemas.host import BUS_AUDIENCE, BusAudience
from bus_schemas.kinds import feeds_of
from bus_schemas.slot import SLOT_LINKED, SlotLinked, SlotStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run

LINKED = SlotLinked(slot=44, at="2026-01-01T00:00:00.000Z", status=SlotStatus.ONLINE)
SUBJECT = SLOT_LINKED.subject_for(LINKED)
OWN, SHARED, ALL = (f"ottb.v1.{feed}.evt.slot.44.linked" for feed in ("own.op12", "shared", "all"))


class Bus:
    """A host's feeds, and somebody who hears all that is said on them."""

    def __init__(self, loop: SimLoop) -> None:
        broker, clock = MemoryBroker(clock=SimClock(loop)), SimClock(loop)
        self.bus = MemoryBus(broker)
        self.audience = Audience(bus=self.bus, clock=clock)
        self.feeds = Feeds(bus=self.bus, audience=self.audience, spawn=loop.create_task)
        self._heard: list[str] = []

    async def start(self) -> None:
        await self.audience.start()
        await self.bus.subscribe("ottb.v1.>", self._hear)

    async def _hear(self, message: Message) -> None:
        if ".tel.audience." not in message.subject:
            self._heard.append(message.subject)

    async def there(self, sender: str, *users: str, named: bool = True) -> None:
        """A POINT says who is on the bus."""
        word = BusAudience(sender=sender, number=1, users=users if named else None)
        await self.bus.publish(BUS_AUDIENCE.subject_for(word), msgspec.json.encode(word), {})
        await asyncio.sleep(0.01)

    async def said(self, *owners: str | None) -> set[str]:
        """Where an event about a slot of these owners is said."""
        self.feeds.publish_to_owners(SLOT_LINKED, LINKED, msgspec.json.encode(LINKED), feeds_of(SUBJECT, owners))
        await asyncio.sleep(0.01)
        heard, self._heard = set(self._heard), []
        return heard


async def _nobody_says(bus: Bus) -> None:
    assert await bus.said("op12") == {OWN, ALL} and await bus.said(None) == {SHARED, ALL}


async def _nobody_there(bus: Bus) -> None:
    await bus.there("p1")
    assert await bus.said("op12") == set() and await bus.said(None) == set()


async def _others_there(bus: Bus) -> None:
    await bus.there("p1", "op13")
    assert await bus.said("op12") == {ALL} and await bus.said(None) == {SHARED, ALL}


async def _by_one_of_two(bus: Bus) -> None:
    await bus.there("p1", "op12")
    await bus.there("p2")
    assert await bus.said("op12", "op13") == {OWN, ALL}


async def _long_ago(bus: Bus) -> None:
    await bus.there("p1")
    await asyncio.sleep(LASTS)
    assert await bus.said("op12") == {OWN, ALL}


async def _too_many_to_name(bus: Bus) -> None:
    await bus.there("p1", named=False)
    assert await bus.said("op12") == {OWN, ALL}


async def _what_is_not_understood(bus: Bus) -> None:
    await bus.there("p1")
    await bus.bus.publish("ottb.v1.tel.audience.p2", b"[", {})
    assert await bus.said("op12") == set()


CASES = (
    _nobody_says, _nobody_there, _others_there, _by_one_of_two, _long_ago, _too_many_to_name, _what_is_not_understood
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__[1:])
def test_feeds_are_told_that_somebody_may_hear(case: Callable[[Bus], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        bus = Bus(loop)
        await bus.start()
        await case(bus)

    run(main, seed=1)
