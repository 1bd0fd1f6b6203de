"""What Android phones print, read into values. Pure; layouts of Android 8 to 15.

Sources: AOSP `TelephonyRegistry.dump`, Telecom's `Call.toString`, `EventManager.dump`, `BatteryService.dump`,
`PreciseCallState`, `telecom.DisconnectCause`.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from actors.slot.phone import CallPhase, Health, LiveCall, Look, PastCall
from bus_schemas.call import EndReason

DAY = 86400.0
READING = 60.0  # seconds; no look takes as long
SECTION = "@@"  # what the batched commands print between their parts

# Telecom's states of a call that is up. The others (NEW, SELECT_PHONE_ACCOUNT ...) come before DIALING.
_OVER = frozenset({"DISCONNECTED", "ABORTED", "DISCONNECTING"})
_TALKING = frozenset({"ACTIVE", "ON_HOLD", "PULLING"})

FOREGROUND_ACTIVE, FOREGROUND_HOLDING, FOREGROUND_ALERTING = 1, 2, 4

_LIVE = re.compile(r"\[(?:Call id=)?(TC@[0-9]+), (?:state=)?([A-Z_]+),")
_TITLE = re.compile(r"^\s*(?:SelfMgd )?Call(TC@[0-9]+)/.*\((MO|MT)")
_EVENT = re.compile(r"^\s+([0-9]{2}):([0-9]{2}):([0-9]{2}\.[0-9]{3}) - ([A-Z_]+)(?: \((.*)\))?")
_CLOCK = re.compile(r"\s*([0-9]{2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,6})?)")
_CODE = re.compile(r"Code: \((\w+)\)")
_REASON = re.compile(r"Reason: \(([^)]*)\)")
_LOGGED = re.compile(r"RecordEntry (TC@[0-9]+): ([A-Z_]+)(?:, (.*))?$")
_RADIO_ALERTING = re.compile(r"GET_CURRENT_CALLS .*\bALERTING\b")

# Telecom's code, and for ERROR the telephony reason in its text, as the reason that the contract names.
REASON_OF_CODE: Mapping[str, EndReason] = {
    "LOCAL": EndReason.HANGUP_LOCAL,
    "CANCELED": EndReason.HANGUP_LOCAL,
    "REMOTE": EndReason.HANGUP_REMOTE,
    "BUSY": EndReason.BUSY,
    "REJECTED": EndReason.REJECTED,
    "MISSED": EndReason.NO_ANSWER,
    "RESTRICTED": EndReason.REJECTED,
}
REASON_OF_ERROR: tuple[tuple[re.Pattern[str], EndReason], ...] = (
    (re.compile("INVALID_NUMBER|UNOBTAINABLE_NUMBER|NUMBER_UNREACHABLE"), EndReason.INVALID_NUMBER),
    (re.compile("TIMED_OUT|NO_ANSWER"), EndReason.NO_ANSWER),
    (
        re.compile("OUT_OF_SERVICE|OUT_OF_NETWORK|CONGESTION|LOST_SIGNAL|POWER_OFF|SERVER_|ICC_ERROR|NETWORK"),
        EndReason.NETWORK,
    ),
)


class Logged(Struct, frozen=True, kw_only=True):
    """One Telecom event from the log stream."""

    call: str
    event: str
    data: str


# --- calls ------------------------------------------------------------------------------------------------------


def parse_log_line(line: str) -> Logged | None:
    """A Telecom event of a `logcat` line, or None."""
    match = _LOGGED.search(line)
    return Logged(call=match[1], event=match[2], data=match[3] or "") if match else None


def says_alerting(line: str) -> bool:
    """Whether a radio log line says that the far end rings. Only circuit-switched calls are told there."""
    return bool(_RADIO_ALERTING.search(line))


PHASE_OF_EVENT: Mapping[str, CallPhase] = {
    "SET_CONNECTING": CallPhase.DIALING,
    "SET_DIALING": CallPhase.DIALING,
    "SET_RINGING": CallPhase.ALERTING,
    "SET_ACTIVE": CallPhase.ACTIVE,
    "SET_DISCONNECTED": CallPhase.DISCONNECTED,
}


def end_of(data: str) -> tuple[EndReason, str]:
    """Why a call ended, and the phone's own words, from the text of its DisconnectCause."""
    code = _CODE.search(data)
    reason = _REASON.search(data)
    words = reason[1] if reason and reason[1] else (code[1] if code else "")
    if code is None:
        return EndReason.UNKNOWN, words
    if code[1] in REASON_OF_CODE:
        return REASON_OF_CODE[code[1]], words
    for pattern, meaning in REASON_OF_ERROR:
        if pattern.search(words):
            return meaning, words
    return EndReason.UNKNOWN, words


