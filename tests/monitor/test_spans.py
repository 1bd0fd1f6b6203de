"""Which part of the past is meant, and in which steps it is told."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.monitor import spans, together
from actors.runtime.clock import parse_utc, utc
from bus_schemas.errors import Refusal
from bus_schemas.monitor import METRICS, MINUTE, QUARTER, HostFigures, NetworkFigures, Probe, SystemFigures, as_uptime

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def ago(**since: float) -> str:
    return utc(NOW - timedelta(**since))


@pytest.mark.parametrize(
    ("since", "until", "step", "hours"),
    [
        (None, None, MINUTE, 24),
        (ago(hours=24), None, MINUTE, 24),
        (ago(hours=3), ago(hours=1), MINUTE, 2),
        (ago(hours=26), None, QUARTER, 26),
        (ago(days=30), None, QUARTER, 720),
        (None, ago(days=3), QUARTER, 24),
    ],
)
def test_the_last_day_is_told_by_minutes(since: str | None, until: str | None, step: int, hours: float) -> None:
    asked = spans.wanted("slot", "44", "cpu", since, until, NOW)
    begin, end = parse_utc(asked.since), parse_utc(asked.until)
    assert asked.step == step and begin.timestamp() % step == 0
    assert timedelta(0) <= end - begin - timedelta(hours=hours) < timedelta(seconds=step)


@pytest.mark.parametrize(
    ("metric", "since", "until", "field"),
    [
        ("warmth", None, None, "metric"),
        ("load", None, None, "metric"),  # of hosts
        ("cpu", "soon", None, "from"),
        ("cpu", None, "2026-02-30", "to"),
        ("cpu", None, "0001-01-01T00:00:00Z", "to"),
        ("cpu", ago(hours=1), ago(hours=2), "from"),
        ("cpu", ago(days=31), None, "from"),
    ],
)
def test_what_cannot_be_asked_names_the_field(metric: str, since: str | None, until: str | None, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        spans.wanted("slot", "44", metric, since, until, NOW)
    assert refused.value.details is not None and refused.value.details["field"] == field


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "0h00m"), (52_320, "14h32m"), (86_399, "23h59m"), (86_400, "1d0h00m"), (311_520.9, "3d14h32m")],
)
def test_an_uptime_is_written_as_documented(seconds: float, words: str) -> None:
    assert as_uptime(seconds) == words


def test_hosts_count_by_their_processors_and_their_memory() -> None:
    small = HostFigures(host="a", cpu=100.0, cores=2, ram=10.0, ram_total_mb=1000, uptime_s=60, bandwidth_mbps=1000)
    large = HostFigures(host="b", cpu=0.0, cores=6, ram=90.0, ram_total_mb=3000, uptime_s=52_320, bandwidth_mbps=100)
    silent = HostFigures(host="c")
    assert together.system([small, large, silent]) == SystemFigures(cpu=25, ram=70, uptime="14h32m")
    assert together.system([silent]) == SystemFigures(cpu=None, ram=None, uptime=None)
    assert together.network([silent]) == NetworkFigures(bandwidth_mbps=None, latency_ms=None)
    ways = (Probe(address="x:1", latency_ms=11.6), Probe(address="y:1", latency_ms=None))
    probed = HostFigures(host="d", probes=ways, bandwidth_mbps=1000, measured_mbps=99.6)
    assert together.network([small, large, probed]) == NetworkFigures(bandwidth_mbps=100, latency_ms=12)


def test_each_metric_says_its_unit_and_what_it_is() -> None:
    assert all(one.says and (one.low is None or one.high is None or one.low < one.high) for one in METRICS.values())
    assert {kind for kind, _ in METRICS} == {"slot", "host", "hub"}
