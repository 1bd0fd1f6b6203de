"""Section 7 of the interface, over HTTP against the running system; figures compared with what this machine says."""

import json
import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.site import Client, Site, until

SYSTEM, NETWORK, HOSTS = "/api/monitor/system", "/api/monitor/network", "/api/monitor/hosts"
HUB = "/api/monitor/usb/HUB1"
VITALS = {
    "battery": 61, "temperature": 41.4, "storage": 93.4, "ram": 71, "roaming": True, "signal": 2, "network": "NR",
    "mobile_bytes": 250_000_000, "battery_health": 3, "quirks": ["updates_stopped"],
}  # fmt: skip
USUAL = {
    "battery": 82, "temperature": 38, "storage": 41, "ram": 44, "roaming": False, "signal": 3, "network": "LTE",
    "mobile_bytes": 12_600_000, "battery_health": 2, "quirks": [],
}  # fmt: skip


async def _get(client: Client, path: str) -> Any:
    status, found = await client.get(path)
    assert status == 200, found
    return found


def _used() -> float:
    """Percent of memory that is in use, by the kernel's own word."""
    said = dict(re.findall(r"(MemTotal|MemAvailable):\s+([0-9]+)", Path("/proc/meminfo").read_text()))
    return 100 * (1 - int(said["MemAvailable"]) / int(said["MemTotal"]))


def _up() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _seconds(uptime: str) -> int:
    found = re.fullmatch(r"(?:([0-9]+)d)?([0-9]{1,2})h([0-9]{2})m", uptime)
    assert found is not None, uptime
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60


async def test_the_system_is_as_the_kernel_says(operator: Client) -> None:
    async def look() -> Any:
        return await _get(operator, SYSTEM)

    said = await until(look, lambda said: said["cpu"] is not None)
    assert list(said) == ["cpu", "ram", "uptime"]  # the documented body, and nothing else
    assert type(said["cpu"]) is int and 0 <= said["cpu"] <= 100
    assert type(said["ram"]) is int and abs(said["ram"] - _used()) < 10
    assert 0 <= _up() - _seconds(said["uptime"]) < 60 + 10
    assert await _get(operator, f"{SYSTEM}?host=local") | {"cpu": 0, "ram": 0} == said | {"cpu": 0, "ram": 0}
    status, refused = await operator.get(f"{SYSTEM}?host=nowhere")
    assert (status, refused["code"], refused["details"]["known"]) == (404, "NOT_FOUND", ["local"])
    assert "local" in refused["message"]
    status, refused = await operator.get(f"{SYSTEM}?host=a.b")
    assert (status, refused["code"]) == (400, "INVALID_PARAMS")


async def test_the_network_is_null_where_nobody_knows(operator: Client) -> None:
    said = await _get(operator, NETWORK)
    assert list(said) == ["bandwidth_mbps", "latency_ms"]
    assert said["latency_ms"] is None  # nothing is probed on this site
    assert said["bandwidth_mbps"] is None or said["bandwidth_mbps"] > 0


async def test_a_phone_is_as_it_is_set(operator: Client, admin: Client) -> None:
    path = "/api/monitor/slots/44"
    await admin.phones("POST", "/phones/44/set", VITALS)

    async def look() -> Any:
        return (await operator.get(path))[1]

    said = await until(look, lambda said: said.get("battery") == "61%" and said["cpu"] is not None, 45)
    assert {name: said[name] for name in ("slot_id", "ram", "temperature", "battery")} == {
        "slot_id": 44, "ram": 71, "temperature": "41C", "battery": "61%",
    }  # fmt: skip
    assert list(said)[:6] == ["slot_id", "cpu", "ram", "temperature", "battery", "latency"]
    assert abs(said["cpu"] - 25) <= 3 and type(said["cpu"]) is int  # as every virtual phone is
    assert type(said["latency"]) is int and 0 <= said["latency"] < 5000
    assert (said["storage"], said["roaming"], said["signal_level"], said["network_type"]) == (93, True, 2, "NR")
    assert (said["data_mb"], said["battery_health"], said["battery_frozen"]) == (250.0, "overheat", True)
    await admin.phones("POST", "/phones/44/set", USUAL)
    status, refused = await operator.get("/api/monitor/slots/45")  # somebody else's
    assert (status, refused["code"]) == (404, "NOT_FOUND")
    assert (await admin.get("/api/monitor/slots/45"))[0] == 200
    assert (await operator.get("/api/monitor/slots/4711"))[1]["code"] == "NOT_FOUND"


async def test_a_phone_that_is_away_tells_how_it_was(operator: Client, admin: Client) -> None:
    path = "/api/monitor/slots/13"

    async def look() -> Any:
        return (await operator.get(path))[1]

    before = await until(look, lambda said: said.get("battery") is not None)
    await admin.phones("POST", "/phones/13/unauthorized")
    try:
        refused = await until(look, lambda said: "code" in said)
        assert refused["code"] == "SLOT_OFFLINE" and refused["details"]["slot"] == 13
        last = refused["details"]["last"]
        assert last["battery"] == before["battery"] and last["at"] >= before["at"]
    finally:
        await admin.phones("POST", "/phones/13/allow")
    await until(look, lambda said: "code" not in said, 40)