def foreground_state(registry: str) -> int | None:
    """`mForegroundCallState` of the SIM that is in a call; before Android 11 there is one for the whole phone."""
    in_call = True
    found: int | None = None
    for line in registry.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "Phone Id":
            in_call = False
        elif name == "mCallState":
            in_call = value.strip() not in ("0", "")
        elif name == "mForegroundCallState" and value.strip().lstrip("-").isdigit():
            state = int(value)
            is_global = line.startswith("  m") or not line.startswith(" ")
            if in_call or is_global:
                found = max(found or 0, state)
    return found


def parse_look(text: str) -> tuple[str, Look] | None:
    """The boot id and what the phone says of its calls, from the parts of `LOOK`. None: a part is missing, as while
    the phone starts; that is not the same as no call."""
    clock, boot, registry, telecom = ([*text.split(f"{SECTION}\n"), "", "", "", ""])[:4]
    boot = boot.strip().replace("-", "")[:16]
    time = _CLOCK.match(clock)
    if time is None or not boot or "mCalls:" not in telecom:
        return None
    now = _seconds_of_day(time)
    histories = _histories(telecom, now)
    states = dict(_LIVE.findall(telecom))
    live = sorted((call for call, state in states.items() if state not in _OVER), key=_number, reverse=True)
    seen = tuple(_live_call(boot, call, states, histories, registry) for call in live)
    past = sorted((call for call in histories if call not in live), key=_number, reverse=True)
    return boot, Look(live=seen, past=tuple(_past_call(boot, call, histories[call]) for call in past))


class _History(Struct, kw_only=True):
    incoming: bool
    ages: dict[str, float]
    end: str = ""


def _seconds_of_day(match: re.Match[str]) -> float:
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def _age(at: float, now: float) -> float:
    """Seconds since a time of day. The dump is made after the clock was read: what seems to come is just now."""
    age = (now - at) % DAY
    return 0.0 if age > DAY - READING else age


def _histories(telecom: str, now: float) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    current: _History | None = None
    for line in telecom.splitlines():
        if title := _TITLE.match(line):
            current = histories.setdefault(title[1], _History(incoming=title[2] == "MT", ages={}))
        elif current is not None and (event := _EVENT.match(line)):
            current.ages.setdefault(event[4], _age(_seconds_of_day(event), now))
            if event[4] == "SET_DISCONNECTED":
                current.end = event[5] or ""
    return histories


def _number(call: str) -> int:
    return int(call.removeprefix("TC@"))


def _created_age(history: _History | None) -> float:
    return max(history.ages.values(), default=0.0) if history is not None else 0.0


def _live_call(
    boot: str, call: str, states: Mapping[str, str], histories: Mapping[str, _History], registry: str
) -> LiveCall:
    history = histories.get(call)
    incoming = history.incoming if history else states[call] == "RINGING"
    foreground = foreground_state(registry)
    if states[call] in _TALKING or foreground in (FOREGROUND_ACTIVE, FOREGROUND_HOLDING):
        phase = CallPhase.ACTIVE
    elif foreground == FOREGROUND_ALERTING or incoming:
        phase = CallPhase.ALERTING
    else:
        phase = CallPhase.DIALING
    return LiveCall(
        ref=f"{boot}/{call}",
        phase=phase,
        created_age=_created_age(history),
        answered_age=history.ages.get("SET_ACTIVE") if history else None,
        incoming=incoming,
    )


def _past_call(boot: str, call: str, history: _History) -> PastCall:
    reason, cause = end_of(history.end)
    return PastCall(
        ref=f"{boot}/{call}",
        created_age=_created_age(history),
        answered_age=history.ages.get("SET_ACTIVE"),
        ended_age=history.ages.get("SET_DISCONNECTED", min(history.ages.values(), default=0.0)),
        reason=reason,
        cause=cause,
        incoming=history.incoming,
    )


LOOK = (
    f"date +%H:%M:%S.%N; echo {SECTION}; cat /proc/sys/kernel/random/boot_id; echo {SECTION};"
    " dumpsys telephony.registry | grep -E 'Phone Id|m(Call|Ringing|Foreground|Background)CallState|mCallState';"
    f" echo {SECTION}; dumpsys telecom"
)
REGISTRY = "dumpsys telephony.registry | grep -E 'Phone Id|mCallState|mForegroundCallState'"


