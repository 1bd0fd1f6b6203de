"""The extensions of this host's slots: a call through a trunk, whichever host's, also holds the extension of its slot.

The slot's owner gives an extension away in memory, and what it knows follows from the journal: a call on record holds
it until it is over, one that was promised it until its attempt is on record or cannot be any more. Against a promise
that nobody remembers stands the attempt itself: whoever was promised an extension by an owner that has lost the slot
meanwhile, or has begun it afresh, finds the slot's new barrier after its claim and does not dial; a new owner reads
what was claimed before its barrier.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from actors.dialing.pool_share import PoolShare
from actors.runtime.actor import QUARANTINED
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from bus_schemas.call import CALL_ADOPTED, CALL_DIALING, CALL_ENDED, CALL_ENRICHED, OPEN_CALLS, OpenCalls
from bus_schemas.contract import ROOT, verb_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT
from bus_schemas.trunk import ExtensionHeld, HoldExtension

NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")
log = structlog.get_logger()

LOOK_PAUSE = 1.0  # seconds from one look of a user's at what is over to the next
PROMISED_FOR = 30.0  # seconds in which an attempt gets on record, or never does


@dataclass
class Promise:
    """An extension is held for a call: `since` when (seconds, monotonic), and the processes that start it now. The same
    command may be under way on several. `user`: whose call; None: it is one that is offered."""

    since: float
    starters: set[str] = field(default_factory=set)
    user: str | None = None


class Extensions:
    """Who holds the extensions of the slots of one host."""

    def __init__(self, *, host: Host, calls_at_once: int, share: PoolShare) -> None:
        self._host = host
        self._share = share
        self._known: dict[int, tuple[str, int]] = {}  # slots of the pool: the fence under which their users were read
        self._looked: dict[str, float] = {}  # by user: when it was last asked which of their calls are over
        self.calls_at_once = calls_at_once
        self._held: dict[int, dict[str, Promise]] = {}  # slot: call
        self._read: dict[int, tuple[str, int]] = {}  # slot: the fence under which its calls were read
        self._locks: dict[int, asyncio.Lock] = {}

    async def hold(self, request: HoldExtension, context: Context) -> ExtensionHeld:
        """Promise the extension of a slot to a call, or let it go again. Raises Refusal."""
        slot = self._slot(request.slot, context)
        if request.release:
            await self.give_back(request)
        elif slot.stands_in:
            raise QUARANTINED()
        else:
            async with self._locks.setdefault(request.slot, asyncio.Lock()):
                await self._hold(slot, request, context)
        subject, seq = slot.fence
        return ExtensionHeld(slot=request.slot, host=self._host.name, fence=subject, seq=seq)

    def owner_of(self, slot: int) -> str | None:
        """Whose a slot is; None: nobody's, or it is not here."""
        actor = self._host.get(SlotActor, str(slot))
        return actor.state.config.user if actor is not None and actor.state is not None else None

    def may_take(self, slot: int, context: Context) -> bool:
        """Whether somebody's call could have an extension now, as far as is known without asking; of a slot that is
        not here nothing is."""
        if self._host.get(SlotActor, str(slot)) is None:
            return True
        try:
            self._slot(slot, context)
        except Refusal:
            return False
        return len(self._held.get(slot, ())) < self.calls_at_once

    def release(self, slot: int, call_id: str) -> None:
        """The call is over."""
        self._held.get(slot, {}).pop(call_id, None)

    async def give_back(self, request: HoldExtension) -> None:
        """A start came to nothing. The same command may be under way elsewhere, or be on record: then its call holds
        the extension. Where that cannot be asked, the promise runs out by itself."""
        slot, call_id = request.slot, request.call_id
        promise = self._held.get(slot, {}).get(call_id)
        if promise is None:
            return
        promise.starters.discard(request.by)
        if promise.starters:
            return
        try:
            dialing = await self._host.bus.last(f"{ROOT}.evt.call.*.{call_id}.{CALL_DIALING.verb}", certain=True)
            if dialing is None and not promise.starters:  # nobody has begun to start it meanwhile either
                self.release(slot, call_id)
        except BusError as error:
            log.info("an extension could not be given back", slot=slot, call_id=call_id, error=repr(error))

    def _slot(self, number: int, context: Context) -> SlotActor:
        slot = self._host.get(SlotActor, str(number))
        if slot is None or slot.state is None or slot.state.removed:
            raise NO_SLOT()
        owner = slot.state.config.user
        if not SLOT.visible(owner, user=context.user, actions=context.actions):
            raise NO_SLOT()
        if owner not in (None, context.user) and not context.may(Action.SLOT_USE_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=number)
        return slot

    async def _hold(self, slot: SlotActor, request: HoldExtension, context: Context) -> None:
        if self._read.get(request.slot) != slot.fence:
            await self._read_calls(request.slot, context)
            self._read[request.slot] = slot.fence
        held = self._held.setdefault(request.slot, {})
        if request.instead is not None:
            held.pop(request.instead, None)
        if len(held.keys() - {request.call_id}) >= self.calls_at_once:
            await self._let_go_of_what_is_over(held)
        if len(held.keys() - {request.call_id}) >= self.calls_at_once:
            raise Refusal(ErrorCode.SLOT_BUSY, "The slot's extension is in a call.", slot=request.slot)
        if request.limited and request.call_id not in held and self._share.is_pooled(request.slot):
            await self._within_share(request.slot, context)  # from its last look to the promise nobody else comes in
        promise = held.setdefault(request.call_id, Promise(0.0))
        promise.user = context.user if request.limited or request.instead is not None else promise.user
        promise.since = self._host.clock.monotonic()
        promise.starters.add(request.by)

    async def _read_calls(self, slot: int, context: Context) -> None:
        """The calls on record for the extension, as of now: this owner's barriers are older."""
        seen = Context(command_id=context.command_id, after=await self._host.bus.last_seq())
        found = await ask(self._host.bus, OPEN_CALLS, OpenCalls(slot=slot), seen)
        held, now = self._held.setdefault(slot, {}), self._host.clock.monotonic()
        for call in found:  # beside those promised it before: their attempts may be on their way
            if call.trunk is not None:
                held.setdefault(call.call_id, Promise(now, user=call.user))

    # --- the share of the pool

    def held_by(self, user: str) -> set[int]:
        """The slots whose extensions are held for a user's calls."""
        return {slot for slot, held in self._held.items() if any(one.user == user for one in held.values())}

    async def _within_share(self, slot: int, context: Context) -> None:
        """Raise Refusal where the extension is beyond the user's share of the pool."""
        await self._read_users(context)
        user, now = context.user, self._host.clock.monotonic()
        if self._share.extension_left(user, slot):
            return
        self._looked = {one: since for one, since in self._looked.items() if since > now - LOOK_PAUSE}
        if user not in self._looked:  # of calls through trunks of other hosts nobody tells that they are over
            self._looked[user] = now
            for one in self.held_by(user):
                await self._let_go_of_what_is_over(self._held.get(one, {}))
        if not self._share.extension_left(user, slot):
            raise self._share.extensions_held()

    async def _read_users(self, context: Context) -> None:
        """Whose calls are on record for the extensions of the pool, unless that is known of this owner's."""
        fences = {int(slot.id): slot.fence for slot in self._share.pooled()}
        if fences.items() <= self._known.items():
            return
        seen, now = Context(command_id=context.command_id, after=await self._host.bus.last_seq()), self._host.clock
        for call in await ask(self._host.bus, OPEN_CALLS, OpenCalls(), seen):
            if call.trunk is not None and call.slot in fences:
                held = self._held.setdefault(call.slot, {})
                held.setdefault(call.call_id, Promise(now.monotonic(), user=call.user))
        self._known = fences

    async def _let_go_of_what_is_over(self, held: dict[str, Promise]) -> None:
        """Asked of the journal itself, and only when an extension seems to be in use, or a share used up."""
        for call_id, promise in list(held.items()):
            if await self._is_over(call_id, self._host.clock.monotonic() - promise.since):
                held.pop(call_id, None)

    async def _is_over(self, call_id: str, age: float) -> bool:
        """Whether a call is over, or can no longer begin: its attempt is void, or was promised too long ago."""
        scope = f"{ROOT}.evt.call.*.{call_id}"
        last = await self._host.bus.last(f"{scope}.>", certain=True)
        if last is None:
            return age > PROMISED_FOR
        verb = verb_of(last.subject)
        if verb != CALL_ADOPTED.verb:
            return verb in (CALL_ENDED.verb, CALL_ENRICHED.verb)
        if await self._host.bus.last(f"{scope}.{CALL_ENDED.verb}", certain=True) is not None:  # taken over all the same
            return True
        # Taken over, or made void: then no attempt was before it, and none can follow.
        return await self._host.bus.last(f"{scope}.{CALL_DIALING.verb}", certain=True) is None
