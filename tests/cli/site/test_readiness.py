"""A site is waited for as long as it gets on: a year of records may take minutes to be made anew."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from yarl import URL

from actors.adapters.system_clock import SystemClock
from actors.ledger.follow import Following, Source
from bus_schemas.host import HostTelemetry, Quarantined
from cli.site import readiness
from cli.site.readiness import bar, until_ready
from cli.site.supervisor import GaveUp
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on

AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
async def gateway(broker: MemoryBroker) -> AsyncIterator[InProcess]:
    """One for which nobody serves."""
    async with gateway_on(MemoryBus(broker)) as running:
        yield running


async def telling(broker: MemoryBroker, *far: int, every: float) -> None:
    """A host that reads a journal of a thousand entries."""
    for done in far:
        reason = f"not ready: read up to entry {done} of 1000"
        left = [Quarantined(kind="ledger", id="rebuild", reason=reason)]
        telemetry = msgspec.json.encode(HostTelemetry(host="a", at=AT, quarantined=left))
        await MemoryBus(broker).publish("ottb.v1.tel.host.a", telemetry, {})
        await asyncio.sleep(every)


async def starting(broker: MemoryBroker, *there: int, every: float) -> None:
    """A host that reads forty slots."""
    for done in there:
        left = [Quarantined(kind="slot", id="start", reason=f"not ready: {done} of 40")]
        telemetry = msgspec.json.encode(HostTelemetry(host="a", at=AT, quarantined=left))
        await MemoryBus(broker).publish("ottb.v1.tel.host.a", telemetry, {})
        await asyncio.sleep(every)


async def waited(gateway: InProcess, monkeypatch: pytest.MonkeyPatch, patience: float) -> list[str]:
    """What was said until it was given up."""
    monkeypatch.setattr(readiness, "PATIENCE", patience)
    monkeypatch.setattr(readiness, "SHOW", 0.0)
    said: list[str] = []
    port = URL(gateway._url("")).port or 0
    with pytest.raises(GaveUp, match="nothing new for"):
        await until_ready([port], port, "127.0.0.1", None, say=said.append)
    return said


async def test_as_long_as_the_records_grow_nobody_gives_up(
    gateway: InProcess, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the patience in all."""
    began = asyncio.get_running_loop().time()
    telling_on = asyncio.ensure_future(telling(broker, 100, 300, 500, 700, 900, every=2.0))
    said = await waited(gateway, monkeypatch, 6.0)
    assert asyncio.get_running_loop().time() - began > 2.0 * 4 + 6.0
    assert dict.fromkeys(said).keys() == {bar(done, 1000) for done in (100, 300, 500, 700, 900)}
    await telling_on


async def test_as_long_as_slots_come_nobody_gives_up(
    gateway: InProcess, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.get_running_loop().time()
    telling_on = asyncio.ensure_future(starting(broker, 4, 9, 20, every=1.0))
    said = await waited(gateway, monkeypatch, 3.0)
    assert asyncio.get_running_loop().time() - began > 1.0 * 2 + 3.0
    assert dict.fromkeys(said).keys() == {bar(done, 40, "actors (slot)") for done in (4, 9, 20)}
    await telling_on


async def test_records_that_stand_still_are_given_up(
    gateway: InProcess, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.get_running_loop().time()
    telling_on = asyncio.ensure_future(telling(broker, *[100] * 8, every=1.0))
    await waited(gateway, monkeypatch, 3.0)
    assert asyncio.get_running_loop().time() - began < 7.5
    telling_on.cancel()


def test_a_bar_says_how_far_it_is() -> None:
    assert bar(0, 1000).endswith(f"[{'.' * 30}]    0%  0 of 1,000 entries")
    assert bar(1_500_000, 3_000_000).endswith(f"[{'#' * 15}{'.' * 15}]   50%  1,500,000 of 3,000,000 entries")
    assert "100%" in bar(7, 5) and "100%" in bar(0, 0)


async def test_what_records_say_of_themselves_is_what_is_looked_for(broker: MemoryBroker) -> None:
    """The words of the one are read by the other."""
    following = Following(source=Source(stream=MemoryBus(broker)), store=None, work=None)  # type: ignore[arg-type]
    following._position, following._newest = 12, 40
    [problem] = following.problems()
    found = readiness.FAR.match(problem.reason)
    assert problem.id == "rebuild" and found is not None and found.groups() == ("12", "40")
