"""Which slots of the whole site have which phone, as the journal has it."""

from collections.abc import Iterator

import msgspec
import structlog

from actors.runtime.bus import Bus, Recorded
from bus_schemas.contract import UNDECODABLE, id_of
from bus_schemas.slot import SLOT_CONFIGURED, SLOT_REMOVED, SlotConfig, SlotConfigured

log = structlog.get_logger()


class Claims:
    """The slots on record, of every host: of each its newest events, which the bus finds at once wherever they are,
    then read on from there, so that asking again costs little. To look through all of the journal takes the bus 2 s for
    each million entries, in which nobody else has it."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._read_to: dict[str, int] = {}
        self._newest: dict[str, int] = {}  # slot: its newest event of either kind
        self._configs: dict[str, SlotConfig] = {}

    async def read(self) -> None:
        """Take in what was written since. Raises BusError."""
        for scope in (SLOT_CONFIGURED.pattern, SLOT_REMOVED.pattern):
            if scope not in self._read_to:
                self._read_to[scope] = await self._read_newest(scope)
            async for recorded in self._bus.replay(scope, after=self._read_to[scope]):
                self._take_in(recorded)
                self._read_to[scope] = recorded.seq

    async def _read_newest(self, scope: str) -> int:
        """Take in the newest event of each slot, and give the place from which on there may be more."""
        end = await self._bus.last_seq()
        for subject in await self._bus.ids(scope):
            if (recorded := await self._bus.last(subject)) is not None:
                self._take_in(recorded)
        return end

    def of_others(self, host: str) -> Iterator[SlotConfig]:
        """The slots of every host but one."""
        return (config for config in self._configs.values() if config.host != host)

    def _take_in(self, recorded: Recorded) -> None:
        slot = id_of(recorded.subject)
        if recorded.seq < self._newest.get(slot, 0):  # the two kinds are read one after the other
            return
        self._newest[slot] = recorded.seq
        self._configs.pop(slot, None)
        if recorded.subject.endswith(f".{SLOT_CONFIGURED.verb}"):
            try:
                self._configs[slot] = msgspec.json.decode(recorded.data, type=SlotConfigured).config
            except UNDECODABLE as error:  # its own host quarantines it
                log.warning("a slot's record cannot be read", slot=slot, error=str(error))
