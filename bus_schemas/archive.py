"""The archive: days of the journal that are sealed in files, as the journal itself names them."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc, Topic
from bus_schemas.fields import HostName, Id, Utc, shaped

Day = Annotated[str, shaped(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", "a day like 2025-11-15")]  # in UTC
Digest = Annotated[str, shaped(r"^[0-9a-f]{64}$(?!\n)", "a SHA-256, as `sha256sum` prints it")]  # of a file
Place = Annotated[int, Meta(ge=1)]  # the sequence of an entry


class DaySealed(Struct, frozen=True, kw_only=True):
    """A copy of the journal's entries `first` to `last`, all that it had of a day, is in the file of this digest and
    `size` (bytes). `entries`: how many there are; `previous`: the link of the day sealed before, zeros for the
    first. A day's link is its digest here, also when its file is another one since."""

    day: Day
    at: Utc
    host: HostName
    first: Place
    last: Place
    entries: Annotated[int, Meta(ge=1)]
    size: Annotated[int, Meta(ge=1)]
    digest: Digest
    previous: Digest


class RewrittenDay(Struct, frozen=True):
    """Another file is the day's now."""

    day: Day
    size: Annotated[int, Meta(ge=1)]
    digest: Digest


class DaysRewritten(Struct, frozen=True, kw_only=True):
    """Somebody was erased: from now on these files are their days'. Whoever was reading a day to seal it, reads it
    anew, also where none has changed."""

    at: Utc
    erasure: Id
    days: tuple[RewrittenDay, ...]


class DaysLeaving(Struct, frozen=True, kw_only=True):
    """From now on entries up to `up_to` may be gone, of what is over. What is not found in the journal may be there in
    the records: a repeat of what began before is to be looked for there."""

    at: Utc
    host: HostName
    up_to: Place


class CheckDay(Struct, frozen=True, kw_only=True):
    """Read the file of a sealed day, whole, as this host reaches it."""

    host: HostName
    day: Day
    digest: Digest


class DayChecked(Struct, frozen=True, kw_only=True):
    """`wrong`: why the host cannot use it; empty: it can."""

    wrong: str = ""


ArchiveEvent = DaySealed | DaysRewritten | DaysLeaving

# fmt: off
CHECK_DAY      = Rpc("ottb.v1.cmd.host.{host}.check_day", CheckDay, DayChecked, frozenset(),
                     summary="Read a sealed day, whole", timeout=120.0)

DAY_SEALED     = Topic("ottb.v1.evt.archive.days.sealed",    DaySealed,     "A day of the journal is in the archive")
DAYS_REWRITTEN = Topic("ottb.v1.evt.archive.days.rewritten", DaysRewritten, "A person was erased from days of it")
DAYS_LEAVING   = Topic("ottb.v1.evt.archive.days.leaving",   DaysLeaving,   "What is over leaves the journal")
# fmt: on
