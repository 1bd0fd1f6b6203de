"""A PBX in simulated time: the `Pbx` port straight over the carrier, without sockets.

The switch outlives the host's connection to it, and keeps its own log: the judge.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from actors.slot.phone import CallPhase, CallSeen, LiveCall, Look
from actors.trunk.pbx import (
    CdrSeen,
    Originate,
    PbxLink,
    PbxRefused,
    PbxReport,
    PbxUncertain,
    PbxUnreachable,
)
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkConfig
from simulators.carrier import BUSY, INVALID, REJECTED, REMOTE, Cause, Plan, Step, plan_for
from simulators.memory_bus import Step as Pause
from simulators.memory_bus import no_step

REASON = {
    BUSY: EndReason.BUSY,
    INVALID: EndReason.INVALID_NUMBER,
    REJECTED: EndReason.REJECTED,
    REMOTE: EndReason.HANGUP_REMOTE,
}


@dataclass
class SwitchCall:
    """One call on the switch."""

    id: str
    number: str
    plan: Plan
    created: float
    phase: CallPhase = CallPhase.DIALING
    answered: float | None = None
    timer: asyncio.TimerHandle | None = None


class Switch:
    """The PBX itself. `dials`: how often each number went out."""

    def __init__(self) -> None:
        self.calls: dict[str, SwitchCall] = {}
        self.dials: Counter[str] = Counter()
        self.connected = True
        self._watchers: list[PocketPbx] = []

    def place(self, order: Originate) -> None:
        """Place a call. Raises PbxRefused for an id that is live."""
        if order.call_id in self.calls:
            raise PbxRefused("pocket: the id is in use")
        self.dials[order.number] += 1
        now = asyncio.get_running_loop().time()
        call = self.calls[order.call_id] = SwitchCall(order.call_id, order.number, plan_for(order.number), now)
        self._next(call)

    def end(self, call_id: str, reason: EndReason, cause: str) -> None:
        call = self.calls.pop(call_id, None)
        if call is None:
            return
        if call.timer is not None:
            call.timer.cancel()
        billed = 0 if call.answered is None else int(asyncio.get_running_loop().time() - call.answered)
        self._say(
            CdrSeen(call_id=call_id, disposition="ANSWERED" if call.answered else "FAILED", billable_seconds=billed)
        )
        self._say(CallSeen(ref=call_id, phase=CallPhase.DISCONNECTED, reason=reason, cause=cause))

    def cut(self) -> None:
        """The connection breaks; the calls go on."""
        self.connected = False
        for watcher in list(self._watchers):
            watcher.hear(PbxLink(up=False, detail="cut"))

    def mend(self) -> None:
        self.connected = True
        for watcher in list(self._watchers):
            watcher.hear(self.link())

    def restart(self) -> None:
        """The process is killed: every call is gone."""
        self.cut()
        for call in self.calls.values():
            if call.timer is not None:
                call.timer.cancel()
        self.calls.clear()

    def link(self) -> PbxLink:
        if not self.connected:
            return PbxLink(up=False, detail="cut")
        return PbxLink(up=True, live={id: self.live(call) for id, call in self.calls.items()})

    def live(self, call: SwitchCall) -> LiveCall:
        now = asyncio.get_running_loop().time()
        answered = None if call.answered is None else now - call.answered
        return LiveCall(ref=call.id, phase=call.phase, created_age=now - call.created, answered_age=answered)

    def attach(self, watcher: "PocketPbx") -> None:
        if watcher not in self._watchers:
            self._watchers.append(watcher)

    def _next(self, call: SwitchCall) -> None:
        if call.plan:
            loop = asyncio.get_running_loop()
            call.timer = loop.call_at(call.created + call.plan[0].after, self._step, call)

    def _step(self, call: SwitchCall) -> None:
        planned, call.plan = call.plan[0], call.plan[1:]
        match planned.step:
            case Step.ALERT:
                call.phase = CallPhase.ALERTING
            case Step.ANSWER:
                call.phase, call.answered = CallPhase.ACTIVE, asyncio.get_running_loop().time()
            case Step.END:
                cause: Cause | None = planned.cause
                reason = REASON.get(cause, EndReason.NETWORK) if cause is not None else EndReason.UNKNOWN
                self.end(call.id, reason, cause.reason if cause is not None else "")
                return
        self._say(CallSeen(ref=call.id, phase=call.phase))
        self._next(call)

    def _say(self, report: PbxReport) -> None:
        if self.connected:
            for watcher in list(self._watchers):
                watcher.hear(report)


class PocketPbx:
    """One host's connection to a switch. `alive` says whether the host's process still exists; one that does not
    waits for `buried`."""

    def __init__(
        self, switch: Switch, *, alive: Callable[[], bool], buried: asyncio.Event, step: Pause = no_step
    ) -> None:
        self._switch = switch
        self._alive = alive
        self._buried = buried
        self._step = step
        self._reports: dict[str, Callable[[PbxReport], None]] = {}

    def attach(self, trunk: TrunkConfig, report: Callable[[PbxReport], None]) -> None:
        self._reports[trunk.name] = report
        self._switch.attach(self)
        if self._alive():
            report(self._switch.link())

    def detach(self, trunk: str) -> None:
        self._reports.pop(trunk, None)

    async def originate(self, trunk: TrunkConfig, order: Originate) -> None:
        await self._pass("before originate")
        self._switch.place(order)
        await self._pass("after originate", sent=True)

    async def hang_up(self, call_id: str) -> None:
        await self._pass("before hang-up")
        self._switch.end(call_id, EndReason.HANGUP_LOCAL, "asked")
        await self._pass("after hang-up", sent=True)

    async def look(self, call_id: str) -> Look:
        await self._pass("before look")
        call = self._switch.calls.get(call_id)
        return Look(live=() if call is None else (self._switch.live(call),), past=())

    def hear(self, report: PbxReport) -> None:
        if self._alive():
            for tell in list(self._reports.values()):
                tell(report)

    async def _pass(self, name: str, *, sent: bool = False) -> None:
        await self._step(name)
        if not self._alive():
            await self._buried.wait()
            raise PbxUnreachable("pocket: the process was killed")
        if not self._switch.connected:
            raise PbxUncertain("pocket: no answer") if sent else PbxUnreachable("pocket: cut")
