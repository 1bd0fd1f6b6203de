"""The leads of all campaigns, in one list: who sees which, and how many there are. And who was on which call of which
lead, by which operators see leads as their own (`talks.py`)."""

from collections.abc import Callable, Mapping
from operator import attrgetter, eq, ge, lt
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec import UNSET, UnsetType, structs
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.campaign import CAMPAIGNS
from actors.ledger.lead import AT_ONCE, LEADS, WORDS, LeadRow, key_of, must_be_an_outcome, view_of
from actors.ledger.model import Query, given, made_of, unindexed
from actors.ledger.numbers import has_one_of, parts_in
from actors.ledger.page import from_cursor_of_two, page, to_cursor, with_moments
from actors.ledger.talks import PROJECTION, leads_talked_to
from actors.ledger.words import ENOUGH, SHORTEST, among, texts_in
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.campaign import CampaignStatus
from bus_schemas.crm import (
    COUNTED,
    FIND_ASSIGNABLE,
    FIND_LEAD_CAME,
    GET_CRM_LEAD,
    Assignable,
    FindAssignable,
    LeadCame,
)
from bus_schemas.lead import LIST_ALL_LEADS, NO_LEAD, CrmLead, GetLead, LeadOrder, ListAllLeads
from bus_schemas.permissions import Action

L = LEADS.c
TIMES = ("contacted_since", "contacted_until", "callback_until")

Position = tuple[str, int]  # of what a list is in order by, if not by that alone; of all that came, or a campaign's


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


class Sought(NamedTuple):
    """Leads that somebody asks for. `user`: who sees his own alone; None: all of them. `numbers`: parts of which its
    number has one; `texts`: which it has all of; None: whatever they are. `for_user`: that can be assigned to a user,
    and are not; None: to nobody."""

    wanted: ListAllLeads
    user: str | None = None
    numbers: frozenset[str] | None = None
    texts: tuple[str, ...] | None = None
    for_user: str | UnsetType | None = UNSET

    @property
    def alike(self) -> dict[sa.Column[Any], str | None]:
        """Columns, and what they must say; None: whatever they do."""
        wanted = self.wanted
        return {L.status: wanted.status, L.seller: wanted.assigned_seller, L.campaign: wanted.campaign_id,
                L.last_outcome: wanted.outcome, L.disposition: wanted.disposition}  # fmt: skip

    @property
    def groups(self) -> list[list[tuple[str, ...]]]:
        """What an index of words can say of them: of each of these, all of one group."""
        texts = tuple(text for text in self.texts or () if len(text) >= SHORTEST)
        groups: list[list[tuple[str, ...]]] = [[texts]] if texts else []
        return [*groups, [(part[-ENOUGH:],) for part in sorted(self.numbers or ())]] if self.numbers_indexed else groups

    @property
    def numbers_indexed(self) -> bool:
        """Whether an index of words can say which of the numbers is there."""
        return bool(self.numbers) and all(len(part) >= SHORTEST for part in self.numbers or ())

    def by_order(self, *, many: bool) -> bool:
        """Whether they are looked for in the order, which has an index of those that are in it alone. Of a few it is
        quicker to look for what is asked; but callbacks are few themselves."""
        field = ORDERS[self.wanted.order].field
        asked = field != "callback" and any(value is not None for value in self.alike.values())
        return bool(field) and self.user is None and (many or not (asked or self.groups))


