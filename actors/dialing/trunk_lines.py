"""The trunks of one host as a source of lines: a free channel, with an extension that is to take the answered call.

Nothing is held in the trunk for an offer: what is offered is counted here, beside the calls that the trunk carries, and
against its calls per second. An extension is looked at where it is known: in the calls of the trunks here, and as its
slot's owner, where that is this host. One that is in a call all the same refuses the call when it is begun.
"""

from collections import Counter

from actors.dialing.attempts import Attempts
from actors.dialing.extensions import Extensions
from actors.dialing.rules import DialRules, countries_of_trunk
from actors.runtime.clock import moment
from actors.runtime.host import Host
from actors.telephony.numbers import NotANumber, Number, canonical
from actors.trunk.actor import TrunkActor
from actors.trunk.registry import TrunkRegistry
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.host import Line, OfferLines, TrunkThere
from bus_schemas.trunk import TrunkConfig, TrunkState

BY_HEALTH = {TrunkState.OK: 0, TrunkState.WARN: 1, TrunkState.DOWN: 2}


class TrunkLines:
    """Free channels."""

    again: float | None = 0.2  # nobody tells that a trunk is well again, or that a second is over

    def __init__(
        self, *, host: Host, trunks: TrunkRegistry, rules: DialRules, attempts: Attempts, extensions: Extensions
    ) -> None:
        self._host = host
        self._trunks = trunks
        self._rules = rules
        self._attempts = attempts
        self._extensions = extensions
        self._kept: set[tuple[str, int]] = set()
        self._turn: dict[int, int] = {}  # of extensions: when each was offered last, in offers
        self._offers = 0

    # --- a source

    def take(self, request: OfferLines) -> Line | None:
        assert request.trunks is not None  # else it is asked of the slots
        trunk = self._trunk(request.trunks, request.countries)
        extension = self._extension(request.trunks, request.user) if trunk is not None else None
        if trunk is None or extension is None:
            return None
        self._kept.add((trunk.id, extension))
        self._offers += 1
        self._turn[extension] = self._offers
        caller = self._caller_of(trunk.config)
        return Line(
            slot=extension,
            trunk=trunk.id,
            countries=tuple(sorted(self._countries(trunk.config))),
            region=caller.country if caller is not None else None,
            caller_id=caller.e164 if caller is not None else None,
        )

    def give_back(self, line: Line) -> None:
        self._kept.discard((line.trunk or "", line.slot))

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
            )
            for trunk in self._of(carrier)
        )

    def free_extensions(self, carrier: TrunkCarrier, user: str) -> int:
        """How many could take a call, as far as is known here."""
        return len(self._free(carrier, user))

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

    def _extension(self, carrier: TrunkCarrier, user: str) -> int | None:
        """A free one, the one that was offered longest ago."""
        return min(self._free(carrier, user), key=lambda slot: self._turn.get(slot, 0), default=None)

    def _free(self, carrier: TrunkCarrier, user: str) -> list[int]:
        kept, calls = {slot for _, slot in self._kept}, Counter[int]()
        for trunk in self._trunks.all():
            calls.update(trunk.slots_in_use)
        most = self._extensions.calls_at_once
        return [
            slot
            for slot in dict.fromkeys(carrier.extensions)
            if slot not in kept and calls[slot] < most and self._extensions.may_take(slot, user)
        ]

    def _countries(self, config: TrunkConfig) -> frozenset[str]:
        return countries_of_trunk(frozenset(config.countries), self._rules)

    def _caller_of(self, config: TrunkConfig) -> Number | None:
        """The number that people see, if it is one."""
        try:
            return canonical(config.caller_id, self._rules.site_region)
        except NotANumber:
            return None
