"""Where calls begin on this host: the gate, a slot, the attempt. Serves `START_CALL` and its kin.

A call's id is derived from the command's id, so a repeated command meets its own first call: either the call is
still here, or its first write is fenced by the journal and the first answer is read from there.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Struct

from actors.call import gate
from actors.call.actor import CallActor
from actors.call.caps import Caps
from actors.call.gate import Number, Rules
from actors.call.line import Release, Settle
from actors.call.machine import Attempt
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.wire import Page, ask
from actors.slot.machine import Book, Booked
from actors.slot.pool import Pool
from bus_schemas.call import START_ON_SLOT, CallDialing, CallStarted, Phase, StartCall, state_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action

NO_IDLE_SLOT = Refusal(ErrorCode.SLOT_BUSY, "No idle slot: all of yours and of the shared pool are in use.")
NOT_FROM_HERE = Refusal(
    ErrorCode.CALL_FAILED, "Calls to this country are not allowed from any SIM here.", rule="country"
)
NOT_OURS_NOW = Refusal(ErrorCode.UNAVAILABLE, "This host is not sure that it owns its slots now. Try again.")
PASSING = frozenset({ErrorCode.SLOT_BUSY, ErrorCode.SLOT_OFFLINE, ErrorCode.UNAVAILABLE, ErrorCode.NOT_FOUND})


class Limits(Struct, frozen=True, kw_only=True):
    """What every call gets: seconds to ring and to talk, and calls an hour on one slot."""

    ring_timeout: float
    max_duration: float
    slot_calls_per_hour: int


class Switchboard:
    """Starts calls on the slots of one host."""

    def __init__(
        self,
        *,
        host: Host,
        pool: Pool,
        rules: Rules,
        caps: Caps,
        limits: Limits,
        regions: Callable[[], frozenset[str]],
    ) -> None:
        self._host = host
        self._pool = pool
        self._rules = rules
        self._caps = caps
        self._limits = limits
        self._regions = regions
        self._starting: dict[str, asyncio.Task[Page]] = {}

    async def start_call(self, request: StartCall, context: Context) -> CallStarted | Page:
        """Any host may be asked: a wanted slot of another host is asked there."""
        if request.slot != "AUTO" and self._host.get("slot", str(request.slot)) is None:
            return await ask(self._host.bus, START_ON_SLOT, request, context)
        return await self.start_here(request, context)

    async def start_here(self, request: StartCall, context: Context) -> CallStarted | Page:
        """Start a call on a slot of this host. The same command under way twice is one start."""
        call_id = derived("c", context.command_id)
        if (first := self._first_answer(call_id)) is not None:
            return first
        if (under_way := self._starting.get(call_id)) is None:
            under_way = self._starting[call_id] = self._host.spawn(self._start(request, call_id, context))
            under_way.add_done_callback(lambda _: self._starting.pop(call_id, None))
        return await asyncio.shield(under_way)

    async def _start(self, request: StartCall, call_id: str, context: Context) -> Page:
        if not self._host.may_act:
            raise NOT_OURS_NOW
        number = gate.canonical(request.number, self._rules, self._regions())
        self._caps.check(context.user, self._live_calls(context.user), self._host.clock.monotonic())
        booked = await self._book(request, number, call_id, context)
        started = await self._attempt(call_id, number, booked, context)
        actor = self._host.get("call", call_id)
        return Page(body=started, seq=actor.seq if actor else 0)

    def _first_answer(self, call_id: str) -> CallStarted | None:
        actor = self._host.get("call", call_id)
        if not isinstance(actor, CallActor) or actor.state is None:
            return None
        return CallStarted(call_id=call_id, slot=actor.state.slot, state=state_of(Phase.DIALING))

    def _live_calls(self, user: str) -> int:
        return sum(
            1
            for actor in self._host.all("call")
            if isinstance(actor, CallActor)
            and actor.state is not None
            and actor.state.user == user
            and actor.state.phase is not Phase.ENDED
        )

    # --- a slot

    async def _book(self, request: StartCall, number: Number, call_id: str, context: Context) -> Booked:
        if request.slot != "AUTO":
            self._check(number, self._region_of(request.slot))
            return await self._book_slot(request.slot, call_id, context)
        self._check(number, number.country)  # a SIM of that country is looked for below
        regions = gate.sim_regions_for(number, self._rules)
        last_refusal = NO_IDLE_SLOT
        while (place := self._pool.take(context.user, regions)) is not None:
            try:
                return await self._book_slot(place.slot, call_id, context)
            except Refusal as refusal:
                if refusal.code not in PASSING and refusal.code is not ErrorCode.RATE_LIMITED:
                    raise
                last_refusal = refusal if refusal.code is ErrorCode.RATE_LIMITED else last_refusal
        if regions is not None and not (regions & self._regions()):
            raise NOT_FROM_HERE
        raise last_refusal

    async def _book_slot(self, slot: int, call_id: str, context: Context) -> Booked:
        order = Book(
            call_id=call_id,
            user=context.user,
            any_slot=context.may(Action.SLOT_USE_ANY),
            per_hour=self._limits.slot_calls_per_hour,
        )
        booked: Booked = await self._host.order("slot", str(slot), order, context)
        return booked

    def _region_of(self, slot: int) -> str | None:
        actor = self._host.get("slot", str(slot))
        return actor.state.config.region if actor is not None and actor.state is not None else None

    def _check(self, number: Number, region: str | None) -> None:
        gate.check(number, region, self._rules, self._now())

    def _now(self) -> datetime:
        return self._host.clock.now()

    # --- the attempt

    async def _attempt(self, call_id: str, number: Number, booked: Booked, context: Context) -> CallStarted:
        attempt = Attempt(
            call_id=call_id,
            slot=booked.slot,
            user=context.user,
            number=number.e164,
            command_id=context.command_id,
            ring_timeout=self._limits.ring_timeout,
            max_duration=self._limits.max_duration,
            trace_id=context.trace_id,
            after_ref=booked.after_ref,
        )
        actor = await self._host.begin("call", call_id)
        try:
            started: CallStarted = await actor.order(attempt, context)
        except Refusal:
            return await self._not_written(call_id, booked)
        return started

    async def _not_written(self, call_id: str, booked: Booked) -> CallStarted:
        """The attempt was not written now, or nobody knows. If one of the same command is on record, that is the
        answer; the slot finds out what became of its booking, and nothing is dialled."""
        await self._host.release("call", call_id)
        dialing = await self._host.bus.last(f"ottb.v1.evt.call.{call_id}.dialing")
        first = msgspec.json.decode(dialing.data, type=CallDialing) if dialing is not None else None
        if first is not None and first.slot != booked.slot:
            self._host.tell("slot", str(booked.slot), Release(call_id=call_id))
        else:
            self._host.tell("slot", str(booked.slot), Settle(call_id=call_id))
        if first is None:
            raise Refusal(ErrorCode.TIMEOUT, "The attempt could not be recorded in time. Ask before repeating.")
        return CallStarted(call_id=call_id, slot=first.slot, state=state_of(Phase.DIALING))
