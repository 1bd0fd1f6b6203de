"""What Android phones print about their calls, read into values. Pure; layouts of Android 8 to 15.

Sources: AOSP `TelephonyRegistry.dump`, Telecom's `CallsManager.dump`, `Call.toString`, `Call.getDescription`,
`EventManager.dump`, `PreciseCallState`, `telecom.DisconnectCause`.

A phone may have several calls. Each has a state of its own in Telecom; the registry has one for all that are in the
foreground of a SIM, so it is believed about a call only where no other one can be meant.
"""

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from actors.adapters.phone_clock import Aged, Clock, Memory, ages_of, clock_of
from actors.telephony.reports import CallPhase, LiveCall, Look, Noted, PastCall
from bus_schemas.call import EndReason

SECTION = "@@"  # what the batched commands print between their parts

# Telecom's states. The others (NEW, CONNECTING, SELECT_PHONE_ACCOUNT ...) come before DIALING. A call that is being
# ended (DISCONNECTING) is still up; its end comes with its reason.
_OVER = frozenset({"DISCONNECTED", "ABORTED"})
_TALKING = frozenset({"ACTIVE", "ON_HOLD", "PULLING"})
_RINGING = frozenset({"RINGING", "SIMULATED_RINGING", "ANSWERED", "AUDIO_PROCESSING"})
_AWAY = frozenset({"ON_HOLD", "DISCONNECTING"}) | _RINGING  # never in the foreground of a SIM

FOREGROUND_ACTIVE, FOREGROUND_ALERTING = 1, 4  # PreciseCallState

HISTORY_TITLE = "Historical Events:"
MOST_CALLS = 200  # of a look; Telecom keeps the last ten
# A call in a list. Lines of the history may quote calls, but only after the `-` between their time and their text.
NOTE = "/data/local/tmp/ottb-order"  # where a phone notes the order to dial that it carries out; any shell may write it
_NOTE = re.compile(r"([A-Za-z0-9_-]{1,64}) ([0-9]+(?:\.[0-9]+)?) [0-9.]+ ([0-9a-f-]{36})$")
_LIVE = re.compile(r"(?m)^[^-\n]*\[(?:Call id=)?(TC@[0-9]{1,9}), (?:state=)?([A-Z_]{1,64}),")
_TITLE = re.compile(r"^\s*(?:SelfMgd )?Call(TC@[0-9]{1,9})/[^\[]*(?:\[(.*)\])?\((MO|MT)")
_EVENT = re.compile(r"^\s+([0-9]{2}):([0-9]{2}):([0-9]{2}\.[0-9]{3}) - ([A-Z_]+)(?: \((.*)\))?")
_CODE = re.compile(r"Code: \((\w+)\)")
_LOGGED = re.compile(r"RecordEntry (TC@[0-9]{1,9}): ([A-Z_]+)(?:, (.*))?$")
_STAMP = re.compile(r"\s*([0-9]{6,12}\.[0-9]{3,9}) ")
_ALERTING = re.compile(r"\bALERTING\b")

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


_OF_DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_DECIMAL_SIGN = "\u066b"
_DIGITS_UP_TO = 0x1FFFF  # behind it are ideographs alone


@cache
def _made_plain() -> Mapping[int, str | None]:
    digits = {code: str(int(chr(code))) for code in range(0x80, _DIGITS_UP_TO) if chr(code).isdecimal()}
    return digits | dict.fromkeys(map(ord, _OF_DIRECTION)) | {ord(_DECIMAL_SIGN): "."}


def plain(text: str) -> str:
    """A text with the digits of any language as 0 to 9, and without marks of direction: phones write times as their
    language does."""
    return text if text.isascii() else text.translate(_made_plain())


# --- calls ------------------------------------------------------------------------------------------------------


def parse_log_line(line: str) -> Logged | None:
    """A Telecom event of a `logcat` line, or None."""
    match = _LOGGED.search(plain(line))
    return Logged(call=match[1], event=match[2], data=match[3] or "") if match else None


def stamp_of(line: str) -> float | None:
    """When a line of `logcat -v epoch` was written, in seconds since 1970 by the phone's clock."""
    match = _STAMP.match(line)
    return float(match[1]) if match else None


def says_alerting(line: str) -> bool:
    """Whether a radio log line says that the far end rings. Only circuit-switched calls are told there."""
    return _ALERTING.search(line.partition("GET_CURRENT_CALLS ")[2]) is not None


ASKS = "SELECT_PHONE_ACCOUNT"  # the state of a call for which somebody must choose a SIM on the screen
SET_ASKS = f"SET_{ASKS}"
SET_HOLD = "SET_HOLD"
NOT_CHOSEN = "it asked which SIM to call with; nothing was dialled"

