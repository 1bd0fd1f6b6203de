"""What is only telemetry: the newest of each thing, twice a second, under the last `seq` of the journal.

It stands in no journal, so who comes back could not read what it has missed: the newest of each thing is kept, as far
as this gateway has heard it, and said once more.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.bus import Headers, Message
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.contract import ROOT, UNDECODABLE, Topic, id_of, kind_of, verb_of
from gateway.live.events import ROWS, RoomEvent, presented
from gateway.metrics import Metrics

TELEMETRY_PAUSE = 0.5
MOST_KEPT = 5_000  # things whose newest figures are kept: those that were heard of last
OVER = frozenset({"removed", "archived"})  # what has happened to a thing of which nobody wants figures any more
Heard = tuple[Topic[Any], Struct, Headers]


class Figures:
    """Of one gateway. `say`: tells the rooms; `seq`: of the newest entry of the journal that was heard."""

    def __init__(
        self, *, metrics: Metrics, say: Callable[[Iterable[RoomEvent]], None], seq: Callable[[], int]
    ) -> None:
        self._metrics = metrics
        self._say = say
        self._seq = seq
        self._waiting: dict[str, Heard] = {}  # by subject, not said yet
        self._newest: dict[str, tuple[int, Heard]] = {}  # by subject, each with its number
        self.count = 0  # of all that were heard

    def hears(self, topic: Topic[Any]) -> Callable[[Message], Awaitable[None]]:
        """What takes the messages of a topic."""

        async def hear(message: Message) -> None:
            try:
                figures = msgspec.json.decode(message.data, type=topic.event)
            except UNDECODABLE as error:
                what = f"{topic.kind} telemetry"
                self._metrics.not_understood(what, subject=message.subject, error=error)
                return
            if isinstance(figures, CampaignTelemetry):
                self._metrics.campaign(figures)
            self._waiting[message.subject] = heard = (topic, figures, message.headers)
            self._keep(message.subject, heard)

        return hear

    def _keep(self, subject: str, heard: Heard) -> None:
        self.count += 1
        self._newest.pop(subject, None)  # so that the first is the one that was heard of longest ago
        self._newest[subject] = (self.count, heard)
        if len(self._newest) > MOST_KEPT:
            del self._newest[next(iter(self._newest))]

    def forget(self, subject: str) -> None:
        """An entry of the journal was heard: of a thing that is no more, nothing is said again."""
        if verb_of(subject) in OVER:
            self._newest.pop(f"{ROOT}.tel.{kind_of(subject)}.{id_of(subject)}", None)

    def newest(self, room: str, behind: int) -> list[Heard]:
        """Of each thing of a room, where something was heard `behind` so many figures."""
        return [
            heard
            for number, heard in self._newest.values()
            if number > behind and any(row.kind.room == room for row in ROWS[heard[0]])
        ]

    async def send(self) -> None:
        """Say what has come since the last time."""
        waiting, self._waiting = self._waiting, {}
        for topic, event, headers in waiting.values():
            self._say(presented(topic, event, headers, self._seq()))


def said_again(figures: Iterable[Heard], room: str, seq: int) -> Iterator[RoomEvent]:
    """Figures, as a room hears of them behind the entry `seq` of the journal."""
    for topic, event, headers in figures:
        yield from (each for each in presented(topic, event, headers, seq) if each.kind.room == room)
