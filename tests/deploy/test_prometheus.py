"""Alert rules and the board name what the endpoint exposes: each series and label, with the type it has."""

import re
import tomllib
from functools import cache

import pytest

from actors.monitor.series import of_host, of_inboxes
from actors.runtime.spread import Spread
from actors.trunk.series import of_trunks
from actors.usb.port_map import HubNow
from actors.usb.series import of_hubs
from bus_schemas.campaign import CampaignStatus
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.monitor import DiskFigures, Following, HostFigures, Probe, ProcessFigures
from bus_schemas.script import RunState
from bus_schemas.series import FAMILIES, HostSeries, Sample
from bus_schemas.slot import SlotStatus
from bus_schemas.slot_health import Rung, SlotHealed, Symptom
from bus_schemas.trunk import TrunkState, TrunkView
from bus_schemas.usb import HubLost, Switching
from gateway.counted import ANSWERED, FAILED, UNANSWERED
from gateway.health import CHECKS
from gateway.metrics import Metrics
from tests.support import exposed as support
from tests.support.exposed import Series, exposed, expressions, panels, rules, wrong
from tests.support.promql import Selector, read

AT = "2026-01-31T10:00:00.000Z"
STREAMS = ("OTTB_EVT", "OTTB_LOG", "KV_OTTB_FILE")
HOST = HostFigures(
    host="a", cpu=1.0, ram=1.0, load=(1.0, 1.0, 1.0), temperature=1.0, uptime_s=1, clock_offset_ms=1.0, bus_ms=1.0,
    probes=(Probe(address="one:443", latency_ms=1.0),),
    disks=(DiskFigures(path="/", total_mb=1, free_mb=1, used=1.0, full_in=1),),
    processes=(ProcessFigures(name="actors", pid=1, cpu=1.0, rss_mb=1.0, fds=1, threads=1, uptime_s=1),),
    records=(Following(name="ledger", behind=0),),
)  # fmt: skip
HUB = HubNow(name="HUB2", path="1", paths=("1",), plugged=True, mapped=True, switching=Switching.NONE, ports=())
TRUNK = TrunkView(name="t", state=TrunkState.OK, failed=0, last_check=None, rtt_ms=1.0)


def conditions() -> set[str]:
    return set(tomllib.loads((support.ROOT / "config/healing.toml").read_text())["conditions"])


def of_a_host() -> list[Sample]:
    """A sample of each family, where its own function makes them by that, with all values of what is enumerated."""
    return [
        *of_host(HOST), *of_hubs([HUB]), *of_trunks([TRUNK]), *of_inboxes({"slot": [0]}),
        *(Sample("ottb_slots", 1, (str(status),)) for status in SlotStatus),
        *(Sample("ottb_slots_held", 1, (by,)) for by in ("call", "script")),
        *(Sample("ottb_slots_quarantined", 1, (str(symptom),)) for symptom in Symptom),
        *(Sample("ottb_slots_condition", 1, (name,)) for name in conditions()),
        Sample("ottb_webhook_deliveries_waiting", 0), Sample("ottb_host_tasks", 0),
        Sample("ottb_runner_up", 1),
    ]  # fmt: skip


def metrics() -> Metrics:
    """A gateway that has heard of one of everything."""
    metrics = Metrics()
    spreads = [Spread(one.name).now for one in FAMILIES.values() if one.type == "histogram" and one.of_host]
    metrics.hosts._told = {"a": HostSeries(samples=of_a_host(), distributions=spreads)}
    for check in CHECKS:
        metrics.checks.labels(check).set(1)
    for stream in STREAMS:
        metrics.stream(stream, 1, 2)
    metrics.quarantine({("a", "slot"): 1})
    metrics.request("GET", "/api/slots", 500, 0.1)
    metrics.campaign(CampaignTelemetry(
        campaign="c", at=AT, status=CampaignStatus.RUNNING, leads=1, attempts=1, in_progress=0, answered=1, abandoned=0,
        abandoned_cap=0.03, operators={"ready": 1},
    ))  # fmt: skip
    counted = metrics.counted
    counted._run("wifi_on", RunState.FAILED)
    counted.event(HubLost(host="a", at=AT, hub="HUB2", path="1-2", phones=20))
    for dry in (False, True):
        for rung in Rung:
            counted.event(SlotHealed(slot=44, at=AT, symptom=Symptom.SILENT, rung=rung, dry_run=dry))
    for became in (ANSWERED, UNANSWERED, FAILED):
        counted._of_line.labels("slot-44", became)
        counted._of_campaign.labels("c", became)
    return metrics


