"""Where calls through trunks begin on this host: the rules, the slot's extension, a trunk, the attempt. Serves
`DIAL_PBX` and its kin."""

from typing import NamedTuple

import structlog

from actors.dialing import rules
from actors.dialing.attempts import COME_BACK, Attempts, StartedCall, Unowned, offer_taken
from actors.dialing.extensions import Extensions
from actors.dialing.gate import RULE as DO_NOT_CALL
from actors.dialing.gate import Gate
from actors.dialing.held_extensions import HeldExtensions
from actors.dialing.offers import Offers
from actors.dialing.pool_share import SHARE
from actors.dialing.slot_dialer import TOO_LATE
from actors.dialing.trunk_lines import BY_HEALTH, TrunkLines
from actors.dialing.trunk_pace import TrunkPace
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.peers import Peers
from actors.runtime.wire import Page, forward
from actors.telephony.numbers import Number
from actors.telephony.orders import Drop
from actors.trunk.actor import TrunkActor
from actors.trunk.machine import FULL, ChannelTaken, TakeChannel
from actors.trunk.registry import TrunkRegistry
from bus_schemas.call import Phase, state_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.host import DIAL_ON_HOST, DialOnHost, StartOffered
from bus_schemas.trunk import DIAL_ON_TRUNK, DialPbx, ExtensionHeld, PbxCallStarted

log = structlog.get_logger()

AUTO = "AUTO"
NO_TRUNKS = RefusalTemplate(ErrorCode.NOT_FOUND, "There are no trunks here.")
NEXT = frozenset({ErrorCode.CALL_FAILED, ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.NOT_FOUND})
OF_EVERY_TRUNK = (DO_NOT_CALL, "premium", SHARE)  # rules that say the same of all: of the number, or the slot


class TrunkCallRequest(NamedTuple):
    """A call that is to go out. `slot`: whose extension takes it; None: whoever answers waits to be joined to an
    operator. `trunk`: its name, or AUTO."""

    slot: int | None
    to: str
    trunk: str


