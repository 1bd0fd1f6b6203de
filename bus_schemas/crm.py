"""Leads one by one, as the workspace has them: what may be asked of a lead, wherever its campaign lives."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.campaign import ABSENT_CAMPAIGN
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import CallId, Id, Username, Utc
from bus_schemas.lead import DIALS, NUMBERS, CrmLead, GetLead, GivenLead, LeadAttempt, LeadFilter, LeadStatus
from bus_schemas.note import NoteView
from bus_schemas.permissions import Action

A = Action
E = ErrorCode

MOST_ASSIGNED = 2000  # leads of one request
COUNTED = 10_000  # leads of a list that are counted; where there are more, it is known that there are


class CreateLead(GivenLead, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Add one lead to a campaign that is not over, by the rules by which lists are: numbers as people write them, each
    one lead's in a campaign. Without `lead_id` it gets one of its first number."""

    campaign_id: Id


class EditLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change what is named of a lead, and nothing else. `numbers`: all that it then has, as people write them, while no
    call to it is under way. `custom`: of the fields of its own those that are named; null: it has it no more.
    `status`: not `callback`, which needs a time (`mark`). `assigned_seller`: a user; null: nobody."""

    campaign_id: Id
    lead: Id
    numbers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=NUMBERS)] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    timezone: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    source: str | UnsetType = UNSET
    consent: bool | UnsetType | None = UNSET
    custom: Annotated[Mapping[str, str | None], Meta(max_length=100)] | UnsetType = UNSET
    status: LeadStatus | UnsetType = UNSET
    assigned_seller: Username | UnsetType | None = UNSET


class MergeLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`duplicate`, a lead of the same campaign, is the same person as `lead`, which stays. No call to either is under
    way."""

    campaign_id: Id
    lead: Id
    duplicate: Id


class UnmergeLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`lead`, which was merged into another one, is a person of its own. No call to either is under way."""

    campaign_id: Id
    lead: Id


class AssignLeads(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Assign the leads that a filter finds to a user; null: to nobody. `limit`: of those that change now, those first
    that came first."""

    filter: LeadFilter
    assigned_seller: Username | None
    limit: Annotated[int, Meta(ge=1, le=MOST_ASSIGNED)] = 1000


class LeadsAssigned(Struct, frozen=True, kw_only=True):
    """`matched`: how many leads the filter finds, as far as 10,000; `changed`: how many were somebody else's, or
    nobody's. `more`: there are others yet; the same again takes them."""

    matched: int
    changed: int
    more: bool


class FindAssignable(Struct, frozen=True, kw_only=True):
    """Leads that a filter finds and that are not assigned to this user, in the order in which they came. `matched`: as
    the page before this one has said it."""

    filter: LeadFilter
    assigned_seller: str | None
    limit: int
    cursor: str | None = None
    matched: int | None = None


class Assignable(Struct, frozen=True, kw_only=True):
    """`leads`: campaign and lead. `matched`: how many the filter finds, as the list counts them and one more
    where there are more. `cursor`: null: there are no others."""

    matched: int
    leads: list[tuple[str, str]]
    cursor: str | None = None


class LeadCame(Struct, frozen=True, kw_only=True):
    """The entry of the journal that has brought in a lead, and no other; null: it came with others, or is not there."""

    seq: int | None


class AssignInCampaign(Struct, frozen=True, kw_only=True):
    """Some leads of one campaign, for whoever owns it."""

    campaign_id: Id
    leads: tuple[str, ...]
    assigned_seller: str | None


class AssignedInCampaign(Struct, frozen=True, kw_only=True):
    """How many were assigned to somebody else, or to nobody."""

    changed: int


class GetTimeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has happened to a lead, the newest first. Calls and recordings are for who may see calls (`call.view`),
    notes for who may see notes (`note.view`)."""

    campaign_id: Id
    lead: Id
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class TimelineKind(StrEnum):
    """What an entry is."""

    ATTEMPT = "attempt"  # of the campaign to call it
    CALL = "call"  # that came of one, or that an operator of the campaign was on
    RECORDING = "recording"
    NOTE = "note"  # to the lead, or to one of its calls
    CHANGE = "change"  # by hand, or by an operator's word


class TimelineCall(Struct, frozen=True, kw_only=True):
    """A call to the lead. `disposition`: the word of its operator; `reason`: how it ended, null while it goes on."""

    call_id: CallId
    number: str
    phase: str
    answer_time: Utc | None = None
    end_time: Utc | None = None
    talk_seconds: int = 0
    reason: str | None = None
    disposition: str | None = None


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that has happened to a lead. `at`: when it began, or was done; `by`: who made the change, wrote the
    note, or talked. The field that `kind` names says more: of a change `changes`, by field, what each then was; of a
    recording where it is fetched."""

    kind: TimelineKind
    at: Utc
    by: Username | None = None
    attempt: LeadAttempt | None = None
    call: TimelineCall | None = None
    recording: str | None = None
    note: NoteView | None = None
    changes: dict[str, Any] | None = None  # any: of the type of the field of a lead


SEES = frozenset({A.LEAD_VIEW_ANY})  # whose leads

# fmt: off
#                    subject                                        request      reply    refused with
CREATE_LEAD    = Rpc("ottb.v1.cmd.campaign.{campaign_id}.create_lead", CreateLead, CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Add one lead to a campaign", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=DIALS, audit_fields=("campaign_id", "lead.id"))
EDIT_LEAD      = Rpc("ottb.v1.cmd.campaign.{campaign_id}.edit_lead", EditLead,  CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Change a lead", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=SEES | {A.SLOT_USE_ANY}, audit_fields=("campaign_id", "lead.id"),
                     audit_changes=True)
MERGE_LEAD     = Rpc("ottb.v1.cmd.campaign.{campaign_id}.merge_lead", MergeLead, CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Two leads are one person", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=SEES | {A.SLOT_USE_ANY},
                     audit_fields=("campaign_id", "lead.id", "duplicate"))
UNMERGE_LEAD   = Rpc("ottb.v1.cmd.campaign.{campaign_id}.unmerge_lead", UnmergeLead, CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Two leads are two persons after all", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=SEES | {A.SLOT_USE_ANY}, audit_fields=("campaign_id", "lead.id"))
ASSIGN_LEADS   = Rpc("ottb.v1.cmd.leads.assign",                    AssignLeads, LeadsAssigned, frozenset(),
                     summary="Assign the leads that a filter finds", timeout=25.0, permission=A.LEAD_EDIT, asks=SEES,
                     audit_fields=("filter", "assigned_seller", "matched", "changed"))
GET_CRM_LEAD   = Rpc("ottb.v1.qry.lead.one",                        GetLead,    CrmLead, frozenset({E.NOT_FOUND}),
                     summary="One lead", permission=A.LEAD_VIEW, asks=SEES)
LEAD_TIMELINE  = Rpc("ottb.v1.qry.lead.timeline", GetTimeline, list[TimelineEntry], frozenset({E.NOT_FOUND}),
                     summary="What has happened to a lead", permission=A.LEAD_VIEW,
                     asks=SEES | {A.CALL_VIEW, A.NOTE_VIEW})

# Between parts of the platform.
FIND_ASSIGNABLE = Rpc("ottb.v1.qry.lead.assignable",                FindAssignable, Assignable, frozenset(),
                      summary="Which leads are to be assigned")
FIND_LEAD_CAME = Rpc("ottb.v1.qry.lead.came",                       GetLead,    LeadCame, frozenset(),
                     summary="Where the journal brings in a lead")
ASSIGN_IN_CAMPAIGN = Rpc("ottb.v1.cmd.campaign.{campaign_id}.assign_leads", AssignInCampaign, AssignedInCampaign,
                         frozenset({E.NOT_FOUND, E.CONFLICT}), summary="Assign leads of a campaign", timeout=10.0,
                         fallback=ABSENT_CAMPAIGN)
# fmt: on
