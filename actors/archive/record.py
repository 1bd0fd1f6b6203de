"""What is sealed, as the journal's own events tell it. Pure."""

from bisect import bisect_left

from msgspec import Struct
from msgspec.structs import replace

from actors.archive.segment import GENESIS, Head, name_of
from bus_schemas.archive import ArchiveEvent, DaySealed, DaysLeaving


class Segment(Struct, frozen=True, kw_only=True):
    """A sealed day. `link`: of what was written first; `digest`, `size`: of its file as it is now."""

    day: str
    first: int
    last: int
    entries: int
    size: int
    digest: str
    link: str
    previous: str

    @property
    def name(self) -> str:
        return name_of(self.day, self.digest)

    @property
    def head(self) -> Head:
        return Head(day=self.day, first=self.first, previous=self.previous)


class Book(Struct, frozen=True, kw_only=True):
    """All of them, in order. `seq`: of the last event, which fences the next one, `at`: when it was stored (epoch
    seconds); `leaving`: up to which entry some may be gone from the journal."""

    seq: int = 0
    at: float = 0.0
    leaving: int = 0
    days: tuple[Segment, ...] = ()

    @property
    def last(self) -> int:
        """Up to where the journal is sealed; 0: nowhere."""
        return self.days[-1].last if self.days else 0

    def holding(self, seq: int) -> Segment | None:
        """The day that an entry is in. None: it is not sealed."""
        place = bisect_left(self.days, seq, key=lambda one: one.last)
        return self.days[place] if place < len(self.days) else None

    @property
    def link(self) -> str:
        """What the next one names as the one before."""
        return self.days[-1].link if self.days else GENESIS


def evolve(book: Book, event: ArchiveEvent, seq: int) -> Book:
    """The book after an event."""
    if isinstance(event, DaySealed):
        return replace(book, seq=seq, days=(*book.days, _sealed(event)))
    if isinstance(event, DaysLeaving):
        return replace(book, seq=seq, leaving=max(book.leaving, event.up_to))
    files = {one.day: one for one in event.days}
    days = [
        replace(one, size=file.size, digest=file.digest) if (file := files.get(one.day)) is not None else one
        for one in book.days
    ]
    return replace(book, seq=seq, days=tuple(days))


def _sealed(event: DaySealed) -> Segment:
    return Segment(
        day=event.day, first=event.first, last=event.last, entries=event.entries, size=event.size,
        digest=event.digest, link=event.digest, previous=event.previous,
    )  # fmt: skip


def broken(book: Book) -> list[str]:
    """Where the days do not follow each other, in words; empty: the chain is whole."""
    found, last, link = [], 0, GENESIS
    for one in book.days:
        if one.first != last + 1:
            found.append(f"{one.day} begins with entry {one.first}, and {last + 1} should come")
        if one.previous != link:
            found.append(f"{one.day} does not follow the day before it")
        last, link = one.last, one.link
    return found