@cache
def there() -> dict[str, Series]:
    return dict(exposed(metrics().exposition().decode()))


def test_each_family_has_a_sample_here() -> None:
    assert {one.family for one in of_a_host()} == {
        one.name for one in FAMILIES.values() if one.of_host and one.type == "gauge"
    }


@pytest.mark.parametrize("what", sorted(expressions()))
def test_what_a_rule_or_panel_names_is_exposed(what: str) -> None:
    assert [*wrong(expressions()[what], there(), whole=True)] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_what_to_do(rule: dict) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "to_do"}
    told = read(rule["expr"])
    shown = set(re.findall(r"\$labels\.([a-z_]+)", " ".join(rule["annotations"].values())))
    kept = told.groups | {"instance"} | {
        label for one in told.selectors for label in (there()[one.name].values if one.name in there() else ())
    }  # fmt: skip
    assert shown <= kept, shown - kept


def test_no_alert_has_the_name_of_another() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) and all(name.startswith("Ottb") for name in names)


def test_the_board_can_be_imported() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)) and len(panels()) > 30
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_each_family_of_hosts_is_on_the_board_or_in_a_rule() -> None:
    named = {one.name for expression in expressions().values() for one in read(expression).selectors}
    families = {name for name in FAMILIES if not any(each.startswith(name) for each in named)}
    unseen = {"ottb_host_load1", "ottb_host_uptime_seconds", "ottb_host_process_open_fds", "ottb_host_tasks"}
    assert families == unseen


def test_the_page_tells_of_each_family() -> None:
    page = (support.ROOT / "docs/monitoring-prometheus.md").read_text()
    assert [name for name in FAMILIES if f"`{name}`" not in page] == []
    told = set(re.findall(r"`(ottb_[a-z0-9_]+[a-z0-9])`", page))
    known = {*there(), *FAMILIES, "ottb_http_request_seconds"}
    assert told <= known, told - known


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("ottb_slotz", "no series ottb_slotz"),
        ('ottb_slots{state="ONLINE"}', "ottb_slots has no label state"),
        ('ottb_slots{status="online"}', "ottb_slots: no status is online"),
        ('ottb_slots{status=~"ONLINE|AWAY"}', "ottb_slots: no status is AWAY"),
        ("rate(ottb_slots[5m])", "ottb_slots is a gauge, and stands in rate"),
        ("ottb_calls_total > 1", "ottb_calls_total is a counter, and stands in None"),
        ("rate(ottb_calls[5m])", "no series ottb_calls"),
        ("sum by (hub) (ottb_slots)", "no label hub in sum by (hub) (ottb_slots)"),
        ("max without (instance) (ottb_trunk_calls) * on (slot) ottb_trunk_channels", "no label slot in"),
    ],
)
def test_what_is_not_there_is_noticed(expression: str, says: str) -> None:
    [found] = wrong(expression, there(), whole=True)
    assert found.startswith(says)


def test_promql_is_read() -> None:
    told = read('sum by (a) (rate(x_total{b="1", c!~"2|3"}[5m])) / on (d) group_left () max without (e) (y) > 0.5')
    assert told.selectors == (
        Selector("x_total", (("b", "=", "1"), ("c", "!~", "2|3")), "rate"), Selector("y", (), None)
    )  # fmt: skip
    assert told.groups == {"a", "d", "e"}
    for not_understood in ("rate(x[5m]", "x{a=}", "5 > 3", "x @ 3"):
        with pytest.raises((ValueError, IndexError)):
            read(not_understood)
