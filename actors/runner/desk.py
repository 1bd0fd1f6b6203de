"""What the runs of one host's runner are carried out with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.runner.on_phones import OnPhones
from actors.runner.port import Executor
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.ids import Ids
from bus_schemas.pipeline import RunnerView


@dataclass(frozen=True, kw_only=True)
class Desk:
    """`secret`: one by its name, None where there is none; `repository`: where that of a definition is; `lost_after`:
    seconds without an answer after which a run is not ours any more; `phones`: what is begun on them; `keeping`: held
    by whoever keeps an artefact."""

    bus: Bus
    clock: Clock
    ids: Ids
    executor: Executor
    name: str
    secret: Callable[[str], str | None]
    repository: Callable[[str], str]
    lost_after: float
    phones: OnPhones
    view: Callable[[tuple[str, ...]], RunnerView]
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)
