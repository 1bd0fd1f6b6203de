"""The trunks of one host as a source of lines: a free channel, with an extension that is to take the answered call.

Nothing is held in the trunk for an offer: what is offered is counted here, beside the calls that the trunk carries, and
against its calls per second. The extension is held at its slot's owner, as for a call, under a name of the offer's own,
since trunks of other hosts may be offered with it as well; the call takes the place of the offer there.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import structlog

from actors.dialing.extensions import Extensions
from actors.dialing.held_extensions import HeldExtensions
from actors.dialing.in_whose_name import FOR_OPERATORS
from actors.dialing.offers import Key, key_of
from actors.dialing.rules import DialRules, countries_of_trunk
from actors.dialing.trunk_pace import TrunkPace, free_channels
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.telephony.line import Over
from actors.telephony.numbers import NotANumber, Number, canonical
from actors.trunk.actor import TrunkActor
from actors.trunk.registry import TrunkRegistry
from bus_schemas.call import EndReason
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.host import Line, OfferLines, TrunkThere
from bus_schemas.permissions import Action
from bus_schemas.trunk import TrunkConfig, TrunkState

log = structlog.get_logger()

BY_HEALTH = {TrunkState.OK: 0, TrunkState.WARN: 1, TrunkState.DOWN: 2}
HOLD = 1.0  # seconds in which whoever has an extension must have said that it is free
AGAIN, AWAY = 1.0, 10.0  # seconds until one is tried again of which that was refused, or not answered
SURELY = 2.0  # seconds more until it is said to be free
REST = 300.0  # seconds for which an extension that has not taken its call is offered to nobody: the next would be lost


class TrunkLines:
    """Free channels."""

    again: float | None = 0.2  # nobody tells that a trunk is well again, or that a second is over

    def __init__(
        self,
        *,
        host: Host,
        trunks: TrunkRegistry,
        rules: DialRules,
        pace: TrunkPace,
        extensions: Extensions,
        held: HeldExtensions,
    ) -> None:
        self._host = host
        self._trunks = trunks
        self._rules = rules
        self.pace = pace
        self._extensions = extensions
        self._held = held
        self._kept: dict[Key, str] = {}  # under which name its extension is held
        self._refused: dict[int, float] = {}  # extensions: until when, on the monotonic clock
        self._resting: dict[int, float] = {}  # likewise: those that have not taken their calls
        self._turn: dict[int, int] = {}  # of extensions: when each was offered last, in offers
        self._offers = 0

    # --- a source

    def free(self) -> "FreeChannels":
        return FreeChannels(self)

    def keep(self, trunk: TrunkActor, extension: int | None) -> Line:
        """A channel and an extension that are nobody else's from now on. None: without one."""
        self._offers += 1
        name, caller = f"offer_{self._host.ids.new()}", self._caller_of(trunk.config)
        if extension is not None:
            self._turn[extension] = self._offers
        line = Line(
            slot=extension,
            trunk=trunk.id,
            countries=tuple(sorted(self._countries(trunk.config))),
            region=caller.country if caller is not None else None,
            caller_id=caller.e164 if caller is not None else None,
            user=self._extensions.owner_of(extension) if extension is not None else None,
            offer=name if extension is None else None,
        )
        self._kept[key_of(line)] = name
        return line

    def give_back(self, line: Line) -> None:
        name = self._kept.pop(key_of(line), None)
        if name is not None and line.slot is not None:  # of one that is not here the promise runs out by itself
            self._extensions.release(line.slot, name)

    async def hold(self, line: Line, request: OfferLines) -> bool:
        name, context = self.name_of(line), self.asks(request.user, request.operators)
        if name is None or line.slot is None:  # the offer is over already, or there is nothing to hold
            return name is not None
        try:
            async with asyncio.timeout(HOLD):
                await self._held.hold(line.slot, name, context)
        except (Refusal, TimeoutError) as error:
            log.debug("an extension is not free", slot=line.slot, why=repr(error))
            pause = AWAY if isinstance(error, TimeoutError) else AGAIN
            now = self._host.clock.monotonic()
            self._refused = {slot: until for slot, until in self._refused.items() if until > now - SURELY}
            self._refused[line.slot] = now + pause
            return False
        if self.name_of(line) == name:
            return True
        await self._held.release(line.slot, name, context)  # it was over before it was answered
        return False

    async def decline(self, line: Line) -> None:
        if (name := self.name_of(line)) is not None and line.slot is not None:
            await self._held.release(line.slot, name, self.asks("", ()))

    def name_of(self, line: Line) -> str | None:
        """Under which its extension is held."""
        return self._kept.get(key_of(line))

    def call_over(self, slot: int, over: Over) -> None:
        """A call is over on record whose answered end this extension was to take."""
        if over.reason is not EndReason.EXTENSION_FAILED:
            return
        age = self._host.clock.now().timestamp() - parse_utc(over.at).timestamp()
        now = self._host.clock.monotonic()
        self._resting = {one: until for one, until in self._resting.items() if until > now}
        self._resting[slot] = max(self._resting.get(slot, 0.0), now + min(REST, REST - age))

    # --- what there is

    def there(self, carrier: TrunkCarrier, *, joins: bool) -> tuple[TrunkThere, ...]:
        """The trunks of a carrier, whatever they do. `joins`: those alone whose PBX takes calls to operators."""
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
            if not joins or self.joins(trunk)
        )

    def busy(self, carrier: TrunkCarrier, user: str, operators: tuple[str, ...] | None) -> tuple[int, ...]:
        """The extensions that cannot take a call, as far as is known here."""
        taken, asks = self.taken(self._host.clock.monotonic() - SURELY), self.asks(user, operators)
        return tuple(slot for slot in carrier.extensions if slot in taken or not self._extensions.may_take(slot, asks))

    def resting(self, carrier: TrunkCarrier) -> tuple[int, ...]:
        """The extensions that have not taken a call lately."""
        return tuple(slot for slot in carrier.extensions if slot in self._not_taking())

    def owned(self, carrier: TrunkCarrier, operators: Collection[str]) -> tuple[tuple[int, str], ...]:
        """The extensions that are these operators', of slots that are here."""
        users, owners = {*operators}, ((slot, self._extensions.owner_of(slot)) for slot in carrier.extensions)
        return tuple((slot, user) for slot, user in owners if user is not None and user in users)

    def _of(self, carrier: TrunkCarrier) -> list[TrunkActor]:
        """The trunks of a carrier that are here."""
        return [trunk for trunk in self._here() if not carrier.trunks or trunk.id in carrier.trunks]

    def _here(self) -> list[TrunkActor]:
        return [trunk for trunk in self._trunks.all() if trunk.state is not None and not trunk.state.removed]

    def joins(self, trunk: TrunkActor) -> bool:
        """Whether its PBX takes answered calls to the extensions of operators."""
        return self._trunks.joins(trunk)

    def here(self) -> list["FreeTrunk"]:
        """The trunks that are here, with the room that they have for a call more now: perhaps none."""
        return [
            FreeTrunk(trunk, self._countries(trunk.config), BY_HEALTH[trunk.view.state], self._room(trunk))
            for trunk in self._here()
        ]

    def _room(self, trunk: TrunkActor) -> int:
        """How many more calls could begin on it now."""
        view = trunk.view
        if trunk.stands_in:
            return 0
        kept = sum(name == trunk.id for name, *_ in self._kept)
        free = view.channels - view.calls
        if view.state is TrunkState.DOWN:  # one call may try whether it is well again
            free = min(free, 1)
        return min(free, self.pace.left(trunk)) - kept

    # --- who takes the answered call

    def asks(self, user: str, operators: tuple[str, ...] | None) -> Context:
        """In whose name an extension is asked for. Operators are ready for calls on their slots."""
        actions = FOR_OPERATORS if operators is not None else frozenset[Action]()
        return Context(command_id=self._host.ids.new(), user=user, actions=actions)

    def taken(self, now: float | None = None) -> set[int]:
        """The extensions that are in a call on a trunk here, or were refused until `now`, on the monotonic clock."""
        now, calls = self._host.clock.monotonic() if now is None else now, Counter[int]()
        for trunk in self._trunks.all():
            calls.update(trunk.slots_in_use)
        full = {slot for slot, its in calls.items() if its >= self._extensions.calls_at_once}
        kept = {slot for _, slot, _ in self._kept if slot is not None}
        return full | kept | self._not_taking() | {slot for slot, until in self._refused.items() if until > now}

    def _not_taking(self) -> set[int]:
        now = self._host.clock.monotonic()
        return {slot for slot, until in self._resting.items() if until > now}

    def may_take(self, slot: int, operators: tuple[str, ...] | None, asks: Context) -> bool:
        """Whether who asks could have an extension, as far as is known here: of operators one of theirs, whose slots
        must be here."""
        if operators is not None and self._extensions.owner_of(slot) not in operators:
            return False
        return self._extensions.may_take(slot, asks)

    def longest_ago(self, slots: Iterable[int]) -> list[int]:
        """In the order in which they were offered last."""
        return sorted(slots, key=lambda slot: self._turn.get(slot, 0))

    def _countries(self, config: TrunkConfig) -> frozenset[str]:
        return countries_of_trunk(frozenset(config.countries), self._rules)

    def _caller_of(self, config: TrunkConfig) -> Number | None:
        """The number that people see, if it is one."""
        try:
            return canonical(config.caller_id, self._rules.site_region)
        except NotANumber:
            return None


