"""What phones print, from people's reports: read rightly, or not believed."""

import pytest

from actors.adapters import android, android_health
from actors.adapters.adb_listing import parse_devices
from actors.adapters.android_orders import read_sim
from actors.slot.hindrance import can_call
from bus_schemas.call import EndReason
from tests.field.tables import cases

BOOT = "0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33"


@pytest.mark.parametrize(("lines", "right"), cases("phones.toml", "battery"))
def test_a_battery_is_read_or_not_believed(lines: list[str], right: list[str]) -> None:
    text = "".join(f"  {line}\n" for line in lines)
    parts = ("", "", "", "", f"Current Battery Service state:\n{text}")
    health, _ = android_health.parse_health(f"{android.SECTION}\n".join(parts), None)
    figures = (health.battery, health.temperature, health.charging)
    assert ["null" if figure is None else str(figure) for figure in figures] == right


@pytest.mark.parametrize(("strength", "right"), cases("phones.toml", "signal"))
def test_the_signal_is_that_of_the_class_in_use(strength: str, right: int) -> None:
    found = android_health.parse_signal(f"    mSignalStrength={strength}\n")
    assert (-1 if found is None else found) == right


@pytest.mark.parametrize(("lines", "right"), cases("phones.toml", "signals"))
def test_the_signal_is_that_of_a_sim_in_service(lines: list[str], right: int) -> None:
    assert android_health.parse_signal("".join(f"    {line}\n" for line in lines)) == right


@pytest.mark.parametrize(("lines", "right"), cases("phones.toml", "service"))
def test_a_phone_is_in_service_where_one_of_its_sims_is(lines: list[str], right: bool) -> None:
    assert android_health.parse_in_service("".join(f"    mServiceState={line}\n" for line in lines)) is right


@pytest.mark.parametrize(("answer", "right"), cases("phones.toml", "sim_set"))
def test_that_a_sim_is_set_is_read_past_warnings(answer: str, right: bool) -> None:
    assert (read_sim(answer) == "") is right


@pytest.mark.parametrize(("state", "right"), cases("phones.toml", "sim"))
def test_a_sim_that_is_not_ready_cannot_call(state: str, right: bool) -> None:
    assert can_call(state) is right


@pytest.mark.parametrize(("lines", "right"), cases("phones.toml", "registry"))
def test_what_is_left_of_another_call_hides_no_ringing(lines: list[str], right: int) -> None:
    assert android.parse_registry("".join(f"{line}\n" for line in lines)).foreground == right


@pytest.mark.parametrize(("time", "right"), cases("phones.toml", "times"))
def test_times_are_read_in_any_digits(time: str, right: float) -> None:
    telecom = (
        "CallsManager: \n  mCalls: \n  mCallAudioManager:\nHistorical Events:\n"
        f"  CallTC@7/1112 [x](MO - outgoing)\n    {time} - SET_DIALING (x):C@A\n"
        f"    {time} - SET_DISCONNECTED (x> DisconnectCause [ Code: (BUSY) Reason: (BUSY) ]):C@A\n"
    )
    read = android.parse_look(f"{android.SECTION}\n".join(("21:00:12.743000000\n", f"{BOOT}\n", "", telecom)))
    assert read is not None
    (past,) = read.look.past
    assert past.ended_age == pytest.approx(right) and past.reason is EndReason.BUSY


@pytest.mark.parametrize(("line", "right"), cases("phones.toml", "list"))
def test_adbs_list_is_read_from_the_right(line: str, right: list[str]) -> None:
    (seen,) = parse_devices(f"{line}\n").values()
    assert [seen.serial, seen.state, seen.usb or ""] == right


@pytest.mark.parametrize(("lines", "right"), cases("phones.toml", "whole"))
def test_a_line_of_adbs_list_that_cannot_be_read_costs_no_other(lines: list[str], right: list[str]) -> None:
    found = parse_devices("".join(f"{line}\n" for line in lines))
    assert list(found) == right
    assert ["cannot be read" in seen.state for seen in found.values()] == ["line" in name for name in right]
