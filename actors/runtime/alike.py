"""What is alike (refusals, logins on the bus) as one record of the audit instead of thousands: nobody fills the journal
by being refused.

The first of a kind in a minute is told at once, as it is. The others of that minute are one record in its end, with how
many they were and when the first and the last of them came. So the counts of all records add up to what was refused.
Of one asker only so many kinds are told apart in a minute; all others together are one more kind.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import UNSET, Struct

from actors.runtime.clock import Clock, Timer
from bus_schemas.audit import SEVERAL, AuditEntry
from bus_schemas.errors import Refusal

MINUTE = 60.0
KINDS, KINDS_OF_STRANGERS = 32, 8  # of one asker that are told apart in a minute
STRANGERS = ""  # the one asker that all are of whom nobody knows who they are
LEAVING = 2.0  # seconds in which the last records are written when this process stops

Key = tuple[object, ...]
Write = Callable[[AuditEntry], Awaitable[None]]


class _Kind(Struct):
    """One kind of refusal in its minute. `last`: the newest of those that are counted; `first`: when the oldest was."""

    who: str
    ends: Timer
    last: AuditEntry | None = None
    first: str = ""
    count: int = 0


class Alike:
    """Counts what is alike for one minute each. `write` puts a minute's record on the audit; it may raise Refusal, when
    it takes care of the record itself."""

    def __init__(self, *, clock: Clock, write: Write) -> None:
        self._clock = clock
        self._write = write
        self._kinds: dict[Key, _Kind] = {}
        self._of: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, entry: AuditEntry, who: str) -> AuditEntry | None:
        """The entry, when it is to be told now, by whoever asks; None: it is counted. `who`: the user, or STRANGERS."""
        key = _key(entry, who)
        if key not in self._kinds:
            if self._of[who] < (KINDS_OF_STRANGERS if who == STRANGERS else KINDS):
                self._kinds[key] = self._begin(key, who)
                return entry
            key, entry = (who,), _one_of_several(entry, who)
            if key not in self._kinds:
                self._kinds[key] = self._begin(key, who)
        _count(self._kinds[key], entry)
        return None

    async def stop(self) -> None:
        """Tell what was counted up to now."""
        for key in list(self._kinds):
            self._over(key)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVING)
        for task in self._tasks:
            task.cancel()

    def _begin(self, key: Key, who: str) -> _Kind:
        self._of[who] += 1
        return _Kind(who=who, ends=self._clock.call_later(MINUTE, lambda: self._over(key)))

    def _over(self, key: Key) -> None:
        kind = self._kinds.pop(key)
        kind.ends.cancel()
        self._of[kind.who] -= 1
        if not self._of[kind.who]:
            del self._of[kind.who]
        if kind.last is not None:
            record = msgspec.structs.replace(kind.last, count=kind.count, first=kind.first)
            task = asyncio.get_running_loop().create_task(self._tell(record))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, record: AuditEntry) -> None:
        with contextlib.suppress(Refusal):
            await self._write(record)


def _key(entry: AuditEntry, who: str) -> Key:
    """What makes two refusals alike. Of strangers also what they were about: whose password was tried."""
    about = tuple(sorted(entry.subject.items())) if who == STRANGERS else ()
    return who, entry.user, entry.credential, entry.door, entry.action, entry.result, entry.address, about


def _one_of_several(entry: AuditEntry, who: str) -> AuditEntry:
    """An entry of a kind that is not told apart: only what holds for all of the asker's."""
    return AuditEntry(at=entry.at, user=who, door=entry.door, action=SEVERAL, result=SEVERAL)


def _count(kind: _Kind, entry: AuditEntry) -> None:
    before = kind.last
    if before is None:
        kind.first = entry.at
    elif before.subject != entry.subject:
        entry = msgspec.structs.replace(entry, subject={})
    kind.last, kind.count = entry, kind.count + 1


def times(entry: AuditEntry) -> int:
    """How many actions an entry stands for."""
    return 1 if entry.count is UNSET else entry.count
