"""From an entry of the journal, or a figure, to what the rooms hear of it, encoded once for everybody."""

from collections.abc import Mapping
from itertools import combinations

import structlog
from msgspec import Struct, json

from actors.runtime.bus import Headers, Recorded
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import UNDECODABLE, Topic
from bus_schemas.kinds import Kind, owners_in
from bus_schemas.permissions import Action
from bus_schemas.rights import rights, without
from gateway.auth import Caller
from gateway.live.said import Said, event_said
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
    """What the room of one kind hears of an event. `says`: what, for each set of those `rights` that somebody can hold
    which its fields ask for; of most events there are none, and one is said. `owners`: whose thing it is about, None:
    everybody's; empty: nobody knows, and only who sees all hears it. `facts`: the fields by which clients narrow what
    they hear. `whole`: the thing of the room of which it says all that there is to say, if it does."""

    kind: Kind
    rights: frozenset[Action]
    says: Mapping[frozenset[str], Said]
    owners: tuple[str | None, ...]
    facts: Mapping[str, object]
    whole: str | None = None

    def heard_by(self, caller: Caller, narrowed: Mapping[str, object]) -> Said | None:
        """What somebody is told of it, who wants to hear of what is so alone. None: nothing, since they do not see the
        thing, or it is another one. A thing that changes hands is still heard of by who had it."""
        if narrowed and any(self.facts.get(name) != value for name, value in narrowed.items()):
            return None
        actions = caller.actions
        if self.kind.view_any in actions or self.kind.visible(*self.owners, user=caller.user, actions=actions):
            return self.says[self.rights & actions if self.rights else self.rights]
        return None

    def reaches_all(self, earlier: "RoomEvent") -> bool:
        """Whether everybody hears it who hears an earlier one."""
        return self.facts == earlier.facts and set(self.owners) >= set(earlier.owners)

    @property
    def size(self) -> int:
        """About how many bytes it keeps in memory."""
        return sum(len(said.frame) for said in self.says.values())


class LiveEvent(Struct, frozen=True):
    """An entry of the journal as it goes out. `seq`: its place there."""

    seq: int
    rooms: list[RoomEvent]

    @property
    def size(self) -> int:
        """About how many bytes it keeps in memory."""
        return sum(event.size for event in self.rooms)


def room_events(recorded: Recorded, metrics: Metrics, *, counted: bool = False) -> list[RoomEvent]:
    """What the rooms hear of an entry. One that is not understood is counted and skipped: the others go on. `counted`:
    it is told for the first time, and is in the figures then."""
    topic = topic_of(recorded.subject)
    if topic is None or topic not in ROWS:
        return []
    try:
        event = json.decode(recorded.data, type=topic.event)
        if counted:
            metrics.counted.event(event)
        return presented(topic, event, recorded.headers, recorded.seq)
    except Exception as error:
        if not isinstance(error, UNDECODABLE):
            log.exception("event not presented", subject=recorded.subject, seq=recorded.seq)
        metrics.not_understood("event", subject=recorded.subject, error=error, seq=recorded.seq)
    return []


def presented(topic: Topic[Struct], event: Struct, headers: Headers, seq: int) -> list[RoomEvent]:
    """What each room hears of an event that was understood."""
    asked = rights(topic.event)
    versions = {held: without(event, held) for held in _sets_of(asked)}
    found = []
    for row in ROWS[topic]:
        updates = {held: row.present(version) for held, version in versions.items()}
        says = {
            held: event_said(row.event, {"event": row.event, "data": update, "seq": seq})
            for held, update in updates.items()
            if update is not None
        }
        if says:
            [update, *_] = (update for update in updates.values() if update is not None)
            facts = {name: getattr(update, name) for name, _ in row.narrows}
            found.append(RoomEvent(row.kind, asked, says, owners_in(headers, row.kind), facts, row.whole(update)))
    return found


def _sets_of(actions: frozenset[Action]) -> list[frozenset[str]]:
    """All sets that can be made of a few actions."""
    return [frozenset(chosen) for size in range(len(actions) + 1) for chosen in combinations(actions, size)]
