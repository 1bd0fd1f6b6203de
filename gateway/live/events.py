"""From an entry of the journal, or a figure, to what the rooms hear of it, encoded once for everybody."""

import structlog
from msgspec import Struct, json
from socketio.packet import EVENT

from actors.runtime.bus import Headers, Recorded
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import UNDECODABLE, Topic
from bus_schemas.kinds import Kind, owners_in
from gateway.auth import Caller
from gateway.metrics import Metrics
from gateway.routes import AnyRoom
from gateway.surface import ROOMS

log = structlog.get_logger()

ROWS: dict[Topic[Struct], list[AnyRoom]] = {}
SOURCES: dict[str, set[str]] = {}  # what of the journal a room is filled from
for row in ROOMS:
    for topic in row.topics:
        ROWS.setdefault(topic, []).append(row)
    others = {topic.pattern for topic in row.topics if topic.kept and topic.kind != row.kind.name}
    SOURCES[row.kind.room] = {f"ottb.v1.evt.{row.kind.name}.>", *others}


class RoomEvent(Struct, frozen=True):
    """What the room of one kind hears of an event. `text`: a Socket.IO packet. `owners`: whose thing it is about, None:
    everybody's; empty: nobody knows, and only who sees all hears it."""

    kind: Kind
    text: str
    owners: tuple[str | None, ...]

    def is_for(self, caller: Caller) -> bool:
        """Whether somebody sees the thing. A thing that changes hands is still heard of by who had it."""
        if self.kind.view_any in caller.actions:
            return True
        return any(self.kind.visible(owner, user=caller.user, actions=caller.actions) for owner in self.owners)


class LiveEvent(Struct, frozen=True):
    """An entry of the journal as it goes out. `seq`: its place there."""

    seq: int
    rooms: list[RoomEvent]


def room_events(recorded: Recorded, metrics: Metrics) -> list[RoomEvent]:
    """What the rooms hear of an entry. One that is not understood is counted and skipped: the others go on."""
    topic = topic_of(recorded.subject)
    if topic is None or topic not in ROWS:
        return []
    try:
        return presented(topic, json.decode(recorded.data, type=topic.event), recorded.headers, recorded.seq)
    except Exception as error:
        if not isinstance(error, UNDECODABLE):
            log.exception("event not presented", subject=recorded.subject, seq=recorded.seq)
        metrics.not_understood("event", subject=recorded.subject, error=error, seq=recorded.seq)
    return []


def presented(topic: Topic[Struct], event: Struct, headers: Headers, seq: int) -> list[RoomEvent]:
    """What each room hears of an event that was understood."""
    found = []
    for row in ROWS[topic]:
        update = row.present(event)
        if update is not None:
            found.append(RoomEvent(row.kind, _encode(row, update, seq), owners_in(headers, row.kind)))
    return found


def _encode(row: AnyRoom, update: Struct, seq: int) -> str:
    """The text of a Socket.IO packet (protocol 5: the packet's type, then the event's name and arguments as JSON)."""
    payload = {"event": row.event, "data": update, "seq": seq}
    return f"{EVENT}{json.encode((row.event, payload)).decode()}"
