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


DISK = """\
Filesystem       1K-blocks     Used Available Use% Mounted on
/dev/block/dm-44 112000000 45920000  66080000  42% /data
"""


@pytest.mark.parametrize(
    ("text", "used", "free"),
    [
        (DISK, 41.0, 64531),
        (DISK.replace("dm-44 1", "by-name/userdata_with_a_long_name\n                 1"), 41.0, 64531),
        (DISK.replace("42% /data", "42% /data/user/0"), 41.0, 64531),
        ("df: /data: Permission denied\n", None, None),
        ("Filesystem 1K-blocks Used Available Use% Mounted on\ntmpfs 0 0 0 0% /data\n", None, None),
    ],
)
def test_storage_is_what_apps_may_still_take(text: str, used: float | None, free: int | None) -> None:
    assert android_health.parse_storage(text) == (used, free)


@pytest.mark.parametrize(
    ("text", "roaming"), [("false", False), ("true", True), ("false,true", True), ("false,", False), ("", None)]
)
def test_one_of_two_sims_that_is_abroad_is_enough(text: str, roaming: bool | None) -> None:
    assert android_health.parse_roaming(text) is roaming


_REST = " 100 0 0 0 0 0 0 "


@pytest.mark.parametrize(
    ("lines", "megabytes"),
    [
        (f"rmnet_ipa0: 9000000{_REST}1000000 90 0\nrmnet_data0: 9000000{_REST}1000000 90 0\n", 10.0),  # Qualcomm
        (f" rmnet0:9000000{_REST}1000000 90 0\n rmnet1: 500000{_REST}0 0 0\n", 10.5),  # Exynos, no blank
        (f"ccmni0: 2000000{_REST}0 0 0\nccmni1: 0{_REST}0 0 0\n", 2.0),  # MediaTek
        (f"seth_lte0: 2000000{_REST}0 0 0\n", 2.0),  # Unisoc
        (f"rmnet_ipa0: 2000000{_REST}0 0 0\n", None),
        ("cat: /proc/net/dev: Permission denied\n", None),
    ],
)
def test_data_of_the_modem_counts_once(lines: str, megabytes: float | None) -> None:
    assert android_health.parse_mobile_data(lines) == megabytes


def test_a_battery_that_somebody_has_set_says_so() -> None:
    sections = ["", "", "", "", BATTERY, ""]
    measured, _ = android_health.parse_health(f"{android.SECTION}\n".join(sections), None)
    assert (measured.battery_health, measured.battery_frozen) == ("good", False)
    head, _, rest = BATTERY.partition("\n")
    sections[4] = f"{head}\n  (UPDATES STOPPED -- use 'reset' to restart)\n{rest}".replace("health: 2", "health: 3")
    frozen, _ = android_health.parse_health(f"{android.SECTION}\n".join(sections), None)
    assert (frozen.battery_health, frozen.battery_frozen, frozen.battery) == ("overheat", True, 100)
    silent, _ = android_health.parse_health("", None)
    assert (silent.battery_health, silent.battery_frozen) == (None, None)


def test_a_sim_is_told_as_far_as_the_phone_shows_it() -> None:
    shown = (
        "25501,\n  {id=1 iccId=893800123[****] simSlotIndex=0 carrierId=1}\n"
        "  [SubscriptionInfo: id=2 iccId=8938001234567890123F simSlotIndex=1 carrierId=2]\n"
        "  {id=9 iccId=899999999[****] simSlotIndex=0 carrierId=1}\n  {id=3 iccId=898888888 simSlotIndex=-1}\n"
    )
    assert android_health.parse_sim_operators(shown) == ("25501",)
    assert android_health.parse_iccids(shown) == ("893800123", "8938001234567890123F")
    assert android_health.parse_sim_operators(",\n") == android_health.parse_iccids("") == ()
