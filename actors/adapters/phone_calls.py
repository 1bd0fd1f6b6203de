"""The calls of one phone, as they were told. A call moves forward only, so news that are late change nothing."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from actors.adapters import android
from actors.telephony.reports import CallPhase, CallSeen, HoldSeen, Look, newer
from bus_schemas.call import EndReason

REMEMBERED_CALLS = 32
ORDER = {CallPhase.DIALING: 0, CallPhase.ALERTING: 1, CallPhase.ACTIVE: 2, CallPhase.DISCONNECTED: 3}


def _number(ref: str) -> int:
    return int(ref.rpartition("@")[2])


class PhoneCalls:
    """What is known of a phone's calls; `tell` hears what is new. `boot`: what the names of this boot's calls begin
    with. `ordered`: when the phone was told to dial a call that has not appeared yet. `are_up`: whether any is."""

    def __init__(self, tell: Callable[[CallSeen | HoldSeen], None]) -> None:
        self.boot = ""
        self.ordered: float | None = None
        self.are_up = asyncio.Event()
        self._tell = tell
        self._phases: OrderedDict[str, CallPhase] = OrderedDict()
        self._incoming: set[str] = set()
        self._asking: set[str] = set()  # they wait for somebody to choose a SIM
        self._held: set[str] = set()

    def begin_boot(self, boot: str) -> bool:
        """The phone is in this boot. Gives whether that is new: a restart ends every order."""
        first, self.boot = boot != self.boot, boot
        if first:
            self.ordered = None
        return first

    def read_line(self, line: str, boot: str) -> None:
        """A line of the phone's log. `boot`: what the names of the calls of that log begin with. Of an earlier one it
        is none of ours: after a restart the phone counts its calls afresh."""
        if boot != self.boot:
            return
        logged = android.parse_log_line(line)
        if logged is None:
            if android.says_alerting(line) and (ref := self.dialled()):
                self.move(ref, CallPhase.ALERTING)
            return
        ref = f"{self.boot}/{logged.call}"
        phase = android.PHASE_OF_EVENT.get(logged.event)
        if ref in self._asking and logged.event in ("SET_DISCONNECTED", "DESTROYED"):
            self.move(ref, CallPhase.DISCONNECTED, EndReason.PHONE_ASKS_FOR_SIM, android.NOT_CHOSEN)
            return
        if phase is None:
            return
        reason, cause = android.end_of(logged.data) if phase is CallPhase.DISCONNECTED else (None, "")
        asks, incoming = logged.event == android.SET_ASKS, logged.event == "SET_RINGING"
        self.move(ref, phase, reason, cause, asks=asks, incoming=incoming)
        self._hold(ref, held=logged.event == android.SET_HOLD)

    def note(self, look: Look, *, first: bool) -> None:
        """Bring what was told up to date with what the phone says. `first` of a boot: what was over is no news."""
        for past in reversed(look.past):
            if first and past.ref not in self._phases:
                self._phases[past.ref] = CallPhase.DISCONNECTED
            elif past.ref in self._phases or self._is_new(past.ref):
                of_it: dict[str, Any] = {"suspect": past.suspect, "incoming": past.incoming}
                if past.answered_age is not None:
                    self.move(past.ref, CallPhase.ACTIVE, age=past.answered_age, **of_it)
                self.move(past.ref, CallPhase.DISCONNECTED, past.reason, past.cause, age=past.ended_age, **of_it)
        for live in reversed(look.live):
            answered = live.answered_age if live.phase is CallPhase.ACTIVE else None
            self.move(
                live.ref, live.phase, age=answered or 0.0, suspect=live.suspect, asks=live.asks, incoming=live.incoming
            )
            self._hold(live.ref, held=live.held)

    def _hold(self, ref: str, *, held: bool) -> None:
        """A call is on hold, or not; tell it if that is new, and it is up."""
        if held is not (ref in self._held):
            (self._held.add if held else self._held.discard)(ref)
            if ref in self.live():
                self._tell(HoldSeen(ref=ref, held=held))

    def move(
        self,
        ref: str,
        phase: CallPhase,
        reason: EndReason | None = None,
        cause: str = "",
        *,
        age: float = 0.0,
        suspect: bool = False,
        asks: bool = False,
        incoming: bool = False,
    ) -> None:
        """A call is in this phase now: tell it, if that is further than it was, or it asks for a SIM by now. That it is
        `incoming` needs to be said once only."""
        if incoming:
            self._incoming.add(ref)
        before = self._phases.get(ref)
        began_to_ask = asks and ref not in self._asking and before in (None, CallPhase.DIALING)
        (self._asking.add if asks else self._asking.discard)(ref)
        if before is not None and ORDER[phase] <= ORDER[before] and not began_to_ask:
            return
        self._phases[ref] = phase
        self._forget()
        incoming = ref in self._incoming
        if before is None and not incoming:
            self.ordered = None
        self._tell(
            CallSeen(
                ref=ref, phase=phase, reason=reason, cause=cause, incoming=incoming, age=age, suspect=suspect, asks=asks
            )
        )  # fmt: skip
        if self.live():
            self.are_up.set()
        else:
            self.are_up.clear()

    def _forget(self) -> None:
        while len(self._phases) > REMEMBERED_CALLS:
            forgotten, _ = self._phases.popitem(last=False)
            self._incoming.discard(forgotten)
            self._asking.discard(forgotten)
            self._held.discard(forgotten)

    def live(self) -> list[str]:
        """The calls that are up, as far as was told."""
        return [
            ref
            for ref, phase in self._phases.items()
            if phase is not CallPhase.DISCONNECTED and ref.startswith(f"{self.boot}/")
        ]

    def dialing(self) -> str | None:
        """A call of which nobody knows yet whether it rings."""
        return next((ref for ref in self.live() if self._phases[ref] is CallPhase.DIALING), None)

    def dialled(self) -> str | None:
        """The call that is being dialled, where there is only one: then what the radio says of the foreground is of
        this one."""
        outgoing = [ref for ref in self.live() if ref not in self._incoming]
        dialled = [ref for ref in outgoing if self._phases[ref] in (CallPhase.DIALING, CallPhase.ALERTING)]
        return dialled[0] if len(dialled) == 1 else None

    def _is_new(self, ref: str) -> bool:
        """Whether a call that nobody told of began after the first look, of which every call is remembered. It need
        not be the newest: while it came and went unheard, another may be up."""
        of_this_boot = [known for known in self._phases if known.startswith(f"{self.boot}/")]
        return not of_this_boot or newer(ref, min(of_this_boot, key=_number))
