"""Campaigns and their leads over HTTP, and what Socket.IO clients hear of a campaign."""

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
from msgspec import UNSET, Struct, UnsetType

from actors.runtime.rendezvous import shard_of
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CAMPAIGN,
    CAMPAIGN_ARCHIVED,
    CAMPAIGN_CONFIGURED,
    CAMPAIGN_CREATED,
    CAMPAIGN_DRAINING,
    CAMPAIGN_FINISHED,
    CAMPAIGN_LEAD_CHANGED,
    CAMPAIGN_LEAD_MERGED,
    CAMPAIGN_LEAD_UNMERGED,
    CAMPAIGN_LEADS_ASSIGNED,
    CAMPAIGN_PAUSED,
    CAMPAIGN_RESUMED,
    CAMPAIGN_STARTED,
    CAMPAIGN_STOPPED,
    CONFIGURE_CAMPAIGN,
    CREATE_CAMPAIGN,
    EXPLAIN_LEAD,
    GET_CAMPAIGN,
    LIST_CAMPAIGNS,
    MARK_LEAD,
    MOST_LEADS,
    PAUSE_CAMPAIGN,
    REPORT_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_CAMPAIGN,
    RUN_ON_SHARD,
    STOP_CAMPAIGN,
    CampaignArchived,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignFinished,
    CampaignId,
    CampaignPaused,
    CampaignResumed,
    CampaignRun,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    ListCampaigns,
    RunCampaign,
    RunOnShard,
)
from bus_schemas.campaign_outlook import DRY_RUN, EXPLAIN_CAMPAIGN
from bus_schemas.campaign_telemetry import CAMPAIGN_TELEMETRY, CampaignChange, CampaignTelemetry, CampaignUpdate
from bus_schemas.crm import (
    ASSIGN_LEADS,
    CREATE_LEAD,
    EDIT_LEAD,
    GET_CRM_LEAD,
    LEAD_TIMELINE,
    MERGE_LEAD,
    UNMERGE_LEAD,
)
from bus_schemas.errors import misfit
from bus_schemas.lead import (
    EXPORT_LEADS,
    GET_LEAD,
    LEAD_COLUMNS,
    LIST_ALL_LEADS,
    LIST_LEADS,
    CampaignLeadChanged,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadUnmerged,
    GivenLead,
    changes_in,
)
from bus_schemas.preview import BEGIN_PREVIEWED, PREVIEW_LEAD, SKIP_PREVIEWED
from gateway.routes import Listed, Listing, Part, Parts, Room, Route, shared_fields

P = Part
MOST, MOST_BYTES = 2000, 400_000  # leads, and bytes of them, that cross the bus at once
LARGEST_LEAD = MOST_BYTES // 2
TOLD = 5000  # rows that are no leads: more are counted
RUN_BYTES = 16 * 1024 * 1024


def split(request: RunCampaign, after: int) -> Iterator[RunOnShard]:
    """The leads of a request in parts that fit into a message. `after`: where the journal ended when it came. Raises
    Refusal(INVALID_PARAMS) for a lead that never would."""
    id, first = request.campaign_id, 0
    part = partial(RunOnShard, shard=shard_of(id), campaign_id=id, goes_on=request.goes_on, after=after)
    batch, size = list[GivenLead](), 0
    for row, lead in enumerate(request.leads):
        length = len(msgspec.json.encode(lead)) + 1
        if length > LARGEST_LEAD:
            raise misfit(f"leads[{row}]", f"larger than {LARGEST_LEAD:,} bytes.")
        if batch and (len(batch) == MOST or size + length > MOST_BYTES):
            yield part(leads=tuple(batch), first=first)
            first, batch, size = row, [], 0
        batch.append(lead)
        size += length
    yield part(leads=tuple(batch), first=first)


def after(part: RunOnShard, answers: Sequence[CampaignRun]) -> RunOnShard:
    """A part as it is sent after others were answered: once the campaign runs, it is that run that goes on."""
    runs = any(one.status is CampaignStatus.RUNNING for one in answers)
    return msgspec.structs.replace(part, goes_on=part.goes_on or runs)


