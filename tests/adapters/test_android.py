"""What phones print, as captured from real ones (public captures) or laid out as AOSP's source prints it."""

import pytest

from actors.adapters import android
from actors.adapters.adb_listing import parse_devices
from actors.telephony.reports import CallPhase, Look
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


def looked(**parts: str) -> Look:
    read = android.parse_look(look_text(**parts))
    assert read is not None
    return read.look


def history_of(call: int, events: str, *, direction: str = "MO - outgoing") -> str:
    """Events as `21:00:01.000 SET_DIALING, 21:00:02.000 SET_ACTIVE`."""
    lines = [f"    {event.replace(' ', ' - ', 1)}:CSW.x(cap)@A1" for event in events.split(", ")]
    title = f"  CallTC@{call}/11 [Jan 1, 2031 {events[:8]}]({direction})(User=UserHandle{{0}})"
    return "\n".join(["Historical Events:", title, *lines, "  Timings (average for this call, milliseconds):", ""])


DIALLED = "21:00:00.500 CREATED, 21:00:01.000 SET_DIALING"
ANSWERED = f"{DIALLED}, 21:00:05.000 SET_ACTIVE"

# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", LIVE)
@pytest.mark.parametrize(
    ("state", "foreground", "phase"),
    [
        ("DIALING", 3, CallPhase.DIALING),
        ("DIALING", 4, CallPhase.ALERTING),  # Telecom knows no alerting
        ("DIALING", 1, CallPhase.ACTIVE),  # the registry is ahead of Telecom
        ("ACTIVE", 1, CallPhase.ACTIVE),
        ("ON_HOLD", 0, CallPhase.ACTIVE),
        ("DIALING", 0, CallPhase.DIALING),  # the registry is a tick behind: a 0 is never an end
    ],
)
def test_a_live_call_is_read_in_every_layout(release: int, state: str, foreground: int, phase: CallPhase) -> None:
    registry = (REGISTRY_9 if release == 9 else REGISTRY_11).format(state=2, foreground=foreground)
    read = android.parse_look(look_text(registry=registry, calls=LIVE[release].replace("STATE", state)))
    assert read is not None
    (live,) = read.look.live
    assert (live.ref, live.phase, live.held) == (f"{read.boot}/TC@4", phase, state == "ON_HOLD")


def test_a_ringing_call_is_somebody_elses() -> None:
    (live,) = looked(calls=LIVE[14].replace("STATE", "RINGING")).live
    assert live.incoming and live.phase is CallPhase.ALERTING


@pytest.mark.parametrize("state", ["DISCONNECTED", "ABORTED"])
def test_a_call_that_is_still_listed_but_over_is_not_live(state: str) -> None:
    assert looked(calls=LIVE[14].replace("STATE", state)).live == ()


@pytest.mark.parametrize(("events", "phase"), [(DIALLED, CallPhase.DIALING), (ANSWERED, CallPhase.ACTIVE)])
def test_a_call_that_is_being_ended_is_up_until_its_end_is_told(events: str, phase: CallPhase) -> None:
    look = looked(calls=LIVE[14].replace("STATE", "DISCONNECTING"), history=history_of(4, events))
    assert [live.phase for live in look.live] == [phase] and look.past == ()


def test_a_past_call_has_ages_by_the_phones_clock() -> None:
    (past,) = looked(history=HISTORY).past
    assert past.ref.endswith("/TC@7") and not past.incoming and past.answered_age is None
    assert past.ended_age == pytest.approx(10.0) and past.created_age == pytest.approx(12.187)
    assert past.reason is EndReason.UNKNOWN  # this capture holds no cause


def test_ages_count_over_midnight() -> None:
    history = HISTORY.replace("21:00:", "23:59:")
    assert looked(clock="00:00:05.000000000", history=history).past[0].ended_age == pytest.approx(62.257)


def test_what_happens_during_a_look_is_just_now_not_a_day_ago() -> None:
    (past,) = looked(clock="21:00:02.700000000", history=HISTORY).past
    assert past.ended_age == 0.0 and past.created_age == pytest.approx(2.144) and not past.suspect


def test_a_clock_without_a_fraction_is_read() -> None:
    assert looked(clock="21:00:12.%N", history=HISTORY).past[0].ended_age == pytest.approx(9.257)


@pytest.mark.parametrize(
    "text",
    [
        "",
        look_text()[:40],
        look_text().replace("0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33", ""),
        look_text().replace("21:00:12", "date: bad"),
        look_text().split("CallsManager")[0] + "Can't find service: telecom\n",
        look_text().split("  mCallAudioManager")[0] + "*** SERVICE 'telecom' DUMP TIMEOUT (10000ms) EXPIRED ***\n",
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
    assert set(devices) == {"R58M123ABC", "0123456789ABCDEF", "127.0.0.1:17044", "usb:1-3"}
    phone = devices["R58M123ABC"]
    assert (phone.state, phone.usb, phone.model, phone.transport_id) == ("device", "1-2.1.3", "SM_A525F", "7")
    barred = devices["0123456789ABCDEF"]
    assert barred.state.startswith("no permissions (user in plugdev") and barred.usb == "1-2.1.4"
    assert devices["127.0.0.1:17044"].state == "offline"


def test_an_empty_list_is_no_phones() -> None:
    assert parse_devices("") == {}