async def test_a_host_tells_of_its_processes_disks_and_records(site: Site, admin: Client, operator: Client) -> None:
    [host] = await _get(admin, HOSTS)

    async def look() -> Any:
        return await _get(admin, f"{HOSTS}/local")

    host = await until(look, lambda host: host["clock_offset_ms"] is None or host["at"] is not None)
    assert host["cores"] == psutil.cpu_count() and host["slots"] == 6
    assert abs(host["ram_total_mb"] - psutil.virtual_memory().total / 2**20) < 2
    assert abs(host["uptime_s"] - time.clock_gettime(time.CLOCK_BOOTTIME)) < 30
    assert {one["name"] for one in host["records"]} == {"ledger", "log", "figures"}
    assert all(one["error"] is None for one in host["records"])
    use = psutil.disk_usage(str(site.state))
    [first, *_] = host["disks"]
    assert abs(first["free_mb"] - use.free / 2**20) < 2048 and abs(first["used"] - use.percent) < 3
    ours = {one["pid"]: one for one in host["processes"]}
    supervisor = psutil.Process(site.pid("actors")).parent()
    assert supervisor is not None
    children = {child.pid: child for child in supervisor.children(recursive=True)}
    named = {ours[pid]["name"] for pid in children if pid in ours}
    assert named >= {"actors", "gateway", "nats-server", "adb", "phones", "pbx"}, host["processes"]
    for pid in children.keys() & ours.keys():
        seen = children[pid].memory_info().rss / 2**20
        assert abs(ours[pid]["rss_mb"] - seen) < 30 + seen / 2, ours[pid]
    status, refused = await operator.get(HOSTS)
    assert (status, refused["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metric=warmth", "metric"),
        ("metric=temperature&from=yesterday", "from"),
        ("metric=temperature&to=2026-02-30", "to"),
        ("metric=temperature&from=2026-01-02&to=2026-01-01", "from"),
        ("metric=temperature&from=2026-01-01&to=2026-02-01", "from"),
    ],
)
async def test_a_history_that_cannot_be_names_the_field(admin: Client, query: str, field: str) -> None:
    slots, hosts, hubs = ("/api/monitor/slots/44/history", "/api/monitor/hosts/local/history", f"{HUB}/history")
    for path, metric in ((slots, "temperature"), (hosts, "temperature"), (hubs, "online")):
        query = query.replace("temperature", metric)
        status, refused = await admin.get(f"{path}?{query}")
        assert (status, refused["code"], refused["details"]["field"]) == (400, "INVALID_PARAMS", field), refused
        assert "no such parameter" not in refused["message"], refused
        if field == "metric":
            assert metric in refused["details"]["known"]


async def test_a_history_is_of_what_one_sees(operator: Client, admin: Client) -> None:
    history = "/api/monitor/slots/{}/history?metric=battery"
    said = await _get(operator, history.format(44))
    assert (said["kind"], said["id"], said["metric"], said["unit"], said["step"]) == ("slot", "44", "battery", "%", 60)
    for number in (45, 4711):
        assert (await operator.get(history.format(number)))[1]["code"] == "NOT_FOUND"
    assert (await admin.get(history.format(45)))[0] == 200
    assert (await _get(admin, f"{history.format(44)}&from=2026-01-01&to=2026-01-30"))["step"] == 900
    assert (await admin.get("/api/monitor/slots/44/history"))[0] == 400  # of what?
    assert (await admin.get("/api/monitor/hosts/nowhere/history?metric=cpu"))[1]["code"] == "NOT_FOUND"


async def test_a_hub_has_a_history(operator: Client) -> None:
    said = await _get(operator, f"{HUB}/history?metric=online&host=local")
    assert (said["kind"], said["id"], said["metric"], said["step"]) == ("hub", "HUB1", "online", 60)
    assert await _get(operator, f"{HUB}/history?metric=online") == said
    for nobody in ("HUB9/history?metric=online", "HUB1/history?metric=online&host=nowhere"):
        assert (await operator.get(f"/api/monitor/usb/{nobody}"))[1]["code"] == "NOT_FOUND"


@pytest.mark.long
async def test_a_minute_that_was_watched_is_there(admin: Client) -> None:
    async def points() -> Any:
        return (await _get(admin, "/api/monitor/slots/12/history?metric=battery"))["points"]

    [first, *_] = await until(points, bool, 130)
    assert (first["min"], first["mean"], first["max"]) == (82, 82, 82), json.dumps(first)
    [online, *_] = (await _get(admin, f"{HUB}/history?metric=online"))["points"]
    assert online["min"] <= online["mean"] <= online["max"] == 6
    [cpu, *_] = (await _get(admin, "/api/monitor/hosts/local/history?metric=cpu"))["points"]
    assert 0 <= cpu["min"] <= cpu["mean"] <= cpu["max"] <= 100
    assert abs((await _get(admin, f"{HOSTS}/local"))["clock_offset_ms"]) < 500  # the bus is on this machine
