"""The leads of all campaigns, in one list: who sees which, and how many there are. And who was on which call of which
lead, by which operators see leads as their own (`talks.py`)."""

from operator import eq, gt

import sqlalchemy as sa
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.campaign import CAMPAIGNS
from actors.ledger.lead import LEADS, LeadRow, view_of
from actors.ledger.model import Query, given, made_of
from actors.ledger.page import from_cursor, page
from actors.ledger.talks import PROJECTION, leads_talked_to
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.lead import LIST_ALL_LEADS, CrmLead, ListAllLeads
from bus_schemas.permissions import Action

L = LEADS.c


def leads_of_all(wanted: ListAllLeads, *, after: int | None, user: str | None) -> Query[tuple[int, CrmLead]]:
    """Those that `wanted` asks for and `user` sees (None: all of them), in the order in which they came and one more
    than the page has, each with its place in that order."""
    came = L.came if user is None else L.came + 0
    found = sa.select(LEADS).where(*_asked(wanted, user), *given((came, gt, after)))
    found = found.order_by(L.came).limit(wanted.limit + 1)
    return Query(found, made_of(LeadRow, lambda row: (row.came, _view(row))))


def how_many(wanted: ListAllLeads, *, user: str | None) -> Query[int]:
    """How many they are, on all pages."""
    found = sa.select(sa.func.count().label("leads")).select_from(LEADS).where(*_asked(wanted, user))
    return Query(found, lambda row: int(row.leads))


def _asked(wanted: ListAllLeads, user: str | None) -> list[sa.ColumnElement[bool]]:
    if user is None:
        return given((L.status, eq, wanted.status), (L.operator, eq, wanted.assigned_seller))
    # By what is one's own, which is little, and not by the index of a status that a million may have: an expression has
    # none. The same of `came` above.
    return [*given((L.status.concat(""), eq, wanted.status), (L.operator, eq, wanted.assigned_seller)), _own(user)]


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
        user = None if Action.LEAD_VIEW_ANY in context.actions else context.user
        rows = await self.read(context, leads_of_all(request, after=from_cursor(request.cursor), user=user))
        [total] = await self.read(context, how_many(request, user=user))
        return replace(page(rows, limit=request.limit), total=total)


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=LeadAnswers)