def leads_of_all(sought: Sought, *, after: Position | None, many: bool) -> Query[tuple[Position, CrmLead]]:
    """Those that are sought, in the order that is wanted and one more than the page has, each with its place in that
    order. `many`: there are more than `COUNTED`. Where an order is of a few, they are looked for in it, then, and
    else by what is asked, and put in order afterwards."""
    by, field, falls = ORDERS[sought.wanted.order]
    ordered = sought.by_order(many=many)
    found_by = WORDS.place if many and sought.user is None else WORDS.place_of_few
    place = found_by if sought.groups and not ordered else L.came
    by = tuple(place if column is L.came else column for column in by)
    key = "came"
    if sought.wanted.campaign_id is not None and not field and not sought.groups:
        by, key = (L.place,), "place"  # in which those of one campaign are in the same order, and which has an index
    conditions = _asked(sought, ordered=ordered)
    if not ordered and (field or sought.user is not None or _in_spans(sought.wanted)) and not sought.groups:
        by = tuple(map(unindexed, by))
    if after is not None:
        here, there = sa.tuple_(*by), sa.tuple_(*(sa.literal(value) for value in after[-len(by) :]))
        conditions.append(here < there if falls else here > there)
    # What is put in order are their places alone; the rest is read of those that the page has.
    places = sa.select(place.label("came")).select_from(_rows(sought, ordered=ordered)).where(*conditions)
    places = places.order_by(*(column.desc() if falls else column for column in by)).limit(sought.wanted.limit + 1)
    found = sa.select(LEADS).where(L.came.in_(places))
    found = found.order_by(*(column.desc() if falls else column for column in ORDERS[sought.wanted.order].by))
    at = attrgetter(key)
    return Query(found, made_of(LeadRow, lambda row: ((getattr(row, field) if field else "", at(row)), _view(row))))


def how_many(sought: Sought) -> Query[int]:
    """How many they are, on all pages; `COUNTED` and one where there are more than that."""
    ordered = sought.by_order(many=False)
    some = sa.select(sa.literal(1)).select_from(_rows(sought, ordered=ordered)).where(*_asked(sought, ordered=ordered))
    found = sa.select(sa.func.count().label("leads")).select_from(some.limit(COUNTED + 1).subquery())
    return Query(found, lambda row: int(row.leads))


def _in_spans(wanted: ListAllLeads) -> bool:
    return any(getattr(wanted, field) is not None for field in TIMES)


def _rows(sought: Sought, *, ordered: bool) -> sa.FromClause:
    return WORDS.rows if sought.groups and not ordered else LEADS


def _asked(sought: Sought, *, ordered: bool) -> list[sa.ColumnElement[bool]]:
    """`ordered`: by the index of the order, and no other."""
    wanted, user, field = sought.wanted, sought.user, ORDERS[sought.wanted.order].field
    # Whose own leads are sought, by what is one's own, which is little, and not by an index of what a million have.
    says: Callable[[Any, Any], Any] = WORDS.says if sought.groups else eq
    if ordered or user is not None:
        says = _says_unindexed
    asked = given(
        *((column, says, value) for column, value in sought.alike.items()),
        (L.last_attempt, ge, wanted.contacted_since),
        (L.last_attempt, lt, wanted.contacted_until),
        (L.callback, lt, wanted.callback_until),
    )
    if field:
        asked.append(L[field].is_not(None))
    if sought.groups and not ordered:
        asked.append(WORDS.hints(*sought.groups))
    if sought.texts is not None:
        asked.append(WORDS.has(sought.texts))
    if sought.numbers is not None:
        asked.append(has_one_of(L.numbers, sought.numbers))
        if sought.numbers_indexed:
            asked.append(sa.or_(*(WORDS.has((part[-ENOUGH:],)) for part in sorted(sought.numbers))))
    if sought.for_user is not UNSET:
        archived = sa.select(CAMPAIGNS.c.campaign).where(CAMPAIGNS.c.status == CampaignStatus.ARCHIVED)
        asked += [L.assigned.is_distinct_from(sought.for_user), L.campaign.not_in(archived), L.merged.is_(None)]
    return asked if user is None else [_own(user), *asked]  # most of what a text finds is others'


def _says_unindexed(column: sa.ColumnElement[Any], value: str) -> Any:
    return unindexed(column) == value


def _own(user: str) -> sa.ColumnElement[bool]:
    """Those of campaigns that one made, that one is to call back or were assigned to one, and on whose calls one was.
    """
    made = sa.select(CAMPAIGNS.c.campaign).where(CAMPAIGNS.c.by == user)
    mine = sa.or_(L.seller == user, L.assigned == user)
    return sa.or_(among(L.campaign, made), mine, among(L.key, leads_talked_to(user)))