class TrunkDialer:
    """Starts calls through the trunks of one host."""

    def __init__(
        self,
        *,
        host: Host,
        trunks: TrunkRegistry,
        gate: Gate,
        attempts: Attempts,
        extensions: Extensions,
        peers: Peers,
    ) -> None:
        self._peers = peers
        self._host = host
        self._trunks = trunks
        self._gate = gate
        self._rules = gate.rules
        self._attempts = attempts
        self._held = HeldExtensions(host=host, extensions=extensions, peers=peers)
        self._pace = TrunkPace(limits=attempts.limits, clock=host.clock)
        self.lines = TrunkLines(
            host=host, trunks=trunks, rules=gate.rules, pace=self._pace, extensions=extensions, held=self._held
        )
        self.offers = Offers(host=host, source=self.lines)

    # --- contract lines

    async def dial(self, request: DialPbx, context: Context) -> Page:
        """Any host may be asked. A wanted trunk of another host is asked there; AUTO goes on to the others where none
        of this host's trunks can carry the call."""
        if request.trunk != AUTO and self._host.get(TrunkActor, request.trunk) is None:
            return await self._on_its_host(request, context)
        try:
            return await self.dial_here(request, context)
        except Refusal as refusal:
            if request.trunk != AUTO or refusal.code not in NEXT or not _about_trunks(refusal):
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

        wanted = TrunkCallRequest(request.slot, request.to, request.trunk)
        return await self._attempts.once(context, _answer, lambda call_id: self._start(wanted, call_id, context))

    async def start_offered(self, request: StartOffered, context: Context) -> Page:
        """Start a call on a trunk that was offered. Whoever asks too late has been given up by who sent them."""
        line = request.line
        wanted = TrunkCallRequest(line.slot, request.number, line.trunk or AUTO)

        async def start(call_id: str) -> StartedCall:
            try:
                return await self._start(wanted, call_id, context, request)
            finally:
                self.offers.used(line, request.asker)

        return await self._attempts.once(context, offer_taken, start, limited=False)

    async def _start(
        self, wanted: TrunkCallRequest, call_id: str, context: Context, offered: StartOffered | None = None
    ) -> StartedCall:
        number = rules.canonical(wanted.to, self._rules, self._trunks.countries, field="to")
        held = await self._hold(wanted, call_id, context, offered)
        started: StartedCall | None = None
        try:
            trunk, taken = await self._take(wanted, number, call_id, context)
            if offered is not None and self._host.clock.now() > parse_utc(offered.until):
                trunk.tell(Drop(id=call_id))
                raise TOO_LATE()
            fences = (taken.fence,) if held is None else (taken.fence, (held.fence, held.seq))
            attempt = self._attempts.attempt(
                call_id,
                context,
                slot=wanted.slot,
                number=number.e164,
                trunk=trunk.id,
                recording=self._trunks.recording_of(trunk, call_id),
                ring_at_least=offered.ring_at_least if offered is not None else 0.0,
                operator=offered.operator if offered is not None else None,
            )
            unless = offered.unless if offered is not None else None
            started = await self._attempts.place(attempt, fences, context, unless)
        finally:
            if started is None and held is not None:
                await self._held.release(held.slot, call_id, context)
        return started

    async def _hold(
        self, wanted: TrunkCallRequest, call_id: str, context: Context, offered: StartOffered | None
    ) -> ExtensionHeld | None:
        """The extension that is to take the call. None: whoever answers waits."""
        if wanted.slot is None:
            return None
        instead = self.lines.name_of(offered.line) if offered is not None else None
        return await self._held.hold(wanted.slot, call_id, context, instead=instead, limited=offered is None)

    # --- a trunk

    async def _take(
        self, wanted: TrunkCallRequest, number: Number, call_id: str, context: Context
    ) -> tuple[TrunkActor, ChannelTaken]:
        refusal: Refusal | None = None
        for trunk in self._candidates(wanted.trunk):
            try:
                countries = rules.countries_of_trunk(frozenset(trunk.config.countries), self._rules)
                self._gate.check(number, countries, context.campaign)
                order = TakeChannel(call_id=call_id, slot=wanted.slot, user=context.user, number=number.e164)
                taken = await self._host.order(TrunkActor, trunk.id, order, context)
                self._count(trunk, call_id, context)
            except Refusal as why:
                if FULL.made(why):
                    self._pace.full(trunk, context.user)
                if wanted.trunk != AUTO or why.code not in NEXT:
                    raise
                refusal = why if refusal is None or why.code is ErrorCode.RATE_LIMITED else refusal
                continue
            return trunk, taken
        raise refusal or NO_TRUNKS()

    def _count(self, trunk: TrunkActor, call_id: str, context: Context) -> None:
        """Count the start against the trunk's calls per second, or let the channel go and raise Refusal."""
        try:
            self._pace.count(trunk, call_id, context.user, offered=context.campaign is not None)
        except Refusal:
            trunk.tell(Drop(id=call_id))
            raise

    def _candidates(self, wanted: str) -> list[TrunkActor]:
        """The wanted trunk; for AUTO all, the healthiest first and among those the least loaded."""
        if wanted != AUTO:
            actor = self._host.get(TrunkActor, wanted)
            return [actor] if actor is not None else []

        def order(trunk: TrunkActor) -> tuple[int, float, str]:
            view = trunk.view
            return BY_HEALTH[view.state], view.calls / view.channels, view.name

        here = self._trunks.all()
        usable = (trunk for trunk in here if trunk.state and not trunk.state.removed and not trunk.stands_in)
        return sorted(usable, key=order)


def _about_trunks(refusal: Refusal) -> bool:
    """Whether it was the trunks here that could not carry the call, so that those of another host may."""
    return (refusal.details or {}).get("rule") not in OF_EVERY_TRUNK and refusal.code is not ErrorCode.SLOT_BUSY


def _answer(started: StartedCall) -> PbxCallStarted:
    attempt = started.attempt
    assert attempt.slot is not None  # it was dialled from one
    return PbxCallStarted(
        call_id=attempt.call_id, slot=attempt.slot, trunk=attempt.trunk or "", state=state_of(Phase.DIALING)
    )
