"""A handset in simulated time: telephony and carrier, with the people and the network that use it.

It outlives a host's connection to it (`simulated_phone.py`), and keeps its own log: the judge.
"""

import asyncio
from contextvars import Context
from typing import Protocol

from actors.adapters.phone_clock import DAY, Aged, Clock, Memory, ages_of
from actors.slot.phone import (
    PhoneBusy,
    PhoneRefused,
    ShellResult,
)
from actors.telephony.reports import CallPhase, Link, LiveCall, Look, Noted, PastCall
from bus_schemas.call import EndReason
from bus_schemas.slot_health import Rung
from simulators.carrier.rules import Cause
from simulators.device.chronicle import Chronicle, DeviceCall, Ender, Source
from simulators.device.wire import Impairments, Wire
from simulators.phone.ailing import FOUND_OUT, MENDED_BY, OF_ITS_CONNECTION, Ailment
from simulators.phone.handset_shell import HandsetShell
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from simulators.phone.telephony import Happened, PhoneCall, State, Telephony
from simulators.phone.vitals import Vitals

BOOT = "boot"
UP_BEFORE = 100_000.0  # seconds that a phone was up before the world began

PHASE = {
    State.CONNECTING: CallPhase.DIALING,
    State.SELECT_PHONE_ACCOUNT: CallPhase.DIALING,
    State.DIALING: CallPhase.DIALING,
    State.ALERTING: CallPhase.ALERTING,
    State.RINGING: CallPhase.ALERTING,
    State.ACTIVE: CallPhase.ACTIVE,
    State.ON_HOLD: CallPhase.ACTIVE,
    State.DISCONNECTED: CallPhase.DISCONNECTED,
}
REASON = {
    "LOCAL": EndReason.HANGUP_LOCAL,
    "CANCELED": EndReason.HANGUP_LOCAL,
    "REMOTE": EndReason.HANGUP_REMOTE,
    "BUSY": EndReason.BUSY,
    "REJECTED": EndReason.REJECTED,
    "MISSED": EndReason.NO_ANSWER,
    "ERROR": EndReason.NETWORK,
}


class Watcher(Protocol):
    """Who is connected to a handset."""

    def link(self, link: Link, detail: str = "") -> None: ...
    def hear(self, happened: Happened) -> None: ...


