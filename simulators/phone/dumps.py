"""What `dumpsys` and `logcat` of Android 9 to 14 print about calls, battery and network. Pure text.

Layouts: `TelephonyRegistry.dump`, `CallsManager.dump`, Telecom's `EventManager.dump` and `BatteryService.dump` of
those releases. What differs: the registry's foreground state is global before Android 11 and per SIM from 11 on;
a live call is written as a bare list up to 10, as `Call id=` from 11 on, with `voip=false` from 13 on.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum

from simulators.phone.telephony import BEING_DIALLED, Happened, PhoneCall, State, Telephony

CONNECTION_SERVICE = "com.android.phone/com.android.services.telephony.TelephonyConnectionService"

# PreciseCallState.
IDLE, HOLDING, INCOMING, WAITING = 0, 2, 5, 6
FOREGROUND = {State.ACTIVE: 1, State.CONNECTING: 3, State.DIALING: 3, State.ALERTING: 4}
OFFHOOK, RINGING = 2, 1


def registry(telephony: Telephony, release: int, *, sims: int, in_service: bool, operator: str, level: int = 3) -> str:
    """`dumpsys telephony.registry`. All calls are on the first SIM."""
    lines = ["last known state:"] if release >= 10 else []
    for phone in range(sims):
        mine = telephony if phone == 0 else None
        incoming = mine.in_state(State.RINGING) if mine is not None else []
        lines.append(f"  Phone Id={phone}")
        lines.append(f"    mCallState={_call_state(mine)}")
        if release >= 11:
            lines += [f"    {line}" for line in _precise(mine, telephony)]
        lines.append(f"    mCallIncomingNumber={incoming[0].number if incoming else ''}")
        lines.append(f"    mServiceState={_service_state(release, in_service, operator)}")
        lines.append(f"    mSignalStrength={_signal(release, level)}")
    if release < 11:
        lines += [f"  {line}" for line in _precise(telephony, telephony)]
    else:
        lines += ["  mDefaultPhoneId=0", "  mDefaultSubId=1", "local logs:", "listen logs:", "registrations: count=12"]
    return "\n".join(lines) + "\n"


def _call_state(telephony: Telephony | None) -> int:
    """One state for all calls of a SIM; one that rings comes first."""
    if telephony is None or len(telephony.live) == len(telephony.in_state(State.SELECT_PHONE_ACCOUNT)):
        return IDLE  # which SIM is to be in a call is not chosen yet
    return RINGING if telephony.in_state(State.RINGING) else OFFHOOK


def _precise(mine: Telephony | None, telephony: Telephony) -> list[str]:
    ringing = foreground = background = IDLE
    if mine is not None:
        if mine.in_state(State.RINGING):
            ringing = WAITING if len(mine.live) > 1 else INCOMING
        foreground = max((FOREGROUND[call.state] for call in mine.in_state(*FOREGROUND)), default=IDLE)
        background = HOLDING if mine.in_state(State.ON_HOLD) else IDLE
    return [
        f"mRingingCallState={ringing}",
        f"mForegroundCallState={foreground}",
        f"mBackgroundCallState={background}",
        f"mPreciseCallState=Ringing call state: {ringing}, Foreground call state: {foreground},"
        f" Background call state: {background}",
        f"mCallDisconnectCause={telephony.last_cause}",
    ]


def _service_state(release: int, in_service: bool, operator: str) -> str:
    state = "0(IN_SERVICE)" if in_service else "1(OUT_OF_SERVICE)"
    if release < 10:
        return f"{0 if in_service else 1} {0 if in_service else 1} voice home data home {operator} {operator} 25501 LTE"
    return (
        f"{{mVoiceRegState={state}, mDataRegState={state}, mOperatorAlphaLong={operator},"
        f" mOperatorAlphaShort={operator}, getRilVoiceRadioTechnology=14(LTE)}}"
    )


def _signal(release: int, bars: int = 3) -> str:
    if release < 10:
        return "SignalStrength: 99 0 -120 -160 -120 -160 -1 23 -98 -11 80 2147483647 2147483647 3 gsm|lte 3"
    return (
        "SignalStrength:{mCdma=Invalid,mLte=CellSignalStrengthLte: rssi=-71 rsrp=-105 rsrq=-13 rssnr=15"
        f" cqi=2147483647 ta=2147483647 level={bars},primary=CellSignalStrengthLte}}"
    )


def telecom(telephony: Telephony, release: int, wall_at: Callable[[float], datetime]) -> str:
    """`dumpsys telecom`. `wall_at`: what the phone's clock said at a monotonic moment."""
    lines = ["CallsManager: ", "  mCalls: "]
    lines += [f"    {_live(call, release)}" for call in telephony.live]
    lines += ["  mCallAudioManager:", *_audio(telephony, release), "  mTtyManager:", "    mCurrentTtyMode: 0"]
    lines += ["PhoneAccountRegistrar: ", f"  defaultOutgoing: ComponentInfo{{{CONNECTION_SERVICE}}}, 1", "Analytics:"]
    lines.append("Historical Events:")
    for call in telephony.history:
        lines += _history(call, release, wall_at)
    return "\n".join(lines) + "\n"


