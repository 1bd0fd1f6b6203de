"""Which runners there are, as each says every second."""

import msgspec

from actors.runtime.bus import Bus, Message, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.contract import UNDECODABLE
from bus_schemas.pipeline import RunnerView
from bus_schemas.pipeline_events import RUNNER_BEAT, RunnerBeat

SILENT = 5.0  # seconds without a word after which a runner is taken for gone
MOST = 1000

_decode = msgspec.json.Decoder(RunnerBeat).decode


class Runners:
    """Those that are there."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._heard: dict[str, tuple[float, RunnerView]] = {}
        self._end: Unsubscribe | None = None

    async def start(self) -> None:
        self._end = await self._bus.subscribe(RUNNER_BEAT.pattern, self._hear)

    async def stop(self) -> None:
        if self._end is not None:
            await self._end()

    async def _hear(self, message: Message) -> None:
        try:
            beat = _decode(message.data)
        except UNDECODABLE:
            return
        if beat.runner in self._heard or len(self._heard) < MOST:
            self._heard[beat.runner] = self._clock.monotonic(), beat.view

    def there(self) -> list[RunnerView]:
        """By name."""
        since = self._clock.monotonic() - SILENT
        self._heard = {name: heard for name, heard in self._heard.items() if heard[0] >= since}
        return [view for _, (_, view) in sorted(self._heard.items())]

    def may(self, labels: tuple[str, ...]) -> bool:
        """Whether one has these labels."""
        return any(set(labels) <= set(view.labels) for view in self.there())
