"""What phones print, as captured from real ones (public captures) or laid out as AOSP's source prints it."""

import pytest

from actors.adapters import android
from actors.adapters.adb import parse_devices
from actors.slot.phone import CallPhase
from bus_schemas.call import EndReason

SERVICE = "ComponentInfo{com.android.phone/com.android.services.telephony.TelephonyConnectionService}"

ACCOUNT = f"{SERVICE}, 1, UserHandle{{0}}"
LIVE = {
    9: "[TC@4, STATE, com.android.phone/com.android.services.telephony.TelephonyConnectionService,"
    " tel:**********67, A, childs(0), has_parent(false), [caps], [props]]",
    11: f"[Call id=TC@4, state=STATE, tpac={SERVICE}, cmgr={SERVICE}, handle=tel:*********67, vidst=A, childs(0),"
    " has_parent(false), cap=[ sup_hld mut], prop=[]]",
    14: f"[Call id=TC@4, state=STATE, tpac={ACCOUNT}, cmgr={ACCOUNT}, handle=tel:*********67, vidst=A, childs(0),"
    " has_parent(false), cap=[ sup_hld mut !v2a spd_aud], prop=[]], voip=false",
}

REGISTRY_9 = """\
  Phone Id=0
    mCallState={state}
  Phone Id=1
    mCallState=0
  mRingingCallState=0
  mForegroundCallState={foreground}
  mBackgroundCallState=0
"""
REGISTRY_11 = """\
  Phone Id=0
    mCallState=0
    mRingingCallState=0
    mForegroundCallState=0
    mBackgroundCallState=0
  Phone Id=1
    mCallState={state}
    mRingingCallState=0
    mForegroundCallState={foreground}
    mBackgroundCallState=0
"""

HISTORY = """\
Historical Events:
  CallTC@7/1112 [1. jan. 2031 21:00:00](MO - outgoing)(User=UserHandle{0})
  \t>>>Target PhoneAccount: ComponentInfo{TelephonyConnectionService}, 1, UserHandle{0} (T-Mobile)
  \tTo address: tel:***********23 Presentation: Allowed
    21:00:00.556 - CREATED (com.app;requestedAcct:none, selfMgd:false):TSI.pC(cgat)@AOA
    21:00:00.575 - SET_CONNECTING (ComponentInfo{TelephonyConnectionService}):TSI.pC->CM.fOCP(cgat)@AOA
    21:00:02.599 - SET_DIALING (dialing set explicitly):CSW.hCCC(cap/cast)@E-E-AOM
    21:00:02.743 - SET_DISCONNECTED (disconnected set explicitly):CSW.sDc(cap)@AQA
    21:00:03.007 - DESTROYED:CSW.rC->CM.pR(cap)@AQ0
  Timings (average for this call, milliseconds):
    outgoing_time_to_dialing: 1830.00
"""


def look_text(*, clock: str = "21:00:12.743000000", registry: str = "", calls: str = "", history: str = "") -> str:
    telecom = f"CallsManager: \n  mCalls: \n    {calls}\n  mCallAudioManager:\n      {calls}\n{history}"
    boot = "0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33"
    return f"{android.SECTION}\n".join((f"{clock}\n", f"{boot}\n", registry, telecom))


# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", LIVE)
@pytest.mark.parametrize(
    ("state", "foreground", "phase"),
    [
        ("DIALING", 3, CallPhase.DIALING),
        ("DIALING", 4, CallPhase.ALERTING),  # Telecom knows no alerting
        ("DIALING", 1, CallPhase.ACTIVE),  # the registry is ahead of Telecom
        ("ACTIVE", 1, CallPhase.ACTIVE),
        ("ON_HOLD", 2, CallPhase.ACTIVE),
        ("DIALING", 0, CallPhase.DIALING),  # the registry is a tick behind: a 0 is never an end
    ],
)
def test_a_live_call_is_read_in_every_layout(release: int, state: str, foreground: int, phase: CallPhase) -> None:
    registry = (REGISTRY_9 if release == 9 else REGISTRY_11).format(state=2, foreground=foreground)
    parsed = android.parse_look(look_text(registry=registry, calls=LIVE[release].replace("STATE", state)))
    assert parsed is not None
    boot, look = parsed
    assert (look.live[0].ref, look.live[0].phase) == (f"{boot}/TC@4", phase)


