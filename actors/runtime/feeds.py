"""What this host says beside the journal: what is not kept, and events again on the feeds of their owners.

Nobody misses it if the bus is away: who must miss nothing reads the journal. On feeds that nobody can hear nothing is
said (`audience.py`): with many users, and campaigns of their own, that is half of what goes to the server.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.audience import Audience
from actors.runtime.bus import Bus, BusError, Headers
from actors.runtime.effects import Work
from actors.runtime.wire import SEQ_HEADER
from bus_schemas.catalogue import rights_in
from bus_schemas.contract import AnyTopic, Topic
from bus_schemas.kinds import feed_for_all, feeds_of, owners_header
from bus_schemas.rights import rights, without

log = structlog.get_logger()

WAITING = 10_000  # events for feeds while the bus is slow; beyond, the oldest are not sent

Event = TypeVar("Event", bound=Struct)


class Feeds:
    """Of one host. `spawn`: begins a task that ends with it. `audience`: of the host, and of the shards that it has."""

    def __init__(self, *, bus: Bus, audience: Audience, spawn: Callable[[Work[None]], "asyncio.Task[None]"]) -> None:
        self._bus = bus
        self.audience = audience
        self._spawn = spawn
        self._waiting: deque[tuple[str, bytes, Headers]] = deque(maxlen=WAITING)
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, topic: Topic[Event], event: Event, owners: Iterable[str | None] = ()) -> None:
        """Say something that is not kept, also on the feeds of whose thing it is about."""
        subject, data, owners = topic.subject_for(event), msgspec.json.encode(event), tuple(owners)
        try:
            await self._bus.publish(subject, data, owners_header({topic.kind: owners}))
        except BusError as error:
            log.debug("telemetry not sent", topic=topic.subject, error=repr(error))
        self.publish_to_owners(topic, event, data, feeds_of(subject, owners))

    def publish_to_owners(
        self, topic: AnyTopic, event: Struct, data: bytes, feeds: Mapping[str | None, str], *, seq: int = 0
    ) -> None:
        """Say an event again on the `feeds` of its owners (`feeds_of`) that somebody may hear, without the fields that
        need a right of their own. `data`: the event, encoded; `seq`: its place in the journal, 0: none."""
        heard = [feed for owner, feed in feeds.items() if self.audience.may_hear(owner)]
        if topic.kept and rights_in(topic.kind) and self.audience.may_hear(None):
            heard.append(feed_for_all(topic.subject_for(event)))
        if not heard:
            return
        if rights(topic.event):
            data = msgspec.json.encode(without(event, ()))
        headers = {SEQ_HEADER: str(seq)} if seq else {}
        self._waiting.extend((feed, data, headers) for feed in heard)
        if self._sending is None or self._sending.done():
            self._sending = self._spawn(self._send())

    async def _send(self) -> None:
        while self._waiting:
            subject, data, headers = self._waiting.popleft()
            try:
                await self._bus.publish(subject, data, headers)
            except BusError as error:
                log.debug("feed not sent", subject=subject, error=repr(error))
