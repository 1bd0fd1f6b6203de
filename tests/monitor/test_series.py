"""What of a host is counted for Prometheus: in base units, each in the table, and no more names than may be."""

import gc
from typing import Any

import msgspec
import pytest

from actors.monitor.samples import of_hub
from actors.monitor.series import bounded, of_host, of_inboxes
from actors.runtime import memory
from actors.runtime.spread import Spread
from actors.trunk.series import of_trunks
from actors.usb.port_map import HubNow, PortNow
from actors.usb.series import of_hubs
from bus_schemas.monitor import METRICS, DiskFigures, Following, HostFigures, Probe, ProcessFigures
from bus_schemas.series import FAMILIES, OTHERS, Sample
from bus_schemas.trunk import TrunkState, TrunkView
from bus_schemas.usb import PortState, Switching


def said(samples: Any) -> dict[tuple[str, ...], float]:
    """As a gateway reads them."""
    told = msgspec.json.decode(msgspec.json.encode([*samples]), type=list[Sample])
    found = {(one.family, *one.labels): one.value for one in told}
    for name, *labels in found:
        assert len(FAMILIES[name].labels) == len(labels), name
    return found


def process(name: str, cpu: float | None, rss: float) -> ProcessFigures:
    return ProcessFigures(name=name, pid=1, cpu=cpu, rss_mb=rss, fds=10, threads=1, uptime_s=1)


def test_a_host_is_told_in_base_units() -> None:
    found = said(of_host(HostFigures(
        host="a", cpu=37.0, ram=61.0, load=(1.5, 1.0, 0.5), temperature=51.0, uptime_s=3600, clock_offset_ms=-250.0,
        bus_ms=2.0, probes=(Probe(address="one:443", latency_ms=12.0), Probe(address="two:443", latency_ms=None)),
        disks=(DiskFigures(path="/var", total_mb=100, free_mb=25, used=75.0, full_in=86_400),),
        processes=(process("actors", 50.0, 80.0), process("adb", None, 1.0), process("adb", 10.0, 2.0)),
        records=(Following(name="ledger", behind=7), Following(name="log", behind=0, error="no")),
    )))  # fmt: skip
    assert found["ottb_host_cpu_ratio",] == 0.37 and found["ottb_host_memory_used_ratio",] == 0.61
    assert found["ottb_host_clock_offset_seconds",] == -0.25 and found["ottb_host_bus_round_trip_seconds",] == 0.002
    assert found["ottb_host_disk_free_bytes", "/var"] == 25 * 2**20
    assert found["ottb_host_disk_full_in_seconds", "/var"] == 86_400
    assert found["ottb_host_probe_seconds", "one:443"] == 0.012 and ("ottb_host_probe_seconds", "two:443") not in found
    assert [found["ottb_host_probe_up", name] for name in ("one:443", "two:443")] == [1, 0]
    assert found["ottb_host_process_resident_bytes", "adb"] == 3 * 2**20
    assert found["ottb_host_process_cpu_ratio", "adb"] == pytest.approx(0.1)
    assert found["ottb_host_process_open_fds", "adb"] == 20
    assert found["ottb_records_behind", "ledger"] == 7
    assert [found["ottb_records_failing", name] for name in ("ledger", "log")] == [0, 1]


def test_what_a_host_does_not_know_is_not_there() -> None:
    assert said(of_host(HostFigures(host="a"))) == {}


def test_hubs_and_trunks_have_each_state() -> None:
    ports = tuple(PortNow(port=number, way=str(number), state=PortState.ONLINE) for number in (1, 2))
    hub = HubNow(
        name="HUB2", path="1-2", paths=("1-2",), plugged=True, mapped=True, switching=Switching.NONE,
        ports=(*ports, PortNow(port=3, way="3")),
    )  # fmt: skip
    found = said(of_hubs([hub]))
    assert found["ottb_hub_plugged", "HUB2"] == 1
    assert {state: found["ottb_hub_ports", "HUB2", state] for state in map(str, PortState)} == {
        "online": 2, "empty": 1, "offline": 0, "occupied": 0, "unauthorized": 0
    }  # fmt: skip
    assert of_hub(hub) == {
        "plugged": True, "ports": 3, "online": 2, "unauthorized": 0, "offline": 0, "occupied": 0
    }  # fmt: skip
    assert {("hub", name) for name in of_hub(hub)} == {key for key in METRICS if key[0] == "hub"}
    view = TrunkView(
        name="t", state=TrunkState.WARN, failed=3, last_check=None, calls=2, channels=30, rtt_ms=20.0
    )
    found = said(of_trunks([view]))
    assert {state: found["ottb_trunk_state", "t", state] for state in map(str, TrunkState)} == {
        "OK": 0, "WARN": 1, "DOWN": 0
    }  # fmt: skip
    assert found["ottb_trunk_calls", "t"] == 2 and found["ottb_trunk_channels", "t"] == 30
    assert found["ottb_trunk_round_trip_seconds", "t"] == 0.02 and found["ottb_trunk_failed_calls", "t"] == 3


def test_inboxes_are_summed_by_kind() -> None:
    found = said(of_inboxes({"slot": [0, 3, 1], "call": [0]}))
    assert [found[name, "slot"] for name in ("ottb_actors", "ottb_inbox_waiting", "ottb_inbox_longest")] == [3, 4, 3]
    assert found["ottb_actors", "call"] == 1


def test_names_beyond_as_many_as_may_be_are_one_or_none() -> None:
    most = FAMILIES["ottb_trunk_calls"].most
    calls = [Sample("ottb_trunk_calls", 1, (f"t{number}",)) for number in range(most + 5)]
    trips = [Sample("ottb_trunk_round_trip_seconds", 1, (f"t{number}",)) for number in range(most + 5)]
    ports = [
        Sample("ottb_hub_ports", 1, (f"h{number}", state)) for number in range(most + 2) for state in ("a", "b")
    ]
    found = said(bounded([*calls, *trips, *ports, Sample("ottb_host_load1", 2.0)]))
    assert found["ottb_trunk_calls", OTHERS] == 5 and ("ottb_trunk_calls", f"t{most}") not in found
    assert sum(name == "ottb_trunk_calls" for name, *_ in found) == most + 1
    assert sum(name == "ottb_trunk_round_trip_seconds" for name, *_ in found) == most
    assert found["ottb_hub_ports", OTHERS, "a"] == found["ottb_hub_ports", OTHERS, "b"] == 2
    assert found["ottb_hub_ports", f"h{most - 1}", "b"] == 1 and found["ottb_host_load1",] == 2.0
    one_of_that_name = [Sample("ottb_trunk_calls", 4, (OTHERS,)), *calls]
    assert said(bounded(one_of_that_name))["ottb_trunk_calls", OTHERS] == 9  # and not twice


def test_collections_of_garbage_are_timed_until_nobody_wants_it() -> None:
    pauses = Spread("ottb_host_gc_pause_seconds")
    stop = memory.measure(pauses)
    gc.collect()
    stop()
    counted = pauses.now
    gc.collect()
    assert sum(counted.counts) >= 1 and counted.total > 0 and pauses.now == counted


def test_a_duration_is_in_the_first_bucket_that_holds_it() -> None:
    spread = Spread("ottb_adb_round_trip_seconds")
    for seconds in (0.001, 0.0011, 5.0, 5.1):
        spread.observe(seconds)
    assert spread.now.counts[:2] == (1, 1) and spread.now.counts[-2:] == (1, 1)