def joined(answers: Sequence[CampaignRun]) -> CampaignRun:
    """One answer for all parts."""
    last = answers[-1]
    invalid = tuple(row for one in answers for row in one.invalid)
    return CampaignRun(
        campaign_id=last.campaign_id, status=last.status, accepted=sum(one.accepted for one in answers),
        duplicates=sum(one.duplicates for one in answers), invalid=invalid[:TOLD], invalid_more=len(invalid[TOLD:]),
    )  # fmt: skip


LISTED = Listed(field="leads", most=MOST_LEADS, largest=LARGEST_LEAD)
PARTS = Parts(rpc=RUN_ON_SHARD, listed=LISTED, split=split, after=after, joined=joined)

REPORT_COLUMNS = (
    "hour", "attempts", "contacts", "abandoned", "talk_seconds", "operators_talk_seconds", "operators_wrap_up_seconds",
    "operators_idle_seconds", "in_progress",
)  # fmt: skip

C = "/api/autodialer/campaigns"
ONE = C + "/{campaign_id}"

# fmt: off
ROUTES = (
    #     method   path                                contract            status part
    Route("POST",  "/api/autodialer/run-campaign",     RUN_CAMPAIGN,       200, P.OTTB, True, RUN_BYTES, PARTS),
    Route("POST",  "/api/autodialer/stop-campaign",    STOP_CAMPAIGN,      200, P.OTTB, True),
    Route("GET",   C,                                  LIST_CAMPAIGNS,     200, P.OTTB),
    Route("POST",  C,                                  CREATE_CAMPAIGN,    201, P.OTTB, True),
    Route("GET",   ONE,                                GET_CAMPAIGN,       200, P.OTTB, costly=True),
    Route("PATCH", ONE,                                CONFIGURE_CAMPAIGN, 200, P.OTTB),
    Route("POST",  ONE + "/pause",                     PAUSE_CAMPAIGN,     200, P.OTTB, True),
    Route("POST",  ONE + "/resume",                    RESUME_CAMPAIGN,    200, P.OTTB, True),
    Route("POST",  ONE + "/archive",                   ARCHIVE_CAMPAIGN,   200, P.OTTB, True),
    Route("GET",   ONE + "/explain",                   EXPLAIN_CAMPAIGN,   200, P.OTTB, costly=True),
    Route("POST",  ONE + "/dry-run",                   DRY_RUN,            200, P.OTTB),
    Route("POST",  ONE + "/preview",                   PREVIEW_LEAD,       200, P.OTTB, True),
    Route("POST",  ONE + "/preview/begin",             BEGIN_PREVIEWED,    200, P.OTTB, True),
    Route("POST",  ONE + "/preview/skip",              SKIP_PREVIEWED,     200, P.OTTB, True),
    Route("GET",   ONE + "/report",                    REPORT_CAMPAIGN,    200, P.OTTB, table=True,
          columns=REPORT_COLUMNS),
    Route("GET",   ONE + "/leads",                     LIST_LEADS,         200, P.OTTB,
          as_table=ONE + "/export"),
    Route("GET",   ONE + "/export",                    EXPORT_LEADS,       200, P.OTTB, table=True,
          taken=True, whole=True, columns=LEAD_COLUMNS),
    Route("GET",   ONE + "/leads/{lead}",              GET_LEAD,           200, P.OTTB, light=True),
    Route("GET",   ONE + "/leads/{lead}/explain",      EXPLAIN_LEAD,       200, P.OTTB, costly=True),
    Route("POST",  ONE + "/leads/{lead}/mark",         MARK_LEAD,          200, P.OTTB, True),
    Route("GET",   "/api/crm/leads",                   LIST_ALL_LEADS,     200, P.WORKSPACE),
    Route("POST",  "/api/crm/leads",                   CREATE_LEAD,        201, P.WORKSPACE, True),
    Route("POST",  "/api/crm/leads/assign",            ASSIGN_LEADS,       200, P.WORKSPACE),
    Route("GET",   "/api/crm/leads/{campaign_id}/{lead}", GET_CRM_LEAD,    200, P.WORKSPACE, light=True),
    Route("PATCH", "/api/crm/leads/{campaign_id}/{lead}", EDIT_LEAD,       200, P.WORKSPACE),
    Route("POST",  "/api/crm/leads/{campaign_id}/{lead}/merge", MERGE_LEAD, 200, P.WORKSPACE),
    Route("POST",  "/api/crm/leads/{campaign_id}/{lead}/unmerge", UNMERGE_LEAD, 200, P.WORKSPACE),
    Route("GET",   "/api/crm/leads/{campaign_id}/{lead}/timeline", LEAD_TIMELINE, 200, P.WORKSPACE),
)
# fmt: on

