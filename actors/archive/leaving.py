"""What is over leaves the journal: calls with an end, and records of the audit, once they are old enough and sealed.

Nothing leaves whose day cannot be read whole by every host that is there, nor a call that the records do not answer
for, nor one whose campaign, or script's run, has not on record what became of it: those ask the journal.
`DaysLeaving` is on record before: by that who finds nothing in the journal knows to ask the records
(`actors/dialing/left.py`). Of a call `dialing` goes last but one and `ended` last: so at every moment it is whole, or
over, or nowhere, and never one that has begun and not ended.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from actors.archive.archive import Archive
from actors.archive.record import Book, Segment
from actors.runtime.bus import Bus, Recorded
from actors.runtime.clock import Clock
from actors.runtime.journalled import REPLY_HEADER
from bus_schemas.audit import AUDIT_RECORDED
from bus_schemas.call import CALL_DIALING, CALL_ENDED, CallDialing
from bus_schemas.campaign import CAMPAIGN_ATTEMPT_ENDED
from bus_schemas.catalogue import topic_of
from bus_schemas.contract import ROOT, UNDECODABLE, id_of, verb_of
from bus_schemas.erasure import ERASURE_BEGUN, ERASURE_DONE, ERASURE_FAILED
from bus_schemas.personal import EACH, PERSONAL
from bus_schemas.script import RUN_ENDED

log = structlog.get_logger()

AUDIT_KEPT = 1_000  # newest records of the audit that stay: hosts look back at some
MOST = 20_000  # calls, and records of the audit, in one turn
REST = 600.0  # seconds until a day that a host could not read is asked for again
LATE = 30 * 86_400.0  # seconds behind the newest of some calls, in which is looked whether their campaigns know of them
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
        self._limit = 0  # up to where all may leave
        self._unsettled = math.inf  # the first end of a call that may leave with a day more
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
        if limit != self._limit:  # with a day more, they may
            self._seen = int(min(self._seen, self._unsettled - 1))
            self._limit, self._unsettled = limit, math.inf
        if limit == self._done or self._clock.monotonic() < self._not_before:
            return 0
        await self._archive.leave(book, limit, host)
        gone = await self._calls(book, limit) + await self._audit(book, limit)
        self._done = limit if not self._left_over else 0
        return gone

    async def _calls(self, book: Book, limit: int) -> int:
        ended, gone, later = list[Recorded](), 0, False
        async for entry in self._bus.replay(CALL_ENDED.pattern, after=self._seen):
            if entry.seq > limit or self._is_much(len(ended)):
                break
            ended.append(entry)
        known_to_campaigns = await self._known_to_campaigns(ended, limit)
        for begin in range(0, len(ended), AT_ONCE):
            if not await self._may_go_on():
                self._left_over = True
                return gone
            some = ended[begin : begin + AT_ONCE]
            left = await asyncio.gather(*(self._call(book, entry, limit, known_to_campaigns) for entry in some))
            gone += sum(filter(None, left))
            later = later or None in left
            if not later:
                self._seen = some[-1].seq
        self._left_over = self._left_over or later
        return gone

    async def _call(self, book: Book, ended: Recorded, limit: int, known_to_campaigns: Collection[str]) -> int | None:
        """One call. Returns how many entries are gone; None: not now. What is not over with, or not in the records,
        stays; one of which something newer is known, or its campaign or run nothing, is looked at again each day."""
        call_id = id_of(ended.subject)
        entries = [entry async for entry in self._bus.replay(f"{ROOT}.evt.call.*.{call_id}.*")]
        if not (over := _over(entries)):
            return 0
        settled = over is True or await self._is_settled(over, limit, known_to_campaigns)
        if not settled or any(entry.seq > limit for entry in entries):
            self._unsettled = min(self._unsettled, ended.seq)
            return 0
        if not await self._are_safe(book, entries):
            return None
        if not await self._known(call_id, limit):
            log.warning("a call stays in the journal: the records do not know its end", call_id=call_id)
            return 0
        for entry in sorted(entries, key=_last_of_all):
            await self._bus.remove(entry.seq, overwrite=_is_personal(entry))
        return len(entries)

    async def _known_to_campaigns(self, ended: Sequence[Recorded], limit: int) -> set[str]:
        """Of these calls, those of which a campaign has on record what became of them: whoever has it reads that before
        anything else, and asks for none of them again."""
        wanted = {id_of(entry.subject) for entry in ended if _of(entry).campaign is not None}
        found = set[str]()
        if wanted:
            last = ended[-1].at + LATE
            async for entry in self._bus.replay(CAMPAIGN_ATTEMPT_ENDED.pattern, after=ended[0].seq):
                if len(found) == len(wanted) or entry.seq > limit or entry.at > last:
                    break
                if (call_id := _of(entry).call_id) in wanted:
                    found.add(call_id)
        return found

    async def _is_settled(self, attempt: CallDialing, limit: int, known_to_campaigns: Collection[str]) -> bool:
        """Whether nobody begins from a call: neither a campaign, nor the run of a script that has placed it."""
        if attempt.run is not None:
            scope = f"{ROOT}.evt.script.*.{attempt.run}.{RUN_ENDED.verb}"
            last = await self._bus.last(scope, certain=True)
            if last is None or last.seq > limit:
                return False
        return attempt.campaign is None or attempt.call_id in known_to_campaigns

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


def _over(entries: Sequence[Recorded]) -> CallDialing | bool:
    """The attempt of a call that is over. False: it is not, or cannot be read; True: its end alone is what a removal
    has left that did not come to its end."""
    by_verb = {verb_of(entry.subject): entry for entry in entries}
    if by_verb.keys() == {CALL_ENDED.verb}:
        return True
    if not by_verb.keys() >= {CALL_DIALING.verb, CALL_ENDED.verb}:
        return False
    try:
        return msgspec.json.decode(by_verb[CALL_DIALING.verb].data, type=CallDialing)
    except UNDECODABLE:
        return False


class _Of(Struct, gc=False):
    """Of an end of a call, or of an attempt: what is read of it here."""

    call_id: str | None = None
    campaign: str | None = None


def _of(entry: Recorded) -> _Of:
    """Of one that cannot be read, nothing."""
    try:
        return msgspec.json.decode(entry.data, type=_Of)
    except UNDECODABLE:
        return _Of()


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
