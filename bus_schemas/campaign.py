"""Campaigns: how one dials through its leads, what is answered of it, and what happens to it.

What may be asked of a campaign has its lines (`Rpc`) from the day on that an actor answers them; the records answer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from bus_schemas.call import EndReason
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import CallId, HostName, Id, Username, Utc
from bus_schemas.lead import Lead, LeadStatus

CampaignId = Annotated[Id, Meta(examples=["campaign_001"])]
ANSWERED, ABANDONED = "answered", "abandoned"
OUTCOMES = (ANSWERED, ABANDONED, *map(str, EndReason))  # of an attempt: that somebody answered, or how its call ended
RETRY_MINUTES: Mapping[str, int] = {
    **dict.fromkeys(OUTCOMES[2:], 60),
    **dict.fromkeys(("busy", "network", "phone_lost", "phone_asks_for_sim", "trunk_lost", "trunk_refused"), 15),
    "rejected": 240,
}


class CampaignStatus(StrEnum):
    """`draft -> running <-> paused -> draining -> stopped | finished`. Only a running one begins attempts."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"  # was stopped while calls are in progress
    STOPPED = "stopped"
    FINISHED = "finished"  # nothing can be dialled any more


class StopMode(StrEnum):
    """What becomes of calls in progress when a campaign is stopped."""

    DRAIN = "drain"  # they go on to their end
    HANGUP = "hangup"


class Mode(StrEnum):
    """How a campaign dials."""

    PREVIEW = "preview"  # an operator sees the lead first, and begins the dial
    PROGRESSIVE = "progressive"  # one dial for each ready operator: nobody is abandoned
    POWER = "power"  # a fixed number of dials for each ready operator
    PREDICTIVE = "predictive"  # also for operators who will probably be ready


Count = Annotated[int, Meta(ge=1, le=1000)]
Minutes = Annotated[int, Meta(ge=0, le=60 * 24 * 365)]


class CampaignSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a campaign dials. Rules of the site and of the lead's country hold besides, the strictest of each. `hours`:
    `08:00-21:00`, or such texts by day, on the lead's own clock; empty: no others than theirs. `ratio`: dials for each
    ready operator (power). `abandoned_share`: of answered calls, at most, over 30 days. Attempts of a lead count over
    all campaigns. `retry_minutes`: the wait after an outcome. `final`: outcomes after which a number is not called
    again."""

    mode: Mode = Mode.PROGRESSIVE
    ratio: Annotated[float, Meta(ge=1, le=10)] = 2.0
    abandoned_share: Annotated[float, Meta(ge=0, le=1)] = 0.03
    hours: str | Mapping[str, str] = ""
    attempts_per_lead: Count | None = 6
    attempts_per_number: Count | None = None
    attempts_per_day: Count | None = None
    attempts_per_30_days: Count | None = None
    pause_minutes: Minutes = 0
    retry_minutes: Mapping[str, Minutes] = field(default_factory=lambda: RETRY_MINUTES)
    quiet_hours: Annotated[int, Meta(ge=0, le=24 * 365)] = 0
    final: tuple[str, ...] = ("invalid_number",)
    consent: bool = False


# --- answers --------------------------------------------------------------------------------------------------


class RowRefused(Struct, frozen=True, kw_only=True):
    """A row that is no lead. `row`: from 1. `field`: the first one that cannot be; empty: the row as a whole."""

    row: int
    field: str
    reason: str


class CampaignRun(Struct, frozen=True, kw_only=True):
    """The campaign runs. `accepted`: leads that are new in it."""

    campaign_id: CampaignId
    status: CampaignStatus
    accepted: int
    duplicates: int
    invalid: tuple[RowRefused, ...]


class CampaignStopping(Struct, frozen=True, kw_only=True):
    """No attempt begins any more. `in_progress`: attempts that were begun before, and are not over."""

    campaign_id: CampaignId
    status: CampaignStatus
    in_progress: int


class LeadsByReason(Struct, frozen=True, kw_only=True):
    """So many leads are not called, or are next, for one reason. `until`: the first moment at which that is over for
    one of them; null: time alone does not change it."""

    reason: str
    leads: int
    words: str
    until: Utc | None = None
    change: str = ""


class CampaignExplained(Struct, frozen=True, kw_only=True):
    """Why a campaign does not dial, or what keeps it from dialling more. The sum over `reasons` is `leads`."""

    campaign_id: CampaignId
    status: CampaignStatus
    at: Utc
    leads: int
    reasons: tuple[LeadsByReason, ...]


class ListCampaigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Campaigns, newest first."""

    status: CampaignStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign from the records."""

    campaign_id: CampaignId


class CampaignView(Struct, frozen=True, kw_only=True):
    """One campaign, of all its runs. `attempts`: that were begun, of which `in_progress` are not over; `answered`: by
    somebody, `abandoned` of them by us. `by_status`: how many leads, where one campaign is asked for."""

    campaign_id: CampaignId
    status: CampaignStatus
    by: Username
    created: Utc
    leads: int
    attempts: int
    in_progress: int
    answered: int
    abandoned: int
    talk_seconds: int
    settings: CampaignSettings
    by_status: Mapping[LeadStatus, int] = {}


# fmt: off
PAST_CAMPAIGN  = Rpc("ottb.v1.qry.campaign.get",  GetCampaign,   CampaignView,       frozenset({ErrorCode.NOT_FOUND}),
                     summary="One campaign from the records")
LIST_CAMPAIGNS = Rpc("ottb.v1.qry.campaign.list", ListCampaigns, list[CampaignView], frozenset(),
                     summary="All campaigns")
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class CampaignCreated(Struct, frozen=True, kw_only=True):
    """There is a campaign, which does not run yet."""

    campaign: CampaignId
    at: Utc
    by: Username
    settings: CampaignSettings


class CampaignActivated(Struct, frozen=True, kw_only=True):
    """A host owns the campaign; older owners can no longer write."""

    campaign: CampaignId
    at: Utc
    host: HostName
    epoch: int


class CampaignConfigured(Struct, frozen=True, kw_only=True):
    """Its settings were changed, to these."""

    campaign: CampaignId
    at: Utc
    by: Username
    settings: CampaignSettings


class CampaignLeadsAdded(Struct, frozen=True, kw_only=True):
    """Leads that are new in it. `first`: the place of the first of them; a campaign counts its leads from 0."""

    campaign: CampaignId
    at: Utc
    by: Username
    first: int
    leads: tuple[Lead, ...]


class CampaignStarted(Struct, frozen=True, kw_only=True):
    """It runs. `earlier`: leads before that place are of earlier runs, and are not called again."""

    campaign: CampaignId
    at: Utc
    by: Username
    earlier: int


class CampaignPaused(Struct, frozen=True, kw_only=True):
    """No attempt begins until it is resumed."""

    campaign: CampaignId
    at: Utc
    by: Username


class CampaignResumed(Struct, frozen=True, kw_only=True):
    """It runs again, with the leads that are left."""

    campaign: CampaignId
    at: Utc
    by: Username


class CampaignDraining(Struct, frozen=True, kw_only=True):
    """It was stopped while attempts are in progress. Said again when they are to be hung up after all."""

    campaign: CampaignId
    at: Utc
    by: Username
    mode: StopMode
    in_progress: int


class CampaignStopped(Struct, frozen=True, kw_only=True):
    """It was stopped, and nothing is in progress. `by`: null: the last call of one that was draining has ended."""

    campaign: CampaignId
    at: Utc
    by: Username | None = None


class CampaignFinished(Struct, frozen=True, kw_only=True):
    """Nothing is in progress, and none of its leads can be called any more."""

    campaign: CampaignId
    at: Utc


class CampaignAttemptClaimed(Struct, frozen=True, kw_only=True):
    """A lead is to be called: on record before the call is asked for, with the command `command_id`, and never claimed
    again. `place`: of the lead; `attempt`: of this lead in this campaign, from 1."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    number: str
    command_id: str


