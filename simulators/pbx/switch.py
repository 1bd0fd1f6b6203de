"""A switch in simulated time: the PBX itself, over the carrier's rules.

It outlives a host's connection to it (`simulated_pbx.py`), and keeps its own log: the judge.
"""

import asyncio
from collections import Counter
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from actors.telephony.reports import CallPhase, CallSeen, CdrSeen, LiveCall, Look, OfLine
from actors.trunk.pbx import Originate, PbxLink, PbxRefused, PbxReport
from bus_schemas.call import EndReason
from simulators.carrier.rules import BUSY, INVALID, REJECTED, REMOTE, Cause, Plan, Step, plan_for
from simulators.device.chronicle import Chronicle, DeviceCall, Ender, Source
from simulators.device.wire import Impairments, Wire

REASON = {
    BUSY: EndReason.BUSY,
    INVALID: EndReason.INVALID_NUMBER,
    REJECTED: EndReason.REJECTED,
    REMOTE: EndReason.HANGUP_REMOTE,
}


WAITS = 4.0  # seconds for which whoever has answered waits to be joined to somebody


class Watcher(Protocol):
    """Who is connected to a switch."""

    def hear(self, report: PbxReport) -> None: ...


@dataclass
class SwitchCall:
    """One call on the switch."""

    id: str
    number: str
    plan: Plan
    created: float
    record: DeviceCall
    phase: CallPhase = CallPhase.DIALING
    answered: float | None = None
    timer: asyncio.TimerHandle | None = None
    waits: asyncio.TimerHandle | None = None  # whoever has answered, until nobody came


