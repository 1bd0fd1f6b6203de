"""Leads: who is to be called, and what becomes of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import CallId, GivenTime, Id, TimeThere, Username, Utc, shaped
from bus_schemas.permissions import Action

A = Action
NUMBERS = 5  # of one lead


class Lead(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody to be called. `numbers`: E.164, in the order in which they are tried. `timezone`: None: not known, what
    the numbers say holds. `priority`: higher ones first. `consent`: to be called; None: nobody has said."""

    id: Id
    numbers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=NUMBERS)]
    name: str = ""
    timezone: str | None = None
    priority: int = 0
    language: str | None = None
    source: str = ""
    consent: bool | None = None
    custom: Mapping[str, str] = {}


class GivenLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A lead as somebody gives it: numbers as people write them. Without `lead_id` it gets one of its first number."""

    # gc=False: a hundred thousand are read at once, and nothing in one leads back to it.

    number: str
    number_2: str | None = None
    number_3: str | None = None
    number_4: str | None = None
    number_5: str | None = None
    lead_id: str | None = None
    name: str | None = None
    timezone: str | None = None
    priority: int | None = None
    language: str | None = None
    source: str | None = None
    consent: bool | None = None
    custom: Mapping[str, str] = {}


class LeadStatus(StrEnum):
    """What has become of a lead. The first three may be called."""

    NEW = "new"
    IN_PROGRESS = "in_progress"  # was called, and may be again
    CALLBACK = "callback"  # wants to be called at a time
    DONE = "done"
    DO_NOT_CALL = "do_not_call"
    INVALID = "invalid"  # none of its numbers can be called


class Meaning(StrEnum):
    """What a disposition means for the lead: a `LeadStatus` that it then has."""

    DONE = "done"
    CALLBACK = "callback"
    DO_NOT_CALL = "do_not_call"
    IN_PROGRESS = "in_progress"


Word = Annotated[
    str, shaped(r"^[a-z0-9_]{1,32}$(?!\n)", "1 to 32 letters (a-z), digits or `_`", examples=["not_interested"])
]
Words = Annotated[Mapping[Word, Meaning], Meta(min_length=1, max_length=100)]


class LeadAttempt(Struct, frozen=True, kw_only=True):
    """One call to a lead, or the try of one. `outcome`: null while it is under way; `not_dialed` counts for no cap.
    `why`: it came to nobody who talked, in words. `operator`: for whom it was dialled on a line of theirs, or who has
    taken it. `call_id`: known once somebody has taken it, or it is over."""

    attempt: int
    number: str
    at: Utc
    ended: Utc | None = None
    outcome: str | None = None
    call_id: CallId | None = None
    talk_seconds: int = 0
    why: str = ""
    operator: Username | None = None


class LeadStanding(Struct, frozen=True, kw_only=True):
    """How it is with a lead now. `reason`: why it is not called; `until`: the first moment at which that is over, if
    nothing else happens; null: time alone does not change it. `change`: what would. `number`: the one that is next."""

    lead: Id
    reason: str
    words: str
    number: str | None = None
    until: Utc | None = None
    change: str = ""


OWN_COLUMNS = ("status", "attempts", "last_attempt", "last_outcome", "disposition")  # of an export: what became of it
LEAD_COLUMNS = (
    "lead_id", "number", *(f"number_{place}" for place in range(2, NUMBERS + 1)), "name", "timezone", "priority",
    "language", "source", "consent", *OWN_COLUMNS,
)  # fmt: skip


# --- queries --------------------------------------------------------------------------------------------------


class ListLeads(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Leads of a campaign, in the order in which they came. `number`: one of theirs, or a part of one.
    `outcome`: of the last attempt. As CSV they are an export."""

    campaign_id: Id
    status: LeadStatus | None = None
    number: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    source: Annotated[str, Meta(max_length=100)] | None = None
    outcome: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    format: Literal["json", "csv"] = "json"


class LeadOrder(StrEnum):
    """Of a list of leads. By `callback` and `contacted` those alone are in it that have one, or were called."""

    OLDEST = "oldest"  # as they came
    NEWEST = "newest"
    CALLBACK = "callback"  # what is due first
    CONTACTED = "contacted"  # the last attempt, the newest first


class LeadFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Leads as the list of all has them (`ListAllLeads`); without any field all of them."""

    status: LeadStatus | None = None
    assigned_seller: Username | None = None
    campaign_id: Id | None = None
    number: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    outcome: Annotated[str, Meta(max_length=64)] | None = None
    disposition: Annotated[str, Meta(max_length=64)] | None = None
    contacted_since: GivenTime | None = None
    contacted_until: GivenTime | None = None
    callback_until: GivenTime | None = None


class ListAllLeads(LeadFilter, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """Leads of all campaigns. `assigned_seller`: who is to call them. `number`: one of theirs, or a part of one.
    `text`: 3 to 64 characters, each word of which is a part of a number, the name or a field of their own; large and
    small letters are the same, and one word has 3 characters. `outcome`: of the last attempt, which began in
    `contacted_since` to `contacted_until`; `disposition`: the last word of an operator. `callback_until`: who is to be
    called back by then."""

    order: LeadOrder = LeadOrder.OLDEST
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One lead of a campaign, with all its attempts: for who sees the campaign, for operators for whom it was dialled
    or who have talked with it, and for the one who looks at it in preview."""

    campaign_id: Id
    lead: Id


class LeadView(Struct, frozen=True, kw_only=True):
    """One lead. `attempts`: how many; `last_outcome`: of the last one, null while it is under way. `callback`: when it
    wants to be called, by `operator`; null: by any. `disposition`: the last word of an operator. `assigned_seller`: to
    whom it was assigned. `merged_into`: the lead that it is the same person as."""

    lead: Lead
    status: LeadStatus
    attempts: int = 0
    last_attempt: Utc | None = None
    last_outcome: str | None = None
    callback: Utc | None = None
    operator: Username | None = None
    disposition: str | None = None
    assigned_seller: Username | None = None
    merged_into: Id | None = None


class CrmLead(Struct, frozen=True, kw_only=True):
    """One lead of a campaign. `assigned_seller`: the operator who is to call it back, else to whom it was assigned;
    null: nobody. The rest is as in the list of its campaign."""

    campaign_id: Id
    lead: Lead
    status: LeadStatus
    assigned_seller: Username | None = None
    attempts: int = 0
    last_attempt: Utc | None = None
    last_outcome: str | None = None
    callback: Utc | None = None
    disposition: str | None = None
    merged_into: Id | None = None


