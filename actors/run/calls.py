"""Calls in apps: the platform's rules and record around the one tap by which a script places them.

The rules are asked and the attempt is on record before anything is tapped. Then the screen is looked at once more,
since that took time, and what is to be tapped is tapped once. Whatever becomes of it, the call has one end on record.
"""

from collections.abc import Awaitable, Callable

import structlog

from actors.call.actor import CallActor
from actors.dialing.slot_dialer import SlotDialer
from actors.run.machine import CarryOut, call_command
from actors.run.record import Run
from actors.run.rights import rights_now
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.script.effects import Back, Done, Dump, Looked, NotDone, PlaceCall, RunCommand, TapAt
from actors.script.engine import still_placed
from actors.script.program import Program
from actors.script.tree import Seen, Tree
from actors.slot.actor import SlotActor
from actors.slot.phone import PhoneError
from actors.slot.screen import OnScreen
from actors.telephony.reports import DialFailed, InApp
from bus_schemas.call import EndReason, Phase
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action

log = structlog.get_logger()

AS_ITS_RUN = frozenset({Action.SLOT_USE_ANY.value, Action.SLOT_VIEW_ANY.value})  # which holds the slot already
CHANGED = "what begins the call is not on the screen any more"
UNSURE = "this host is not sure any more that it owns the slot"
NOT_ANY_MORE = "the call was refused: whoever asked for this run may not place calls any more"
BY_HAND = "it was ended before it was placed"
COMES, LOOK = 5.0, 0.05  # seconds for a call to take in what it is told, and between two looks
LOOKS = 3  # at the screen, where dumps of it fail
SPAN = "0000000000000001"
Touch = Callable[[OnScreen], Awaitable[Back]]


class InApps:
    """Places calls in apps for the runs of one host."""

    def __init__(self, *, host: Host, dialer: SlotDialer) -> None:
        self._host = host
        self._dialer = dialer

    async def place(self, run: Run, to: Program, order: CarryOut, slot: SlotActor, touch: Touch) -> Back:
        """Place one. `touch`: has the slot's screen do something. `NotDone` without `maybe`: nothing was tapped, and
        its end is on record, so that where the screen had `changed` another may be placed."""
        wanted, call_id = order.effect, order.call_id
        assert isinstance(wanted, PlaceCall) and call_id is not None
        trace = run.asked.trace_id
        context = Context(
            command_id=call_command(run, order.position), user=run.user, actions=AS_ITS_RUN,
            traceparent=f"00-{trace}-{SPAN}-01" if trace else None,
        )  # fmt: skip
        try:
            if not (await rights_now(self._host, run.user, retry=True)).may(Action.CALL_START):
                return NotDone(NOT_ANY_MORE, unplaced=True)
            new = await self._dialer.start_in_app(
                wanted.number, slot=run.asked.slot, app=wanted.app, run=run.asked.script_id, context=context
            )
        except Refusal as refusal:
            rule = (refusal.details or {}).get("rule")
            why = f"the call was refused{f' ({rule})' if rule else ''}: {refusal.message}"
            return NotDone(why, unplaced=refusal.code is not ErrorCode.UNAVAILABLE)  # then nobody knows
        if not new:
            return NotDone("this call was begun before", maybe=True)
        try:
            back = await self._tapped(to, order, slot, call_id, touch)
        except PhoneError as error:
            back = NotDone(str(error))
        await self._settle(call_id, wanted.app, touch, back)
        return back

    async def _tapped(self, to: Program, order: CarryOut, slot: SlotActor, call_id: str, touch: Touch) -> Back:
        """Look once more, and tap once."""
        tree = await self._seen(touch, compressed=order.position.compressed)
        there = still_placed(to, order.position, tree) if tree is not None else None
        try:
            stands = await slot.is_still_owned()
        except BusError:
            stands = False
        call = self._host.get(CallActor, call_id)
        if call is None or not call.to_be_dialled:
            return NotDone(BY_HAND)
        if there is None:
            return NotDone(CHANGED, changed=True)
        if not stands or not self._host.may_act:
            return NotDone(UNSURE)
        log.info("placing a call in an app", call_id=call_id, app=there.app)
        return await touch(TapAt(x=there.x, y=there.y))

    async def _seen(self, touch: Touch, *, compressed: bool) -> Tree | None:
        """The screen; a dump that fails is asked for the other way. None: it was not to be had."""
        for _ in range(LOOKS):
            looked = await touch(Dump(compressed=compressed))
            if isinstance(looked, Looked) and isinstance(looked.screen, Seen):
                return looked.screen.tree
            compressed = not compressed
        return None

    async def _settle(self, call_id: str, app: str, touch: Touch, back: Back) -> None:
        """Say on record what became of the tap. Where nobody knows, the app is ended, so that no call stays."""
        if isinstance(back, Done):
            return
        call = self._host.get(CallActor, call_id)
        assert isinstance(back, NotDone)
        if back.maybe:
            await touch(RunCommand(words=("am", "force-stop", app)))
            await self.tell(call_id, InApp(state="over", reason=EndReason.UNKNOWN, cause=back.why))
        elif call is not None:
            reason = EndReason.HANGUP_LOCAL if call.is_ending else EndReason.NOT_DIALED
            await self.tell(call_id, DialFailed(cause=back.why, reason=reason))

    async def tell(self, call_id: str, seen: InApp | DialFailed) -> None:
        """Tell a call what is seen of it, and wait until that is on record. One that is not here yet, since its host
        has just taken over, is waited for; one that never comes gives itself up."""
        until = self._host.clock.monotonic() + COMES
        told: CallActor | None = None
        while self._host.clock.monotonic() < until:
            call = self._host.get(CallActor, call_id)
            if call is not None and call.state is not None:
                phase = call.state.phase
                answered = isinstance(seen, InApp) and seen.state == "answered"
                if phase is Phase.ENDED or (answered and phase is Phase.CONNECTED):
                    return
                if call is not told:
                    call.tell(seen)
                    told = call
            await self._host.pause(LOOK)
