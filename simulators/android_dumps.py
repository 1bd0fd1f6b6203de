"""What `dumpsys` and `logcat` of Android 9, 11 and 14 print about calls, battery and network. Pure text.

Layouts: `TelephonyRegistry.dump`, `CallsManager.dump`, Telecom's `EventManager.dump` and `BatteryService.dump` of
those releases. What differs: the registry's foreground state is global before Android 11 and per SIM from 11 on;
a live call is written as a bare list in 9, as `Call id=` in 11, with `voip=false` in 14.
"""

from datetime import datetime, timedelta

from simulators.telephony import Happened, PhoneCall, State, Telephony

CONNECTION_SERVICE = "com.android.phone/com.android.services.telephony.TelephonyConnectionService"

# PreciseCallState of the foreground call.
FOREGROUND = {State.ACTIVE: 1, State.DIALING: 3, State.CONNECTING: 3, State.ALERTING: 4}
RINGING_STATE = 5
OFFHOOK, RINGING, IDLE = 2, 1, 0


def registry(telephony: Telephony, release: int, *, sims: int, in_service: bool, operator: str) -> str:
    """`dumpsys telephony.registry`."""
    lines = ["last known state:"] if release >= 10 else []
    call = telephony.current
    for phone in range(sims):
        mine = call if phone == 0 else None
        lines.append(f"  Phone Id={phone}")
        lines.append(f"    mCallState={_call_state(mine)}")
        if release >= 11:
            lines += [f"    {line}" for line in _precise(mine, telephony)]
        lines.append(f"    mCallIncomingNumber={mine.number if mine and mine.incoming else ''}")
        lines.append(f"    mServiceState={_service_state(release, in_service, operator)}")
        lines.append(f"    mSignalStrength={_signal(release)}")
    if release < 11:
        lines += [f"  {line}" for line in _precise(call, telephony)]
    else:
        lines += ["  mDefaultPhoneId=0", "  mDefaultSubId=1", "local logs:", "listen logs:", "registrations: count=12"]
    return "\n".join(lines) + "\n"


def _call_state(call: PhoneCall | None) -> int:
    if call is None:
        return IDLE
    return RINGING if call.state is State.RINGING else OFFHOOK


def _precise(call: PhoneCall | None, telephony: Telephony) -> list[str]:
    ringing = RINGING_STATE if call is not None and call.state is State.RINGING else 0
    foreground = FOREGROUND.get(call.state, 0) if call is not None else 0
    return [
        f"mRingingCallState={ringing}",
        f"mForegroundCallState={foreground}",
        "mBackgroundCallState=0",
        f"mPreciseCallState=Ringing call state: {ringing}, Foreground call state: {foreground},"
        " Background call state: 0",
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


def _signal(release: int) -> str:
    if release < 10:
        return "SignalStrength: 99 0 -120 -160 -120 -160 -1 23 -98 -11 80 2147483647 2147483647 3 gsm|lte 3"
    return (
        "SignalStrength:{mCdma=Invalid,mLte=CellSignalStrengthLte: rssi=-71 rsrp=-105 rsrq=-13 rssnr=15"
        " cqi=2147483647 ta=2147483647 level=3,primary=CellSignalStrengthLte}"
    )


def telecom(telephony: Telephony, release: int, wall: datetime, now: float) -> str:
    """`dumpsys telecom`. `wall` is the phone's clock at the monotonic moment `now`."""
    lines = ["CallsManager: ", "  mCalls: "]
    lines += [f"    {_live(call, release)}" for call in telephony.live]
    lines += ["  mCallAudioManager:", "    All calls:"]
    lines += [f"      {_live(call, release)}" for call in telephony.live]
    lines += ["PhoneAccountRegistrar: ", f"  defaultOutgoing: ComponentInfo{{{CONNECTION_SERVICE}}}, 1", "Analytics:"]
    lines.append("Historical Events:")
    for call in telephony.history:
        lines += _history(call, release, wall, now)
    return "\n".join(lines) + "\n"


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


def _history(call: PhoneCall, release: int, wall: datetime, now: float) -> list[str]:
    def stamp(at: float) -> str:
        return (wall - timedelta(seconds=now - at)).strftime("%H:%M:%S.%f")[:-3]

    direction = "MT - incoming" if call.incoming else "MO - outgoing"
    user = "(User=UserHandle{0})" if release >= 14 else ""
    account = "Via PhoneAccount" if release < 11 else ">>>Target PhoneAccount"
    title = f"  Call{call.id}/{1000 + call.tc} [Nov 24, 2026 {stamp(call.created)}]({direction}){user}"
    lines = [title, f"  \t{account}: ComponentInfo{{{CONNECTION_SERVICE}}}, 1, UserHandle{{0}}"]
    lines.append(f"  \tTo address: tel:***********{call.number[-2:]} Presentation: Allowed")
    for at, event, data in call.events:
        lines.append(f"    {stamp(at)} - {event}{f' ({data})' if data else ''}:CSW.{event[:3].lower()}(cap)@A{call.tc}")
    lines.append("  Timings (average for this call, milliseconds):")
    return lines


def log_lines(happened: Happened, wall: datetime) -> list[tuple[str, str]]:
    """The buffer and the `logcat -v epoch` line of what happened to a call."""
    stamp = f"{wall.timestamp():.3f}"
    if happened.event == "ALERTING":
        calls = "[id=1,ALERTING,toa=129,norm,mo,0,voc,noevp,,cli=1,,1,audioQuality=1] "
        return [("radio", f"{stamp}  1401  1590 D RILJ    : [4611]< GET_CURRENT_CALLS {{{calls}}} [PHONE0]")]
    data = happened.data or ""
    line = f"{stamp}  1234  1300 I Telecom : Event: RecordEntry {happened.call.id}: {happened.event}, {data}: CSW@A"
    return [("system", line)]


def battery(level: int, tenths: int, *, samsung: bool) -> str:
    """`dumpsys battery`; temperature in tenths of a degree. Samsung appends a block of its own with old values."""
    text = (
        "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  Wireless powered: false\n"
        "  Max charging current: 500000\n  Max charging voltage: 5000000\n  Charge counter: 3270000\n"
        f"  status: {5 if level == 100 else 2}\n  health: 2\n  present: true\n  level: {level}\n  scale: 100\n"
        f"  voltage: 4352\n  temperature: {tenths}\n  technology: Li-ion\n"
    )
    return text + ("  [EventLogBuffer]\n    level:72, temperature:345\n" if samsung else "")