class Handset:
    """The phone itself. `dials`: every number it was ever told to call, in order. `book`: where its calls are written
    down, with the line `name`."""

    def __init__(
        self, name: str = "slot-0", *, book: Chronicle | None = None, impairments: Impairments | None = None
    ) -> None:
        self.name = name
        self.telephony = Telephony()
        self.vitals = Vitals()
        self.dials: list[str] = []
        self.plugged = True
        self.boot = BOOT
        self._boots = 0
        self._booted = -UP_BEFORE
        self._noted: tuple[str, float] | None = None
        self.book = book if book is not None else Chronicle()
        self.wire = Wire(impairments)
        self._wrong = [(0.0, 0.0)]  # from when on the phone's clock was ahead by how much
        self._records: dict[str, DeviceCall] = {}
        self._watchers: list[Watcher] = []
        self._timer: asyncio.TimerHandle | None = None
        self._shell: HandsetShell | None = None
        self.ailment: Ailment | None = None
        self.ailing_since = 0.0
        self.calls_cut: list[str] = []  # that a host ended by a restart, though it could have known of them

    # --- what hosts do to it

    def order(self, number: str, call_id: str) -> None:
        """Note the order, then dial for a host, unless it is in a call. Raises PhoneBusy."""
        if self.telephony.live:
            raise PhoneBusy("simulated: in a call")
        self._noted = (call_id, self.now())
        self.dials.append(number)
        self._happen(self.telephony.dial(number, self.now()), Source.ORDER, call_id=call_id)

    def press_end(self, ref: str | None) -> None:
        """The hang-up key, pressed by a host for one call. Raises PhoneRefused where it would end another one."""
        live, hit = self.telephony.live, self.telephony.current
        if hit is None or (ref is not None and all(self.ref(call) != ref for call in live)):
            return
        if (ref is None and len(live) > 1) or (ref is not None and self.ref(hit) != ref):
            raise PhoneRefused("simulated: the key would end another call")
        self._happen(self.telephony.hang_up(self.now()), ender=Ender.US)

    def look(self, memory: Memory | None) -> tuple[Look, Memory]:
        """What its calls are, told by its own clock, and what to remember for the next look."""
        now = self.now()
        clock = Clock(time_of_day=self._its_time(now), epoch=now + self._wrong[-1][1], uptime=now + UP_BEFORE)
        history = list(self.telephony.history)
        aged = {call.id: self._aged(call, clock, memory) for call in history}
        past = [call for call in history if call.state is State.DISCONNECTED]
        found = Look(
            live=tuple(self._live(call, aged[call.id]) for call in reversed(self.telephony.live)),
            past=tuple(self._past(call, aged[call.id]) for call in reversed(past)),
            boot=self.boot,
            up=now - self._booted,
            order=Noted(self._noted[0], self.now() - self._noted[1]) if self._noted is not None else None,
        )
        up = clock.uptime or 0.0
        return found, Memory(
            clock=clock,
            moments={id: tuple(up - age for age in one.ages) for id, one in aged.items()},
            doubtful=frozenset(id for id, one in aged.items() if one.suspect),
        )

    def run(self, command: str, max_output: int) -> tuple[ShellResult, float]:
        """A line of its shell: what it says, and the seconds until then. Without screens there is nothing to say."""
        self.book.shells[self.name, command] += 1
        if self._shell is None:
            return ShellResult(exit_code=0, output="", truncated=False), 0.0
        return self._shell.run(command, max_output)

    def run_raw(self, command: str, max_output: int) -> tuple[bytes, float]:
        """What it writes, without what it complains of."""
        self.book.shells[self.name, command] += 1
        if self._shell is None:
            return b"", 0.0
        out, _, _, seconds = self._shell.run_raw(command)
        return out[:max_output], seconds

    def give_screens(self, profile: Profile, *, seed: int = 0) -> Screens:
        """From now on it has screens, which the shell reads and touches."""
        self._shell = HandsetShell(
            self.name, self.telephony, clock=self.now, happened=self._touched, dialled=self.dials.append,
            profile=profile, seed=seed,
        )  # fmt: skip
        return self._shell.screens

    def _touched(self, happened: list[Happened]) -> None:
        """What a host's shell has done to calls: whoever lets a script dial has dialled."""
        ended = any(one.event == "REQUEST_DISCONNECT" for one in happened)
        self._happen(happened, Source.ORDER, ender=Ender.US if ended else Ender.REMOTE)

    # --- what people and the network do to it

    def dial_by_hand(self, number: str) -> None:
        self._happen(self.telephony.dial(number, self.now(), by_hand=True), Source.HAND)

    def ring(self, number: str) -> None:
        """A call comes in."""
        self._happen(self.telephony.ring(number, self.now()), Source.INCOMING)

    def answer_by_hand(self) -> None:
        """Somebody takes the call that rings; one that is still being dialled ends by that."""
        self._happen(self.telephony.answer(self.now()), ender=Ender.HAND)

    def swap_by_hand(self) -> None:
        self._happen(self.telephony.swap(self.now()))

    def hang_up_by_hand(self, call: PhoneCall) -> None:
        """Somebody ends one call on the screen."""
        self._happen(self.telephony.hang_up_call(call, self.now()), ender=Ender.HAND)

    def far_end(self, cause: Cause, call: PhoneCall) -> None:
        """The far end of a call hangs up now."""
        self._happen(self.telephony.end(call, cause, self.now()))

    def restart_by_host(self, seconds: float) -> None:
        """A host has it restart. Of a call that began while nobody could ask it no host knows."""
        for call in self.telephony.live:
            if self.ailment is None or self.record(call).created < self.ailing_since:
                self.calls_cut.append(self.ref(call))
        self.restart(seconds)

    def restart(self, seconds: float) -> None:
        """The phone restarts: its calls are over and forgotten, and it is back after a while."""
        if self.ailment is not None and Rung.REBOOT in MENDED_BY[self.ailment]:
            self.ailment = None
        for call in self.telephony.live:
            record = self.record(call)
            record.ended, record.ender, record.reason = self.now(), Ender.LOST, EndReason.PHONE_LOST
        self.telephony.reset()
        if self._shell is not None:
            self._shell.screens.restart()
        self._noted = None
        self._boots += 1
        self.boot = f"{BOOT}{self._boots}"
        self._booted = self.now()
        self.book.fault("phone restarted", self.name, self.now(), self.now() + seconds)
        self.unplug(dead=True)
        asyncio.get_running_loop().call_later(seconds, self.plug, context=Context())

    def ail(self, ailment: Ailment) -> None:
        """From now on no host reaches it, until something mends it. Its calls go on."""
        self.ailment, self.ailing_since = ailment, self.now()
        self.wire.cut()
        seconds, link, detail = FOUND_OUT[ailment]

        def found_out() -> None:
            if self.ailment is ailment and self.plugged:
                for watcher in list(self._watchers):
                    watcher.link(link, detail)

        asyncio.get_running_loop().call_later(seconds, found_out, context=Context())

    def treat(self, rung: Rung) -> None:
        """A host does this about it."""
        if self.ailment is not None and rung in MENDED_BY[self.ailment]:
            self.mend()

    def mend(self) -> None:
        """Nothing ails it any more."""
        self.ailment = None
        if self.plugged:
            for watcher in list(self._watchers):
                watcher.link(Link.ONLINE)

    def unplug(self, *, dead: bool = False) -> None:
        self.plugged = False
        self.wire.cut(dead=dead)
        for watcher in list(self._watchers):
            watcher.link(Link.ABSENT)

    def plug(self) -> None:
        if self.plugged:
            return
        self.plugged = True
        ailment = None if self.ailment in OF_ITS_CONNECTION else self.ailment
        if ailment is None:
            self.mend()
        else:
            self.ail(ailment)

    def step_clock(self, seconds: float) -> None:
        """Somebody, or the network, sets the phone's clock."""
        self._wrong.append((self.now(), self._wrong[-1][1] + seconds))

    # --- who listens

    def attach(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    def detach(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def record(self, call: PhoneCall) -> DeviceCall:
        """What is written down of a call."""
        return self._records[self.ref(call)]

    # --- inside

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def ref(self, call: PhoneCall) -> str:
        return f"{self.boot}/{call.id}"

    def _happen(
        self, happened: list[Happened], source: Source = Source.HAND, *, ender: Ender = Ender.REMOTE,
        call_id: str | None = None,
    ) -> None:  # fmt: skip
        for one in happened:
            self._write_down(one, source, ender, call_id)
            for watcher in list(self._watchers):
                watcher.hear(one)
        if self._timer is not None:
            self._timer.cancel()
        due = self.telephony.next_due()
        loop = asyncio.get_running_loop()  # the network goes on whatever becomes of the host that dialled
        self._timer = None if due is None else loop.call_at(due, self._advance, context=Context())

    def _advance(self) -> None:
        self._happen(self.telephony.advance(self.now() + 1e-6))

    def _write_down(self, one: Happened, source: Source, ender: Ender, call_id: str | None) -> None:
        call, ref = one.call, self.ref(one.call)
        if ref not in self._records:
            self._records[ref] = DeviceCall(
                line=self.name, ref=ref, number=call.number, source=source, created=self.now(), call_id=call_id
            )
            self.book.calls.append(self._records[ref])
        record = self._records[ref]
        match one.event:
            case "ALERTING":
                record.rung = self.now()
            case "SET_ACTIVE" if record.answered is None:
                record.answered = self.now()
            case "SET_DISCONNECTED":
                record.ended, record.ender = self.now(), ender
                record.reason, record.cause = why(call.cause)

    def _its_time(self, at: float) -> float:
        """The time of day by the phone's clock at a moment."""
        return (at + next(wrong for since, wrong in reversed(self._wrong) if since <= at)) % DAY

    def _aged(self, call: PhoneCall, clock: Clock, memory: Memory | None) -> Aged:
        events = [(name, self._its_time(at)) for at, name, _ in call.events]
        return ages_of(call.id, events, "", clock, memory)

    def _live(self, call: PhoneCall, aged: Aged) -> LiveCall:
        return LiveCall(
            ref=self.ref(call),
            phase=PHASE[call.state],
            created_age=max(aged.ages, default=0.0),
            answered_age=_age(call, "SET_ACTIVE", aged),
            incoming=call.incoming,
            held=call.state is State.ON_HOLD,
            suspect=aged.suspect,
        )

    def _past(self, call: PhoneCall, aged: Aged) -> PastCall:
        reason, cause = why(call.cause)
        return PastCall(
            ref=self.ref(call),
            created_age=max(aged.ages, default=0.0),
            answered_age=_age(call, "SET_ACTIVE", aged),
            ended_age=_age(call, "SET_DISCONNECTED", aged) or 0.0,
            reason=reason,
            cause=cause,
            incoming=call.incoming,
            suspect=aged.suspect,
        )


def _age(call: PhoneCall, event: str, aged: Aged) -> float | None:
    """How long ago an event was for the first time."""
    return next((age for (_, name, _), age in zip(call.events, aged.ages, strict=True) if name == event), None)


def why(cause: Cause | None) -> tuple[EndReason, str]:
    """A cause in our words, and the phone's own text."""
    if cause is None:
        return EndReason.UNKNOWN, ""
    return REASON.get(cause.code, EndReason.UNKNOWN), cause.reason