PHASE_OF_EVENT: Mapping[str, CallPhase] = {
    SET_ASKS: CallPhase.DIALING,
    "SET_CONNECTING": CallPhase.DIALING,
    "SET_DIALING": CallPhase.DIALING,
    "SET_RINGING": CallPhase.ALERTING,
    "SET_ACTIVE": CallPhase.ACTIVE,
    SET_HOLD: CallPhase.ACTIVE,
    "SET_DISCONNECTED": CallPhase.DISCONNECTED,
}


def end_of(data: str) -> tuple[EndReason, str]:
    """Why a call ended, and the phone's own words, from the text of its DisconnectCause."""
    code = _CODE.search(data)
    reason, closed, _ = data.partition("Reason: (")[2].partition(")")
    words = reason if reason and closed else (code[1] if code else "")
    if code is None:
        return EndReason.UNKNOWN, words
    if code[1] in REASON_OF_CODE:
        return REASON_OF_CODE[code[1]], words
    for pattern, meaning in REASON_OF_ERROR:
        if pattern.search(words):
            return meaning, words
    return EndReason.UNKNOWN, words


IDLE = 0
_A_CALL = range(1, 7)  # PreciseCallState: ACTIVE to WAITING
_STATE = re.compile(
    r"(?m)^[ \t]*(m(?:Call|RingingCall|ForegroundCall|BackgroundCall)State)=(-?[0-9]{1,9})[ \t\r]*$"
)


class Registry(Struct, frozen=True, kw_only=True):
    """What the SIMs that are in a call say of their calls, in numbers of PreciseCallState; 0: nothing there."""

    foreground: int = 0
    background: int = 0
    ringing: int = 0


def parse_registry(text: str) -> Registry:
    """The states of the SIMs that are in a call. Layouts differ in how far they indent, so a name that stands once for
    each SIM is that SIM's; before Android 11 there is one for the whole phone. What is left of a call that has ended
    (7, 8) is none."""
    before, *blocks = re.split(r"(?m)^[ \t]*Phone Id=.*$", text)
    sims = [dict(_STATE.findall(block)) for block in blocks or [before]]
    in_call = [sim for sim in sims if sim.get("mCallState", "-") != "0"]

    def state(name: str) -> int:
        its_own = all(name in sim for sim in sims)
        states = [int(sim.get(name, IDLE)) for sim in (in_call if its_own else sims)]
        return max((one for one in states if one in _A_CALL), default=IDLE)

    return Registry(
        foreground=state("mForegroundCallState"),
        background=state("mBackgroundCallState"),
        ringing=state("mRingingCallState"),
    )


UNKNOWN_AGES = Aged(ages=(), suspect=True)


class Read(Struct, frozen=True, kw_only=True):
    """A look, the boot it was of, and what the next look of this boot should know."""

    boot: str
    look: Look
    memory: Memory
    listed: tuple[str, ...]  # every call that is up as the phone lists it, some of them twice: `TC@5, state=ACTIVE`

    def is_later_than(self, other: "Read") -> bool:
        """Answers of one boot may come in another order than the phone gave them."""
        return (self.memory.clock.uptime or 0.0) >= (other.memory.clock.uptime or 0.0)


def parse_look(text: str, before: Read | None = None) -> Read | None:
    """What the phone says of its calls, from the parts of `LOOK`. None: a part is missing, as while the phone starts;
    that is not the same as no call. `before`: the look before, to tell the ages of calls on a clock that is set."""
    times, boot, registry, telecom = ([*plain(text).split(f"{SECTION}\n"), "", "", "", ""])[:4]
    boot, _, note = boot.strip().partition("\n")
    boot = boot.strip().replace("-", "")[:16]
    clock = clock_of(times)
    lists, has_history, _ = telecom.partition(HISTORY_TITLE)
    if clock is None or not boot or "mCalls:" not in lists or not (has_history or "mCallAudioManager" in lists):
        return None
    memory = before.memory if before is not None and before.boot == boot else None
    listed = [match for match in _LIVE.finditer(lists) if match[2] not in _OVER]
    states = {match[1]: match[2] for match in listed}
    histories = _histories(telecom)
    if len(states) + len(histories) > MOST_CALLS:
        return None
    phases = _phases(states, histories, parse_registry(registry))
    aged = {
        call: ages_of(call, history.events, "" if call in states else history.date, clock, memory)
        for call, history in histories.items()
    }
    live = [
        _live_call(f"{boot}/{call}", states[call], phases[call], histories.get(call), aged.get(call, UNKNOWN_AGES))
        for call in sorted(states, key=_number, reverse=True)
    ]
    past = [
        _past_call(f"{boot}/{call}", histories[call], aged[call])
        for call in sorted(histories, key=_number, reverse=True)
        if call not in states and histories[call].is_over
    ]
    memory = Memory(
        clock=clock,
        moments={call: tuple((clock.uptime or 0.0) - age for age in one.ages) for call, one in aged.items()},
        doubtful=frozenset(call for call, one in aged.items() if one.suspect),
    )
    names = tuple(lists[match.start(1) : match.end(2)] for match in listed)
    order = _noted(note, boot, clock)
    look = Look(live=tuple(live), past=tuple(past), boot=boot, up=clock.uptime, order=order)
    return Read(boot=boot, look=look, memory=memory, listed=names)