# --- health -----------------------------------------------------------------------------------------------------


HEALTH = f"; echo {SECTION}; ".join(
    (
        "getprop ro.product.model; getprop ro.build.version.release; getprop gsm.operator.alpha;"
        " getprop gsm.sim.state; getprop gsm.network.type",
        "cat /proc/uptime",
        "cat /proc/meminfo",
        "cat /proc/stat | grep cpu",
        "dumpsys battery",
        "dumpsys telephony.registry | grep -E 'mServiceState|mSignalStrength'",
    )
)


class CpuTimes(Struct, frozen=True):
    """`/proc/stat`'s first line, in ticks."""

    busy: int
    total: int


def parse_health(text: str, before: CpuTimes | None) -> tuple[Health, CpuTimes | None]:
    """The figures of a `HEALTH` command. CPU load needs the ticks of the reading before."""
    properties, uptime, memory, stat, battery_text, network = ([*text.split(f"{SECTION}\n"), *[""] * 6])[:6]
    model, android, operator, sim, network_type = ([*properties.split("\n"), *[""] * 5])[:5]
    battery = parse_battery(battery_text)
    times = parse_cpu(stat)
    return (
        Health(
            model=model.strip() or None,
            android=android.strip() or None,
            operator=operator.strip(" ,") or None,
            sim=sim.strip() or None,
            network_type=network_type.strip(" ,") or None,
            uptime_s=_first_number(uptime),
            ram=parse_memory(memory),
            cpu=_load(before, times),
            battery=_percent(battery),
            temperature=int(battery["temperature"]) / 10 if "temperature" in battery else None,
            charging=battery["status"] in (2, 5) if "status" in battery else None,
            in_service=parse_in_service(network),
            signal_level=parse_signal(network),
        ),
        times,
    )


def parse_battery(text: str) -> dict[str, int]:
    """The whole numbers of `dumpsys battery`, up to the first line of another kind: Samsung appends a block with
    its own, older `level` and `temperature`."""
    values: dict[str, int] = {}
    _, _, body = text.partition("Current Battery Service state:\n")
    for line in body.splitlines():
        name, colon, value = line.partition(": ")
        if not colon or "," in value:
            break
        if value.strip().lstrip("-").isdigit():
            values.setdefault(name.strip(), int(value))
    return values


def _percent(battery: Mapping[str, int]) -> int | None:
    if "level" not in battery:
        return None
    return round(100 * battery["level"] / (battery.get("scale") or 100))


def parse_memory(text: str) -> float | None:
    """Used memory in percent."""
    values = dict(re.findall(r"(MemTotal|MemAvailable):\s+([0-9]+)", text))
    if len(values) < 2 or int(values["MemTotal"]) == 0:
        return None
    return round(100 * (1 - int(values["MemAvailable"]) / int(values["MemTotal"])), 1)


def parse_cpu(text: str) -> CpuTimes | None:
    for line in text.splitlines():
        if line.startswith("cpu "):
            ticks = [int(word) for word in line.split()[1:] if word.isdigit()]
            if len(ticks) >= 5:
                idle = ticks[3] + ticks[4]
                return CpuTimes(sum(ticks) - idle, sum(ticks))
    return None


def _load(before: CpuTimes | None, now: CpuTimes | None) -> float | None:
    if before is None or now is None or now.total <= before.total:
        return None
    return round(100 * (now.busy - before.busy) / (now.total - before.total), 1)


def _first_number(text: str) -> float | None:
    match = re.match(r"\s*([0-9]+(?:\.[0-9]+)?)", text)
    return float(match[1]) if match else None


def parse_in_service(text: str) -> bool | None:
    """Whether a SIM is registered for voice. Android 9 prints the bare number of the state."""
    states = re.findall(r"mVoiceRegState=([0-9])", text) or re.findall(r"mServiceState=([0-9]) ", text)
    return "0" in states if states else None


def parse_signal(text: str) -> int | None:
    """The level 0-4 of the network class that is in use."""
    for line in text.splitlines():
        primary = re.search(r"primary=(\w+)", line)
        if primary and (level := re.search(rf"{primary[1]}:[^}},]*?level=([0-4])", line)):
            return int(level[1])
    return None
