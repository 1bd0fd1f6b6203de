"""Where calls through trunks begin on this host: the gate, the slot's extension, a trunk, the attempt. Serves
`DIAL_PBX` and its kin, and keeps the trunks of the settings."""

import contextlib
from collections.abc import Iterable

import msgspec
import structlog

from actors.call import gate
from actors.call.attempts import COME_BACK, Attempts, Started, Unowned
from actors.call.gate import Number, Rules
from actors.call.line import Drop
from actors.call.machine import Attempt
from actors.call.switchboard import Limits, out_of_service
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.peers import Peers
from actors.runtime.wire import Page, ask, forward
from actors.slot.actor import SlotActor
from actors.trunk.actor import TrunkActor
from actors.trunk.extensions import Extensions
from actors.trunk.machine import ChannelTaken, ConfigureTrunk, RemoveTrunk, TakeChannel
from bus_schemas.call import Phase, state_of
from bus_schemas.contract import UNDECODABLE, id_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import DIAL_ON_HOST, DialOnHost
from bus_schemas.trunk import (
    DIAL_ON_TRUNK,
    HOLD_EXTENSION,
    TRUNK_CONFIGURED,
    DialPbx,
    ExtensionHeld,
    HoldExtension,
    PbxCallStarted,
    TrunkConfig,
    TrunkConfigured,
    TrunkState,
)

log = structlog.get_logger()

NO_TRUNKS = Refusal(ErrorCode.NOT_FOUND, "There are no trunks here.")
NEXT = frozenset({ErrorCode.CALL_FAILED, ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.NOT_FOUND})
BY_HEALTH = {TrunkState.OK: 0, TrunkState.WARN: 1, TrunkState.DOWN: 2}


