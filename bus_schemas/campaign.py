"""Campaigns: how one dials through its leads, what is answered of it, and what happens to it.

A campaign is asked for by its id. To run one that may not be there yet is asked of the shard into which its id falls.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import force_setattr

from bus_schemas.call import EndReason
from bus_schemas.carriers import Carriers, Priority, Weight
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import CallId, HostName, Id, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.lead import (
    DIALS,
    SEES,
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadsAssigned,
    CampaignLeadSkipped,
    CampaignLeadUnmerged,
    ExplainLead,
    GivenLead,
    Lead,
    LeadMarked,
    LeadStanding,
    LeadStatus,
    MarkLead,
    Words,
)
from bus_schemas.permissions import Action

A = Action
E = ErrorCode

CAMPAIGN = Kind("campaign", "campaigns", view=A.CAMPAIGN_VIEW, view_others=A.CAMPAIGN_VIEW_ANY)
NO_CAMPAIGN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such campaign.")  # or who asks does not see it
CAMPAIGN_IS_ARCHIVED = RefusalTemplate(ErrorCode.CONFLICT, "The campaign is archived. Make another one like it.")

# Seconds: most are answered by then, a part of a run later, and a second one of the same command changes nothing.
ONCE_AGAIN, RUN_AGAIN = 1.0, 3.0
MOST_LEADS = 100_000  # of one request
CampaignId = Annotated[Id, Meta(examples=["campaign_001"])]
# A contact: whoever was called talked to somebody of ours. Abandoned: they answered, and nobody was there for them: an
# answer, of which the share of abandoned calls is taken, and no contact.
ANSWERED, ABANDONED = "answered", "abandoned"
CONTACT = ANSWERED
BY_SOMEBODY = (CONTACT, ABANDONED)  # outcomes of attempts that somebody answered
OUTCOMES = (ANSWERED, ABANDONED, *map(str, EndReason))  # of an attempt: that somebody answered, or how its call ended
RETRY_MINUTES: Mapping[str, int] = {
    **dict.fromkeys(OUTCOMES, 60),
    **dict.fromkeys(("busy", "network", "phone_lost", "phone_asks_for_sim", "trunk_lost", "trunk_refused"), 15),
    **dict.fromkeys((ANSWERED, "rejected"), 240),
}


class CampaignStatus(StrEnum):
    """`draft -> running <-> paused -> draining -> stopped | finished -> archived`. Only a running one begins attempts.
    """

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"  # was stopped while calls are in progress
    STOPPED = "stopped"
    FINISHED = "finished"  # nothing can be dialled any more
    ARCHIVED = "archived"  # for the records alone


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


OVERDIALING = frozenset({Mode.POWER, Mode.PREDICTIVE})  # more calls than are ready: who answers waits for an operator


class Operators(StrEnum):
    """Who talks to those who answer."""

    SLOTS = "slots"  # somebody sits at each phone: all lines are their own operators
    TEAM = "team"  # operators who work for the campaign, as they are ready


Count = Annotated[int, Meta(ge=1, le=1000)]
Minutes = Annotated[int, Meta(ge=0, le=60 * 24 * 365)]


class CampaignSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a campaign dials. Rules of the site and of the lead's country hold besides, the strictest of each. `hours`:
    `08:00-21:00`, or such texts by day, on the lead's own clock; empty: no others than theirs. `operators`: who talks.
    `ratio`: dials for each ready operator (power). `abandoned_share`: of answered calls, at most, over 30 days.
    Attempts of a lead count over all campaigns. `retry_minutes`: the wait after an outcome; one that is not named keeps
    its own. `final`: outcomes after which a number is not called again. `dispositions`: the words of operators for its
    calls, with what each means; null: the site's. `carriers`: what its calls go out on, of which it gets its share
    among campaigns by `priority`, higher ones first, and by `weight`."""

    mode: Mode = Mode.PROGRESSIVE
    operators: Operators = Operators.SLOTS
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
    dispositions: Words | None = None
    carriers: Carriers = Carriers()
    weight: Weight = 10
    priority: Priority = 0

    def __post_init__(self) -> None:
        force_setattr(self, "retry_minutes", {**RETRY_MINUTES, **self.retry_minutes})