def _view(row: LeadRow) -> CrmLead:
    seen = view_of(row)
    return CrmLead(
        campaign_id=row.campaign, lead=seen.lead, status=seen.status, assigned_seller=row.seller,
        attempts=seen.attempts, last_attempt=seen.last_attempt, last_outcome=seen.last_outcome, callback=seen.callback,
        disposition=seen.disposition, merged_into=seen.merged_into,
    )  # fmt: skip


def one_of_all(campaign: str, lead: str, user: str | None) -> Query[CrmLead]:
    """It, for who sees it. `user`: as one's own alone."""
    found = sa.select(LEADS).where(L.key == key_of(campaign, lead))
    return Query(found if user is None else found.where(_own(user)), made_of(LeadRow, _view))


def came_alone(campaign: str, lead: str) -> Query[LeadCame]:
    """In which entry of the journal it came, if that has no other lead."""
    next_one = LEADS.alias("next_one")
    others = sa.exists().where(next_one.c.came == L.came + 1)
    found = sa.select(L.came, others.label("others")).where(L.key == key_of(campaign, lead))

    def entry(row: sa.Row[Any]) -> LeadCame:
        seq, place = divmod(row.came, AT_ONCE)
        return LeadCame(seq=None if place or row.others else seq)

    return Query(found, entry)


def whose(context: Context) -> str | None:
    """Whose leads somebody sees; None: all."""
    return None if Action.LEAD_VIEW_ANY in context.actions else context.user


class LeadAnswers(Answers):
    """What is asked of the leads of all campaigns."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(LIST_ALL_LEADS, self.all_leads),
            serve(GET_CRM_LEAD, self.one_lead),
            serve(FIND_ASSIGNABLE, self.assignable),
            serve(FIND_LEAD_CAME, self.came),
        )

    async def one_lead(self, request: GetLead, context: Context) -> CrmLead:
        found = await self.one(context, one_of_all(request.campaign_id, request.lead, whose(context)))
        if found is None:
            raise NO_LEAD()
        return found

    async def came(self, request: GetLead, context: Context) -> LeadCame:
        found = await self.one(context, came_alone(request.campaign_id, request.lead))
        return found or LeadCame(seq=None)

    async def assignable(self, request: FindAssignable, context: Context) -> Assignable:
        """Who sees which as in the list. They are counted once."""
        wanted = ListAllLeads(**structs.asdict(request.filter), limit=request.limit)
        sought, after = self._sought(wanted, context), from_cursor_of_two(request.cursor)
        matched = request.matched
        if matched is None:
            [matched] = await self.read(context, how_many(sought))
        query = leads_of_all(sought._replace(for_user=request.assigned_seller), after=after, many=matched > COUNTED)
        rows = await self.read(context, query)
        found = rows[: request.limit]
        return Assignable(
            matched=matched, leads=[(one.campaign_id, one.lead.id) for _, one in found],
            cursor=to_cursor(found[-1][0]) if len(rows) > len(found) else None,
        )  # fmt: skip

    def _sought(self, wanted: ListAllLeads, context: Context) -> Sought:
        must_be_an_outcome(wanted.outcome)
        numbers, texts = parts_in(wanted.number, self.region), texts_in(wanted.text)
        return Sought(with_moments(wanted, *TIMES), whose(context), numbers, texts)

    async def all_leads(self, request: ListAllLeads, context: Context) -> Page:
        sought, after = self._sought(request, context), from_cursor_of_two(request.cursor)
        [total] = await self.read(context, how_many(sought))
        rows = await self.read(context, leads_of_all(sought, after=after, many=total > COUNTED)) if total else []
        return replace(page(rows, limit=request.limit), total=min(total, COUNTED), exact=total <= COUNTED)


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=LeadAnswers)
