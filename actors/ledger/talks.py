"""Who was on which call of which lead: operators of a team are not the users of its calls."""

from collections.abc import Iterator
from operator import eq

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger import lead
from actors.ledger.model import METADATA, Projection, Query, columns, given
from bus_schemas.operator import OperatorConnected

MOST = 20  # operators of one call or lead: whoever was on one of its calls first


class TalkRow(Struct, frozen=True, gc=False):
    """An operator was on a call. `key`: the call and the user. `lead`: as `lead.key_of` has it."""

    key: str
    seq: int
    call_id: str
    user: str
    lead: str | None


TALKS = sa.Table(
    "operator_talks", METADATA, *columns(TalkRow, primary="key"),
    sa.Index("operator_talks_call", "call_id", "seq"), sa.Index("operator_talks_lead", "lead", "seq"),
    sa.Index("operator_talks_user", "user", "lead"),
)  # fmt: skip
T = TALKS.c


class Part(Struct, frozen=True, gc=False):
    """What an event says of a row."""

    key: str
    said: OperatorConnected


def of_talks(event: OperatorConnected) -> Iterator[Part]:
    """The one row that an event is about."""
    yield Part(f"{event.call_id}/{event.user}", event)


def fold(row: TalkRow | None, part: Part, seq: int) -> TalkRow:
    """Who was on the call. It may be said later for which lead it is."""
    said, about = part.said, None
    if said.campaign_id is not None and said.lead is not None:
        about = lead.key_of(said.campaign_id, said.lead)
    if row is not None:
        return replace(row, lead=about or row.lead)
    return TalkRow(part.key, seq, said.call_id, said.user, about)


PROJECTION = Projection(
    table=TALKS, row=TalkRow, key="key", events=(OperatorConnected,), parts=of_talks, fold=fold,
    once=frozenset({"key", "seq", "call_id", "user"}),
)  # fmt: skip


def on_calls(*, call_id: str | None = None, about: str | None = None, user: str | None = None) -> Query[str]:
    """The operators who were on a call, or on one of a lead's (`lead.key_of`). `user`: that one alone, if they were."""
    found = sa.select(T.user).group_by(T.user).order_by(sa.func.min(T.seq)).limit(MOST)
    found = found.where(*given((T.user, eq, user)), T.call_id == call_id if about is None else T.lead == about)
    return Query(found, lambda row: row.user)


def leads_talked_to(user: str) -> sa.Select[tuple[str]]:
    """The keys of the leads on whose calls an operator was."""
    return sa.select(T.lead).where(T.user == user, T.lead.is_not(None))
