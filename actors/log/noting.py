"""Writes what is notable of the platform itself into its log.

Every host reads the journal for it and would write the same. An event's id in the stream follows from its entry of the
journal, so the first host's stays and the others' are refused. What is quarantined each host says of its own.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import msgspec
import structlog
from msgspec import Struct

from actors.log.notable import TOPICS, left_out, notes, quarantined, usable_again
from actors.log.writer import LogWriter
from actors.runtime.bus import Bus, BusError, Fenced, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from actors.runtime.pace import Pace
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import Refusal
from bus_schemas.log import LogEvent

log = structlog.get_logger()

MINUTE = 60.0
MOST = 30  # events that are alike but for what they are about, in a minute
LASTING, LASTING_AT_ONCE = 3.0, 300.0  # of them, a minute on the long run, and so many more after a quiet time
LOOK = 2.0  # seconds between two looks at what is quarantined
TRIES, PAUSE = 3, 1.0  # to write one event, and the seconds between them

LeftAlone = Mapping[tuple[str, str], str]  # why, by kind and id


class Spared(Struct):
    """A sort of events in its minute: how many were written, how many more there were, and the last of those."""

    began: float
    written: int = 0
    more: int = 0
    like: LogEvent | None = None


class Noting:
    """Of one host."""

    def __init__(self, *, bus: Bus, clock: Clock, writer: LogWriter) -> None:
        self._bus = bus
        self._clock = clock
        self._writer = writer
        self._noted: dict[str, str] = {}
        self._lasting = Pace(per_second=LASTING / MINUTE, at_once=LASTING_AT_ONCE, now=clock.monotonic)
        self._spared: dict[tuple[str, str, str], Spared] = {}
        self._stops: list[Unsubscribe] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Note what happens from now on."""
        after = await self._bus.last_seq()
        for topic in TOPICS:
            self._stops.append(await self._bus.follow(topic.pattern, self._hear, after=after))

    def watch(self, left_alone: Callable[[], LeftAlone]) -> None:
        """Note also what is quarantined here, from now on and what is already."""
        self._task = asyncio.get_running_loop().create_task(self._watch(left_alone))

    async def stop(self) -> None:
        for stop in self._stops:
            await stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _hear(self, recorded: Recorded) -> None:
        """An entry of the journal. It may wait here: what comes after it waits on the server."""
        topic = topic_of(recorded.subject)
        if topic is None:
            return
        try:
            event = msgspec.json.decode(recorded.data, type=topic.event)
        except UNDECODABLE:  # the ledger names it
            return
        for number, note in enumerate(notes(topic, event, self._noted)):
            await self._note(note, sort=topic.subject, id=f"note-{recorded.seq}-{number}")

    async def _watch(self, left_alone: Callable[[], LeftAlone]) -> None:
        known: LeftAlone = {}
        while True:
            try:
                known = await self._compare(known, dict(left_alone()))
                await self._say_what_was_left_out()
            except Exception:
                log.exception("what is quarantined was not noted")
            await asyncio.sleep(LOOK)

    async def _compare(self, known: LeftAlone, now: LeftAlone) -> LeftAlone:
        """Note what has changed."""
        for (kind, id), reason in now.items() - known.items():
            await self._note(quarantined(kind, id, reason), sort=kind)
        for kind, id in known.keys() - now.keys():
            await self._note(usable_again(kind, id), sort=kind)
        return now

    async def _note(self, note: LogEvent, *, sort: str, id: str | None = None) -> None:
        """Write it, if there were not too many of its sort already: who can cause them fills the log with none."""
        key, now = (sort, note.module, note.severity), self._clock.monotonic()
        spared = self._spared.setdefault(key, Spared(began=now))
        if spared.written >= MOST or self._lasting.turn(("sort", ".".join(key)), patience=0.0) is None:
            spared.more, spared.like = spared.more + 1, note
            return
        spared.written += 1
        await self._write(note, id)

    async def _say_what_was_left_out(self) -> None:
        """At the end of each minute of a sort."""
        now = self._clock.monotonic()
        for key in [key for key, spared in self._spared.items() if now - spared.began >= MINUTE]:
            over = self._spared.pop(key)
            if over.like is not None:
                await self._write(left_out(over.more, over.like))

    async def _write(self, note: LogEvent, id: str | None = None) -> None:
        for _ in range(TRIES):
            with contextlib.suppress(BusError):
                try:
                    await self._writer.put(note, id=id)
                except Fenced:  # another host has written it
                    pass
                except Refusal as refusal:  # what it is made of came from outside, and is too much
                    log.warning("not noted", message=note.message, why=refusal.message)
                return
            await asyncio.sleep(PAUSE)
        log.warning("not noted: the bus does not take it", message=note.message)
