"""The half of a read model that answers: handlers of contract lines, and what they hear of the bus for it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from actors.ledger.model import Placed, Projection, Query
from actors.ledger.store import Soundness
from actors.runtime.context import Context
from actors.runtime.service import Served
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.kinds import Kind

Answer = TypeVar("Answer")

Examine = Callable[[str], Awaitable[Soundness]]  # may raise Refusal(UNAVAILABLE)

OWNER_AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Its host is away for a moment. Try again.")


class Read(Protocol):
    """Ask the store, once what the asker has seen is in. `short`: what is asked for is one thing by its key, or all
    of what there are few of, so it waits for no list. Raises Refusal(UNAVAILABLE)."""

    async def __call__(self, context: Context, query: Query[Answer], *, short: bool = False) -> list[Answer]: ...


class ReadPlaced(Protocol):
    """The same, with the place in the journal that the answer has."""

    async def __call__(self, context: Context, query: Query[Answer], *, short: bool = False) -> Placed[Answer]: ...


class Unread(Protocol):
    """The end of the journal, where that is beyond an entry, else None. Raises Refusal(UNAVAILABLE)."""

    async def __call__(self, beyond: int) -> int | None: ...


class Answers:
    """`read` and `read_placed` ask the tables, which have all up to entry `folded`; `unread` is what the journal has
    beyond one. `examine` looks at a table and its indexes, `now` is in seconds on a clock that only goes forward.
    `region`: where phone numbers stand that do not say it. `joins`: calls of the site can wait for operators. `zone`,
    `wall`: the site's, and the time."""

    def __init__(
        self, *, read: Read, read_placed: ReadPlaced, folded: Callable[[], int], unread: Unread, examine: Examine,
        now: Callable[[], float], region: str, joins: bool = False, zone: tzinfo = UTC, wall: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self.read = read
        self.read_placed = read_placed
        self.folded = folded
        self.unread = unread
        self.examine = examine
        self.now = now
        self.region = region
        self.joins = joins
        self.zone = zone
        self.wall = wall

    def handlers(self) -> tuple[Served, ...]:
        """Who answers which line."""
        raise NotImplementedError

    def hears(self) -> Mapping[Topic[Any], Callable[[Any], Awaitable[None]]]:
        """Events that are not kept and that an answer needs the last of."""
        return {}

    async def one(
        self, context: Context, query: Query[Answer], fits: Callable[[Answer], bool] = lambda row: True
    ) -> Answer | None:
        """The first row that fits. None: there is none, also by the journal of now. A host that has just stood still,
        or begun, has older records, and what it does not know yet is not to be called unknown."""
        folded = self.folded()
        row = next(filter(fits, await self.read(context, query, short=True)), None)
        if row is None and (end := await self.unread(folded)) is not None:
            row = next(filter(fits, await self.read(replace(context, after=end), query, short=True)), None)
        return row


@dataclass(frozen=True, kw_only=True)
class ReadModel:
    """What the ledger has of one kind. `topics`: of its events; those that cannot be decoded are reported."""

    topics: Sequence[Topic[Any]]
    projections: Sequence[Projection[Any]]
    answers: type[Answers]


def sees(context: Context, kind: Kind, *owners: str | None) -> bool:
    """Whether the asker may see a thing of those owners."""
    return kind.visible(*owners, user=context.user, actions=context.actions)