Fences = tuple[tuple[str, int], ...]


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
        extensions: Extensions,
        recording: frozenset[str],
        peers: Peers,
    ) -> None:
        self._peers = peers
        self._host = host
        self._from_file = tuple(config for config in from_file if config.host == host.name)
        self._rules = rules
        self._attempts = attempts
        self._limits = limits
        self._extensions = extensions
        self._recording = recording
        self._names: tuple[str, ...] = ()  # of all trunks here
        self._unset: dict[str, TrunkConfig | None] = {}  # settings that wait for a trunk's calls to end; None: remove

    async def start(self) -> None:
        """Own every trunk of this host, bring them up to date, and remove those that are no longer set."""
        wanted = {config.name: config for config in self._from_file}
        await self._host.activate_all(TrunkActor, sorted(wanted), TrunkActor.move_here)
        await self._host.activate_all(TrunkActor, sorted(await self._on_record() - wanted.keys()))
        self._names = tuple(sorted(trunk.id for trunk in self._host.all(TrunkActor)))
        self._unset = {trunk.id: wanted.get(trunk.id) for trunk in self._trunks() if self._differs(trunk, wanted)}
        await self.bring_up_to_date()

    async def bring_up_to_date(self) -> None:
        """Apply settings that have not been yet. A trunk that carries calls is changed when they are over."""
        for name, config in list(self._unset.items()):
            trunk = self._host.get(TrunkActor, name)
            if trunk is None:
                continue
            order = RemoveTrunk() if config is None else ConfigureTrunk(config=config)
            try:
                await self._host.order(TrunkActor, name, order, Context(command_id=self._host.ids.new(), user="config"))
            except Refusal as refusal:
                log.info("settings of a trunk wait", trunk=name, why=refusal.message)
                continue
            del self._unset[name]

    def _differs(self, trunk: TrunkActor, wanted: dict[str, TrunkConfig]) -> bool:
        if trunk.state is None or trunk.state.removed:
            return trunk.id in wanted
        return trunk.state.config != wanted.get(trunk.id)

    # --- contract lines

    async def dial(self, request: DialPbx, context: Context) -> Page:
        """Any host may be asked. A wanted trunk of another host is asked there; AUTO goes on to the others where none
        of this host's trunks can carry the call."""
        if request.trunk != "AUTO" and self._host.get(TrunkActor, request.trunk) is None:
            return await self._on_its_host(request, context)
        try:
            return await self.dial_here(request, context)
        except Refusal as refusal:
            if request.trunk != "AUTO" or refusal.code not in NEXT or not _about_trunks(refusal):
                raise
            return await self._elsewhere(request, context, refusal)

    async def _on_its_host(self, request: DialPbx, context: Context) -> Page:
        trunk = request.trunk
        quarantined = self._peers.quarantine("trunk", trunk) is not None
        try:
            return await self._attempts.at_its_owner(DIAL_ON_TRUNK, request, context, _answer, retry=not quarantined)
        except Unowned as unowned:
            reason = self._peers.why_unowned("trunk", trunk, unowned.host)
            raise Refusal(
                ErrorCode.CALL_FAILED,
                f"Nothing was done: nobody serves the trunk now, since {reason}.",
                rule="trunk_down",
                trunk=trunk,
                host=unowned.host,
                reason=reason,
                retry_after=COME_BACK,
            ) from None

    async def _elsewhere(self, request: DialPbx, context: Context, refusal: Refusal) -> Page:
        for host in self._peers.others():
            try:
                wanted = DialOnHost(host=host, dial=request)
                return await forward(self._host.bus, DIAL_ON_HOST, wanted, context, retry=False)
            except Refusal as why:
                if why.code not in NEXT or not _about_trunks(why):
                    raise
        raise refusal

    async def dial_on_host(self, request: DialOnHost, context: Context) -> Page:
        """DIAL_PBX that another host has passed on."""
        return await self.dial_here(request.dial, context)

    async def dial_here(self, request: DialPbx, context: Context) -> Page:
        """Start a call through a trunk of this host. The same command under way twice is one start."""

        async def start(call_id: str) -> Started:
            regions = {country for trunk in self._trunks() if trunk.state for country in trunk.state.config.countries}
            number = gate.canonical(request.to, self._rules, regions)
            held = await self._hold_extension(request.slot, call_id, context)
            started: Started | None = None
            try:
                trunk, taken = await self._take(request, number, call_id, context)
                fences = (taken.fence, (held.fence, held.seq))
                attempt = self._attempt(call_id, request.slot, number, trunk, fences, context)
                started = await self._attempts.place(attempt, context)
            finally:
                if started is None:
                    await self._release_extension(held, call_id, context)
            return started

        return await self._attempts.once(context, _answer, start)

    # --- the slot's extension

    async def _hold_extension(self, slot: int, call_id: str, context: Context) -> ExtensionHeld:
        request = HoldExtension(slot=slot, call_id=call_id)
        if self._host.get(SlotActor, str(slot)) is not None:
            return await self._extensions.hold(request, context)
        try:
            return await ask(self._host.bus, HOLD_EXTENSION, request, context)
        except Refusal as refusal:
            host = (refusal.details or {}).get("host")
            if refusal.code is not ErrorCode.UNAVAILABLE or host is None:
                raise
        raise out_of_service(slot, host, self._peers.why_unowned("slot", str(slot), host))

    async def _release_extension(self, held: ExtensionHeld, call_id: str, context: Context) -> None:
        if held.host == self._host.name:
            await self._extensions.give_back(held.slot, call_id)
            return
        request = HoldExtension(slot=held.slot, call_id=call_id, release=True)
        with contextlib.suppress(Refusal):  # the promise runs out by itself
            await forward(self._host.bus, HOLD_EXTENSION, request, context, retry=False)

    # --- a trunk

    async def _take(
        self, request: DialPbx, number: Number, call_id: str, context: Context
    ) -> tuple[TrunkActor, ChannelTaken]:
        refusal = NO_TRUNKS
        for trunk in self._candidates(request.trunk):
            try:
                countries = gate.countries_of_trunk(frozenset(trunk.config.countries), self._rules)
                gate.check(number, countries, self._rules, self._host.clock.now())
                order = TakeChannel(call_id=call_id, slot=request.slot, user=context.user)
                taken = await self._host.order(TrunkActor, trunk.id, order, context)
                self._count(trunk, call_id, context)
            except Refusal as why:
                if request.trunk != "AUTO" or why.code not in NEXT:
                    raise
                refusal = why if refusal is NO_TRUNKS or why.code is ErrorCode.RATE_LIMITED else refusal
                continue
            return trunk, taken
        raise refusal

    def _count(self, trunk: TrunkActor, call_id: str, context: Context) -> None:
        """Count the start against the trunk's calls per second, or let the channel go and raise Refusal."""
        rate, caps, now = trunk.config.calls_per_second, self._attempts.caps, moment(self._host.clock)
        window = max(1.0, 1.0 / rate)
        if caps.starts(trunk.line, window, now) >= max(1, int(rate * window)):
            trunk.tell(Drop(call_id=call_id))
            raise Refusal(
                ErrorCode.RATE_LIMITED,
                "The trunk may not dial faster.",
                rule="trunk_calls_per_second",
                trunk=trunk.id,
                retry_after=caps.first_in(trunk.line, window, now),
            )
        caps.count(trunk.line, call_id, context.user, now)

    def _candidates(self, wanted: str) -> list[TrunkActor]:
        """The wanted trunk; for AUTO all, the healthiest first and among those the least loaded."""
        if wanted != "AUTO":
            actor = self._host.get(TrunkActor, wanted)
            return [actor] if actor is not None else []

        def order(trunk: TrunkActor) -> tuple[int, float, str]:
            view = trunk.view
            return BY_HEALTH[view.state], view.calls / view.channels, view.name

        usable = (trunk for trunk in self._trunks() if trunk.state and not trunk.state.removed and not trunk.stands_in)
        return sorted(usable, key=order)

    def _attempt(
        self, call_id: str, slot: int, number: Number, trunk: TrunkActor, fences: Fences, context: Context
    ) -> Attempt:
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
            fences=fences,
            trunk=config.name,
            recording=f"{config.pbx}/{call_id}.wav" if recorded else None,
        )

    # --- inside

    def _trunks(self) -> list[TrunkActor]:
        actors = (self._host.get(TrunkActor, name) for name in self._names)
        return [actor for actor in actors if actor is not None]

    async def _on_record(self) -> set[str]:
        """The trunks that the record gives to this host. One whose record cannot be read is named, and left alone."""
        names: set[str] = set()
        for subject in await self._host.bus.ids(TRUNK_CONFIGURED.pattern):
            newest = await self._host.bus.last(subject)
            if newest is None:
                continue
            try:
                config = msgspec.json.decode(newest.data, type=TrunkConfigured).config
            except UNDECODABLE as error:
                self._host.quarantine("trunk", id_of(subject), f"its record cannot be read: {error}")
                continue
            if config.host == self._host.name:
                names.add(id_of(subject))
        return names


def _about_trunks(refusal: Refusal) -> bool:
    """Whether it was the trunks here that could not carry the call, so that those of another host may."""
    return (refusal.details or {}).get("rule") != "do_not_call" and refusal.code is not ErrorCode.SLOT_BUSY


def _answer(started: Started) -> PbxCallStarted:
    return PbxCallStarted(
        call_id=started.call_id, slot=started.slot, trunk=started.trunk or "", state=state_of(Phase.DIALING)
    )
