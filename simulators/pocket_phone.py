"""A phone in simulated time: the `Phone` port straight over telephony and carrier, without sockets.

The handset outlives the host's connection to it, and keeps its own log: the judge.
"""

import asyncio
from collections.abc import Callable

from actors.slot.phone import (
    CallPhase,
    CallSeen,
    Health,
    HealthRead,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    PastCall,
    PhoneBusy,
    PhoneUncertain,
    PhoneUnreachable,
    Report,
    ShellResult,
)
from bus_schemas.call import EndReason
from simulators.carrier import Cause
from simulators.memory_bus import Step, no_step
from simulators.telephony import Happened, PhoneCall, State, Telephony

BOOT = "pocket"

PHASE = {
    State.CONNECTING: CallPhase.DIALING,
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


class Handset:
    """The phone itself. `dials`: every number it was ever told to call, in order."""

    def __init__(self) -> None:
        self.telephony = Telephony()
        self.dials: list[str] = []
        self.most_calls_at_once = 0
        self.plugged = True
        self._watchers: list[PocketPhone] = []
        self._timer: asyncio.TimerHandle | None = None

    def happened(self, happened: list[Happened]) -> None:
        self.most_calls_at_once = max(self.most_calls_at_once, len(self.telephony.live))
        for one in happened:
            for watcher in list(self._watchers):
                watcher.hear(one)
        if self._timer is not None:
            self._timer.cancel()
        due = self.telephony.next_due()
        loop = asyncio.get_running_loop()
        self._timer = None if due is None else loop.call_at(due, self._advance)

    def _advance(self) -> None:
        self.happened(self.telephony.advance(asyncio.get_running_loop().time() + 1e-6))

    def unplug(self) -> None:
        self.plugged = False
        for watcher in list(self._watchers):
            watcher.link(Link.ABSENT)

    def plug(self) -> None:
        self.plugged = True
        for watcher in list(self._watchers):
            watcher.link(Link.ONLINE)

    def attach(self, watcher: "PocketPhone") -> None:
        self._watchers.append(watcher)

    def detach(self, watcher: "PocketPhone") -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)


class PocketPhone:
    """One host's connection to a handset. `alive` says whether the host's process still exists; one that does not
    waits for `buried`."""

    def __init__(
        self, handset: Handset, *, alive: Callable[[], bool], buried: asyncio.Event, step: Step = no_step
    ) -> None:
        self._handset = handset
        self._alive = alive
        self._buried = buried
        self._step = step
        self._report: Callable[[Report], None] = lambda report: None

    def start(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._handset.attach(self)
        self.link(Link.ONLINE if self._handset.plugged else Link.ABSENT)
        self._say(HealthRead(health=Health(model="pocket", sim="READY", in_service=True)))

    async def close(self) -> None:
        self._handset.detach(self)

    async def dial(self, number: str, wanted: Callable[[], bool] = lambda: True) -> None:
        await self._pass("before dial")
        if not wanted():
            raise PhoneUnreachable("pocket: the order was withdrawn")
        if self._handset.telephony.live:
            raise PhoneBusy("pocket: the phone is in a call")
        self._handset.dials.append(number)
        self._handset.happened(self._handset.telephony.dial(number, self._now()))
        await self._pass("after dial", sent=True)

    async def hang_up(self, ref: str | None) -> None:
        await self._pass("before hang-up")
        self._handset.happened(self._handset.telephony.hang_up(self._now()))
        await self._pass("after hang-up", sent=True)

    async def look(self) -> Look:
        await self._pass("before look")
        now = self._now()
        past = [call for call in self._handset.telephony.history if call.state is State.DISCONNECTED]
        return Look(
            live=tuple(_live(live, now) for live in reversed(self._handset.telephony.live)),
            past=tuple(_past(call, now) for call in reversed(past)),
        )

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        await self._pass("before shell")
        return ShellResult(exit_code=0, output="", truncated=False)

    async def reboot(self) -> None:
        await self._pass("before reboot")

    async def reconnect(self) -> None:
        await self._pass("before reconnect")

    # --- from the handset

    def hear(self, happened: Happened) -> None:
        if not self._handset.plugged or happened.event in ("CREATED", "DESTROYED", "REQUEST_DISCONNECT"):
            return
        call = happened.call
        reason, cause = _why(call.cause) if call.state is State.DISCONNECTED else (None, "")
        phase = CallPhase.ALERTING if happened.event == "ALERTING" else PHASE[call.state]
        self._say(CallSeen(ref=_ref(call), phase=phase, reason=reason, cause=cause, incoming=call.incoming))

    def link(self, link: Link) -> None:
        self._say(LinkChanged(link=link))

    # --- inside

    def _say(self, report: Report) -> None:
        if self._alive():
            self._report(report)

    async def _pass(self, name: str, *, sent: bool = False) -> None:
        await self._step(name)
        if not self._alive():
            await self._buried.wait()
            raise PhoneUnreachable("pocket: the process was killed")
        if not self._handset.plugged:
            raise PhoneUncertain("pocket: no answer") if sent else PhoneUnreachable("pocket: unplugged")

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _ref(call: PhoneCall) -> str:
    return f"{BOOT}/{call.id}"


def _why(cause: Cause | None) -> tuple[EndReason, str]:
    if cause is None:
        return EndReason.UNKNOWN, ""
    return REASON.get(cause.code, EndReason.UNKNOWN), cause.reason


def _age(call: PhoneCall, event: str, now: float) -> float | None:
    return next((now - at for at, name, _ in call.events if name == event), None)


def _live(call: PhoneCall, now: float) -> LiveCall:
    return LiveCall(
        ref=_ref(call),
        phase=PHASE[call.state],
        created_age=now - call.created,
        answered_age=_age(call, "SET_ACTIVE", now),
        incoming=call.incoming,
    )


def _past(call: PhoneCall, now: float) -> PastCall:
    reason, cause = _why(call.cause)
    return PastCall(
        ref=_ref(call),
        created_age=now - call.created,
        answered_age=_age(call, "SET_ACTIVE", now),
        ended_age=_age(call, "SET_DISCONNECTED", now) or 0.0,
        reason=reason,
        cause=cause,
        incoming=call.incoming,
    )