class RowRefused(Struct, frozen=True, kw_only=True):
    """A row that is no lead. `row`: from 1. `field`: the first one that cannot be; empty: the row as a whole."""

    row: int
    field: str
    reason: str


class CampaignRun(Struct, frozen=True, kw_only=True):
    """The campaign runs. `accepted`: leads that are new in it. `invalid_more`: rows that are no leads either, beyond
    those that are named."""

    campaign_id: CampaignId
    status: CampaignStatus
    accepted: int
    duplicates: int
    invalid: tuple[RowRefused, ...]
    invalid_more: int = 0


class CampaignStopping(Struct, frozen=True, kw_only=True):
    """No attempt begins any more. `in_progress`: attempts that were begun before, and are not over."""

    campaign_id: CampaignId
    status: CampaignStatus
    in_progress: int


class CreateCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a campaign that does not run yet, with these settings, or with those of the campaign `like`. The same again
    changes nothing; without either it leaves the settings of one that is there."""

    campaign_id: CampaignId
    settings: CampaignSettings | UnsetType = UNSET
    like: CampaignId | None = None


class CreateOnShard(Struct, frozen=True, kw_only=True):
    """CREATE_CAMPAIGN for whoever has the shard. `settings`: null: none were named."""

    shard: int
    campaign_id: CampaignId
    settings: CampaignSettings | None


class RunCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run a campaign with these leads: one that is new, with good defaults; one that runs, with more leads; one that is
    paused, from where it was; one that is over, with the new leads alone. The same again changes nothing. `goes_on`:
    more of a list with which it was run: of the same run, which stays stopped or paused where somebody has said so."""

    campaign_id: CampaignId
    leads: Annotated[tuple[GivenLead, ...], Meta(min_length=1, max_length=MOST_LEADS)]
    goes_on: bool = False


class RunOnShard(Struct, frozen=True, kw_only=True):
    """A part of RUN_CAMPAIGN for whoever has the shard. `first`: how many rows are in the parts before it. `goes_on`:
    as there, or it ran by one of those. What was said behind `after`, where the journal ended when it was asked for,
    stays too: a part that comes late brings no stopped campaign back. Null: nobody knows."""

    shard: int
    campaign_id: CampaignId
    leads: tuple[GivenLead, ...]
    first: int = 0
    goes_on: bool = False
    after: int | None = None


class ReadLead(Struct, frozen=True, kw_only=True):
    """A lead that has been read from a list. `row`: of the list."""

    row: int
    lead: Lead


class AddOnShard(Struct, frozen=True, kw_only=True):
    """Leads that have been read from a list, for whoever has the shard. `run`: the campaign runs, or goes on
    (`goes_on`), as with RunOnShard; else they are added to one that is not over. Whoever repeats it is told what came
    of it altogether, without any leads what came of it so far; `after`: that is on record behind this place of the
    journal."""

    shard: int
    campaign_id: CampaignId
    leads: tuple[ReadLead, ...]
    run: bool = False
    goes_on: bool = False
    after: int = 0


class StopCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin no attempt any more. `mode`: what becomes of calls in progress."""

    campaign_id: CampaignId
    mode: StopMode = StopMode.DRAIN


class PauseCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin no attempt until it is resumed."""

    campaign_id: CampaignId


class ResumeCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Go on after a pause; begin with the leads of a draft; look again at those left of one that has finished."""

    campaign_id: CampaignId


class ArchiveCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep it for the records alone: it is listed only where archived ones are asked for, and cannot run again."""

    campaign_id: CampaignId


class CampaignChanged(Struct, frozen=True, kw_only=True):
    """How it is now."""

    campaign_id: CampaignId
    status: CampaignStatus
    settings: CampaignSettings


class ConfigureCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change the settings that are named, and nothing else, also while it runs."""

    campaign_id: CampaignId
    mode: Mode | UnsetType = UNSET
    operators: Operators | UnsetType = UNSET
    ratio: Annotated[float, Meta(ge=1, le=10)] | UnsetType = UNSET
    abandoned_share: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    hours: str | Mapping[str, str] | UnsetType = UNSET
    attempts_per_lead: Count | UnsetType | None = UNSET
    attempts_per_number: Count | UnsetType | None = UNSET
    attempts_per_day: Count | UnsetType | None = UNSET
    attempts_per_30_days: Count | UnsetType | None = UNSET
    pause_minutes: Minutes | UnsetType = UNSET
    retry_minutes: Mapping[str, Minutes] | UnsetType = UNSET
    quiet_hours: Annotated[int, Meta(ge=0, le=24 * 365)] | UnsetType = UNSET
    final: tuple[str, ...] | UnsetType = UNSET
    consent: bool | UnsetType = UNSET
    dispositions: Words | UnsetType | None = UNSET
    carriers: Carriers | UnsetType = UNSET
    weight: Weight | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET


class ListCampaigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Campaigns, newest first; archived ones only where that status is asked for."""

    status: CampaignStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign from the records."""

    campaign_id: CampaignId


class AskedCampaign(Struct, frozen=True, kw_only=True):
    """Whatever is asked of a campaign that nobody owns now."""

    campaign_id: CampaignId


class ReportCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of the attempts that were begun on one day, UTC, by hour: how many, `contacts` (whoever
    answered talked to somebody of ours), `abandoned` (they answered, and nobody was there), `talk_seconds`, and how
    many ended in each way. `operators_talk_seconds`, `operators_wrap_up_seconds`: in calls of the campaign and after
    them; `operators_idle_seconds`: ready for it while it runs with a team."""

    campaign_id: CampaignId
    day: Annotated[str, shaped(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", "a day like 2025-11-15")]
    format: Literal["json", "csv"] = "json"


class CampaignView(Struct, frozen=True, kw_only=True):
    """One campaign, of all its runs. `attempts`: that were begun, of which `in_progress` are not over, and `not_dialed`
    came to no call; `answered`: by somebody, `abandoned` of them by us; `answer_rate` of the calls that are over,
    `abandoned_share` of the answered; null: there are none. `by_status`: how many leads. `mode`: the one in effect, as
    one that runs has last said it, `fallback`: why, if that is not the one of its settings; null: it does not run, or
    has not said it yet."""

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
    not_dialed: int = 0
    answer_rate: float | None = None
    abandoned_share: float | None = None
    by_status: Mapping[LeadStatus, int] = {}
    mode: Mode | None = None
    fallback: str | None = None


NONE = frozenset({E.NOT_FOUND})
STATE = frozenset({E.NOT_FOUND, E.CONFLICT})
LOOK = frozenset({E.NOT_FOUND, E.RATE_LIMITED})  # in turn: it takes long
NAMED = ("campaign_id",)
ReportLine = dict[str, str | int]  # an hour; `hour`, and counts

# fmt: off
#                       subject                                        request          reply               refused with
ABSENT_CAMPAIGN  = Rpc("ottb.v1.qry.campaign.absent",                  AskedCampaign,   CampaignView,       STATE,
                       summary="Why nobody owns a campaign")
PAST_ARCHIVED    = Rpc("ottb.v1.qry.campaign.archived",                AskedCampaign,   CampaignChanged,    STATE,
                       summary="A campaign that is to be archived, and is")
GET_CAMPAIGN     = Rpc("ottb.v1.qry.campaign.get",                     GetCampaign,     CampaignView,       NONE,
                       summary="One campaign, with its counts and rates", permission=A.CAMPAIGN_VIEW, asks=SEES)
REPORT_CAMPAIGN  = Rpc("ottb.v1.qry.campaign.report",                  ReportCampaign,  list[ReportLine],   NONE,
                       summary="One day of a campaign, by hour", permission=A.CAMPAIGN_VIEW, asks=SEES)
LIST_CAMPAIGNS   = Rpc("ottb.v1.qry.campaign.list",                    ListCampaigns,   list[CampaignView], frozenset(),
                       summary="All campaigns", permission=A.CAMPAIGN_VIEW, asks=SEES)

CREATE_ON_SHARD  = Rpc("ottb.v1.cmd.shard.{shard}.create_campaign",    CreateOnShard,   CampaignChanged,    STATE,
                       summary="Make a campaign on its shard", timeout=20.0, again=ONCE_AGAIN)
RUN_ON_SHARD     = Rpc("ottb.v1.cmd.shard.{shard}.run_campaign",       RunOnShard,      CampaignRun,        STATE,
                       summary="Run a campaign on its shard with a part of its leads", timeout=20.0, again=RUN_AGAIN)
ADD_ON_SHARD     = Rpc("ottb.v1.cmd.shard.{shard}.add_leads",          AddOnShard,      CampaignRun,        STATE,
                       summary="Add leads of a list to a campaign on its shard", timeout=20.0)
CREATE_CAMPAIGN  = Rpc("ottb.v1.cmd.campaign.create",                  CreateCampaign,  CampaignChanged,    STATE,
                       summary="Make a campaign", timeout=25.0, again=ONCE_AGAIN,
                       permission=A.CAMPAIGN_EDIT, asks=SEES | {A.CAMPAIGN_VIEW}, audit_fields=NAMED)
RUN_CAMPAIGN     = Rpc("ottb.v1.cmd.campaign.run",                     RunCampaign,     CampaignRun,        STATE,
                       summary="Run a campaign, with these leads", timeout=25.0,
                       permission=A.CAMPAIGN_RUN, asks=DIALS, audit_fields=NAMED)
STOP_CAMPAIGN    = Rpc("ottb.v1.cmd.campaign.{campaign_id}.stop",      StopCampaign,    CampaignStopping,   STATE,
                       summary="Stop a campaign", timeout=15.0, again=ONCE_AGAIN, fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_RUN, asks=SEES, audit_fields=("campaign_id", "mode"), when_full=True)
PAUSE_CAMPAIGN   = Rpc("ottb.v1.cmd.campaign.{campaign_id}.pause",     PauseCampaign,   CampaignChanged,    STATE,
                       summary="Pause a campaign", timeout=15.0, again=ONCE_AGAIN, fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_RUN, asks=SEES, audit_fields=NAMED, when_full=True)
RESUME_CAMPAIGN  = Rpc("ottb.v1.cmd.campaign.{campaign_id}.resume",    ResumeCampaign,  CampaignChanged,    STATE,
                       summary="Go on, or begin with the leads that there are", timeout=15.0, again=ONCE_AGAIN,
                       fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_RUN, asks=DIALS, audit_fields=NAMED)
ARCHIVE_CAMPAIGN = Rpc("ottb.v1.cmd.campaign.{campaign_id}.archive",   ArchiveCampaign, CampaignChanged,    STATE,
                       summary="Keep a campaign for the records alone", timeout=15.0, again=ONCE_AGAIN,
                       fallback=PAST_ARCHIVED,
                       permission=A.CAMPAIGN_EDIT, asks=SEES, audit_fields=NAMED)
CONFIGURE_CAMPAIGN = Rpc("ottb.v1.cmd.campaign.{campaign_id}.configure", ConfigureCampaign, CampaignChanged, STATE,
                       summary="Change the settings of a campaign", timeout=15.0, again=ONCE_AGAIN,
                       fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_EDIT, asks=DIALS, audit_fields=NAMED, audit_changes=True)
EXPLAIN_LEAD     = Rpc("ottb.v1.cmd.campaign.{campaign_id}.explain_lead", ExplainLead,  LeadStanding,       NONE,
                       summary="Why a lead is not called", fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_VIEW, asks=SEES, again=2.5)
MARK_LEAD        = Rpc("ottb.v1.cmd.campaign.{campaign_id}.mark",      MarkLead,        LeadMarked,         STATE,
                       summary="Say what becomes of a lead", timeout=15.0, again=ONCE_AGAIN,
                       fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_EDIT, asks=SEES, audit_fields=("campaign_id", "lead", "status"))
# fmt: on


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
    """No attempt begins until it is resumed, and none that was claimed before is dialled any more. A stop with calls in
    progress begins so."""

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


class CampaignArchived(Struct, frozen=True, kw_only=True):
    """It is there for the records alone."""

    campaign: CampaignId
    at: Utc
    by: Username


class CampaignAttemptClaimed(Struct, frozen=True, kw_only=True):
    """A lead is to be called: on record before the call is asked for, with the command `command_id`, and never claimed
    again. `place`: of the lead; `attempt`: of this lead in this campaign, from 1. `operator`: who is to talk, and on
    whose slot it is dialled; null: whoever sits at the line. `joins`: it is dialled on no slot; whoever answers waits
    until the call is taken to the extension of an operator: that one, or whoever is ready then."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    number: str
    command_id: str
    operator: Username | None = None
    joins: bool = False


class CampaignAttemptOffered(Struct, frozen=True, kw_only=True):
    """Somebody has answered, and an operator is asked to take the call: on record before that. If they are not free it
    is offered to another one."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    operator: Username
    call_id: CallId


class CampaignAttemptJoined(Struct, frozen=True, kw_only=True):
    """An operator has taken the call. One that was answered and ends without this was abandoned."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    operator: Username
    call_id: CallId


class CampaignAttemptEnded(Struct, frozen=True, kw_only=True):
    """What became of it. `status`: of the lead from now on. `call_id`: null: there was none. `why`: it came to
    nobody who talked, in words."""

    campaign: CampaignId
    at: Utc
    lead: Id
    place: int
    attempt: int
    outcome: str
    status: LeadStatus
    call_id: CallId | None = None
    talk_seconds: int = 0
    why: str = ""


CampaignEvent = (
    CampaignCreated | CampaignActivated | CampaignConfigured | CampaignLeadsAdded | CampaignStarted | CampaignPaused
    | CampaignResumed | CampaignDraining | CampaignStopped | CampaignFinished | CampaignArchived
    | CampaignAttemptClaimed | CampaignAttemptOffered | CampaignAttemptJoined | CampaignAttemptEnded
    | CampaignLeadMarked | CampaignLeadSkipped | CampaignLeadChanged | CampaignLeadMerged | CampaignLeadUnmerged
    | CampaignLeadsAssigned
)  # fmt: skip

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
CAMPAIGN_ARCHIVED        = Topic(EVENTS + "archived",        CampaignArchived,       "It is for the records alone")
CAMPAIGN_ATTEMPT_CLAIMED = Topic(EVENTS + "attempt_claimed", CampaignAttemptClaimed, "A lead is to be called")
CAMPAIGN_ATTEMPT_OFFERED = Topic(EVENTS + "attempt_offered", CampaignAttemptOffered, "An operator is asked to take it")
CAMPAIGN_ATTEMPT_JOINED  = Topic(EVENTS + "attempt_joined",  CampaignAttemptJoined,  "An operator has taken the call")
CAMPAIGN_ATTEMPT_ENDED   = Topic(EVENTS + "attempt_ended",   CampaignAttemptEnded,   "What became of an attempt")
CAMPAIGN_LEAD_MARKED     = Topic(EVENTS + "lead_marked",     CampaignLeadMarked,     "What becomes of a lead")
CAMPAIGN_LEAD_SKIPPED    = Topic(EVENTS + "lead_skipped",    CampaignLeadSkipped,    "An operator has left a lead")
CAMPAIGN_LEAD_CHANGED    = Topic(EVENTS + "lead_changed",    CampaignLeadChanged,    "A lead was changed")
CAMPAIGN_LEAD_MERGED     = Topic(EVENTS + "lead_merged",     CampaignLeadMerged,     "Two leads became one")
CAMPAIGN_LEAD_UNMERGED   = Topic(EVENTS + "lead_unmerged",   CampaignLeadUnmerged,   "They are two again")
CAMPAIGN_LEADS_ASSIGNED  = Topic(EVENTS + "leads_assigned",  CampaignLeadsAssigned,  "Leads were assigned to a user")
# fmt: on

CAMPAIGN_NEWS = Subscribable(CAMPAIGN, (
    CAMPAIGN_CREATED, CAMPAIGN_CONFIGURED, CAMPAIGN_STARTED, CAMPAIGN_PAUSED, CAMPAIGN_RESUMED, CAMPAIGN_DRAINING,
    CAMPAIGN_STOPPED, CAMPAIGN_FINISHED, CAMPAIGN_ARCHIVED, CAMPAIGN_LEAD_CHANGED, CAMPAIGN_LEAD_MERGED,
    CAMPAIGN_LEAD_UNMERGED, CAMPAIGN_LEADS_ASSIGNED,
), ("campaign",))  # fmt: skip