def test_a_ringing_call_is_somebody_elses() -> None:
    parsed = android.parse_look(look_text(calls=LIVE[14].replace("STATE", "RINGING")))
    assert parsed is not None and parsed[1].live
    assert parsed[1].live[0].incoming and parsed[1].live[0].phase is CallPhase.ALERTING


@pytest.mark.parametrize("state", ["DISCONNECTED", "DISCONNECTING", "ABORTED"])
def test_a_call_that_is_still_listed_but_over_is_not_live(state: str) -> None:
    parsed = android.parse_look(look_text(calls=LIVE[14].replace("STATE", state)))
    assert parsed is not None and parsed[1].live == ()


def test_a_past_call_has_ages_by_the_phones_clock() -> None:
    parsed = android.parse_look(look_text(history=HISTORY))
    assert parsed is not None
    (past,) = parsed[1].past
    assert past.ref.endswith("/TC@7") and not past.incoming and past.answered_age is None
    assert past.ended_age == pytest.approx(10.0) and past.created_age == pytest.approx(12.187)
    assert past.reason is EndReason.UNKNOWN  # this capture holds no cause


def test_ages_count_over_midnight() -> None:
    history = HISTORY.replace("21:00:", "23:59:")
    parsed = android.parse_look(look_text(clock="00:00:05.000000000", history=history))
    assert parsed is not None and parsed[1].past[0].ended_age == pytest.approx(62.257)


def test_what_happens_between_the_clock_and_the_dump_is_just_now_not_a_day_ago() -> None:
    parsed = android.parse_look(look_text(clock="21:00:02.700000000", history=HISTORY))
    assert parsed is not None
    assert parsed[1].past[0].ended_age == 0.0 and parsed[1].past[0].created_age == pytest.approx(2.144)


def test_a_clock_without_a_fraction_is_read() -> None:
    parsed = android.parse_look(look_text(clock="21:00:12.%N", history=HISTORY))
    assert parsed is not None and parsed[1].past[0].ended_age == pytest.approx(9.257)


@pytest.mark.parametrize(
    "text",
    [
        "",
        look_text()[:40],
        look_text().replace("0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33", ""),
        look_text().replace("21:00:12", "date: bad"),
        look_text().split("CallsManager")[0] + "Can't find service: telecom\n",
    ],
)
def test_a_missing_part_is_no_answer_rather_than_no_call(text: str) -> None:
    assert android.parse_look(text) is None


# --- the log ----------------------------------------------------------------------------------------------------------


def test_a_telecom_event_is_read_from_a_log_line() -> None:
    line = (
        "1700000000.123  1234  1300 I Telecom : Event: RecordEntry TC@37: SET_DIALING, dialing set explicitly: CSW.sD@A"
    )
    logged = android.parse_log_line(line)
    assert logged is not None
    assert (logged.call, logged.event) == ("TC@37", "SET_DIALING") and "explicitly" in logged.data


def test_other_lines_are_no_events() -> None:
    for line in (
        "--------- beginning of system",
        "I CallsManager: setCallState DIALING -> ACTIVE, call: [Call id=TC@1, state=DIALING]",
        "",
    ):
        assert android.parse_log_line(line) is None and not android.says_alerting(line)


