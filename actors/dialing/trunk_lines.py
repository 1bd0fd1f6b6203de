"""The trunks of one host as a source of lines: a free channel, with an extension that is to take the answered call.

Nothing is held in the trunk for an offer: what is offered is counted here, beside the calls that the trunk carries, and
against its calls per second. The extension is held at its slot's owner, as for a call, under a name of the offer's own,
since trunks of other hosts may be offered with it as well; the call takes the place of the offer there.
"""

import asyncio
from collections import Counter

import structlog

from actors.dialing.attempts import Attempts
from actors.dialing.extensions import Extensions
from actors.dialing.held_extensions import HeldExtensions
from actors.dialing.rules import DialRules, countries_of_trunk
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.telephony.numbers import NotANumber, Number, canonical
from actors.trunk.actor import TrunkActor
from actors.trunk.registry import TrunkRegistry
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.host import Line, OfferLines, TrunkThere
from bus_schemas.permissions import Action
from bus_schemas.trunk import TrunkConfig, TrunkState

log = structlog.get_logger()

BY_HEALTH = {TrunkState.OK: 0, TrunkState.WARN: 1, TrunkState.DOWN: 2}


FOR_OPERATORS = frozenset({Action.SLOT_VIEW_ANY, Action.SLOT_USE_ANY})
HOLD = 1.0  # seconds in which whoever has an extension must have said that it is free
AGAIN, AWAY = 1.0, 10.0  # seconds until one is tried again of which that was refused, or not answered
SURELY = 2.0  # seconds more until it is said to be free