class CampaignAttemptEnded(Struct, frozen=True, kw_only=True):
    """What became of it. `status`: of the lead from now on. `call_id`: null: there was none."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    outcome: str
    status: LeadStatus
    call_id: CallId | None = None
    talk_seconds: int = 0


class CampaignLeadMarked(Struct, frozen=True, kw_only=True):
    """Somebody has said what becomes of a lead. `callback`: when it wants to be called, by `operator`; null: by any.
    `disposition`: the operator's word for it."""

    campaign: CampaignId
    at: Utc
    by: Username
    lead: Id
    place: int
    status: LeadStatus
    callback: Utc | None = None
    operator: Username | None = None
    disposition: str | None = None


CampaignEvent = (
    CampaignCreated
    | CampaignActivated
    | CampaignConfigured
    | CampaignLeadsAdded
    | CampaignStarted
    | CampaignPaused
    | CampaignResumed
    | CampaignDraining
    | CampaignStopped
    | CampaignFinished
    | CampaignAttemptClaimed
    | CampaignAttemptEnded
    | CampaignLeadMarked
)

# fmt: off
EVENTS = "ottb.v1.evt.campaign.{campaign}."
CAMPAIGN_CREATED         = Topic(EVENTS + "created",         CampaignCreated,        "A campaign was made")
CAMPAIGN_ACTIVATED       = Topic(EVENTS + "activated",       CampaignActivated,      "A campaign has a new owner")
CAMPAIGN_CONFIGURED      = Topic(EVENTS + "configured",      CampaignConfigured,     "Its settings were changed")
CAMPAIGN_LEADS_ADDED     = Topic(EVENTS + "leads_added",     CampaignLeadsAdded,     "It has more leads")
CAMPAIGN_STARTED         = Topic(EVENTS + "started",         CampaignStarted,        "It runs")
CAMPAIGN_PAUSED          = Topic(EVENTS + "paused",          CampaignPaused,         "No attempt begins for now")
CAMPAIGN_RESUMED         = Topic(EVENTS + "resumed",         CampaignResumed,        "It runs again")
CAMPAIGN_DRAINING        = Topic(EVENTS + "draining",        CampaignDraining,       "It was stopped during calls")
CAMPAIGN_STOPPED         = Topic(EVENTS + "stopped",         CampaignStopped,        "It was stopped")
CAMPAIGN_FINISHED        = Topic(EVENTS + "finished",        CampaignFinished,       "Nothing is left to be called")
CAMPAIGN_ATTEMPT_CLAIMED = Topic(EVENTS + "attempt_claimed", CampaignAttemptClaimed, "A lead is to be called")
CAMPAIGN_ATTEMPT_ENDED   = Topic(EVENTS + "attempt_ended",   CampaignAttemptEnded,   "What became of an attempt")
CAMPAIGN_LEAD_MARKED     = Topic(EVENTS + "lead_marked",     CampaignLeadMarked,     "What becomes of a lead")
# fmt: on
