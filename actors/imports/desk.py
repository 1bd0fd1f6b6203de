"""What the imports of a host share: the files, who reads them and when, and the way to campaigns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import msgspec

from actors.dialing.rules import DialRules
from actors.imports.reading import OpenList, Reader
from actors.imports.wire import wire_preview
from actors.leads.parts import BadRow, ListPart, table_of_bad
from actors.leads.preview import Preview
from actors.runtime import files
from actors.runtime.bus import Bus, BusFull
from actors.runtime.context import Context
from actors.runtime.user_turns import UserTurns
from actors.runtime.wire import ask
from actors.runtime.written import TOO_MUCH
from bus_schemas.campaign import ADD_ON_SHARD, AddOnShard, CampaignStatus, RowRefused
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal
from bus_schemas.imports import StoredFile, errors_key

E = ErrorCode
REST = 30.0  # seconds that an import waits at least where nothing more may be written: some parts' worth
LATER = frozenset({E.UNAVAILABLE, E.TIMEOUT, E.INTERNAL, E.RATE_LIMITED})  # what may go better at another time


class NotYet(Exception):
    """Whoever makes the import has written as much as they may for now, or the journal is nearly full. `seconds`: to
    wait, and let others read meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class CampaignRefused(Exception):
    """The campaign takes no more leads. `new`: those that it has taken of the part all the same."""

    def __init__(self, why: str, new: int) -> None:
        super().__init__(why)
        self.new = new


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of the leads of a part. `refused`: those that cannot be in this campaign. `runs`: it does."""

    new: int = 0
    duplicates: int = 0
    refused: Sequence[RowRefused] = ()
    runs: bool = False

    @property
    def kinds(self) -> Counter[str]:
        """The refused ones as a list's are counted."""
        return Counter(f"{row.field}: taken" for row in self.refused)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """`rules`: of the site at which numbers stand that do not say their country."""

    bus: Bus
    reader: Reader
    rules: DialRules
    turns: UserTurns = field(default_factory=lambda: UserTurns(2))

    def opened(self, file: StoredFile) -> AbstractAsyncContextManager[OpenList]:
        """A file, to be read. Raises FileGone, ListError, BusError."""
        return self.reader.open(files.read(self.bus, file.key, file.pieces), self.rules)

    async def add(self, request: AddOnShard, context: Context) -> Came | None:
        """Have leads added. None: whether they are nobody can say now. Raises NotYet, CampaignRefused."""
        try:
            answer = await ask(self.bus, ADD_ON_SHARD, request, context)
        except Refusal as refusal:
            if refusal.code in LATER:
                must_go_on(refusal)
                return None
            raise CampaignRefused(refusal.message, await self._in_all_the_same(request, context)) from None
        return Came(
            new=answer.accepted, duplicates=answer.duplicates, refused=answer.invalid,
            runs=answer.status is CampaignStatus.RUNNING,
        )  # fmt: skip

    async def _in_all_the_same(self, request: AddOnShard, context: Context) -> int:
        """How many leads are in by a command that was refused now: before, it may have been carried out."""
        if context.fresh or not request.leads:
            return 0
        try:
            asked = msgspec.structs.replace(request, leads=())
            return (await ask(self.bus, ADD_ON_SHARD, asked, context)).accepted
        except Refusal:
            return 0

    # --- what is kept of a file beside it

    async def keep_preview(self, id: str, preview: Preview) -> None:
        """Keep what is shown of a file. Raises BusError."""
        await files.put(self.bus, preview_key(id), msgspec.json.encode(wire_preview(id, preview)))

    async def keep_bad(self, id: str, number: int, part: ListPart, came: Came) -> bool:
        """Keep a piece of the table of what is bad. False: nothing is, in this part, or there is no room for it. Raises
        BusError."""
        bad = sorted((*part.bad, *_refused(part, came)), key=lambda row: row.row)
        if bad:
            table = table_of_bad(bad, part.names, begins=number == 0)
            try:
                await files.put(self.bus, f"{errors_key(id)}.{number}", table)
            except BusFull:
                return False
        return bool(bad)

    async def forget(self, id: str, file: StoredFile) -> None:
        """Remove a file and its preview."""
        await files.forget(self.bus, (preview_key(id), *files.pieces_of(file.key, file.pieces)))


def must_go_on(refusal: Refusal) -> None:
    """Raise NotYet where it is said for longer than a moment that nothing more may be written."""
    if JOURNAL_FULL.made(refusal) or TOO_MUCH.made(refusal):
        raise NotYet(REST + float((refusal.details or {}).get("retry_after", 0.0))) from None


def preview_key(id: str) -> str:
    """Where the preview of an import is kept."""
    return f"{id}.preview"


def _refused(part: ListPart, came: Came) -> Iterator[BadRow]:
    """The leads that the campaign refused, as rows of the list."""
    cells = {one.row: one.cells or (*one.lead.numbers, one.lead.name) for one in part.leads} if came.refused else {}
    for row in came.refused:
        yield BadRow(row=row.row, field=row.field, reason=row.reason, cells=cells.get(row.row, ()))