def _audio(telephony: Telephony, release: int) -> list[str]:
    """`CallAudioManager.dump`: who is heard, and whole once more the call in the foreground."""
    lines = []
    for title, states in (
        ("All calls:", tuple(State)),
        ("Active dialing, or connecting calls:", (*BEING_DIALLED, State.ACTIVE)),
        ("Ringing calls:", (State.RINGING,)),
        ("Holding calls:", (State.ON_HOLD,)),
    ):
        lines += [f"    {title}", *(f"      {call.id}" for call in telephony.in_state(*states))]
    foreground = telephony.foreground
    return [*lines, "    Foreground call:", f"    {'null' if foreground is None else _live(foreground, release)}"]


def _live(call: PhoneCall, release: int) -> str:
    state = State.DIALING if call.state is State.ALERTING else call.state
    handle = f"tel:{'*' * max(len(call.number) - 2, 0)}{call.number[-2:]}"
    if release < 11:
        return f"[{call.id}, {state}, {CONNECTION_SERVICE}, {handle}, A, childs(0), has_parent(false), [caps], [props]]"
    account = f"ComponentInfo{{{CONNECTION_SERVICE}}}, 1, UserHandle{{0}}"
    tail = ", voip=false" if release >= 13 else ""
    return (
        f"[Call id={call.id}, state={state}, tpac={account}, cmgr={account}, handle={handle}, vidst=A, childs(0),"
        f" has_parent(false), cap=[ sup_hld mut ], prop=[]]{tail}"
    )


def _history(call: PhoneCall, release: int, wall_at: Callable[[float], datetime]) -> list[str]:
    def stamp(at: float) -> str:
        return wall_at(at).strftime("%H:%M:%S.%f")[:-3]

    began = wall_at(call.created)
    direction = "MT - incoming" if call.incoming else "MO - outgoing"
    user = "(User=UserHandle{0})" if release >= 14 else ""
    account = "Via PhoneAccount" if release < 11 else ">>>Target PhoneAccount"
    title = f"  Call{call.id}/{1000 + call.tc} [{began:%b} {began.day}, {began:%Y %H:%M:%S}]({direction}){user}"
    lines = [title, f"  \t{account}: ComponentInfo{{{CONNECTION_SERVICE}}}, 1, UserHandle{{0}}"]
    lines.append(f"  \tTo address: tel:***********{call.number[-2:]} Presentation: Allowed")
    for at, event, data in call.events:
        lines.append(f"    {stamp(at)} - {event}{f' ({data})' if data else ''}:CSW.{event[:3].lower()}(cap)@A{call.tc}")
    lines.append("  Timings (average for this call, milliseconds):")
    return lines


class Quirk(StrEnum):
    """How some phones print what others print otherwise."""

    UPDATES_STOPPED = "updates_stopped"  # of the battery
    WHOLE_DEGREES = "whole_degrees"
    NO_SENSOR = "no_sensor"  # of the temperature
    ARABIC = "arabic"  # digits of times
    ONE_INDENT = "one_indent"  # in the registry, with what is left of an old call on a second SIM
    SIGNAL_5G = "signal_5g"
    SIGNAL_GSM = "signal_gsm"
    LINKER = "linker"  # warns before what `telecom` says
    EMPTY_FIRST = "empty_first"  # no SIM in the first place


_LEFT_OVER = "Phone Id=1\n  mCallState=0\n  mRingingCallState=0\n  mForegroundCallState=7\n  mBackgroundCallState=0\n"
_NO_SIGNAL = "SignalStrength:{mLte=CellSignalStrengthLte: rssi=2147483647 level=0,primary=CellSignalStrengthLte}"
_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_QUIRKS: Mapping[Quirk, tuple[str, str]] = {
    Quirk.UPDATES_STOPPED: (r"(Battery Service state:\n)", r"\1  (UPDATES STOPPED -- use 'reset' to restart)\n"),
    Quirk.WHOLE_DEGREES: (r"(  temperature: \d+)\d\b", r"\1"),
    Quirk.NO_SENSOR: (r"  temperature: .*", "  temperature: -2147483648"),
    Quirk.SIGNAL_5G: (
        r"CellSignalStrengthLte: .*", "Invalid,mNr=CellSignalStrengthNr:{ ssRsrp = -94 csiCqiReport = [1, 2] level = 3"
        " parametersUseForLevel = 0 },primary=CellSignalStrengthNr}",
    ),
    Quirk.SIGNAL_GSM: (
        r"mLte=CellSignalStrengthLte: .*", "mGsm=CellSignalStrengthGsm: rssi=-53 ber=0 mTa=0 mLevel=4,"
        "primary=CellSignalStrengthGsm}",
    ),
}  # fmt: skip


