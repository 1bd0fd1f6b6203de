"""What is over leaves the journal: calls with an end, and records of the audit, once they are old enough and sealed.

Nothing leaves whose day cannot be read whole by every host that is there, nor a call that the records do not answer
for. `DaysLeaving` is on record before: by that who finds nothing in the journal knows to ask the records
(`actors/dialing/left.py`). Of a call `dialing` goes last but one and `ended` last: so at every moment it is whole, or
over, or nowhere, and never one that has begun and not ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from actors.archive.archive import Archive
from actors.archive.record import Book, Segment
from actors.runtime.bus import Bus, Recorded
from actors.runtime.clock import Clock
from actors.runtime.journalled import REPLY_HEADER
from bus_schemas.audit import AUDIT_RECORDED
from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import ROOT, UNDECODABLE, id_of, verb_of
from bus_schemas.erasure import ERASURE_BEGUN, ERASURE_DONE, ERASURE_FAILED
from bus_schemas.personal import EACH, PERSONAL

log = structlog.get_logger()

AUDIT_KEPT = 1_000  # newest records of the audit that stay: hosts look back at some
MOST = 20_000  # calls, and records of the audit, in one turn
REST = 600.0  # seconds until a day that a host could not read is asked for again
AT_ONCE = 4  # that are looked at and removed at once: each is work for the server's disk

Everywhere = Callable[[Segment], Awaitable[bool]]  # whether every host has just read a day, whole
Known = Callable[[str, int], Awaitable[bool]]  # whether the records, read up to an entry, have a call, and its end


class Leaving:
    """Has what is over leave, `days` after it was written. `may`: whether this host may go on, asked now and then."""

    def __init__(
        self, *, bus: Bus, clock: Clock, archive: Archive, days: int, everywhere: Everywhere, known: Known,
        may: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._bus = bus
        self._clock = clock
        self._archive = archive
        self._days = days
        self._everywhere = everywhere
        self._known = known
        self._may = may
        self._seen = 0  # ends of calls up to here were looked at by this process: what stayed, stays
        self._done = 0  # all that may leave up to here has left
        self._not_before = 0.0  # as some host could not read a day: monotonic
        self._left_over = False  # in this turn, something for a later one
        self._checked: dict[str, bool] = {}  # by digest, in this turn

    async def turn(self, host: str) -> int:
        """Remove what may go now, some of it at most. Returns how many entries are gone. Raises BusError, NotErased,
        NotAnArchive, Fenced, Refusal."""
        book = await self._archive.book()
        now = min(self._clock.now(), datetime.fromtimestamp(book.at, UTC))  # this host's clock may be ahead
        oldest_kept = (now.astimezone(UTC).date() - timedelta(days=self._days)).isoformat()
        old = [one for one in book.days if one.day < oldest_kept]
        if not old:
            return 0
        limit, self._checked, self._left_over = old[-1].last, {}, False
        if limit == self._done or self._clock.monotonic() < self._not_before:
            return 0
        await self._archive.leave(book, limit, host)
        gone = await self._calls(book, limit) + await self._audit(book, limit)
        self._done = limit if not self._left_over else 0
        return gone

    async def _calls(self, book: Book, limit: int) -> int:
        ended, gone = list[Recorded](), 0
        async for entry in self._bus.replay(CALL_ENDED.pattern, after=self._seen):
            if entry.seq > limit or self._is_much(len(ended)):
                break
            ended.append(entry)
        for begin in range(0, len(ended), AT_ONCE):
            if not await self._may_go_on():
                self._left_over = True
                return gone
            some = ended[begin : begin + AT_ONCE]
            left = await asyncio.gather(*(self._call(book, id_of(entry.subject), limit) for entry in some))
            gone += sum(filter(None, left))
            self._left_over = self._left_over or None in left
            if not self._left_over:
                self._seen = some[-1].seq
        return gone

    async def _call(self, book: Book, call_id: str, limit: int) -> int | None:
        """One call. Returns how many entries are gone; None: not now. What is not over with, or not in the records, is
        left for good."""
        entries = [entry async for entry in self._bus.replay(f"{ROOT}.evt.call.*.{call_id}.*")]
        if any(entry.seq > limit for entry in entries) or not _may_leave(entries):
            return 0
        if not await self._are_safe(book, entries):
            return None
        if not await self._known(call_id, limit):
            log.warning("a call stays in the journal: the records do not know its end", call_id=call_id)
            return 0
        for entry in sorted(entries, key=_last_of_all):
            await self._bus.remove(entry.seq, overwrite=_is_personal(entry))
        return len(entries)

    async def _audit(self, book: Book, limit: int) -> int:
        newer = 0
        async for _ in self._bus.replay(AUDIT_RECORDED.subject, after=limit):
            newer += 1
            if newer == AUDIT_KEPT:
                break
        old = list[Recorded]()
        async for entry in self._bus.replay(AUDIT_RECORDED.subject):
            if entry.seq > limit or self._is_much(len(old)):
                break
            old.append(entry)
        gone = 0
        for begin in range(0, stop := max(len(old) - (AUDIT_KEPT - newer), 0), AT_ONCE):
            some = old[begin : min(begin + AT_ONCE, stop)]
            if not await self._may_go_on() or not await self._are_safe(book, some):
                self._left_over = True
                return gone
            await asyncio.gather(*(self._bus.remove(entry.seq, overwrite=_is_personal(entry)) for entry in some))
            gone += len(some)
        return gone

    def _is_much(self, number: int) -> bool:
        """Whether that many are enough for this turn."""
        self._left_over = self._left_over or number >= MOST
        return number >= MOST

    async def _are_safe(self, book: Book, entries: Sequence[Recorded]) -> bool:
        """Whether every host has read the days that they are in."""
        for entry in entries:
            day = book.holding(entry.seq)
            if day is None:
                return False
            if day.digest not in self._checked:
                self._checked[day.digest] = await self._everywhere(day)
            if not self._checked[day.digest]:
                self._not_before = self._clock.monotonic() + REST
                return False
        return True

    async def _may_go_on(self) -> bool:
        """Not while somebody is being erased: an entry that is changed and removed at once could come back."""
        begun = {id_of(subject) for subject in await self._bus.ids(ERASURE_BEGUN.pattern)}
        for topic in (ERASURE_DONE, ERASURE_FAILED):
            begun -= {id_of(subject) for subject in await self._bus.ids(topic.pattern)}
        return not begun and self._may()


def _may_leave(entries: Sequence[Recorded]) -> bool:
    """Whether a call is over, and nobody begins from it: campaigns and runs ask the journal for what became of theirs.
    Its end alone is what a removal has left that did not come to its end."""
    by_verb = {verb_of(entry.subject): entry for entry in entries}
    if by_verb.keys() == {CALL_ENDED.verb}:
        return True
    if not by_verb.keys() >= {CALL_DIALING.verb, CALL_ENDED.verb}:
        return False
    try:
        attempt = msgspec.json.decode(by_verb[CALL_DIALING.verb].data, type=CallDialing)
    except UNDECODABLE:
        return False
    return attempt.campaign is None and attempt.run is None


def _last_of_all(entry: Recorded) -> tuple[bool, bool, int]:
    verb = verb_of(entry.subject)
    return verb == CALL_ENDED.verb, verb == CALL_DIALING.verb, entry.seq


def _is_personal(entry: Recorded) -> bool:
    """Whether it says something of a person: then nothing of it may be left on a disk, since who erases somebody later
    can overwrite what is in the journal, and rewrite sealed days, and nothing else."""
    topic = topic_of(entry.subject)
    if topic is None or REPLY_HEADER in entry.headers:  # an answer may show a whole call
        return True
    try:
        said = msgspec.json.decode(entry.data)
        return any(_has(said, path.split(".")) for path in PERSONAL.get(topic, {}))
    except UNDECODABLE:
        return True


def _has(said: Any, path: Sequence[str]) -> bool:
    """Whether there is something at a path of names; `*`: of each."""
    match said, path:
        case dict() | list(), [name, *rest]:
            some = said if isinstance(said, list) else said.values() if name in ("*", EACH) else [said.get(name)]
            return any(_has(one, rest) for one in some)
        case _:
            return bool(said) and not path
