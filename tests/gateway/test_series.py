"""What hosts count is on the gateway's endpoint, under the host's name, and what is wrong with one costs that one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.runtime.spread import Spread
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry
from bus_schemas.series import SERIES_ON_HOST, Distribution, HostSeries, Sample, SeriesOnHost
from gateway import health
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving
from tests.support.site import until

AT = "2026-01-01T00:00:00.000Z"


class AHost:
    """A host that says what it is given."""

    def __init__(self, *samples: Sample, distributions: Sequence[Distribution] = ()) -> None:
        self.says: Any = HostSeries(samples=[*samples], distributions=[*distributions])
        self.asked = 0
        self.hangs = False

    async def series(self, request: SeriesOnHost, context: Context) -> Any:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return self.says


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH", 0.0)
    monkeypatch.setattr("gateway.metrics.FRESH", 0.0)


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    yield MemoryBroker(clock=SystemClock())


async def heard_of(gateway: InProcess, broker: MemoryBroker, *hosts: str) -> None:
    """The gateway knows of these hosts."""
    for host in hosts:
        telemetry = HostTelemetry(host=host, at=AT)
        await MemoryBus(broker).publish(HOST_TELEMETRY.subject_for(telemetry), msgspec.json.encode(telemetry), {})

    async def known() -> Any:
        return (await gateway.get("/readyz?verbose"))[1]["hosts"]

    await until(known, lambda found: {one["host"] for one in found} >= set(hosts), 5)


async def exposed(gateway: InProcess) -> dict[tuple[str, ...], float]:
    """The samples of the endpoint, by name and labels' values."""
    text = await gateway.text("/metrics")
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_what_hosts_count_is_shown_by_host(broker: MemoryBroker) -> None:
    spread = Spread("ottb_adb_round_trip_seconds")
    for seconds in (0.0009, 0.001, 0.02, 7.0):
        spread.observe(seconds)
    a = AHost(Sample("ottb_slots", 39, ("ONLINE",)), Sample("ottb_host_load1", 0.5), distributions=[spread.now])
    b = AHost(Sample("ottb_slots", 2, ("ONLINE",)))
    async with (
        serving(broker, {SERIES_ON_HOST: a.series}, fields={"host": "a"}),
        serving(broker, {SERIES_ON_HOST: b.series}, fields={"host": "b"}),
        gateway_on(MemoryBus(broker)) as gateway,
    ):
        await heard_of(gateway, broker, "a", "b", "gone")
        found = await exposed(gateway)
        assert found["ottb_slots", "a", "ONLINE"] == 39 and found["ottb_slots", "b", "ONLINE"] == 2
        assert found["ottb_host_load1", "a"] == 0.5 and ("ottb_host_load1", "b") not in found
        ups = {name: found["ottb_host_up", name] for name in ("a", "b", "gone")}
        assert ups == {"a": 1, "b": 1, "gone": 0}
        buckets = [found["ottb_adb_round_trip_seconds_bucket", "a", le] for le in ("0.001", "0.01", "0.025", "+Inf")]
        assert buckets == [2, 2, 3, 4] and found["ottb_adb_round_trip_seconds_count", "a"] == 4
        assert found["ottb_adb_round_trip_seconds_sum", "a"] == pytest.approx(7.0219)
        assert found["ottb_gateway_gc_pause_seconds_count",] >= 0


async def test_a_host_that_hangs_is_not_up_and_holds_nobody_up(broker: MemoryBroker) -> None:
    a = AHost(Sample("ottb_host_load1", 1.0))
    async with serving(broker, {SERIES_ON_HOST: a.series}, fields={"host": "a"}), gateway_on(MemoryBus(broker)) as door:
        await heard_of(door, broker, "a")
        assert (await exposed(door))["ottb_host_load1", "a"] == 1.0
        a.hangs = True
        async with asyncio.timeout(5):
            found = await exposed(door)
        assert found["ottb_host_up", "a"] == 0 and ("ottb_host_load1", "a") not in found


async def test_what_another_version_says_costs_nothing_else(broker: MemoryBroker) -> None:
    host = AHost(
        Sample("ottb_of_tomorrow", 1), Sample("ottb_slots", 1, ("ONLINE", "and", "more")),
        Sample("ottb_host_probe_up", 1, ("one:443",)), Sample("ottb_host_probe_up", 1, ("one:443",)),
        Sample("ottb_slots", 5, ("ONLINE",)), distributions=[Distribution("ottb_adb_round_trip_seconds", (1,), 1.0)],
    )  # fmt: skip
    async with (
        serving(broker, {SERIES_ON_HOST: host.series}, fields={"host": "a"}),
        gateway_on(MemoryBus(broker)) as gateway,
    ):
        await heard_of(gateway, broker, "a")
        text = await gateway.text("/metrics")
        assert "tomorrow" not in text and "ottb_adb_round_trip_seconds_bucket" not in text
        assert text.count('ottb_host_probe_up{address="one:443",host="a"}') == 1
        assert text.count("ottb_slots{") == 1


async def test_hosts_are_asked_once_a_second_however_many_look(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH", 60.0)
    host = AHost()
    async with (
        serving(broker, {SERIES_ON_HOST: host.series}, fields={"host": "a"}),
        gateway_on(MemoryBus(broker)) as gateway,
    ):
        await heard_of(gateway, broker, "a")
        await asyncio.gather(*(gateway.text("/metrics") for _ in range(3)))
        assert host.asked == 1


async def test_a_host_that_cannot_be_understood_is_not_up(broker: MemoryBroker) -> None:
    host = AHost()
    host.says = {"samples": [["ottb_slots", "many", ["ONLINE"]]], "distributions": []}
    async with (
        serving(broker, {SERIES_ON_HOST: host.series}, fields={"host": "a"}),
        gateway_on(MemoryBus(broker)) as gateway,
    ):
        await heard_of(gateway, broker, "a")
        assert (await exposed(gateway))["ottb_host_up", "a"] == 0
