"""What is alike (refusals, logins on the bus) as one record of the audit instead of thousands: nobody fills the journal
by being refused.

The first of a kind in a minute is told at once, as it is. The others of that minute are one record in its end, with how
many they were and when the first and the last of them came. So the counts of all records add up to what was refused.
Of one asker only so many kinds are told apart in a minute. What comes beyond is alike when action and result are, so
that noise of one thing does not hide that another was tried; all that is beyond that, too, is one more kind. In a
journal that is nearly full only action and result tell kinds apart, and few of them.
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
ROUGH = 64  # more of them, that are told apart by action and result alone
SPARING = 4  # of these, while the journal is nearly full
STRANGERS = ""  # the one asker that all are of whom nobody knows who they are
LEAVING = 2.0  # seconds in which the last records are written when this process stops

Key = tuple[object, ...]
Write = Callable[[AuditEntry], Awaitable[None]]


class _Kind(Struct):
    """One kind of refusal in its minute. `of`: whose, and whether a rough one; `last`: the newest of those that are
    counted; `first`: when the oldest was."""

    of: tuple[str, bool]
    ends: Timer
    last: AuditEntry | None = None
    first: str = ""
    count: int = 0


class Alike:
    """Counts what is alike for one minute each. `write` puts a minute's record on the audit; it may raise Refusal, when
    it takes care of the record itself. `nearly_full`: whether the journal is."""

    def __init__(self, *, clock: Clock, write: Write, nearly_full: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._nearly_full = nearly_full
        self._write = write
        self._kinds: dict[Key, _Kind] = {}
        self._of: Counter[tuple[str, bool]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, entry: AuditEntry, who: str) -> AuditEntry | None:
        """The entry, when it is to be told now, by whoever asks; None: it is counted. `who`: the user, or STRANGERS."""
        most = (0, SPARING) if self._nearly_full() else (KINDS_OF_STRANGERS if who == STRANGERS else KINDS, ROUGH)
        for key, counted, rough, room in (
            (_key(entry, who), entry, False, most[0]), (_rough_key(entry, who), _roughly(entry, who), True, most[1]),
        ):  # fmt: skip
            if key in self._kinds:
                _count(self._kinds[key], counted)
                return None
            if self._of[who, rough] < room:
                self._kinds[key] = self._begin(key, (who, rough))
                return entry
        if (key := (who,)) not in self._kinds:
            self._kinds[key] = self._begin(key, (who, True))
        _count(self._kinds[key], _one_of_several(entry, who))
        return None

    async def stop(self) -> None:
        """Tell what was counted up to now."""
        for key in list(self._kinds):
            self._over(key)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVING)
        for task in self._tasks:
            task.cancel()

    def _begin(self, key: Key, of: tuple[str, bool]) -> _Kind:
        self._of[of] += 1
        return _Kind(of=of, ends=self._clock.call_later(MINUTE, lambda: self._over(key)))

    def _over(self, key: Key) -> None:
        kind = self._kinds.pop(key)
        kind.ends.cancel()
        self._of[kind.of] -= 1
        if not self._of[kind.of]:
            del self._of[kind.of]
        if kind.last is not None:
            record = msgspec.structs.replace(kind.last, count=kind.count, first=kind.first)
            task = asyncio.get_running_loop().create_task(self._tell(record))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, record: AuditEntry) -> None:
        with contextlib.suppress(Refusal):
            await self._write(record)


def _key(entry: AuditEntry, who: str) -> Key:
    """What makes two refusals alike: all but when they came."""
    about = tuple(sorted(entry.subject.items()))
    return who, entry.user, entry.credential, entry.door, entry.action, entry.result, entry.address, about


def _rough_key(entry: AuditEntry, who: str) -> Key:
    return who, entry.door, entry.action, entry.result


def _roughly(entry: AuditEntry, who: str) -> AuditEntry:
    """An entry of a kind that is told apart by action and result alone."""
    return AuditEntry(at=entry.at, user=who, door=entry.door, action=entry.action, result=entry.result)


def _one_of_several(entry: AuditEntry, who: str) -> AuditEntry:
    """An entry of a kind that is not told apart: only what holds for all of the asker's."""
    return AuditEntry(at=entry.at, user=who, door=entry.door, action=SEVERAL, result=SEVERAL)


def _count(kind: _Kind, entry: AuditEntry) -> None:
    if kind.last is None:
        kind.first = entry.at
    kind.last, kind.count = entry, kind.count + 1


def times(entry: AuditEntry) -> int:
    """How many actions an entry stands for."""
    return 1 if entry.count is UNSET else entry.count