def _empty_place(release: int) -> str:
    signal = _signal(release) if release < 10 else _NO_SIGNAL
    state = _service_state(release, False, "null")
    return f"  Phone Id=0\n    mCallState=0\n    mServiceState={state}\n    mSignalStrength={signal}\n"


def with_quirks(text: str, quirks: Collection[Quirk], release: int) -> str:
    """A dump as a phone with these quirks prints it."""
    for quirk in quirks:
        text = re.sub(*_QUIRKS[quirk], text) if quirk in _QUIRKS else text
    if Quirk.ARABIC in quirks:
        text = re.sub(r"\d\d:\d\d:\d\d(?:\.\d+)?", lambda time: time[0].translate(_ARABIC), text)
    if Quirk.EMPTY_FIRST in quirks and "Phone Id=" in text:
        text = text.replace("Phone Id=1", "Phone Id=2").replace("Phone Id=0", "Phone Id=1")
        text = text.replace("  Phone Id=", f"{_empty_place(release)}  Phone Id=", 1)
    if Quirk.ONE_INDENT in quirks and "Phone Id=" in text:
        text = re.sub(r"(?m)^  (?=  m|Phone Id)", "", text) + _LEFT_OVER
    return text


def log_lines(happened: Happened, wall: datetime) -> list[tuple[str, str]]:
    """The buffer and the `logcat -v epoch` line of what happened to a call."""
    stamp = f"{wall.timestamp():.3f}"
    if happened.event == "ALERTING":
        calls = "[id=1,ALERTING,toa=129,norm,mo,0,voc,noevp,,cli=1,,1,audioQuality=1] "
        return [("radio", f"{stamp}  1401  1590 D RILJ    : [4611]< GET_CURRENT_CALLS {{{calls}}} [PHONE0]")]
    data = happened.data or ""
    line = f"{stamp}  1234  1300 I Telecom : Event: RecordEntry {happened.call.id}: {happened.event}, {data}: CSW@A"
    return [("system", line)]


def subscriptions(iccid: str) -> str:
    """`dumpsys isub` of a phone with one SIM, as one that is sold shows it, with an earlier SIM in its log."""
    return (
        "SubscriptionController:\n  activeSubscriptionInfoList:\n"
        f"  {{id=1 iccId={iccid[:9]}[****] simSlotIndex=0 carrierId=1 displayName=SIM}}\n"
        "Local log:\n  {id=9 iccId=899999999[****] simSlotIndex=0 carrierId=1 displayName=before}\n"
    )


def battery(level: int, tenths: int, *, samsung: bool, health: int = 2) -> str:
    """`dumpsys battery`; temperature in tenths of a degree. Samsung appends a block of its own with old values."""
    text = (
        "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  Wireless powered: false\n"
        "  Max charging current: 500000\n  Max charging voltage: 5000000\n  Charge counter: 3270000\n"
        f"  status: {5 if level == 100 else 2}\n  health: {health}\n  present: true\n  level: {level}\n  scale: 100\n"
        f"  voltage: 4352\n  temperature: {tenths}\n  technology: Li-ion\n"
    )
    return text + ("  [EventLogBuffer]\n    level:72, temperature:345\n" if samsung else "")


def processor(ticks: int, busy: int) -> str:
    """`/proc/stat` of one that was busy for so many of its ticks."""
    return f"cpu  {busy * 2 // 3} 0 {busy - busy * 2 // 3} {ticks - busy} 0 0 0 0 0 0\n"


def memory(percent: float) -> str:
    """`/proc/meminfo`; `percent` of it is used."""
    total = 5_841_016
    available = round(total * (1 - percent / 100))
    return f"MemTotal:        {total} kB\nMemFree:          355460 kB\nMemAvailable:    {available} kB\n"


STORAGE = 112_000_000  # kB


def free_of(percent: float) -> int:
    """What of its storage is free where `percent` is used, in kB."""
    return round(STORAGE * (1 - percent / 100))


def disk(percent: float, path: str) -> str:
    """`df -k`; `percent` of it is used."""
    total, free = STORAGE, free_of(percent)
    head = "Filesystem       1K-blocks     Used Available Use% Mounted on\n"
    return f"{head}/dev/block/dm-44 {total} {total - free} {free} {percent:.0f}% {path}\n"


def interfaces(mobile: int) -> str:
    """`/proc/net/dev`, with so many bytes over the mobile network, which Qualcomm's modems show on two interfaces."""
    received = mobile * 3 // 4
    rest = "    100    0    0    0     0          0         0"
    lines = (("lo", 4_000_000, 4_000_000), ("rmnet_ipa0", received, mobile - received), ("wlan0", 70_000, 30_000),
             ("rmnet_data0", received, mobile - received))  # fmt: skip
    shown = "".join(f"{name:>6}: {heard}{rest} {said}{rest}\n" for name, heard, said in lines)
    title = "Inter-|   Receive                                                |  Transmit\n"
    return f"{title} face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n{shown}"