class Switch:
    """The PBX itself. `dials`: how often each number went out. `book`: where its calls are written down. `dead`:
    extensions of operators, or of slots, that nobody answers."""

    def __init__(self, *, book: Chronicle | None = None, impairments: Impairments | None = None) -> None:
        self.calls: dict[str, SwitchCall] = {}
        self.dials: Counter[str] = Counter()
        self.dead: set[str] = set()
        self.connected = True
        self.book = book if book is not None else Chronicle()
        self.wire = Wire(impairments)
        self._watchers: list[Watcher] = []

    # --- what hosts do to it

    def place(self, trunk: str, order: Originate) -> None:
        """Place a call. Raises PbxRefused for an id that is live."""
        if order.call_id in self.calls:
            raise PbxRefused("simulated: the id is in use")
        self.dials[order.number] += 1
        now = self.now()
        record = DeviceCall(
            line=f"trunk-{trunk}", ref=order.call_id, number=order.number, source=Source.ORDER, created=now,
            slot=order.slot, call_id=order.call_id,
        )  # fmt: skip
        self.book.calls.append(record)
        call = SwitchCall(order.call_id, order.number, plan_for(order.number), now, record)
        self.calls[order.call_id] = call
        self._next(call)

    def redirect(self, call_id: str, extension: str) -> None:
        """Take a call that waits to an extension; it is done however often it is asked for, as a PBX does. Raises
        PbxRefused for one that is not there."""
        call = self.calls.get(call_id)
        if call is None or call.answered is None:
            raise PbxRefused("simulated: no such channel")
        call.record.joined.append((self.now(), extension))
        if call.waits is not None:
            call.waits.cancel()
            call.waits = None
        if extension in self.dead:
            self.end(call_id, EndReason.EXTENSION_FAILED, "nobody answers there", Ender.HAND)

    def press_end(self, call_id: str) -> None:
        """A host asks for the end of a call."""
        self.end(call_id, EndReason.HANGUP_LOCAL, "asked", Ender.US)

    def look(self, call_id: str) -> Look:
        call = self.calls.get(call_id)
        return Look(live=() if call is None else (self.live(call),), past=())

    # --- what people and the network do to it

    def far_end(self, call_id: str, cause: Cause) -> None:
        """The far end of a call hangs up now."""
        self.end(call_id, REASON.get(cause, EndReason.NETWORK), cause.reason, Ender.REMOTE)

    def end(self, call_id: str, reason: EndReason, cause: str, ender: Ender) -> None:
        call = self.calls.pop(call_id, None)
        if call is None:
            return
        self._close(call, reason, cause, ender)
        billed = 0 if call.answered is None else int(self.now() - call.answered)
        self._say(
            CdrSeen(call_id=call_id, disposition="ANSWERED" if call.answered else "FAILED", billable_seconds=billed)
        )
        line = OfLine.FAILED if reason is EndReason.NETWORK and call.answered is None else OfLine.NONE
        self._say(CallSeen(ref=call_id, phase=CallPhase.DISCONNECTED, reason=reason, cause=cause, line=line))

    def hang_up_at_extension(self, call_id: str) -> None:
        """Whoever talks at the slot's extension hangs up."""
        self.end(call_id, EndReason.HANGUP_LOCAL, "the extension hung up", Ender.HAND)

    def cut(self, *, dead: bool = False) -> None:
        """The connection breaks; the calls go on, unless the PBX is dead."""
        self.connected = False
        self.wire.cut(dead=dead)
        for watcher in list(self._watchers):
            watcher.hear(PbxLink(up=False, detail="cut"))

    def mend(self) -> None:
        if self.connected:
            return
        self.connected = True
        for watcher in list(self._watchers):
            watcher.hear(self.link())

    def restart(self) -> None:
        """The process is killed: every call is gone."""
        self.cut(dead=True)
        for call in self.calls.values():
            self._close(call, EndReason.TRUNK_LOST, "restarted", Ender.LOST)
        self.calls.clear()

    # --- who listens

    def link(self) -> PbxLink:
        if not self.connected:
            return PbxLink(up=False, detail="cut")
        return PbxLink(up=True, live={id: self.live(call) for id, call in self.calls.items()})

    def live(self, call: SwitchCall) -> LiveCall:
        now = self.now()
        answered = None if call.answered is None else now - call.answered
        return LiveCall(ref=call.id, phase=call.phase, created_age=now - call.created, answered_age=answered)

    def attach(self, watcher: Watcher) -> None:
        if watcher not in self._watchers:
            self._watchers.append(watcher)

    def detach(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- inside

    def _close(self, call: SwitchCall, reason: EndReason, cause: str, ender: Ender) -> None:
        for timer in (call.timer, call.waits):
            if timer is not None:
                timer.cancel()
        record = call.record
        record.ended, record.ender, record.reason, record.cause = self.now(), ender, reason, cause

    def _next(self, call: SwitchCall) -> None:
        if call.plan:  # the network goes on whatever becomes of the host that dialled
            loop = asyncio.get_running_loop()
            call.timer = loop.call_at(call.created + call.plan[0].after, self._step, call, context=Context())

    def _wait(self, call: SwitchCall) -> asyncio.TimerHandle:
        over = partial(self.end, call.id, EndReason.EXTENSION_FAILED, "nobody was joined to it", Ender.HAND)
        return asyncio.get_running_loop().call_later(WAITS, over, context=Context())

    def _step(self, call: SwitchCall) -> None:
        planned, call.plan = call.plan[0], call.plan[1:]
        match planned.step:
            case Step.ALERT:
                call.phase, call.record.rung = CallPhase.ALERTING, self.now()
            case Step.ANSWER:
                call.phase, call.answered = CallPhase.ACTIVE, self.now()
                call.record.answered = call.answered
                if call.record.slot is None:
                    call.waits = self._wait(call)
                elif str(call.record.slot) in self.dead:
                    self._say(CallSeen(ref=call.id, phase=call.phase))
                    self.end(call.id, EndReason.EXTENSION_FAILED, "nobody answers there", Ender.HAND)
                    return
            case Step.END:
                assert planned.cause is not None
                self.far_end(call.id, planned.cause)
                return
        self._say(CallSeen(ref=call.id, phase=call.phase))
        self._next(call)

    def _say(self, report: PbxReport) -> None:
        if self.connected:
            for watcher in list(self._watchers):
                watcher.hear(report)
