"""Which trunks this host owns: those of its settings, each with one actor."""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from actors.runtime.activation import activate_all
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import unreadable
from actors.telephony.line import Over
from actors.trunk.actor import TrunkActor
from actors.trunk.machine import ConfigureTrunk, RemoveTrunk
from bus_schemas.contract import UNDECODABLE, id_of
from bus_schemas.errors import Refusal
from bus_schemas.trunk import TRUNK_CONFIGURED, TrunkConfig, TrunkConfigured

log = structlog.get_logger()

CallOver = Callable[[int, Over], None]


class TrunkRegistry:
    """The trunks of one host. `recording`: the PBXs that have a place for recordings; `joining`: those that take
    answered calls to the extensions of operators."""

    def __init__(
        self, *, host: Host, from_file: Iterable[TrunkConfig], recording: frozenset[str], joining: frozenset[str]
    ) -> None:
        self._host = host
        self._from_file = tuple(config for config in from_file if config.host == host.name)
        self._recording = recording
        self._joining = joining
        self._names: tuple[str, ...] = ()  # of all trunks here
        self._unset: dict[str, TrunkConfig | None] = {}  # settings that wait for a trunk's calls to end; None: remove
        self._listeners: list[CallOver] = []

    async def start(self) -> None:
        """Own every trunk of this host, bring them up to date, and remove those that are no longer set."""
        wanted = {config.name: config for config in self._from_file}
        await activate_all(self._host, TrunkActor, sorted(wanted), TrunkActor.move_here)
        await activate_all(self._host, TrunkActor, sorted(await self._on_record() - wanted.keys()))
        self._names = tuple(sorted(trunk.id for trunk in self._host.all(TrunkActor)))
        self._unset = {trunk.id: wanted.get(trunk.id) for trunk in self.all() if self._differs(trunk, wanted)}
        await self.bring_up_to_date()

    async def bring_up_to_date(self) -> None:
        """Apply settings that have not been yet. A trunk that carries calls is changed when they are over."""
        for name, config in list(self._unset.items()):
            if self._host.get(TrunkActor, name) is None:
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

    def all(self) -> list[TrunkActor]:
        """The trunks that are here, by name."""
        actors = (self._host.get(TrunkActor, name) for name in self._names)
        return [actor for actor in actors if actor is not None]

    def on_call_over(self, listener: CallOver) -> Callable[[], None]:
        """Tell the slot and the end of every call through a trunk here that is over on record. Returns the end of it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def call_over(self, slot: int, over: Over) -> None:
        """Say that such a call is over."""
        for listener in self._listeners:
            listener(slot, over)

    @property
    def countries(self) -> frozenset[str]:
        """The countries that the trunks here name, ISO 3166."""
        return frozenset(country for trunk in self.all() if trunk.state for country in trunk.state.config.countries)

    def joins(self, trunk: TrunkActor) -> bool:
        """Whether the calls of a trunk can be taken to the extensions of operators."""
        return trunk.config.pbx in self._joining

    def recording_of(self, trunk: TrunkActor, call_id: str) -> str | None:
        """Where the recording of a call goes, if it is to have one: `<pbx>/<file>`."""
        config = trunk.config
        return f"{config.pbx}/{call_id}.wav" if config.record and config.pbx in self._recording else None

    async def _on_record(self) -> set[str]:
        """The trunks that the record gives to this host. One whose record cannot be read is quarantined."""
        names: set[str] = set()
        for subject in await self._host.bus.ids(TRUNK_CONFIGURED.pattern):
            newest = await self._host.newest(subject)
            if newest is None:
                continue
            try:
                config = msgspec.json.decode(newest.data, type=TrunkConfigured).config
            except UNDECODABLE as error:
                reason = unreadable(newest.seq, TRUNK_CONFIGURED.verb, error)
                self._host.quarantine("trunk", id_of(subject), reason)
                continue
            if config.host == self._host.name:
                names.add(id_of(subject))
        return names
