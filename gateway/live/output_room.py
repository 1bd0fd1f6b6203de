"""What steps of pipelines write, to clients of the room `pipelines` that want one pipeline alone: `pipeline.log`, as it
is stored. What a client has missed is in the text of the step, from `offset` on; who does not read is cut as with all
else."""

from collections.abc import Mapping

import msgspec

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from bus_schemas.contract import UNDECODABLE
from bus_schemas.pipeline import PIPELINE
from bus_schemas.pipeline_events import OUTPUT_SCOPE, OutputLines
from gateway.live.client import LiveClient
from gateway.live.said import Said, event_said
from gateway.live.transports import Transports

EVENT = "pipeline.log"
ROOM = PIPELINE.room

_decode = msgspec.json.Decoder(OutputLines).decode


class OutputRoom:
    """Of one gateway. `clients`: all that are connected."""

    def __init__(self, *, bus: Bus, transports: Transports, clients: Mapping[str, LiveClient]) -> None:
        self._bus = bus
        self._transports = transports
        self._clients = clients

    async def start(self) -> Unsubscribe:
        """Tell what is written from now on. Gives the end of that."""
        last = await self._bus.outputs.last_seq()
        return await self._bus.outputs.follow(OUTPUT_SCOPE, self._hear, after=last)

    async def _hear(self, recorded: Recorded) -> None:
        if not any(ROOM in client.rooms for client in self._clients.values()):
            return
        try:
            lines = _decode(recorded.data)
        except UNDECODABLE:
            return
        said: Said | None = None
        for client in list(self._clients.values()):
            wanted = client.narrowed.get(ROOM, {}).get("pipeline")
            if ROOM in client.rooms and wanted == lines.pipeline:
                said = said or event_said(EVENT, {"event": EVENT, "data": lines, "seq": recorded.seq})
                self._transports.write(client.transport, said)
