"""What one host sees of itself, its slots, hubs and trunks, told to whoever has the board, again and again and whole:
so nothing is missed by a board that is new, and what is over is over."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import structlog
from msgspec import Struct

from actors.alert.beyond import Figures
from actors.alert.rules import Rules, State
from actors.monitor.rollup import Thing, Values
from actors.runtime.bus import FULL
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.slot.actor import SlotActor
from actors.slot.healing import AWAY, SMALLEST_HUB, vitals
from actors.slot.record import Slot
from actors.trunk.actor import TrunkActor
from actors.usb.hubs import Hubs
from bus_schemas.alert import BOARD, MOST_SIGHTED, REPORT_SIGHTINGS, AlertSeverity, ReportSightings, Sighting
from bus_schemas.errors import Refusal
from bus_schemas.trunk import TrunkState

log = structlog.get_logger()

LOOK = 1.0  # seconds between two looks
SAY = 5.0  # and between two reports where nothing has changed
ORDER = {severity: place for place, severity in enumerate(AlertSeverity)}


class Seen(Struct, frozen=True):
    """A thing that is in a state."""

    state: State
    id: str
    reason: str
    hub: str | None = None


class Lookout:
    """Of one host. `hubs`: that it knows; `no_runner`: why it has none for pipelines, though it should."""

    def __init__(
        self, *, host: Host, ids: Ids, hubs: Hubs, rules: Rules, no_runner: Callable[[], str | None] = lambda: None
    ) -> None:
        self._host = host
        self._clock: Clock = host.clock
        self._ids = ids
        self._hubs = hubs
        self._rules = rules
        self._no_runner = no_runner
        self._figures = Figures(rules)
        self._since: dict[tuple[State, str], float] = {}
        self._said: frozenset[tuple[str, str]] = frozenset()
        self._said_at = -SAY

    def hear(self, thing: Thing, values: Values) -> None:
        """Figures, as they are measured."""
        self._figures.saw(thing, values, self._clock.monotonic())

    async def run(self) -> None:
        """Look for as long as the host is there."""
        while True:
            try:
                await self._look()
            except Refusal as refusal:  # the board moves; the next report says it all
                log.debug("what is seen was not told", why=refusal.message)
            except Exception:
                log.exception("not looked out")
            await self._host.pause(LOOK)

    async def _look(self) -> None:
        now = self._clock.monotonic()
        sightings = self.sightings(now)
        keys = frozenset((one.rule, one.id) for one in sightings)
        if keys == self._said and now - self._said_at < SAY:
            return
        report = ReportSightings(shard=shard_of(BOARD), host=self._host.name, sightings=sightings)
        await ask(self._host.bus, REPORT_SIGHTINGS, report, Context(command_id=self._ids.new()), retry=False)
        self._said, self._said_at = keys, now

    def sightings(self, now: float) -> tuple[Sighting, ...]:
        """All rules that apply here now, the worst first, as many as one report takes."""
        hubs = {str(slot.config.id): slot.config.hub for slot in self._slots()}
        found = [*self._of_figures(hubs, now), *self._of_states(now)]
        found.sort(key=lambda one: ORDER[self._rules.rules[one.rule].severity])
        return tuple(found[:MOST_SIGHTED])

    def _of_figures(self, hubs: Mapping[str, str | None], now: float) -> Iterator[Sighting]:
        for name, (kind, id), beyond in self._figures.all(now):
            if kind == "slot" and id not in hubs:  # it is removed, or another host's now
                continue
            hub = hubs.get(id) if kind == "slot" else id if kind == "hub" else None
            words = self._words(name, id, hub, value=beyond.value)
            yield Sighting(
                rule=name, kind=kind, id=id, seconds=now - beyond.since, words=words, hub=hub, value=beyond.value
            )

    def _of_states(self, now: float) -> Iterator[Sighting]:
        seen = {(one.state, one.id): one for one in self.states()}
        self._since = {key: self._since.get(key, now) for key in seen}
        for key, one in seen.items():
            for name in self._rules.of_states.get(one.state, ()):
                if self._rules.rules[name].is_of(one.id):
                    words = self._words(name, one.id, one.hub, reason=one.reason)
                    kind, seconds = one.state.kind, now - self._since[key]
                    yield Sighting(rule=name, kind=kind, id=one.id, seconds=seconds, words=words, hub=one.hub)

    def _words(self, rule: str, id: str, hub: str | None, *, value: float | None = None, reason: str = "") -> str:
        return self._rules.rules[rule].said(id=id, host=self._host.name, hub=hub, value=value, reason=reason)

    # --- states

    def states(self) -> Iterator[Seen]:
        """What is wrong here without being a figure."""
        for slot in self._slots():
            if slot.quarantine is not None:
                why = f"{slot.quarantine.reason}. {slot.quarantine.to_do}"
                yield Seen(State.QUARANTINED, str(slot.config.id), why, slot.config.hub)
        yield from self._hubs_gone()
        for trunk in (actor.state for actor in self._host.all(TrunkActor)):
            if trunk is not None and not trunk.removed and trunk.state is not TrunkState.OK:
                state = State.TRUNK_DOWN if trunk.state is TrunkState.DOWN else State.TRUNK_WARN
                yield Seen(state, trunk.config.name, trunk.reason or "nobody knows why")
        if self._host.nearly_full or self._host.bus.full:
            yield Seen(State.JOURNAL_FULL, self._host.name, FULL)
        if (why_not := self._no_runner()) is not None:
            yield Seen(State.RUNNER_GONE, self._host.name, why_not)
        for (kind, id), reason in self._host.left_alone().items():
            yield Seen(State.LEFT_ALONE, f"{kind} {id}"[:100], reason)

    def _hubs_gone(self) -> Iterator[Seen]:
        """Hubs that slots are on, and that are unplugged; where no USB tree tells, all of whose phones are away."""
        phones, away = Counter[str](), Counter[str]()
        for actor in self._host.all(SlotActor):
            slot = actor.state
            if slot is not None and not slot.removed and slot.config.hub is not None:
                phones[slot.config.hub] += 1
                away[slot.config.hub] += vitals(slot, actor.live).symptom in AWAY
        plugged = {hub.name: hub.plugged for hub in self._hubs.now() if hub.plugged is not None}
        for name, number in phones.items():
            if plugged.get(name) is False:
                yield Seen(State.HUB_GONE, name, f"it is unplugged, with {number} phones", name)
            elif name not in plugged and number >= SMALLEST_HUB and away[name] == number:
                yield Seen(State.HUB_GONE, name, f"all its {number} phones are away", name)

    def _slots(self) -> Iterator[Slot]:
        for actor in self._host.all(SlotActor):
            if actor.state is not None and not actor.state.removed and not actor.stands_in:
                yield actor.state