def _noted(note: str, boot: str, clock: Clock) -> Noted | None:
    """The phone's own note of the last order to dial, if it is of this boot (`dial_line` writes it)."""
    match = _NOTE.match(note.strip())
    if match is None or match[3].replace("-", "")[:16] != boot or clock.uptime is None:
        return None
    return Noted(match[1], max(clock.uptime - float(match[2]), 0.0))


class _History(Struct, kw_only=True):
    """Telecom's events of one call, with the time of day of each. `date`: when it began, in the phone's language."""

    incoming: bool
    date: str
    events: list[tuple[str, float]]
    end: str = ""

    @property
    def is_over(self) -> bool:
        """Whether an end is told. A call of which nothing is told but a beginning is too new for the list of calls."""
        return any(name in ("SET_DISCONNECTED", "DESTROYED") for name, _ in self.events)

    def has(self, event: str) -> bool:
        return any(name == event for name, _ in self.events)

    def age(self, event: str, aged: Aged) -> float | None:
        """How long ago an event was for the first time."""
        return next((age for (name, _), age in zip(self.events, aged.ages, strict=True) if name == event), None)


def _histories(telecom: str) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    current: _History | None = None
    for line in telecom.splitlines():
        if title := _TITLE.match(line):
            new = _History(incoming=title[3] == "MT", date=title[2] or "", events=[])
            current = histories.setdefault(title[1], new)
        elif current is not None and (event := _EVENT.match(line)):
            time_of_day = int(event[1]) * 3600 + int(event[2]) * 60 + float(event[3])
            current.events.append((event[4], time_of_day))
            if event[4] == "SET_DISCONNECTED":
                current.end = event[5] or ""
    return histories


def _number(call: str) -> int:
    return int(call.removeprefix("TC@"))


def _phases(states: Mapping[str, str], histories: Mapping[str, _History], registry: Registry) -> dict[str, CallPhase]:
    """Each call's phase. The registry knows two things that Telecom does not: that the far end rings, and, some
    moments earlier, that it answered. It says so of the foreground, so only one call may be there."""
    foreground = [call for call, state in states.items() if state not in _AWAY]
    dialled = [call for call in foreground if states[call] == "DIALING"]
    phases: dict[str, CallPhase] = {}
    for call, state in states.items():
        answered = call in histories and histories[call].has("SET_ACTIVE")
        if state in _TALKING or (state == "DISCONNECTING" and answered):
            phases[call] = CallPhase.ACTIVE
        elif state in _RINGING or (dialled == [call] and registry.foreground == FOREGROUND_ALERTING):
            phases[call] = CallPhase.ALERTING
        elif dialled == [call] == foreground and registry.foreground == FOREGROUND_ACTIVE:
            phases[call] = CallPhase.ACTIVE
        else:
            phases[call] = CallPhase.DIALING
    return phases


def _live_call(ref: str, state: str, phase: CallPhase, history: _History | None, aged: Aged) -> LiveCall:
    return LiveCall(
        ref=ref,
        phase=phase,
        created_age=max(aged.ages, default=0.0),
        answered_age=history.age("SET_ACTIVE", aged) if history is not None else None,
        incoming=history.incoming if history is not None else state in _RINGING,
        held=state == "ON_HOLD",
        asks=state == ASKS,
        suspect=aged.suspect,
    )


def _past_call(ref: str, history: _History, aged: Aged) -> PastCall:
    if history.has(SET_ASKS) and not history.has("SET_DIALING") and not history.has("SET_ACTIVE"):
        reason, cause = EndReason.PHONE_ASKS_FOR_SIM, NOT_CHOSEN
    else:
        reason, cause = end_of(history.end)
    ended = history.age("SET_DISCONNECTED", aged)
    return PastCall(
        ref=ref,
        created_age=max(aged.ages),
        answered_age=history.age("SET_ACTIVE", aged),
        ended_age=min(aged.ages) if ended is None else ended,
        reason=reason,
        cause=cause,
        incoming=history.incoming,
        suspect=aged.suspect,
    )


REGISTRY = "dumpsys telephony.registry | grep -E 'Phone Id|m(Call|Ringing|Foreground|Background)CallState|mCallState'"
LOOK = (
    f"date '+%H:%M:%S.%N %d %s'; cat /proc/uptime; echo {SECTION}; cat /proc/sys/kernel/random/boot_id;"
    f" cat {NOTE} 2>/dev/null;"
    f" echo {SECTION}; {REGISTRY}; echo {SECTION}; dumpsys telecom"
)
