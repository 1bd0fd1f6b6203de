"""What phones print about their health, as captured from real ones or laid out as AOSP's source prints it."""

import pytest

from actors.adapters import android, android_health

BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 3270000
  status: 5
  health: 2
  present: true
  level: 100
  scale: 100
  voltage: 4352
  temperature: 274
  technology: Li-ion
"""


@pytest.mark.parametrize("more", ["", "  [EventLogBuffer]\n    level:72, temperature:345\n    level: 72\n"])
def test_the_battery_is_read_and_samsungs_appended_block_is_not(more: str) -> None:
    values = android_health.parse_battery(BATTERY + more)
    assert (values["level"], values["temperature"], values["status"]) == (100, 274, 5)


def test_the_level_of_the_class_in_use_is_the_signal() -> None:
    line = (
        "    mSignalStrength=SignalStrength:{mCdma=Invalid,mGsm=CellSignalStrengthGsm: rssi=-71 level=1,"
        "mLte=CellSignalStrengthLte: rssi=-71 rsrp=-105 rsrq=-13 rssnr=15 cqi=2147483647 level=3,"
        "primary=CellSignalStrengthLte}"
    )
    assert android_health.parse_signal(line) == 3
    assert android_health.parse_signal("    mSignalStrength=SignalStrength: 99 0 -120 gsm|lte 3") is None


@pytest.mark.parametrize(
    ("text", "in_service"),
    [
        ("    mServiceState={mVoiceRegState=0(IN_SERVICE), mDataRegState=0(IN_SERVICE)}", True),
        ("    mServiceState={mVoiceRegState=1(OUT_OF_SERVICE), mDataRegState=0(IN_SERVICE)}", False),
        ("    mServiceState=0 0 voice home data home T-Mobile T-Mobile 25501 LTE", True),
        ("    mServiceState=1 1 voice home data home null null null Unknown", False),
        ("", None),
    ],
)
def test_registration_for_voice_is_read_in_every_layout(text: str, in_service: bool | None) -> None:
    assert android_health.parse_in_service(text) is in_service


def test_load_and_memory_are_percentages() -> None:
    assert android_health.parse_memory("MemTotal: 11841016 kB\nMemFree: 1 kB\nMemAvailable: 1755460 kB\n") == 85.2
    first, second = (
        android_health.parse_cpu("cpu  100 0 100 700 100 0 0\ncpu0 1 1 1 1 1"),
        android_health.parse_cpu("cpu  150 0 150 800 100 0 0"),
    )
    assert first is not None and second is not None
    health, _ = android_health.parse_health(
        f"{android.SECTION}\n".join(("", "", "", "cpu  150 0 150 800 100 0 0\n")), first
    )
    assert health.cpu == 50.0


def test_a_phone_that_says_nothing_has_no_figures() -> None:
    health, times = android_health.parse_health("", None)
    assert times is None
    assert (health.model, health.battery, health.cpu, health.ram, health.in_service) == (None, None, None, None, None)