@dataclass
class FreeTrunk:
    """One with `room` for so many calls more. `health`: 0 is the best."""

    actor: TrunkActor
    countries: frozenset[str]
    health: int
    room: int


class FreeChannels:
    """Free channels and extensions at one moment. What is the same for all who ask then is looked up once, and what
    was found to be taken is not looked at again: carriers have up to a thousand extensions, and thousands may ask."""

    def __init__(self, lines: TrunkLines) -> None:
        self._lines = lines
        here = lines.here()
        self._trunks = [trunk for trunk in here if trunk.room > 0]
        self._short = [
            trunk for trunk in here if lines.pace.left(trunk.actor) <= 0 or free_channels(trunk.actor) <= 0
        ]
        self._taken: set[int] | None = None
        self._askers: dict[tuple[str, tuple[str, ...] | None], tuple[Context, set[int]]] = {}  # what they cannot have

    def has(self, request: OfferLines) -> bool:
        found = self._trunk(request) is not None
        return found and (request.joins or self._extension(request) is not None)

    def take(self, request: OfferLines) -> Line | None:
        """A channel of the healthiest trunk, and of those the least loaded, with the extension that was offered longest
        ago."""
        trunk = self._trunk(request)
        if request.joins:
            return self._channel(trunk)
        extension = self._extension(request, self._lines.longest_ago) if trunk is not None else None
        if trunk is None or extension is None:
            return None
        trunk.room -= 1
        self._all_taken().add(extension)
        return self._lines.keep(trunk.actor, extension)

    def _channel(self, trunk: FreeTrunk | None) -> Line | None:
        if trunk is None:
            return None
        trunk.room -= 1
        return self._lines.keep(trunk.actor, None)

    def _trunk(self, request: OfferLines) -> FreeTrunk | None:
        pace, user = self._lines.pace, request.user
        free = (trunk for trunk in self._trunks if trunk.room > 0 and self._may_have(trunk, request))
        fit = (trunk for trunk in free if trunk.room > pace.others(trunk.actor, user))
        found = min(fit, key=lambda trunk: (trunk.health, -trunk.room, trunk.actor.id), default=None)
        if found is None and self._short and (request.joins or self._extension(request) is not None):
            for trunk in self._short:
                if self._may_have(trunk, request):
                    pace.wanted(trunk.actor, user, request.most)
        return found

    def _may_have(self, trunk: FreeTrunk, request: OfferLines) -> bool:
        """Whether it is one of those that are asked for."""
        carrier, countries = request.trunks, request.countries
        assert carrier is not None  # else it is asked of the slots
        return (
            trunk.actor.takes(request.user)
            and (not carrier.trunks or trunk.actor.id in carrier.trunks)
            and (countries is None or not trunk.countries.isdisjoint(countries))
            and (not request.joins or self._lines.joins(trunk.actor))
        )

    def _extension(self, request: OfferLines, in_turn: Callable[[set[int]], Iterable[int]] = iter) -> int | None:
        """The first that who asks may have."""
        user, operators = request.user, request.operators
        assert request.trunks is not None
        if (user, operators) not in self._askers:
            self._askers[user, operators] = self._lines.asks(user, operators), set()
        asks, not_for = self._askers[user, operators]
        for slot in in_turn(set(request.trunks.extensions) - self._all_taken() - not_for):
            if self._lines.may_take(slot, operators, asks):
                return slot
            not_for.add(slot)
        return None

    def _all_taken(self) -> set[int]:
        if self._taken is None:
            self._taken = self._lines.taken()
        return self._taken
