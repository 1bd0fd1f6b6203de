"""Where calls on phones begin on this host: the rules, a slot, the attempt. Serves `START_CALL` and its kin."""

from collections.abc import Collection

from actors.dialing import rules
from actors.dialing.attempts import COME_BACK, Attempts, StartedCall, Unowned, offer_taken
from actors.dialing.gate import UNKNOWN, Gate
from actors.dialing.limits import HOUR
from actors.dialing.offers import IdleSlots, Offers, is_of
from actors.dialing.pool_share import SHARE, PoolShare
from actors.runtime.clock import moment, parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.peers import Peers
from actors.runtime.wire import STOPPED, Page, forward
from actors.slot.actor import SlotActor
from actors.slot.machine import Take, Taken
from actors.slot.pool import SHARED, Fits, IdleSlot
from actors.slot.record import Slot
from actors.slot.registry import SlotRegistry
from actors.telephony.numbers import Number
from actors.telephony.orders import Drop
from bus_schemas.call import START_CALL, START_ON_SLOT, CallStarted, Phase, StartCall, state_of
from bus_schemas.carriers import SlotCarrier, SlotsOf
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.host import START_ON_HOST, SlotsThere, StartOffered, StartOnHost
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotStatus

HOUR_FULL, HOUR_SHARE = "slot_calls_per_hour", "user_slot_calls_per_hour"
NO_IDLE_SLOT = RefusalTemplate(ErrorCode.SLOT_BUSY, "No idle slot: all of yours and of the shared pool are in use.")
NOT_FROM_HERE = RefusalTemplate(
    ErrorCode.CALL_FAILED, "Calls to this country are not allowed from any SIM here.", rule="country"
)
TOO_MANY_ON_SLOT = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "The slot has made its calls for this hour.", rule=HOUR_FULL
)
SHARE_HAD = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You have had your share of this hour's calls on slots of the pool, which others want too.",
    rule=HOUR_SHARE,
)  # fmt: skip
TOO_LATE = RefusalTemplate(ErrorCode.CALL_FAILED, "Nothing was done: it was asked for too late.", rule="too_late")
HERE_ALONE = frozenset({"country", SHARE, UNKNOWN, HOUR_FULL, HOUR_SHARE})  # rules of which other hosts know no more
PASSING = frozenset({ErrorCode.SLOT_BUSY, ErrorCode.SLOT_OFFLINE, ErrorCode.UNAVAILABLE, ErrorCode.NOT_FOUND})