S = CampaignStatus
BECAME: dict[type[Struct], tuple[CampaignChange, CampaignStatus]] = {
    CampaignCreated: ("created", S.DRAFT),
    CampaignStarted: ("started", S.RUNNING),
    CampaignPaused: ("paused", S.PAUSED),
    CampaignResumed: ("resumed", S.RUNNING),
    CampaignDraining: ("draining", S.DRAINING),
    CampaignStopped: ("stopped", S.STOPPED),
    CampaignFinished: ("finished", S.FINISHED),
    CampaignArchived: ("archived", S.ARCHIVED),
}


def present(event: Struct) -> CampaignUpdate:
    """What an event says of its campaign."""
    fields = shared_fields(event, CampaignUpdate)
    match event:
        case CampaignTelemetry():
            return CampaignUpdate(**fields, change="counts")
        case CampaignConfigured():
            return CampaignUpdate(**fields, change="configured")
        case CampaignLeadChanged():
            return _lead_changed(event)
        case CampaignLeadsAssigned(leads=leads, assigned_seller=seller):
            return CampaignUpdate(
                campaign=event.campaign, at=event.at, by=event.by, change="leads_assigned", fields=("assigned_seller",),
                leads=len(leads), assigned_seller=seller,
            )  # fmt: skip
    change, status = BECAME[type(event)]
    return CampaignUpdate(**fields, change=change, status=status)


def _lead_changed(event: CampaignLeadChanged) -> CampaignUpdate:
    change: CampaignChange = "lead_changed"
    other: str | UnsetType = UNSET
    match event:
        case CampaignLeadMerged(merged=other):
            change = "lead_merged"
        case CampaignLeadUnmerged(restored=other):
            change = "lead_unmerged"
    return CampaignUpdate(
        campaign=event.campaign, at=event.at, by=event.by, change=change, lead=event.lead, other=other,
        fields=tuple(changes_in(event)), assigned_seller=event.assigned_seller,
    )  # fmt: skip


ROOM = Room(
    CAMPAIGN,
    CampaignUpdate,
    (
        CAMPAIGN_CREATED, CAMPAIGN_CONFIGURED, CAMPAIGN_STARTED, CAMPAIGN_PAUSED, CAMPAIGN_RESUMED, CAMPAIGN_DRAINING,
        CAMPAIGN_STOPPED, CAMPAIGN_FINISHED, CAMPAIGN_ARCHIVED, CAMPAIGN_TELEMETRY, CAMPAIGN_LEAD_CHANGED,
        CAMPAIGN_LEAD_MERGED, CAMPAIGN_LEAD_UNMERGED, CAMPAIGN_LEADS_ASSIGNED,
    ),
    present,
    narrows=(("campaign", CampaignId),),
    board=True,
    whole=lambda update: update.campaign if update.change == "counts" else None,
    listing=Listing(
        rpc=LIST_CAMPAIGNS, page=lambda cursor: ListCampaigns(limit=500, cursor=cursor),
        named={"campaign": "campaign_id"},
    ),
)  # fmt: skip
