"""What is only telemetry: the newest of each thing, twice a second, under the last `seq` of the journal."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.bus import Headers, Message
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.contract import UNDECODABLE, Topic
from gateway.live.events import RoomEvent, presented
from gateway.metrics import Metrics

TELEMETRY_PAUSE = 0.5


class Figures:
    """Of one gateway. `say`: tells the rooms; `seq`: of the newest entry of the journal that was heard."""

    def __init__(
        self, *, metrics: Metrics, say: Callable[[Iterable[RoomEvent]], None], seq: Callable[[], int]
    ) -> None:
        self._metrics = metrics
        self._say = say
        self._seq = seq
        self._waiting: dict[str, tuple[Topic[Any], Struct, Headers]] = {}  # by subject, not said yet

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
            self._waiting[message.subject] = (topic, figures, message.headers)

        return hear

    async def send(self) -> None:
        """Say what has come since the last time."""
        waiting, self._waiting = self._waiting, {}
        for topic, event, headers in waiting.values():
            self._say(presented(topic, event, headers, self._seq()))
