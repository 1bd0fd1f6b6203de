"""How full the streams of the site are: an alarm early enough for a person to do something, and no new work in the end.

At 70 and at 85 % of a limit the log and readiness say so. From 95 % of the journal on, nothing new is begun: what is
left is for what has begun, so that each call gets its end on record, and for those who take somebody's rights away. The
doors refuse the rest (`gateway/brake.py`), hosts begin no call, POINT lets in only who may change users. At the limit
the journal itself refuses. That there is no room is also known before a write has been refused (after a restart), and
while a short one is still taken: so readiness goes by how full it is, too.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from actors.runtime.bus import FULL, Bus, BusError
from actors.runtime.host import Host
from actors.runtime.problems import Problem, Problems
from bus_schemas.host import StreamUse

log = structlog.get_logger()

LOOK, LOOK_OFTEN = 10.0, 1.0  # seconds between two looks; often while a journal fills up
WARN, ALARM, NO_NEW_WORK = 70, 85, 95  # percent
NO_ROOM = 999  # per mille: of the default limit 4 MB are left then

NO_LIMIT = (
    "it has no limit of its own, only the server's quota (max_file_store): that had less to give than a limit takes, or"
    " an earlier version made the journal; the log says which"
)


class Storage:
    """Looks after the streams, for one host."""

    def __init__(self, *, host: Host) -> None:
        self._host = host
        self._problems = Problems("stream")
        self._level: dict[str, int] = {}  # the last threshold that each stream was seen above
        self.found: list[StreamUse] = []

    def problems(self) -> list[Problem]:
        """The streams above a threshold, and those without a limit."""
        return self._problems.all()

    @property
    def trouble(self) -> str | None:
        """Why the journal takes nothing, or soon nothing, by how full it is."""
        return FULL if any(one.limit and 1000 * one.bytes >= NO_ROOM * one.limit for one in self.found[:1]) else None

    async def start(self) -> None:
        await self.look()
        self._host.spawn(self._run())

    async def _run(self) -> None:
        while True:
            await self._host.pause(_until_next(self.found))
            await self.look()

    async def look(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                self.found = await self._host.bus.usage()
        except (BusError, TimeoutError) as error:  # what was found last stands
            log.debug("streams not looked at", error=repr(error))
            return
        for number, one in enumerate(self.found):
            self._judge(one)
            if number == 0:
                self._host.nearly_full = percent_of(one) >= NO_NEW_WORK

    def _judge(self, one: StreamUse) -> None:
        percent = percent_of(one)
        level = max((each for each in (WARN, ALARM, NO_NEW_WORK) if percent >= each), default=0)
        reason = f"{percent} % of its limit of {one.limit / 2**20:.0f} MB is used" if one.limit else NO_LIMIT
        if level > self._level.get(one.stream, 0):
            (log.warning if level < ALARM else log.error)("stream fills up", stream=one.stream, percent=percent)
        self._level[one.stream] = level
        if level or not one.limit:
            self._problems.condition(one.stream, reason)
        else:
            self._problems.settle(one.stream)


def percent_of(one: StreamUse) -> int:
    """How much of its limit a stream has used, in percent; 0 where it has none."""
    return 100 * one.bytes // one.limit if one.limit else 0


def _until_next(found: Sequence[StreamUse]) -> float:
    """Seconds until the next look."""
    return min(LOOK, LOOK_OFTEN) if found and percent_of(found[0]) >= WARN else LOOK


class Room:
    """Whether the journal has room for something new, for whoever is no host."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._found: Sequence[StreamUse] = ()

    @property
    def nearly_full(self) -> bool:
        return bool(self._found) and percent_of(self._found[0]) >= NO_NEW_WORK

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            with contextlib.suppress(BusError, TimeoutError):
                async with asyncio.timeout(LOOK):
                    self._found = await self._bus.usage()
            await asyncio.sleep(_until_next(self._found))