class ExportLeads(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Leads of a campaign as rows of a table: the fields in which they are given, those of their own with `custom:`
    before the name, and what has become of them. As CSV all of them, unless a page is asked for (`limit`, `cursor`).
    The filters are those of the list."""

    campaign_id: Id
    status: LeadStatus | None = None
    number: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    source: Annotated[str, Meta(max_length=100)] | None = None
    outcome: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    format: Literal["json", "csv"] = "csv"


class ExplainLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why one lead is not called."""

    campaign_id: Id
    lead: Id


class MarkLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say what becomes of a lead. `callback`: when it wants to be called, with the status of that name; `operator`: by
    whom; null: by anybody. `disposition`: a word for it."""

    campaign_id: Id
    lead: Id
    status: LeadStatus
    callback: TimeThere | None = None
    operator: Username | None = None
    disposition: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class LeadMarked(Struct, frozen=True, kw_only=True):
    """What is on record of the lead now."""

    campaign_id: Id
    lead: Id
    status: LeadStatus


class LeadHistory(Struct, frozen=True, kw_only=True):
    """One lead, with its attempts in this campaign, oldest first."""

    lead: LeadView
    attempts: list[LeadAttempt]


class CampaignLeadChanged(Struct, frozen=True, kw_only=True):
    """Somebody has changed a lead: the fields that are there. `custom`: of the fields of its own those that are new;
    null: it is gone. With a `status` it wants to be called back at no time any more."""

    campaign: Id
    at: Utc
    by: Username
    lead: Id
    place: int
    numbers: tuple[str, ...] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    timezone: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    source: str | UnsetType = UNSET
    consent: bool | UnsetType | None = UNSET
    custom: Mapping[str, str | None] | UnsetType = UNSET
    status: LeadStatus | UnsetType = UNSET
    assigned_seller: Username | UnsetType | None = UNSET


CHANGEABLE = CampaignLeadChanged.__struct_fields__[5:]  # what can be changed of a lead


def changes_in(event: CampaignLeadChanged) -> dict[str, Any]:
    """The fields that were changed, with what they are now."""
    return {field: value for field in CHANGEABLE if (value := getattr(event, field)) is not UNSET}


class CampaignLeadMerged(CampaignLeadChanged, frozen=True, kw_only=True):
    """Two leads were one person: `lead` has what it lacked and `merged` had, whose numbers are its own now and which is
    `invalid`. `gained`: the fields that it lacked, those of its own with `custom:` before the name. `attempts`: how
    many it has with those of the other; `last_attempt`: when the last of them began, and how it ended."""

    merged: Id
    merged_place: int
    gained: tuple[str, ...] = ()
    attempts: int = 0
    last_attempt: Utc | None = None
    last_outcome: str | None = None


class CampaignLeadUnmerged(CampaignLeadChanged, frozen=True, kw_only=True):
    """Two leads were not one person: `lead` has no more what it had from `restored`, which is a lead of its own again.
    `attempts`: how many that one has, with those on its numbers since; `left`: how many the other one keeps."""

    restored: Id
    restored_place: int
    restored_status: LeadStatus
    attempts: int = 0
    left: int = 0


class CampaignLeadSkipped(Struct, frozen=True, kw_only=True):
    """An operator has looked at a lead in preview mode and left it: `until` then nobody gets it, unless somebody marks
    it, or the campaign dials in another mode."""

    campaign: Id
    at: Utc
    by: Username
    lead: Id
    place: int
    until: Utc


class CampaignLeadMarked(Struct, frozen=True, kw_only=True):
    """Somebody has said what becomes of a lead. `callback`: when it wants to be called, by `operator`; null: by any.
    `disposition`: the operator's word for it; `heard`: the place in the journal where the operator said it, 0: nobody
    did."""

    campaign: Id
    at: Utc
    by: Username
    lead: Id
    place: int
    status: LeadStatus
    callback: Utc | None = None
    operator: Username | None = None
    disposition: str | None = None
    heard: int = 0


class CampaignLeadsAssigned(Struct, frozen=True, kw_only=True):
    """Several leads were assigned to a user at once; null: they are nobody's. `places`: of each of the leads."""

    campaign: Id
    at: Utc
    by: Username
    assigned_seller: Username | None
    leads: tuple[Id, ...]
    places: tuple[int, ...]


NO_LEAD = RefusalTemplate(ErrorCode.NOT_FOUND, "No such lead in this campaign.")
LeadLine = dict[str, str | int]  # a row of a table
NOT_FOUND = frozenset({ErrorCode.NOT_FOUND})
SEES = frozenset({A.CAMPAIGN_VIEW_ANY})  # whose campaigns
DIALS = SEES | {A.SLOT_USE_ANY}  # and on whose slots they dial

# fmt: off
LIST_LEADS = Rpc("ottb.v1.qry.lead.list", ListLeads, list[LeadView], NOT_FOUND, summary="Leads of a campaign",
                 permission=A.CAMPAIGN_VIEW, asks=SEES)
EXPORT_LEADS = Rpc("ottb.v1.qry.lead.export", ExportLeads, list[LeadLine], NOT_FOUND,
                   summary="Leads of a campaign as a table", permission=A.CAMPAIGN_EXPORT, asks=SEES,
                   audit_fields=("campaign_id",))
LIST_ALL_LEADS = Rpc("ottb.v1.qry.lead.all", ListAllLeads, list[CrmLead], frozenset(), summary="Leads of all campaigns",
                     permission=A.LEAD_VIEW, asks=frozenset({A.LEAD_VIEW_ANY}))
PAST_LEAD  = Rpc("ottb.v1.qry.lead.get",  GetLead,   LeadHistory,    NOT_FOUND, summary="One lead from the records")
GET_LEAD   = Rpc("ottb.v1.cmd.campaign.{campaign_id}.get_lead", GetLead, LeadHistory, NOT_FOUND,
                 summary="One lead, with its attempts", fallback=PAST_LEAD, permission=A.CAMPAIGN_VIEW, asks=SEES,
                 again=READ_AGAIN)
# fmt: on