def test_the_radio_log_tells_that_the_far_end_rings() -> None:
    line = (
        "D RILJ    : [4611]< GET_CURRENT_CALLS {[id=1,ALERTING,toa=129,norm,mo,0,voc,noevp,,cli=1,,1,audioQuality=1] }"
        " [PHONE0]"
    )
    assert android.says_alerting(line)
    assert not android.says_alerting(line.replace("ALERTING", "DIALING"))


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        ("LOCAL", "LOCAL", EndReason.HANGUP_LOCAL),
        ("CANCELED", "OUTGOING_CANCELED", EndReason.HANGUP_LOCAL),
        ("REMOTE", "NORMAL", EndReason.HANGUP_REMOTE),
        ("BUSY", "BUSY", EndReason.BUSY),
        ("REJECTED", "INCOMING_REJECTED", EndReason.REJECTED),
        ("RESTRICTED", "CALL_BARRED", EndReason.REJECTED),
        ("MISSED", "INCOMING_MISSED", EndReason.NO_ANSWER),
        ("ERROR", "UNOBTAINABLE_NUMBER", EndReason.INVALID_NUMBER),
        ("ERROR", "INVALID_NUMBER", EndReason.INVALID_NUMBER),
        ("ERROR", "TIMED_OUT", EndReason.NO_ANSWER),
        ("ERROR", "ServiceState.STATE_OUT_OF_SERVICE", EndReason.NETWORK),
        ("ERROR", "CONGESTION", EndReason.NETWORK),
        ("ERROR", "LOST_SIGNAL", EndReason.NETWORK),
        ("ERROR", "ERROR_UNSPECIFIED", EndReason.UNKNOWN),
        ("OTHER", "DIALED_MMI", EndReason.UNKNOWN),
    ],
)
def test_the_phones_cause_becomes_a_reason(code: str, words: str, reason: EndReason) -> None:
    text = f"DisconnectCause [ Code: ({code}) Label: () Description: () Reason: ({words}) Tone: (17) ]"
    assert android.end_of(text) == (reason, words)


def test_an_end_without_a_cause_is_unknown() -> None:
    assert android.end_of("disconnected set explicitly") == (EndReason.UNKNOWN, "")


# --- health -----------------------------------------------------------------------------------------------------------

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
    values = android.parse_battery(BATTERY + more)
    assert (values["level"], values["temperature"], values["status"]) == (100, 274, 5)


def test_the_level_of_the_class_in_use_is_the_signal() -> None:
    line = (
        "    mSignalStrength=SignalStrength:{mCdma=Invalid,mGsm=CellSignalStrengthGsm: rssi=-71 level=1,"
        "mLte=CellSignalStrengthLte: rssi=-71 rsrp=-105 rsrq=-13 rssnr=15 cqi=2147483647 level=3,"
        "primary=CellSignalStrengthLte}"
    )
    assert android.parse_signal(line) == 3
    assert android.parse_signal("    mSignalStrength=SignalStrength: 99 0 -120 gsm|lte 3") is None


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
    assert android.parse_in_service(text) is in_service


def test_load_and_memory_are_percentages() -> None:
    assert android.parse_memory("MemTotal: 11841016 kB\nMemFree: 1 kB\nMemAvailable: 1755460 kB\n") == 85.2
    first, second = (
        android.parse_cpu("cpu  100 0 100 700 100 0 0\ncpu0 1 1 1 1 1"),
        android.parse_cpu("cpu  150 0 150 800 100 0 0"),
    )
    assert first is not None and second is not None
    health, _ = android.parse_health(f"{android.SECTION}\n".join(("", "", "", "cpu  150 0 150 800 100 0 0\n")), first)
    assert health.cpu == 50.0


def test_a_phone_that_says_nothing_has_no_figures() -> None:
    health, times = android.parse_health("", None)
    assert times is None
    assert (health.model, health.battery, health.cpu, health.ram, health.in_service) == (None, None, None, None, None)


# --- adb's list -------------------------------------------------------------------------------------------------------


def test_adbs_list_is_read_with_states_of_several_words() -> None:
    text = (
        "R58M123ABC             device usb:1-2.1.3 product:a52qnsxx model:SM_A525F device:a52q transport_id:7\n"
        "0123456789ABCDEF       no permissions (user in plugdev group; are your udev rules wrong?);"
        " see [http://developer.android.com/tools/device.html] usb:1-2.1.4 transport_id:8\n"
        "127.0.0.1:17044        offline transport_id:9\n"
        "????????????           no permissions usb:1-3 transport_id:10\n"
    )
    devices = parse_devices(text)
    assert set(devices) == {"R58M123ABC", "0123456789ABCDEF", "127.0.0.1:17044"}
    phone = devices["R58M123ABC"]
    assert (phone.state, phone.usb, phone.model, phone.transport_id) == ("device", "1-2.1.3", "SM_A525F", "7")
    barred = devices["0123456789ABCDEF"]
    assert barred.state.startswith("no permissions (user in plugdev") and barred.usb == "1-2.1.4"
    assert devices["127.0.0.1:17044"].state == "offline"


def test_an_empty_list_is_no_phones() -> None:
    assert parse_devices("") == {}
