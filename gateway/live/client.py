"""Who is connected to the live feed."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from bus_schemas.dashboard import Dashboard
from bus_schemas.log import ListLogs
from gateway.auth import Caller


class LiveClient(Struct):
    """A connected client. `transport`: engineio's id of its connection; `leave`: when its token expires; `turns`: how
    often it has subscribed or left each room; `log`: which events of the log it wants, while it is in that room;
    `dashboard`: the figures that it was told last; `narrowed`: what it wants to hear of alone, by room; `entered`:
    behind which event of each it came in; `hears_log`: since which turn in the room of pipelines it hears what steps
    write."""

    caller: Caller
    transport: str
    leave: asyncio.TimerHandle
    rooms: set[str] = set()
    turns: Counter[str] = msgspec.field(default_factory=Counter)
    log: ListLogs = msgspec.field(default_factory=ListLogs)
    dashboard: Dashboard | None = None
    narrowed: dict[str, Mapping[str, object]] = {}
    entered: dict[str, int] = {}
    hears_log: int = 0
