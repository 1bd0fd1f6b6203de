"""Where calls through trunks begin on this host: the gate, the slot's extension, a trunk, the attempt. Serves
`DIAL_PBX` and its kin, and keeps the trunks of the settings."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from actors.call import gate
from actors.call.attempts import Attempts, Placed
from actors.call.gate import Number, Rules
from actors.call.machine import Attempt
from actors.call.switchboard import Limits
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import Page, ask
from actors.slot.actor import SlotActor
from actors.trunk.actor import TrunkActor
from actors.trunk.machine import BookTrunk, ConfigureTrunk, RemoveTrunk
from bus_schemas.call import Phase, state_of
from bus_schemas.contract import id_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import GET_SLOT, GetSlot
from bus_schemas.trunk import (
    DIAL_ON_TRUNK,
    TRUNK_CONFIGURED,
    DialPbx,
    PbxCallStarted,
    TrunkConfig,
    TrunkConfigured,
    TrunkState,
)
from bus_schemas.visibility import visible

NO_TRUNKS = Refusal(ErrorCode.NOT_FOUND, "There are no trunks here.")
NO_SLOT = Refusal(ErrorCode.NOT_FOUND, "No such slot.")
NEXT = frozenset({ErrorCode.CALL_FAILED, ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.NOT_FOUND})
BY_HEALTH = {TrunkState.OK: 0, TrunkState.WARN: 1, TrunkState.DOWN: 2}


class Exchange:
    """The trunks of one host. `recording`: the PBXs that have a place for recordings."""

    def __init__(
        self,
        *,
        host: Host,
        from_file: Iterable[TrunkConfig],
        rules: Rules,
        attempts: Attempts,
        limits: Limits,
        extension_calls: int,
        recording: frozenset[str],
    ) -> None:
        self._host = host
        self._from_file = tuple(config for config in from_file if config.host == host.name)
        self._rules = rules
        self._attempts = attempts
        self._limits = limits
        self._extension_calls = extension_calls
        self._recording = recording
        self._starting: Counter[int] = Counter()  # by slot: checked, and not on record yet

    async def start(self) -> None:
        """Own every trunk of this host, bring them up to date, and remove those that are no longer set."""
        wanted = {config.name: config for config in self._from_file}
        await self._host.activate_all("trunk", sorted({*wanted, *await self._on_record()}))
        context = Context(command_id=self._host.ids.new(), user="config")
        for actor in self._trunks():
            if actor.id in wanted:
                order = ConfigureTrunk(config=wanted[actor.id])
                await self._host.order("trunk", actor.id, order, _anew(context, actor.id))
            elif actor.state is not None and not actor.state.removed and not actor.state.calls:
                await self._host.order("trunk", actor.id, RemoveTrunk(), _anew(context, actor.id))

    # --- contract lines

    async def dial(self, request: DialPbx, context: Context) -> PbxCallStarted | Page:
        """Any host may be asked: a wanted trunk of another host is asked there."""
        if request.trunk != "AUTO" and self._host.get("trunk", request.trunk) is None:
            return await ask(self._host.bus, DIAL_ON_TRUNK, request, context)
        return await self.dial_here(request, context)

    async def dial_here(self, request: DialPbx, context: Context) -> Page:
        """Start a call through a trunk of this host. The same command under way twice is one start."""

        async def start(call_id: str) -> Placed:
            regions = {country for trunk in self._trunks() if trunk.state for country in trunk.state.config.countries}
            number = gate.canonical(request.to, self._rules, regions)
            await self._check_slot(request.slot, context)
            self._starting[request.slot] += 1
            try:
                self._attempts.count(context.user)
                trunk = await self._book(request, number, call_id, context)
                return await self._attempts.place(self._attempt(call_id, request.slot, number, trunk, context), context)
            finally:
                self._starting[request.slot] -= 1

        return await self._attempts.once(context, _answer, start)

    # --- the slot's extension

    async def _check_slot(self, slot: int, context: Context) -> None:
        owner = await self._owner_of(slot, context)
        if not visible("slot", owner, user=context.user, actions=context.actions):
            raise NO_SLOT
        if owner not in (None, context.user) and not context.may(Action.SLOT_USE_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=slot)
        live = sum(1 for call in self._attempts.live() if call.trunk is not None and call.slot == slot)
        if live + self._starting[slot] >= self._extension_calls:
            raise Refusal(ErrorCode.SLOT_BUSY, "The slot's extension is in a call.", slot=slot)

    async def _owner_of(self, slot: int, context: Context) -> str | None:
        actor = self._host.get("slot", str(slot))
        if isinstance(actor, SlotActor) and actor.state is not None:
            if actor.state.removed:
                raise NO_SLOT
            return actor.state.config.user
        seeing = msgspec.structs.replace(context, actions=context.actions | {Action.SLOT_VIEW})
        return (await ask(self._host.bus, GET_SLOT, GetSlot(slot=slot), seeing)).user

    # --- a trunk

    async def _book(self, request: DialPbx, number: Number, call_id: str, context: Context) -> TrunkActor:
        refusal = NO_TRUNKS
        for trunk in self._candidates(request.trunk):
            try:
                countries = gate.countries_of_trunk(frozenset(trunk.config.countries), self._rules)
                gate.check(number, countries, self._rules, self._host.clock.now())
                order = BookTrunk(call_id=call_id, slot=request.slot, user=context.user)
                await self._host.order("trunk", trunk.id, order, context)
            except Refusal as why:
                if request.trunk != "AUTO" or why.code not in NEXT:
                    raise
                refusal = why if refusal is NO_TRUNKS or why.code is ErrorCode.RATE_LIMITED else refusal
                continue
            return trunk
        raise refusal

    def _candidates(self, wanted: str) -> list[TrunkActor]:
        """The wanted trunk; for AUTO all, the healthiest first and among those the least loaded."""
        if wanted != "AUTO":
            actor = self._host.get("trunk", wanted)
            return [actor] if isinstance(actor, TrunkActor) else []

        def order(trunk: TrunkActor) -> tuple[int, float, str]:
            view = trunk.view
            return BY_HEALTH[view.state], view.calls / view.channels, view.name

        return sorted((trunk for trunk in self._trunks() if trunk.state and not trunk.state.removed), key=order)

    def _attempt(self, call_id: str, slot: int, number: Number, trunk: TrunkActor, context: Context) -> Attempt:
        config = trunk.config
        recorded = config.record and config.pbx in self._recording
        return Attempt(
            call_id=call_id,
            slot=slot,
            user=context.user,
            number=number.e164,
            command_id=context.command_id,
            ring_timeout=self._limits.ring_timeout,
            max_duration=self._limits.max_duration,
            trace_id=context.trace_id,
            trunk=config.name,
            recording=f"{config.pbx}/{call_id}.wav" if recorded else None,
        )

    # --- inside

    def _trunks(self) -> list[TrunkActor]:
        return [actor for actor in self._host.all("trunk") if isinstance(actor, TrunkActor)]

    async def _on_record(self) -> set[str]:
        names: set[str] = set()
        for subject in await self._host.bus.ids(TRUNK_CONFIGURED.pattern):
            newest = await self._host.bus.last(subject)
            if newest is None:
                continue
            if msgspec.json.decode(newest.data, type=TrunkConfigured).config.host == self._host.name:
                names.add(id_of(subject))
        return names


def _anew(context: Context, part: str) -> Context:
    return msgspec.structs.replace(context, command_id=f"{context.command_id}-{part}")


def _answer(placed: Placed) -> PbxCallStarted:
    return PbxCallStarted(
        call_id=placed.call_id, slot=placed.slot, trunk=placed.trunk or "", state=state_of(Phase.DIALING)
    )
