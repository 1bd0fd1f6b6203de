"""The leads of all campaigns, in one list: who sees which, and how many there are. And who was on which call of which
lead, by which operators see leads as their own (`talks.py`)."""

from collections.abc import Iterable, Mapping
from operator import eq, ge, lt
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.campaign import CAMPAIGNS
from actors.ledger.lead import LEADS, LeadRow, must_be_an_outcome, view_of
from actors.ledger.model import Query, given, made_of
from actors.ledger.numbers import parts_in
from actors.ledger.page import from_cursor_of_two, page, with_moments
from actors.ledger.talks import PROJECTION, leads_talked_to
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.lead import LIST_ALL_LEADS, CrmLead, LeadOrder, ListAllLeads
from bus_schemas.permissions import Action

L = LEADS.c
TIMES = ("contacted_since", "contacted_until", "callback_until")

Position = tuple[str, int]  # of what a list is in order by, if not by that alone, and of all that came


class Order(NamedTuple):
    """By which columns. `field`: that has to be there; `falls`: the last comes first."""

    by: tuple[sa.ColumnElement[Any], ...]
    field: str = ""
    falls: bool = False


ORDERS: Mapping[LeadOrder, Order] = {
    LeadOrder.OLDEST: Order((L.came,)),
    LeadOrder.NEWEST: Order((L.came,), falls=True),
    LeadOrder.CALLBACK: Order((L.callback, L.came), "callback"),
    LeadOrder.CONTACTED: Order((L.last_attempt, L.came), "last_attempt", falls=True),
}


def leads_of_all(
    wanted: ListAllLeads, *, after: Position | None, user: str | None, numbers: Iterable[str] | None = None
) -> Query[tuple[Position, CrmLead]]:
    """Those that `wanted` asks for and `user` sees (None: all of them), in its order and one more than the page has,
    each with its place in that order. `numbers`: parts of which its number has one; None: whatever it is."""
    by, field, falls = ORDERS[wanted.order]
    if user is not None:
        by = tuple(map(_unindexed, by))
    conditions = _asked(wanted, user, numbers)
    if after is not None:
        here, there = sa.tuple_(*by), sa.tuple_(*(sa.literal(value) for value in after[-len(by) :]))
        conditions.append(here < there if falls else here > there)
    found = sa.select(LEADS).where(*conditions).limit(wanted.limit + 1)
    found = found.order_by(*(column.desc() if falls else column for column in by))
    return Query(found, made_of(LeadRow, lambda row: ((getattr(row, field) if field else "", row.came), _view(row))))


def how_many(wanted: ListAllLeads, *, user: str | None, numbers: Iterable[str] | None = None) -> Query[int]:
    """How many they are, on all pages."""
    conditions = _asked(wanted, user, numbers)
    found = sa.select(sa.func.count().label("leads")).select_from(LEADS).where(*conditions)
    return Query(found, lambda row: int(row.leads))


def _asked(wanted: ListAllLeads, user: str | None, numbers: Iterable[str] | None) -> list[sa.ColumnElement[bool]]:
    status, seller, campaign, field = L.status, L.operator, L.campaign, ORDERS[wanted.order].field
    # By what is one's own, which is little, and not by the index of a status that a million may have; nor by that where
    # the order has an index, of the few that are in it.
    if user is not None or field:
        status = _unindexed(status)
    if user is not None:
        seller, campaign = _unindexed(seller), _unindexed(campaign)
    asked = given(
        (status, eq, wanted.status),
        (seller, eq, wanted.assigned_seller),
        (campaign, eq, wanted.campaign_id),
        (L.last_outcome, eq, wanted.outcome),
        (L.disposition, eq, wanted.disposition),
        (L.last_attempt, ge, wanted.contacted_since),
        (L.last_attempt, lt, wanted.contacted_until),
        (L.callback, lt, wanted.callback_until),
    )
    if field:
        asked.append(L[field].is_not(None))
    if numbers is not None:
        asked.append(sa.or_(*(L.numbers.contains(part, autoescape=True) for part in sorted(numbers))))
    return asked if user is None else [*asked, _own(user)]


def _unindexed(column: sa.ColumnElement[Any]) -> Any:  # any: an expression, where a column was
    """The same, for which no index is looked at: an expression has none."""
    return column + 0 if isinstance(column.type, sa.Integer) else column.concat("")


def _own(user: str) -> sa.ColumnElement[bool]:
    """Those of campaigns that one made, that one is to call back, and on whose calls one was."""
    made = sa.select(CAMPAIGNS.c.campaign).where(CAMPAIGNS.c.by == user)
    return sa.or_(L.campaign.in_(made), L.operator == user, L.key.in_(leads_talked_to(user)))


def _view(row: LeadRow) -> CrmLead:
    seen = view_of(row)
    return CrmLead(
        campaign_id=row.campaign, lead=seen.lead, status=seen.status, assigned_seller=seen.operator,
        attempts=seen.attempts, last_attempt=seen.last_attempt, last_outcome=seen.last_outcome, callback=seen.callback,
        disposition=seen.disposition,
    )  # fmt: skip


class LeadAnswers(Answers):
    """What is asked of the leads of all campaigns."""

    def handlers(self) -> tuple[Served, ...]:
        return (serve(LIST_ALL_LEADS, self.all_leads),)

    async def all_leads(self, request: ListAllLeads, context: Context) -> Page:
        must_be_an_outcome(request.outcome)
        user = None if Action.LEAD_VIEW_ANY in context.actions else context.user
        wanted, after = with_moments(request, *TIMES), from_cursor_of_two(request.cursor)
        numbers = parts_in(request.number, self.region)
        rows = await self.read(context, leads_of_all(wanted, after=after, user=user, numbers=numbers))
        [total] = await self.read(context, how_many(wanted, user=user, numbers=numbers))
        return replace(page(rows, limit=request.limit), total=total)


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=LeadAnswers)