class SlotDialer:
    """Starts calls on the slots of one host, on one of them at most `calls_per_hour`."""

    def __init__(
        self,
        *,
        host: Host,
        slots: SlotRegistry,
        gate: Gate,
        attempts: Attempts,
        share: PoolShare,
        calls_per_hour: int,
        peers: Peers,
    ) -> None:
        self._share = share
        self._peers = peers
        idle = IdleSlots(
            host=host, pool=slots.idle, rules=gate.rules, has_had_its_calls=self._is_spent,
            has_had_share=self._has_had_share,
        )  # fmt: skip
        self.offers = Offers(host=host, source=idle)
        slots.idle.on_idle = self.offers.serve_soon
        self._host = host
        self._slots = slots
        self._gate = gate
        self._rules = gate.rules
        self._attempts = attempts
        self._calls_per_hour = calls_per_hour

    async def start_call(self, request: StartCall, context: Context) -> Page:
        """Any host may be asked. A wanted slot of another host is asked there; AUTO goes on to the others where this
        host has no slot for it."""
        if request.slot != "AUTO" and self._host.get(SlotActor, str(request.slot)) is None:
            return await self._on_its_host(request.slot, request, context)
        try:
            return await self.start_here(request, context)
        except Refusal as refusal:
            if request.slot != "AUTO" or not _not_here(refusal):
                raise
            return await self._elsewhere(request, context, refusal)

    async def _on_its_host(self, slot: int, request: StartCall, context: Context) -> Page:
        quarantined = self._peers.quarantine("slot", str(slot)) is not None
        try:
            return await self._attempts.at_its_owner(START_ON_SLOT, request, context, _answer, retry=not quarantined)
        except Unowned as unowned:
            raise self._out_of_service(slot, unowned.host) from None

    def _out_of_service(self, slot: int, host: str) -> Refusal:
        return out_of_service(slot, host, self._peers.why_unowned("slot", str(slot), host))

    async def _elsewhere(self, request: StartCall, context: Context, refusal: Refusal) -> Page:
        for host in self._peers.others():
            try:
                wanted = StartOnHost(host=host, start=request)
                return await forward(self._host.bus, START_ON_HOST, wanted, context, retry=False)
            except Refusal as why:
                if not _not_here(why) and why.code is not ErrorCode.UNAVAILABLE:
                    raise
        raise refusal

    async def start_on_host(self, request: StartOnHost, context: Context) -> Page:
        """START_CALL that another host has passed on."""
        return await self.start_here(request.start, context)

    async def start_here(self, request: StartCall, context: Context) -> Page:
        """Start a call on a slot of this host. The same command under way twice is one start. Whoever asked has given
        up after START_CALL's time, and may not even be allowed to call any more."""
        until = self._host.clock.monotonic() + START_CALL.timeout

        async def start(call_id: str) -> StartedCall:
            number = rules.canonical(request.number, self._rules, self._slots.regions)
            taken = await self._take(request, number, call_id, context)
            if self._host.clock.monotonic() > until:
                raise self._too_late(taken.slot, call_id, context.user)
            attempt = self._attempts.attempt(
                call_id, context, slot=taken.slot, number=number.e164, after_ref=taken.after_ref
            )
            return await self._attempts.place(attempt, (taken.fence,), context)

        return await self._attempts.once(context, _answer, start)

    # --- slots that are kept for somebody

    async def start_offered(self, request: StartOffered, context: Context) -> Page:
        """Start a call on a slot that was offered. Whoever asks too late has been given up by who sent them."""

        slot = request.line.slot
        assert slot is not None  # a line of a phone

        async def start(call_id: str) -> StartedCall:
            try:
                number = rules.canonical(request.number, self._rules, self._slots.regions)
                self._check(number, self._region_of(slot), context)
                taken = await self._take_slot(slot, call_id, context)
            finally:
                self.offers.used(request.line, request.asker)
            if self._host.clock.now() > parse_utc(request.until):
                raise self._too_late(slot, call_id, context.user)
            attempt = self._attempts.attempt(
                call_id, context, slot=taken.slot, number=number.e164, after_ref=taken.after_ref,
                ring_at_least=request.ring_at_least, operator=request.operator,
            )  # fmt: skip
            return await self._attempts.place(attempt, (taken.fence,), context, request.unless)

        return await self._attempts.once(context, offer_taken, start, limited=False)

    async def start_in_app(self, number: str, *, slot: int, app: str, run: str, context: Context) -> bool:
        """Put a call in an app on record, which the run of a script on this slot then places: by the rules that hold
        for all calls. False: it was begun by this command before. Raises Refusal."""
        new = False

        async def start(call_id: str) -> StartedCall:
            nonlocal new
            wanted = rules.canonical(number, self._rules, self._slots.regions)
            self._check(wanted, self._region_of(slot), context)
            taken = await self._take_slot(slot, call_id, context, inside=run)
            attempt = self._attempts.attempt(call_id, context, slot=slot, number=wanted.e164, app=app, run=run)
            started = await self._attempts.place(attempt, (taken.fence,), context)
            new = started.attempt == attempt
            return started

        await self._attempts.once(context, _answer, start)
        return new

    # --- a slot

    def _too_late(self, slot: int, call_id: str, user: str) -> Refusal:
        """A slot that was taken is for others."""
        self._host.tell(SlotActor, str(slot), Drop(id=call_id))
        self._attempts.limits.let_go_in_pool(call_id, user)
        self._attempts.limits.withdraw_line(f"slot-{slot}", call_id)
        return TOO_LATE()

    async def _take(self, request: StartCall, number: Number, call_id: str, context: Context) -> Taken:
        if request.slot != "AUTO":
            self._check(number, self._region_of(request.slot), context)
            if self._share.is_pooled(request.slot) and not self._share.phone_left(context.user, request.slot):
                raise self._share.phones_held()
            return await self._take_slot(request.slot, call_id, context)
        self._check(number, number.country, context)  # a SIM of that country is looked for below
        regions = rules.sim_regions_for(number, self._rules)
        last_refusal, looked_at = NO_IDLE_SLOT(), set[int]()

        def fits(place: IdleSlot) -> bool:
            nonlocal last_refusal
            if (why := self._why_not(place.slot, context.user)) is not None:
                last_refusal = last_refusal if SHARE_HAD.made(last_refusal) else why  # it says more
                return False
            return place.slot not in looked_at  # one that is refused is idle again, and would be taken without end

        while (place := self._idle_for(context.user, regions, fits)) is not None:
            looked_at.add(place.slot)
            try:
                return await self._take_slot(place.slot, call_id, context)
            except Refusal as refusal:
                if refusal.code not in PASSING and refusal.code is not ErrorCode.RATE_LIMITED:
                    raise
                last_refusal = refusal if refusal.code is ErrorCode.RATE_LIMITED else last_refusal
        if regions is not None and not (regions & self._slots.regions):
            raise NOT_FROM_HERE()
        raise last_refusal if self._share.phone_left(context.user) else self._share.phones_held()

    def _idle_for(self, user: str, regions: frozenset[str] | None, fits: Fits) -> IdleSlot | None:
        return self._slots.idle.take(user, regions, shared=self._share.phone_left(user), fits=fits)

    async def _take_slot(self, slot: int, call_id: str, context: Context, inside: str | None = None) -> Taken:
        now, line = moment(self._host.clock), f"slot-{slot}"
        limits = self._attempts.limits
        any_slot = context.may(Action.SLOT_USE_ANY)
        order = Take(id=call_id, user=context.user, any_slot=any_slot, inside=inside)
        if inside is None and self._share.is_pooled(slot):  # before anybody else asks; a run holds its slot already
            limits.hold_in_pool(call_id, context.user, slot)
            self._slots.idle.drop(slot)
        try:
            taken = await self._host.order(SlotActor, str(slot), order, context)
        except Refusal as refusal:
            limits.let_go_in_pool(call_id, context.user)
            if STOPPED.made(refusal) and ("slot", str(slot)) in self._host.quarantined:
                raise self._out_of_service(slot, self._host.name) from None
            raise
        if (why := self._why_not(slot, context.user, offered=context.campaign is not None)) is not None:
            self._host.tell(SlotActor, str(slot), Drop(id=call_id))
            limits.let_go_in_pool(call_id, context.user)
            raise why
        limits.count(line, call_id, context.user, now)
        return taken

    def _why_not(self, slot: int, user: str, *, offered: bool = False) -> Refusal | None:
        """Why a slot makes no call of a user's in this hour. What was `offered` to a campaign was looked at then."""
        if self._is_spent(slot, user):
            return TOO_MANY_ON_SLOT()
        if not offered and self._has_had_share(slot, user):
            return SHARE_HAD(calls=self._attempts.limits.share_of(self._calls_per_hour))
        return None

    def _is_spent(self, slot: int, user: str) -> bool:
        """Whether it has had its calls; then it is known who would have made one, whoever gets it next."""
        spent = self._has_had_its_calls(slot)
        if spent and self._share.is_pooled(slot):
            self._attempts.limits.wants_of_pool(user, self._host.clock.monotonic())
        return spent

    def _has_had_its_calls(self, slot: int) -> bool:
        """Whether a slot may make no more calls in this hour."""
        starts = self._attempts.limits.starts(f"slot-{slot}", HOUR, moment(self._host.clock))
        return starts >= self._calls_per_hour

    def _has_had_share(self, slot: int, user: str) -> bool:
        """Whether a user has made their share of its calls, where it is of the pool, which others want too."""
        limits, now = self._attempts.limits, moment(self._host.clock)
        if limits.all_are_shared or not limits.pool_has_others(user, now) or not self._share.is_pooled(slot):
            return False
        return limits.starts_of(user, f"slot-{slot}", HOUR, now) >= limits.share_of(self._calls_per_hour)

    def there(
        self, carrier: SlotCarrier, user: str, operators: Collection[str] | None
    ) -> tuple[SlotsThere, ...]:
        """The slots of a carrier that somebody may use, or that are these operators', whatever they do."""
        of_maker = {SlotsOf.OWN: (user,), SlotsOf.POOL: (SHARED,), SlotsOf.BOTH: (user, SHARED)}[carrier.of]
        owners = frozenset[str | None](of_maker if operators is None else operators)
        has, found = is_of(carrier), dict[tuple[str | None, str | None], list[Slot]]()
        for actor in self._host.all(SlotActor):
            slot = actor.state
            if slot is not None and not slot.removed and slot.config.user in owners:
                region, whose = slot.config.region, slot.config.user if operators is not None else None
                if has(slot.config.id, region):
                    found.setdefault((region, whose), []).append(slot)
        return tuple(self._there(region, whose, slots, user) for (region, whose), slots in found.items())

    def _there(self, region: str | None, user: str | None, slots: list[Slot], maker: str) -> SlotsThere:
        online = [slot.config.id for slot in slots if slot.status is SlotStatus.ONLINE]
        spent = {slot for slot in online if self._has_had_its_calls(slot) or self._has_had_share(slot, maker)}
        return SlotsThere(
            region=region,
            countries=tuple(sorted(rules.countries_of(region, self._rules))),
            slots=len(slots),
            online=len(online),
            idle=sum(slot.config.id in self._slots.idle and slot.config.id not in spent for slot in slots),
            spent=len(spent),
            user=user,
        )

    # --- rules

    def _region_of(self, slot: int) -> str | None:
        actor = self._host.get(SlotActor, str(slot))
        return actor.state.config.region if actor is not None and actor.state is not None else None

    def _check(self, number: Number, region: str | None, context: Context) -> None:
        self._gate.check(number, rules.countries_of(region, self._rules), context.campaign)


def out_of_service(slot: int, host: str, reason: str) -> Refusal:
    """Nobody serves a slot. Who comes back later may do so with the same command."""
    return Refusal(
        ErrorCode.SLOT_OFFLINE,
        f"Nothing was done: nobody serves the slot now, since {reason}.",
        slot=slot,
        host=host,
        reason=reason,
        retry_after=COME_BACK,
    )


def _answer(started: StartedCall) -> CallStarted:
    attempt = started.attempt
    assert attempt.slot is not None  # it is on a phone
    return CallStarted(call_id=attempt.call_id, slot=attempt.slot, state=state_of(Phase.DIALING))


def _not_here(refusal: Refusal) -> bool:
    """Whether another host may have a slot for the call."""
    return refusal.code is ErrorCode.SLOT_BUSY or (refusal.details or {}).get("rule") in HERE_ALONE
