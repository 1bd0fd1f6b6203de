"""`ottb archive`: what is sealed of the journal, and whether each of its files is what the journal says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from actors.adapters.archive_folder import ArchiveFolder
from actors.adapters.archive_place import place_of, said_of
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.archive.archive import Archive
from actors.archive.record import Book, broken
from actors.archive.segment import Damaged
from actors.archive.store import NotKept
from actors.archive.whole import Whole
from actors.runtime.bus import Bus, Stream
from actors.settings import Settings
from cli.site.bus import connect

MB = 2**20


def archive_of(bus: Bus, settings: Settings) -> Archive:
    """The site's, as this machine reaches it."""
    return Archive(bus=bus, clock=SystemClock(), ids=RandomIds(), store=place_of(settings))


def whole(bus: Bus, settings: Settings) -> Stream:
    """The journal with what has left it."""
    return Whole(bus=bus, archive=archive_of(bus, settings))


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[tuple[Bus, Archive]]:
    """The site's archive. Raises BusError."""
    bus = await connect(settings, "gateway", name="ottb archive")
    try:
        yield bus, archive_of(bus, settings)
    finally:
        await bus.close()


async def status(settings: Settings, say: Callable[[str], None]) -> int:
    """Print how far the journal is sealed, and where. Returns 1 where a file is missing, else 0. Raises BusError,
    NotAnArchive, NotKept."""
    async with reading(settings) as (bus, archive):
        book, last = await archive.book(), await bus.last_seq()
    files = {one.name: one.size for one in archive.store.kept()}
    missing = [one for one in book.days if files.get(one.name) != one.size]
    unnamed = files.keys() - {one.name for one in book.days}
    say(f"sealing  {'on' if settings.archive.enabled else 'off ([archive] enabled)'}")
    say(f"where    {said_of(settings)}")
    say(f"days     {_days(book)}")
    say(f"entries  {sum(one.entries for one in book.days)} sealed, up to {book.last} of {last}")
    say(f"left     {_left(settings, book)}")
    say(f"bytes    {sum(one.size for one in book.days) / MB:.1f} MB")
    if unnamed:
        say(f"unnamed  {len(unnamed)} files that the journal does not name; two days old, they are deleted")
    for one in missing:
        say(f"PROBLEM  {one.name} is not there, or not whole")
    return 1 if missing else 0


def _days(book: Book) -> str:
    return f"{len(book.days)}, {book.days[0].day} to {book.days[-1].day}" if book.days else "none"


def _left(settings: Settings, book: Book) -> str:
    days = settings.archive.journal_days
    when = f"after {days} days" if days else "never ([archive] journal_days)"
    return f"what is over leaves the journal {when}; up to entry {book.leaving} it may have"


async def verify(settings: Settings, say: Callable[[str], None]) -> int:
    """Read each file whole and follow the chain. Returns 0 when all is there, 1 when something is wrong. Raises
    BusError, NotAnArchive."""
    async with reading(settings) as (_, archive):
        book = await archive.book()
    problems = broken(book)
    for one in book.days:
        try:
            await archive.check(one)
        except (Damaged, NotKept) as error:
            problems.append(f"{one.name}: {error}")
    for problem in problems:
        say(f"PROBLEM  {problem}")
    say(f"days     {_days(book)}")
    say(f"head     {book.link}")
    say("The archive is broken." if problems else "The archive is whole.")
    return 1 if problems else 0


async def restore(settings: Settings, backup: Path, say: Callable[[str], None]) -> int:
    """Put back each file that is missing or not whole from a folder that has it. Only what the journal names comes
    back: never what a day said before somebody was erased. Returns 0 when all are whole, 1 when one is not. Raises
    BusError, NotAnArchive."""
    source, missing = ArchiveFolder(backup), 0
    async with reading(settings) as (_, archive):
        book = await archive.book()
        for one in book.days:
            try:
                await archive.check(one)
                continue
            except (Damaged, NotKept):
                pass
            try:
                if await archive.take_back(one, source):
                    say(f"restored {one.name}")
            except (Damaged, NotKept) as error:
                missing += 1
                say(f"PROBLEM  {one.name}: {error}")
    say(f"The archive lacks {missing} of {len(book.days)} days." if missing else "The archive is whole.")
    return 1 if missing else 0
