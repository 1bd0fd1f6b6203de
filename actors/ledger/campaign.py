"""Campaigns in the ledger: one row for each, with what its attempts came to; and what is asked of them and their leads.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import eq, lt, ne
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.lead import (
    PROJECTIONS,
    OfHour,
    attempts_on,
    by_hour,
    by_status,
    by_status_in,
    leads_of,
    line_of,
    must_be_an_outcome,
    one_lead,
)
from actors.ledger.model import METADATA, Projection, Query, columns, given, made_of
from actors.ledger.numbers import parts_in
from actors.ledger.operator import operators
from actors.ledger.page import from_cursor, page
from actors.ledger.team_times import PROJECTIONS as TIMES
from actors.ledger.team_times import TeamHour, times_of
from actors.runtime.context import Context
from actors.runtime.moments import must_be_a_day
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ABANDONED,
    ABSENT_CAMPAIGN,
    BY_SOMEBODY,
    CAMPAIGN,
    CONTACT,
    GET_CAMPAIGN,
    LIST_CAMPAIGNS,
    NO_CAMPAIGN,
    PAST_ARCHIVED,
    REPORT_CAMPAIGN,
    AskedCampaign,
    CampaignArchived,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignChanged,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignEvent,
    CampaignFinished,
    CampaignLeadsAdded,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    CampaignView,
    GetCampaign,
    ListCampaigns,
    Mode,
    ReportCampaign,
    ReportLine,
)
from bus_schemas.campaign_telemetry import CAMPAIGN_TELEMETRY, CampaignTelemetry
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.lead import (
    EXPORT_LEADS,
    LIST_LEADS,
    NO_LEAD,
    PAST_LEAD,
    ExportLeads,
    GetLead,
    LeadHistory,
    LeadStatus,
    ListLeads,
)
from bus_schemas.operator import ListOperators
from bus_schemas.preview import ABSENT_PREVIEW
from bus_schemas.user import USER_CHANGED, USER_CREATED, USER_DELETED

SETTINGS = msgspec.json.Decoder(CampaignSettings)
ARCHIVED = RefusalTemplate(ErrorCode.CONFLICT, "The campaign is archived.")


class CampaignRow(Struct, frozen=True, gc=False):
    """`seq`: of the event that made it, by which lists go on. `settings`: CampaignSettings as JSON. `ended`: attempts
    that are over."""

    campaign: str
    seq: int
    by: str
    created: str
    settings: str
    status: str = str(CampaignStatus.DRAFT)
    leads: int = 0
    attempts: int = 0
    ended: int = 0
    answered: int = 0
    abandoned: int = 0
    talk_seconds: int = 0
    not_dialed: int = 0


CAMPAIGNS = sa.Table(
    "campaigns", METADATA, *columns(CampaignRow, primary="campaign", unique="seq"), sa.Index("campaigns_seq", "seq")
)
C = CAMPAIGNS.c

S = CampaignStatus
_STATUS: Mapping[type, CampaignStatus] = {
    CampaignStarted: S.RUNNING,
    CampaignResumed: S.RUNNING,
    CampaignPaused: S.PAUSED,
    CampaignDraining: S.DRAINING,
    CampaignStopped: S.STOPPED,
    CampaignFinished: S.FINISHED,
    CampaignArchived: S.ARCHIVED,
}


def fold(row: CampaignRow | None, event: CampaignEvent, seq: int) -> CampaignRow | None:
    """The campaign after an event."""
    if row is None:
        return _created(event, seq) if isinstance(event, CampaignCreated) else None
    if type(event) in _STATUS:
        return replace(row, status=str(_STATUS[type(event)]))
    match event:
        case CampaignConfigured():
            return replace(row, settings=_text(event.settings))
        case CampaignLeadsAdded():
            return replace(row, leads=row.leads + len(event.leads))
        case CampaignAttemptClaimed():
            return replace(row, attempts=row.attempts + 1)
        case CampaignAttemptEnded():
            return _ended(row, event)
    return row


def _created(event: CampaignCreated, seq: int) -> CampaignRow:
    return CampaignRow(event.campaign, seq, event.by, event.at, _text(event.settings))


def _ended(row: CampaignRow, event: CampaignAttemptEnded) -> CampaignRow:
    return replace(
        row,
        ended=row.ended + 1,
        answered=row.answered + (event.outcome in BY_SOMEBODY),
        abandoned=row.abandoned + (event.outcome == ABANDONED),
        talk_seconds=row.talk_seconds + event.talk_seconds,
        not_dialed=row.not_dialed + (event.outcome == EndReason.NOT_DIALED),
    )


def _text(settings: CampaignSettings) -> str:
    return msgspec.json.encode(settings).decode()


PROJECTION = Projection(
    table=CAMPAIGNS,
    row=CampaignRow,
    key="campaign",
    events=get_args(CampaignEvent),
    fold=fold,
    once=frozenset({"campaign", "seq", "by", "created"}),
    version=2,
)


def one(campaign: str) -> Query[CampaignView]:
    """It, whatever became of it."""
    return Query(sa.select(CAMPAIGNS).where(C.campaign == campaign), made_of(CampaignRow, _view))


def all_campaigns(
    wanted: ListCampaigns, *, before: int | None, user: str | None
) -> Query[tuple[int, CampaignView]]:
    """Those that `wanted` asks for, newest first and one more than the page has, each with its key. `user`: who made
    them; None: anybody."""
    archived = None if wanted.status is not None else S.ARCHIVED
    found = sa.select(CAMPAIGNS).where(
        *given((C.seq, lt, before), (C.status, eq, wanted.status), (C.status, ne, archived), (C.by, eq, user))
    )
    view: Callable[[sa.Row[Any]], tuple[int, CampaignView]] = made_of(CampaignRow, lambda row: (row.seq, _view(row)))
    return Query(found.order_by(C.seq.desc()).limit(wanted.limit + 1), view)


def _view(row: CampaignRow) -> CampaignView:
    return CampaignView(
        campaign_id=row.campaign,
        status=CampaignStatus(row.status),
        by=row.by,
        created=row.created,
        leads=row.leads,
        attempts=row.attempts,
        in_progress=row.attempts - row.ended,
        answered=row.answered,
        abandoned=row.abandoned,
        talk_seconds=row.talk_seconds,
        settings=SETTINGS.decode(row.settings),
        not_dialed=row.not_dialed,
        answer_rate=_rate(row.answered, row.ended - row.not_dialed),
        abandoned_share=_rate(row.abandoned, row.answered),
    )


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


OPERATORS_TIMES = {what: f"operators_{what}_seconds" for what in ("talk", "wrap_up", "idle")}


def report_of(found: Sequence[OfHour], times: Sequence[TeamHour] = (), *, day: str = "") -> list[ReportLine]:
    """A line for each hour of a day in which something was begun, or operators were there for the campaign; all with
    the same columns."""
    outcomes = sorted({one.outcome for one in found} - {"", *BY_SOMEBODY})
    spent = {(f"{day}T{one.hour:02}", one.what): round(one.ms / 1000) for one in times}
    lines: list[ReportLine] = []
    for hour in sorted({one.hour for one in found} | {hour for hour, _ in spent}):
        here = {one.outcome: one for one in found if one.hour == hour}
        counts = {outcome: one.attempts for outcome, one in here.items()}
        lines.append({
            "hour": f"{hour}:00:00Z",
            "attempts": sum(counts.values()),
            "contacts": counts.get(CONTACT, 0),
            "abandoned": counts.get(ABANDONED, 0),
            "talk_seconds": sum(one.talk_seconds for one in here.values()),
            **{name: spent.get((hour, what), 0) for what, name in OPERATORS_TIMES.items()},
            "in_progress": counts.get("", 0),
            **{outcome: counts.get(outcome, 0) for outcome in outcomes},
        })
    return lines


class CampaignAnswers(Answers):
    """What is asked of campaigns that are on record, and of their leads."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._dials: dict[str, tuple[Mode, str | None]] = {}  # of those that run: in which mode, and why

    def hears(self) -> Mapping[Topic[Any], Callable[[Any], Awaitable[None]]]:
        return {CAMPAIGN_TELEMETRY: self.hear_telemetry}

    async def hear_telemetry(self, said: CampaignTelemetry) -> None:
        if said.status is S.RUNNING:
            self._dials[said.campaign] = said.dials, said.fallback
        else:
            self._dials.pop(said.campaign, None)

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(GET_CAMPAIGN, self.get_campaign),
            serve(ABSENT_CAMPAIGN, self.absent_campaign),
            serve(ABSENT_PREVIEW, self.absent_for_operator),
            serve(PAST_ARCHIVED, self.past_archived),
            serve(LIST_CAMPAIGNS, self.list_campaigns),
            serve(REPORT_CAMPAIGN, self.report),
            serve(LIST_LEADS, self.list_leads),
            serve(EXPORT_LEADS, self.export_leads),
            serve(PAST_LEAD, self.past_lead),
        )

    async def get_campaign(self, request: GetCampaign, context: Context) -> CampaignView:
        found = await self._found(request.campaign_id, context)
        return self._shown(found, dict(await self.read(context, by_status(request.campaign_id))))

    async def absent_campaign(self, request: AskedCampaign, context: Context) -> CampaignView:
        found = await self._found(request.campaign_id, context)
        raise ARCHIVED() if found.status is S.ARCHIVED else OWNER_AWAY()

    async def past_archived(self, request: AskedCampaign, context: Context) -> CampaignChanged:
        """What is archived stays so, however often that is asked."""
        found = await self._found(request.campaign_id, context)
        if found.status is not S.ARCHIVED:
            raise OWNER_AWAY()
        return CampaignChanged(campaign_id=found.campaign_id, status=found.status, settings=found.settings)

    async def absent_for_operator(self, request: AskedCampaign, context: Context) -> CampaignView:
        """The same, to an operator of it, who need not see it."""
        wanted = ListOperators(campaign_id=request.campaign_id, limit=1)
        takes_calls = await self.read(context, operators(wanted, after=None, user=context.user))
        found = await self._found(request.campaign_id, context, *([context.user] if takes_calls else []))
        raise ARCHIVED() if found.status is S.ARCHIVED else OWNER_AWAY()

    async def list_campaigns(self, request: ListCampaigns, context: Context) -> Page:
        user = None if CAMPAIGN.view_any in context.actions else context.user
        query = all_campaigns(request, before=from_cursor(request.cursor), user=user)
        placed = await self.read_placed(context, query)
        found = placed.found
        counts: dict[str, dict[LeadStatus, int]] = {view.campaign_id: {} for _, view in found}
        for campaign, status, leads in await self.read(context, by_status_in([*counts])):
            counts[campaign][status] = leads
        views = [(key, self._shown(view, counts[view.campaign_id])) for key, view in found]
        return page(views, limit=request.limit, seq=placed.seq)

    def _shown(self, view: CampaignView, counts: Mapping[LeadStatus, int]) -> CampaignView:
        runs = view.status is S.RUNNING
        mode, fallback = self._dials.get(view.campaign_id, (None, None)) if runs else (None, None)
        return replace(view, by_status=counts, mode=mode, fallback=fallback)

    async def report(self, request: ReportCampaign, context: Context) -> list[ReportLine]:
        must_be_a_day(request.day, "day")
        await self._found(request.campaign_id, context)
        attempts = await self.read(context, by_hour(request.campaign_id, request.day))
        times = await self.read(context, times_of(request.campaign_id, request.day, joins=self.joins))
        return report_of(attempts, times, day=request.day)

    async def list_leads(self, request: ListLeads, context: Context) -> Page:
        must_be_an_outcome(request.outcome)
        await self._found(request.campaign_id, context)
        query = leads_of(request, after=from_cursor(request.cursor), numbers=parts_in(request.number, self.region))
        return page(await self.read(context, query), limit=request.limit)

    async def export_leads(self, request: ExportLeads, context: Context) -> Page:
        must_be_an_outcome(request.outcome)
        await self._found(request.campaign_id, context)
        wanted = ListLeads(
            campaign_id=request.campaign_id, status=request.status, source=request.source, outcome=request.outcome,
            limit=request.limit,
        )  # fmt: skip
        query = leads_of(wanted, after=from_cursor(request.cursor), numbers=parts_in(request.number, self.region))
        found = await self.read(context, query)
        return page([(place, line_of(view)) for place, view in found], limit=request.limit)

    async def past_lead(self, request: GetLead, context: Context) -> LeadHistory:
        """Also for an operator for whom it was dialled, or who has talked with it, and for whom it is assigned to."""
        attempts = await self.read(context, attempts_on(request.campaign_id, request.lead), short=True)
        had = {attempt.operator for attempt in attempts} - {None}
        lead = await self.one(context, one_lead(request.campaign_id, request.lead))
        if lead is not None and lead.assigned_seller is not None:
            had.add(lead.assigned_seller)
        await self._found(request.campaign_id, context, *had)
        if lead is None:
            raise NO_LEAD()
        return LeadHistory(lead=lead, attempts=attempts)

    async def _found(self, campaign: str, context: Context, *had: str | None) -> CampaignView:
        """The campaign, for who sees it, or has had what is asked for. Raises Refusal(NOT_FOUND)."""
        found = await self.one(context, one(campaign))
        if found is None or not sees(context, CAMPAIGN, found.by, *had):
            raise NO_CAMPAIGN()
        return found


USERS = (USER_CREATED, USER_CHANGED, USER_DELETED)  # who has an extension
READ_MODEL = ReadModel(
    topics=(*topics_of("campaign"), *USERS), projections=(PROJECTION, *PROJECTIONS, *TIMES), answers=CampaignAnswers
)
