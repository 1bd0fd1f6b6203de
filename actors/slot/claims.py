"""Which slots of the whole site have which phone, as the journal has it."""

from collections.abc import Iterator

import msgspec
import structlog

from actors.runtime.bus import Bus, Recorded
from bus_schemas.contract import UNDECODABLE, id_of
from bus_schemas.slot import SLOT_CONFIGURED, SLOT_REMOVED, SlotConfig, SlotConfigured

log = structlog.get_logger()


class Claims:
    """The slots on record, of every host. Read on from where it was read to, so that asking again costs little."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._read_to = {SLOT_CONFIGURED.pattern: 0, SLOT_REMOVED.pattern: 0}
        self._newest: dict[str, int] = {}  # slot: its newest event of either kind
        self._configs: dict[str, SlotConfig] = {}

    async def read(self) -> None:
        """Take in what was written since. Raises BusError."""
        for scope, after in self._read_to.items():
            async for recorded in self._bus.replay(scope, after=after):
                self._take_in(recorded)
                self._read_to[scope] = recorded.seq

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
