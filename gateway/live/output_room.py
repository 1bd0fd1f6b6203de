"""What steps of pipelines write, to clients of the room `pipelines` that want it: `pipeline.log`, entry by entry as it
is stored. Its place is `log_seq`, of the stream of outputs, which is not the journal's `seq`.

Who comes back says the last that it has heard, as `log_since`, and is told what it has missed before anything new, each
line once. Of what lies too far back, or is forgotten, nothing is told: the text of each step has it, from `offset` on.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus, Recorded, Unsubscribe
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import misfit
from bus_schemas.pipeline import PIPELINE, PipelineId
from bus_schemas.pipeline_events import OUTPUT_SCOPE, OutputLines
from gateway.live.answering import AWAY
from gateway.live.asking import Asked
from gateway.live.client import LiveClient
from gateway.live.fields import Seq
from gateway.live.history import PIECE, PIECE_BYTES, History, bytes_in, cost_of
from gateway.live.said import Said, event_said
from gateway.live.transports import Transports
from gateway.surface.pipeline import LOG

ROOM = PIPELINE.room
FARTHEST = 20_000  # entries of the stream that are looked through for who comes back
BEHIND, BEHIND_PAUSE = 5.0, 0.01  # seconds that another gateway may be ahead

_decode = msgspec.json.Decoder(OutputLines).decode


class SubscribePipelines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client wants to hear of: `pipeline` alone; `log`: also what steps write, which is so unless it says
    otherwise where it wants one pipeline, or comes back. `since`, `log_since`: the last `seq` and `log_seq` that it has
    seen."""

    since: Seq | None = None
    pipeline: PipelineId | None = None
    log: bool | None = None
    log_since: Seq | None = None

    @property
    def runs(self) -> Asked:
        """What of it is about runs."""
        return Asked(self.since, False, {} if self.pipeline is None else {"pipeline": self.pipeline})

    @property
    def wants_log(self) -> bool:
        return self.log if self.log is not None else self.pipeline is not None or self.log_since is not None


class OutputRoom:
    """Of one gateway. `clients`: all that are connected."""

    def __init__(
        self, *, bus: Bus, transports: Transports, history: History, clients: Mapping[str, LiveClient]
    ) -> None:
        self._bus = bus
        self._transports = transports
        self._history = history
        self._clients = clients
        self._seq = 0  # of the newest entry that was heard

    async def start(self) -> Unsubscribe:
        """Tell what is written from now on. Gives the end of that."""
        self._seq = await self._bus.outputs.last_seq()
        return await self._bus.outputs.follow(OUTPUT_SCOPE, self._hear, after=self._seq)

    async def subscribe(
        self, client: LiveClient, asked: SubscribePipelines, still: Callable[[], None]
    ) -> dict[str, Any]:
        """Send what was missed, then what comes; what the answer says besides. `still`: raises Refusal when nobody
        wants it any more. Raises Refusal, BusError."""
        if not asked.wants_log:
            return {}
        since, gap = asked.log_since, False
        if since is not None:
            await self._reach(since)
            gap = self._seq - since > FARTHEST or await self._is_forgotten(since)
            if not gap:
                await self._catch_up(client, asked.pipeline, since, still)
                gap = await self._is_forgotten(since)  # it may have been, meanwhile
        still()
        client.hears_log = client.turns[ROOM]
        answer: dict[str, Any] = {"log_seq": self._seq}
        return answer | {"log_snapshot_needed": True} if gap else answer

    async def _reach(self, since: int) -> None:
        if since > self._seq and since > (last := await self._bus.outputs.last_seq()):
            raise misfit("log_since", "it is ahead of what steps have written.", log_seq=last)
        try:
            async with asyncio.timeout(BEHIND):
                while self._seq < since:
                    await asyncio.sleep(BEHIND_PAUSE)
        except TimeoutError:
            raise AWAY() from None

    async def _is_forgotten(self, since: int) -> bool:
        """Whether something behind it may be in the stream no more."""
        size = await self._bus.outputs.size()
        return since < size.last_seq - size.entries

    async def _catch_up(
        self, client: LiveClient, pipeline: int | None, since: int, still: Callable[[], None]
    ) -> None:
        """A piece after the other, as fast as the client takes them. Each user reads in turn and so much a second."""
        turn = self._history.turn(client.caller.share)
        scope = OUTPUT_SCOPE if pipeline is None else f"ottb.v1.out.pipeline.{pipeline}.>"
        while since < (until := self._seq):
            async with aclosing(self._pieces(scope, since, until)) as pieces:
                more = True
                while more:
                    async with turn:
                        still()
                        piece: list[Recorded] = await anext(pieces, [])
                        turn.pay(cost_of(len(piece), bytes_in(piece)))
                    still()
                    self._transports.write(client.transport, *(said for entry in piece if (said := _said(entry))))
                    more = bool(piece)
                    await self._transports.taken(client.transport)
            since = until

    async def _pieces(self, scope: str, since: int, until: int) -> AsyncGenerator[list[Recorded], None]:
        """The entries behind `since` up to `until`, some at a time."""
        piece: list[Recorded] = []
        size = 0
        async for entry in self._bus.outputs.replay(scope, after=since, gently=True):
            if entry.seq > until:
                break
            piece.append(entry)
            size += len(entry.data)
            if len(piece) == PIECE or size >= PIECE_BYTES:
                yield piece
                piece, size = [], 0
        if piece:
            yield piece

    async def _hear(self, recorded: Recorded) -> None:
        self._seq = recorded.seq
        hearing = [client for client in self._clients.values() if _hears(client)]
        if not hearing or (lines := _lines(recorded)) is None:
            return
        said: Said | None = None
        for client in hearing:
            if client.narrowed[ROOM].get("pipeline", lines.pipeline) == lines.pipeline:
                said = said or _say(lines, recorded.seq)
                self._transports.write(client.transport, said)


def _hears(client: LiveClient) -> bool:
    return ROOM in client.rooms and client.hears_log == client.turns[ROOM]


def _lines(recorded: Recorded) -> OutputLines | None:
    try:
        return _decode(recorded.data)
    except UNDECODABLE:
        return None


def _said(recorded: Recorded) -> Said | None:
    lines = _lines(recorded)
    return _say(lines, recorded.seq) if lines is not None else None


def _say(lines: OutputLines, seq: int) -> Said:
    return event_said(LOG.event, {"event": LOG.event, "data": lines, "log_seq": seq})
