"""The figures of a whole site: what its parts count is on one endpoint, and what happens is counted."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from bus_schemas.series import FAMILIES
from tests.support.exposed import exposed, expressions, wrong
from tests.support.site import Client, until

Found = dict[tuple[str, ...], float]

# What a sandbox has not: its hubs are on no USB, nothing is probed, its disks may not grow, and its machine may not
# tell its temperature.
NOT_HERE = {
    "ottb_hub_plugged", "ottb_host_probe_seconds", "ottb_host_probe_up", "ottb_host_disk_full_in_seconds",
    "ottb_host_temperature_celsius", "ottb_slots_quarantined", "ottb_slots_condition", "ottb_slots_held",
    "ottb_trunk_round_trip_seconds", "ottb_host_clock_offset_seconds",
}  # fmt: skip
COME_LATER = ("ottb_host_bus_round_trip_seconds", "ottb_host_cpu_ratio")  # a load is between two looks


async def figures(client: Client) -> str:
    headers = {"Authorization": f"Bearer {client.token}"}
    await asyncio.sleep(1.1)  # they are made once a second
    async with client.session.get(client.site.url("ottb", "/metrics"), headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


async def samples(client: Client) -> Found:
    """By name, and the labels' values in the order of the labels' names."""
    families = text_string_to_metric_families(await figures(client))
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


async def test_all_parts_are_on_one_endpoint(admin: Client) -> None:
    async def look() -> Found:
        return await samples(admin)

    found = await until(look, lambda found: {(name, "local") for name in COME_LATER} <= found.keys(), 40)
    names = {name for name, *_ in found}
    missing = {name for name in FAMILIES if not names & {name, f"{name}_count"}}
    assert missing <= NOT_HERE, missing - NOT_HERE
    assert found["ottb_host_up", "local"] == 1 and found["ottb_actors", "local", "slot"] >= 6
    assert found["ottb_slots", "local", "ONLINE"] == 6  # the host, then the status
    assert found["ottb_trunk_channels", "local", "ottb-sip-1"] == 2
    assert found["ottb_trunk_state", "local", "OK", "ottb-sip-1"] == 1
    assert found["ottb_host_process_resident_bytes", "local", "actors"] > 10 * 2**20
    assert found["ottb_journal_last_seq",] >= found["ottb_live_last_seq",] - 10

    async def trips() -> float:
        return (await samples(admin))["ottb_adb_round_trip_seconds_count", "local"]

    assert await until(trips, lambda count: count > 0, 30)


async def test_a_call_is_counted_when_it_is_over(admin: Client, operator: Client) -> None:
    before = await samples(admin)
    _, started = await operator.post("/api/call/start", {"number": "+380991230001", "slot": 44})
    await operator.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    over, begun = ("ottb_calls_total", "slot", "unanswered", "busy"), ("ottb_calls_started_total", "slot")
    found = await samples(admin)
    assert found[over] >= before[over] + 1 and found[begun] >= before[begun] + 1
    assert found["ottb_line_calls_total", "slot-44", "unanswered"] >= 1


async def test_alert_rules_and_the_board_name_what_a_site_tells(admin: Client) -> None:
    """Names and types of all, and the values of labels of which a sandbox has samples without anything happening."""
    there = exposed(await figures(admin))
    happening = (
        "no rung", "no dry_run", "no symptom", "no condition",
        "no outcome",  # of calls: each worker of the tests has its own
        "ottb_http_requests_total: no status is 5..",  # of a site that was asked before it was ready
    )  # fmt: skip
    found = {what: [*wrong(expression, there, whole=False)] for what, expression in expressions().items()}
    missing = {what: wrongs for what, each in found.items() if (wrongs := [
        one for one in each if not any(what in one for what in happening)
    ])}  # fmt: skip
    assert missing == {}