class TrunkLines:
    """Free channels."""

    again: float | None = 0.2  # nobody tells that a trunk is well again, or that a second is over

    def __init__(
        self,
        *,
        host: Host,
        trunks: TrunkRegistry,
        rules: DialRules,
        attempts: Attempts,
        extensions: Extensions,
        held: HeldExtensions,
    ) -> None:
        self._host = host
        self._trunks = trunks
        self._rules = rules
        self._attempts = attempts
        self._extensions = extensions
        self._held = held
        self._kept: dict[tuple[str, int], str] = {}  # under which name its extension is held
        self._refused: dict[int, float] = {}  # extensions: until when, on the monotonic clock
        self._turn: dict[int, int] = {}  # of extensions: when each was offered last, in offers
        self._offers = 0

    # --- a source

    def take(self, request: OfferLines) -> Line | None:
        assert request.trunks is not None  # else it is asked of the slots
        trunk = self._trunk(request.trunks, request.countries)
        extension = self._extension(request) if trunk is not None else None
        if trunk is None or extension is None:
            return None
        self._offers += 1
        self._kept[trunk.id, extension] = f"offer_{self._host.ids.new()}"
        self._turn[extension] = self._offers
        caller = self._caller_of(trunk.config)
        return Line(
            slot=extension,
            trunk=trunk.id,
            countries=tuple(sorted(self._countries(trunk.config))),
            region=caller.country if caller is not None else None,
            caller_id=caller.e164 if caller is not None else None,
            user=self._extensions.owner_of(extension),
        )

    def give_back(self, line: Line) -> None:
        name = self._kept.pop(_key(line), None)
        if name is not None:  # of an extension that is not here the promise runs out by itself
            self._extensions.release(line.slot, name)

    async def hold(self, line: Line, request: OfferLines) -> bool:
        name, context = self.name_of(line), self._asks(request.user, request.operators)
        if name is None:  # the offer is over already
            return False
        try:
            async with asyncio.timeout(HOLD):
                await self._held.hold(line.slot, name, context)
        except (Refusal, TimeoutError) as error:
            log.debug("an extension is not free", slot=line.slot, why=repr(error))
            pause = AWAY if isinstance(error, TimeoutError) else AGAIN
            self._refused[line.slot] = self._host.clock.monotonic() + pause
            return False
        if self.name_of(line) == name:
            return True
        await self._held.release(line.slot, name, context)  # it was over before it was answered
        return False

    async def let_go(self, line: Line) -> None:
        if (name := self.name_of(line)) is not None:
            await self._held.release(line.slot, name, self._asks("", ()))

    def name_of(self, line: Line) -> str | None:
        """Under which its extension is held."""
        return self._kept.get(_key(line))

    # --- what there is

    def there(self, carrier: TrunkCarrier) -> tuple[TrunkThere, ...]:
        """The trunks of a carrier, whatever they do."""
        return tuple(
            TrunkThere(
                name=trunk.id,
                countries=tuple(sorted(self._countries(trunk.config))),
                state=(view := trunk.view).state,
                reason=view.reason,
                full=view.calls >= view.channels,
                free=max(view.channels - view.calls, 0),
            )
            for trunk in self._of(carrier)
        )

    def busy(self, carrier: TrunkCarrier, user: str) -> tuple[int, ...]:
        """The extensions that cannot take a call, as far as is known here."""
        free, asks = set(self._perhaps_free(carrier, self._host.clock.monotonic() - SURELY)), self._asks(user, None)
        return tuple(
            slot for slot in carrier.extensions if slot not in free or not self._extensions.may_take(slot, asks)
        )

    def _of(self, carrier: TrunkCarrier) -> list[TrunkActor]:
        """The trunks of a carrier that are here."""
        here = (trunk for trunk in self._trunks.all() if trunk.state is not None and not trunk.state.removed)
        return [trunk for trunk in here if not carrier.trunks or trunk.id in carrier.trunks]

    def _trunk(self, carrier: TrunkCarrier, countries: tuple[str, ...] | None) -> TrunkActor | None:
        """The one that is to carry a call now: the healthiest, and of those the least loaded."""
        fit = [
            trunk
            for trunk in self._of(carrier)
            if (countries is None or not self._countries(trunk.config).isdisjoint(countries)) and self._room(trunk) > 0
        ]
        return min(fit, key=lambda trunk: (BY_HEALTH[trunk.view.state], -self._room(trunk), trunk.id), default=None)

    def _room(self, trunk: TrunkActor) -> int:
        """How many more calls could begin on it now."""
        view, rate = trunk.view, trunk.config.calls_per_second
        if view.state is TrunkState.DOWN or trunk.stands_in:
            return 0
        window = max(1.0, 1.0 / rate)
        begun = self._attempts.limits.starts(trunk.line, window, moment(self._host.clock))
        kept = sum(name == trunk.id for name, _ in self._kept)
        return min(view.channels - view.calls, max(1, int(rate * window)) - begun) - kept

    # --- who takes the answered call

    def _extension(self, request: OfferLines) -> int | None:
        """A free one, the one that was offered longest ago; of operators one of theirs, whose slots must be here."""
        assert request.trunks is not None
        operators, asks = request.operators, self._asks(request.user, request.operators)
        free = self._perhaps_free(request.trunks, self._host.clock.monotonic())
        theirs = (slot for slot in free if operators is None or self._extensions.owner_of(slot) in operators)
        in_turn = sorted(theirs, key=lambda slot: self._turn.get(slot, 0))
        return next((slot for slot in in_turn if self._extensions.may_take(slot, asks)), None)

    def _asks(self, user: str, operators: tuple[str, ...] | None) -> Context:
        """In whose name an extension is asked for. Operators are ready for calls on their slots."""
        actions = FOR_OPERATORS if operators is not None else frozenset[Action]()
        return Context(command_id=self._host.ids.new(), user=user, actions=actions)

    def _perhaps_free(self, carrier: TrunkCarrier, now: float) -> list[int]:
        """Those that are in no call on a trunk here, and were not refused until `now`, on the monotonic clock."""
        kept, calls = {slot for _, slot in self._kept}, Counter[int]()
        kept |= {slot for slot, until in self._refused.items() if until > now}
        for trunk in self._trunks.all():
            calls.update(trunk.slots_in_use)
        most = self._extensions.calls_at_once
        return [slot for slot in dict.fromkeys(carrier.extensions) if slot not in kept and calls[slot] < most]

    def _countries(self, config: TrunkConfig) -> frozenset[str]:
        return countries_of_trunk(frozenset(config.countries), self._rules)

    def _caller_of(self, config: TrunkConfig) -> Number | None:
        """The number that people see, if it is one."""
        try:
            return canonical(config.caller_id, self._rules.site_region)
        except NotANumber:
            return None


def _key(line: Line) -> tuple[str, int]:
    return line.trunk or "", line.slot
