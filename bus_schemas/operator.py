"""Operators: who is there to talk, since when, with whom, and what they say of a call afterwards."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.campaign import CampaignId
from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import UNSEEN, CallId, HostName, Id, TimeThere, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.lead import Meaning, Word, Words
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

OPERATOR = Kind("operator", "operators", view=A.OPERATOR_VIEW, view_others=A.OPERATOR_VIEW_ANY)

Reason = Annotated[
    str, shaped(rf"^[^{UNSEEN}]{{0,64}}$(?!\n)", "a line of up to 64 characters", examples=["lunch"])
]
Note = Annotated[str, Meta(max_length=2000)]
Seconds = Annotated[int, Meta(ge=1, le=3600, examples=[60])]
Day = Annotated[str, shaped(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", "a day like 2025-11-15", examples=["2025-11-15"])]


class OperatorStatus(StrEnum):
    """What an operator is at."""

    OFFLINE = "offline"
    READY = "ready"  # may be given a call
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"  # after a call
    BREAK = "break"


# --- what users ask -------------------------------------------------------------------------------------------


class SetOwnStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Be ready, have a break, or go. During a call, or while one is on its way, it is for afterwards. Whoever has asked
    is there, and counts as such for a while."""

    status: Literal["offline", "ready", "break"]
    reason: Reason = ""


class SetOperatorStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for somebody else. Who is offline can only be made ready by themselves."""

    user: Username
    status: Literal["offline", "ready", "break"]
    reason: Reason = ""


class ExtendWrapUp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Have so many more seconds from now to wrap up, up to what the site allows."""

    seconds: Seconds


class AssignOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which campaigns an operator works for; null: all."""

    user: Username
    campaigns: Annotated[list[CampaignId], Meta(max_length=100)] | None


class GetOwnStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How I am. Whoever asks is there, and counts as such for a while."""


class GetOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operator."""

    user: Username


class ListOperators(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operators in the order in which they first came. `campaign_id`: those who work for it."""

    status: OperatorStatus | None = None
    campaign_id: CampaignId | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class OperatorCall(Struct, frozen=True, kw_only=True):
    """A call that an operator is on. `campaign_id`: for which it was made; `lead`: where the campaign has said so.
    `number`, and the `name` of the lead: whom they talk to; what they ask of themselves says it, and nothing else."""

    call_id: CallId
    at: Utc
    campaign_id: str | None = None
    lead: str | None = None
    number: str | None = None
    name: str = ""


class OperatorView(Struct, frozen=True, kw_only=True):
    """One operator. `reason`: of a break. `next`: what comes after call and wrap-up. `until`: the end of the wrap-up,
    `wrap_up_call`: whose it is. `campaigns` null: all. `reserved_by`: a campaign that has a call, until
    `reserved_until`. The `_seconds` are those of the day `day` (on the site's clock) up to `since`; what goes on since
    then is to be added, less the time in which the site was down, which is nobody's but of calls."""

    user: Username
    status: OperatorStatus
    since: Utc
    reason: str = ""
    next: OperatorStatus | None = None
    next_reason: str = ""
    until: Utc | None = None
    calls: list[OperatorCall] = []
    wrap_up_call: OperatorCall | None = None
    campaigns: list[str] | None = None
    reserved_by: str | None = None
    reserved_until: Utc | None = None
    day: str = ""
    ready_seconds: int = 0
    talk_seconds: int = 0
    wrap_up_seconds: int = 0
    break_seconds: int = 0


class DisposeCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of a call that the asker was on, in the words of its campaign, else of the site. `callback`: when they
    are to be called again, with a word that means so and with no other; `callback_to`: by the same operator, or by any.
    A word that means `do_not_call` puts the number on a list; said of a call of no campaign on that for all calls, and
    it needs `do_not_call.edit`. Until the wrap-up is over it can be said anew, which corrects it."""

    call_id: CallId
    disposition: Word
    note: Note = ""
    callback: TimeThere | None = None
    callback_to: Literal["same", "any"] = "same"


class Disposition(Struct, frozen=True, kw_only=True):
    """What an operator says of a call. `callback`: when the lead is to be called again, by `operator`; null: by any."""

    call_id: CallId
    by: Username
    disposition: Word
    meaning: Meaning
    note: str = ""
    callback: Utc | None = None
    operator: Username | None = None


class ListDispositions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of the site, or those that a campaign has for its calls."""

    campaign_id: CampaignId | None = None


class DispositionWord(Struct, frozen=True, kw_only=True):
    """One word, and what it means for the lead."""

    disposition: Word
    meaning: Meaning


class ReportOperators(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The days of operators, in the order in which they began. `since`, `until`: days on the site's clock, with both
    ends. `format=csv` gives a table."""

    since: Day | None = None
    until: Day | None = None
    user: Username | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    format: Literal["json", "csv"] = "json"


class OperatorDay(Struct, frozen=True, kw_only=True):
    """What one operator did on one day of the site's clock. What still goes on is counted when it is over. `calls`:
    that ended on it; `dispositions`: that were given on it, corrections not counted."""

    user: Username
    day: str
    ready_seconds: int
    talk_seconds: int
    wrap_up_seconds: int
    break_seconds: int
    calls: int
    dispositions: int


# --- between parts of the platform ----------------------------------------------------------------------------


class ChangeOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SET_OWN_STATUS and SET_OPERATOR_STATUS for whoever owns the operator. `may_call`: the asker may call."""

    user: Username
    status: Literal["offline", "ready", "break"]
    reason: Reason = ""
    may_call: bool = False


class ChangeOnShard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for whoever has the shard, who makes an operator that has never been."""

    shard: int
    change: ChangeOperator


class ExtendOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """EXTEND_WRAP_UP for whoever owns the operator."""

    user: Username
    seconds: Seconds


class DisposeOfOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """DISPOSE_CALL for whoever owns the operator. `words`: of the call's campaign; null: the site's hold."""

    user: Username
    dispose: DisposeCall
    words: Words | None = None


class AbsentOperator(Struct, frozen=True, kw_only=True):
    """Any question about an operator whom nobody owns now; what else it says does not matter."""

    user: Username


class RenewPresence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The user is connected, and may call."""

    user: Username


class PresenceNoted(Struct, frozen=True, kw_only=True):
    status: str = "noted"


class ReserveOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep a ready operator for a call of this campaign that is about to be joined. The command's id names the
    reservation: a repeat is answered as the first one was. `seconds`: for which they are kept, as long as their phone
    rings for the call; null: as the site has it."""

    user: Username
    campaign_id: CampaignId
    seconds: Seconds | None = None


class Reservation(Struct, frozen=True, kw_only=True):
    """The operator is kept for this campaign, and free again at `until` if no call was joined."""

    user: Username
    campaign_id: CampaignId
    reservation: str
    until: Utc


class ReleaseOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No call comes. Releasing what is over, or another one, changes nothing."""

    user: Username
    reservation: Annotated[str, Meta(min_length=1, max_length=128)]


class JoinOperator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator has been joined to this call, or it is on their slot and of this campaign. Ends the reservation."""

    user: Username
    call_id: CallId
    campaign_id: CampaignId | None = None
    lead: Id | None = None


SEES = frozenset({A.OPERATOR_VIEW_ANY})
PRESENT = frozenset({A.CALL_START})  # who may call: asked of those who want to be ready, or to stay so
LISTS = frozenset({A.DO_NOT_CALL_EDIT})  # asked of who says so of a call that no campaign has made
NOT_NOW = frozenset({E.CONFLICT, E.NOT_FOUND})

# fmt: off
#                 subject                                   request           reply           may be refused with
PAST_OPERATOR   = Rpc("ottb.v1.qry.operator.get",           GetOperator,      OperatorView,   frozenset({E.NOT_FOUND}),
                      summary="One operator from the records")
ABSENT_OPERATOR = Rpc("ottb.v1.qry.operator.absent",        AbsentOperator,   OperatorView,   frozenset({E.NOT_FOUND}),
                      summary="Why nobody owns an operator")
SET_OWN_STATUS  = Rpc("ottb.v1.cmd.operators.set",          SetOwnStatus,     OperatorView,
                      frozenset({E.PERMISSION_DENIED}), timeout=10.0,
                      summary="Be ready, have a break, or go", permission=A.OPERATOR_SET, asks=PRESENT)
SET_OPERATOR_STATUS = Rpc("ottb.v1.cmd.operators.set_other", SetOperatorStatus, OperatorView, NOT_NOW,
                          summary="Set the status of somebody else", permission=A.OPERATOR_SUPERVISE,
                          audit_fields=("user", "status"))
EXTEND_WRAP_UP  = Rpc("ottb.v1.cmd.operators.extend",       ExtendWrapUp,     OperatorView,   NOT_NOW,
                      summary="Have more time to wrap up", permission=A.OPERATOR_SET)
GET_OWN_STATUS  = Rpc("ottb.v1.cmd.operators.get",          GetOwnStatus,     OperatorView,   frozenset(),
                      summary="How I am", permission=A.OPERATOR_VIEW, asks=PRESENT, again=READ_AGAIN)
ASSIGN_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.assign", AssignOperator,   OperatorView,   frozenset({E.NOT_FOUND}),
                      summary="Say which campaigns an operator works for", permission=A.OPERATOR_SUPERVISE,
                      audit_fields=("user",), fallback=ABSENT_OPERATOR)
GET_OPERATOR    = Rpc("ottb.v1.cmd.operator.{user}.get",    GetOperator,      OperatorView,   frozenset({E.NOT_FOUND}),
                      summary="One operator", permission=A.OPERATOR_VIEW, asks=SEES | PRESENT, fallback=PAST_OPERATOR,
                      again=READ_AGAIN)
LIST_OPERATORS  = Rpc("ottb.v1.qry.operator.list",          ListOperators,    list[OperatorView], frozenset(),
                      summary="Operators", permission=A.OPERATOR_VIEW, asks=SEES)
REPORT_OPERATORS = Rpc("ottb.v1.qry.operator.report",       ReportOperators,  list[OperatorDay], frozenset(),
                       summary="Operators' time by day", permission=A.OPERATOR_VIEW, asks=SEES)
DISPOSE_CALL    = Rpc("ottb.v1.cmd.operators.dispose",      DisposeCall,      Disposition,
                      NOT_NOW | {E.PERMISSION_DENIED}, timeout=15.0,
                      summary="Say what came of a call", permission=A.CALL_DISPOSITION, asks=LISTS,
                      audit_fields=("call_id", "disposition"))
LIST_DISPOSITIONS = Rpc("ottb.v1.cmd.operators.dispositions", ListDispositions, list[DispositionWord],
                        frozenset({E.NOT_FOUND}),
                        summary="The words for what came of a call", permission=A.OPERATOR_VIEW,
                        asks=frozenset({A.CAMPAIGN_VIEW_ANY}), again=READ_AGAIN)

CHANGE_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.change", ChangeOperator,   OperatorView,
                      NOT_NOW | {E.PERMISSION_DENIED},
                      summary="Change an operator's status", fallback=ABSENT_OPERATOR)
CHANGE_ON_SHARD = Rpc("ottb.v1.cmd.shard.{shard}.change_operator", ChangeOnShard, OperatorView,
                      NOT_NOW | {E.PERMISSION_DENIED}, timeout=8.0,
                      summary="Change an operator's status, on the shard that it is on")
EXTEND_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.extend", ExtendOperator,   OperatorView,   NOT_NOW,
                      summary="Give an operator more time to wrap up", fallback=ABSENT_OPERATOR)
DISPOSE_OF_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.dispose", DisposeOfOperator, Disposition, NOT_NOW,
                          summary="What came of an operator's call", fallback=ABSENT_OPERATOR)
RENEW_PRESENCE  = Rpc("ottb.v1.cmd.operator.{user}.present", RenewPresence,   PresenceNoted,  frozenset(),
                      summary="The operator is connected")
RESERVE_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.reserve", ReserveOperator, Reservation,   NOT_NOW,
                       summary="Keep an operator for a call", timeout=2.0, fallback=ABSENT_OPERATOR)
RELEASE_OPERATOR = Rpc("ottb.v1.cmd.operator.{user}.release", ReleaseOperator, OperatorView,  frozenset({E.NOT_FOUND}),
                       summary="No call comes for the operator", fallback=ABSENT_OPERATOR)
JOIN_OPERATOR   = Rpc("ottb.v1.cmd.operator.{user}.joined", JoinOperator,     OperatorView,   NOT_NOW,
                      summary="The operator is on a call", fallback=ABSENT_OPERATOR)
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class Spent(Struct, frozen=True, kw_only=True):
    """Milliseconds of one day of the site's clock."""

    day: str
    ms: int


class Down(Struct, frozen=True, kw_only=True):
    """A time in which there was no site: from when it was last known to be up until it was again."""

    begun: Utc
    over: Utc


class Turn(Struct, frozen=True, kw_only=True):
    """What an operator is at from now on, whole. `spent`: the time in the status `before`, by day; empty where that
    goes on. `down`: times within that in which the site was down, and which do not count. `next`: what comes after call
    and wrap-up; `until`: the end of the wrap-up."""

    user: Username
    at: Utc
    status: OperatorStatus
    before: OperatorStatus
    reason: str = ""
    next: OperatorStatus = OperatorStatus.OFFLINE
    next_reason: str = ""
    until: Utc | None = None
    spent: tuple[Spent, ...] = ()
    down: tuple[Down, ...] = ()


class OperatorChanged(Turn, frozen=True, kw_only=True):
    """Somebody has asked for it (`by`: a user), or a time was over (`wrap_up`, `presence`)."""

    by: str


class OperatorConnected(Turn, frozen=True, kw_only=True):
    """The operator is on a call. `heard`: the place in the journal of the call's own event that says so; 0: of none,
    they were joined to it."""

    call_id: CallId
    campaign_id: str | None = None
    lead: str | None = None
    heard: int = 0


class OperatorFreed(Turn, frozen=True, kw_only=True):
    """A call of the operator is over."""

    call_id: CallId


class OperatorReserved(Struct, frozen=True, kw_only=True):
    """A campaign keeps the operator for a call."""

    user: Username
    at: Utc
    campaign_id: CampaignId
    reservation: str
    until: Utc


class OperatorReleased(Struct, frozen=True, kw_only=True):
    """No call has come. `why`: the campaign said so (`released`), or its time was over (`expired`)."""

    user: Username
    at: Utc
    campaign_id: CampaignId
    reservation: str
    why: Literal["released", "expired"]


class OperatorAssigned(Struct, frozen=True, kw_only=True):
    """Which campaigns the operator works for; null: all."""

    user: Username
    at: Utc
    campaigns: tuple[str, ...] | None
    by: str


class OperatorDisposed(Struct, frozen=True, kw_only=True):
    """What the operator `user` says of a call. `campaign_id`: for which it was made, `lead`: where the campaign had
    joined them; null: nobody knows. `corrects`: it takes the place of one said before. `day`: on the site's clock."""

    user: Username
    at: Utc
    call_id: CallId
    campaign_id: str | None
    lead: str | None
    disposition: str
    meaning: Meaning
    note: str = ""
    callback: Utc | None = None
    operator: Username | None = None
    corrects: bool = False
    day: str = ""


class OperatorActivated(Struct, frozen=True, kw_only=True):
    """A host owns it; older owners can no longer write. `heard`: of one that is new: from which place in the journal on
    calls are theirs."""

    user: Username
    at: Utc
    host: HostName
    epoch: int
    heard: int = 0


OperatorEvent = (
    OperatorChanged | OperatorConnected | OperatorFreed | OperatorReserved | OperatorReleased | OperatorAssigned
    | OperatorDisposed | OperatorActivated
)  # fmt: skip

# fmt: off
OPERATOR_CHANGED   = Topic("ottb.v1.evt.operator.{user}.changed",   OperatorChanged,   "An operator's status")
OPERATOR_CONNECTED = Topic("ottb.v1.evt.operator.{user}.connected", OperatorConnected, "An operator is on a call")
OPERATOR_FREED     = Topic("ottb.v1.evt.operator.{user}.freed",     OperatorFreed,     "An operator's call is over")
OPERATOR_RESERVED  = Topic("ottb.v1.evt.operator.{user}.reserved",  OperatorReserved,  "An operator is kept for a call")
OPERATOR_RELEASED  = Topic("ottb.v1.evt.operator.{user}.released",  OperatorReleased,  "No call has come for them")
OPERATOR_ASSIGNED  = Topic("ottb.v1.evt.operator.{user}.assigned",  OperatorAssigned,  "Whom an operator works for")
OPERATOR_DISPOSED  = Topic("ottb.v1.evt.operator.{user}.disposed",  OperatorDisposed,  "What came of a call")
OPERATOR_ACTIVATED = Topic("ottb.v1.evt.operator.{user}.activated", OperatorActivated, "An operator has a new owner")
# fmt: on

OPERATOR_NEWS = Subscribable(OPERATOR, (
    OPERATOR_CHANGED, OPERATOR_CONNECTED, OPERATOR_FREED, OPERATOR_RESERVED, OPERATOR_RELEASED, OPERATOR_ASSIGNED,
    OPERATOR_DISPOSED,
), ("user",))  # fmt: skip

# --- what live clients are told ------------------------------------------------------------------------------


OperatorChange = Literal["changed", "connected", "freed", "reserved", "released", "assigned", "disposed"]


class OperatorUpdate(Struct, frozen=True, kw_only=True):
    """An operator has changed. With `changed`, `connected` and `freed` it says the status whole: `before`, and the
    milliseconds spent in that by day, without the times in which the site was `down`; `next`: what comes after call and
    wrap-up. `until`: the end of wrap-up or reservation. `by`: a user, `wrap_up` or `presence`. The other fields are
    those of the disposition."""

    user: str
    at: Utc
    change: OperatorChange
    status: OperatorStatus | UnsetType = UNSET
    before: OperatorStatus | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    next: OperatorStatus | UnsetType = UNSET
    next_reason: str | UnsetType = UNSET
    until: Utc | UnsetType | None = UNSET
    spent: tuple[Spent, ...] | UnsetType = UNSET
    down: tuple[Down, ...] | UnsetType = UNSET
    by: str | UnsetType = UNSET
    call_id: CallId | UnsetType = UNSET
    campaign_id: str | UnsetType | None = UNSET
    lead: str | UnsetType | None = UNSET
    reservation: str | UnsetType = UNSET
    why: str | UnsetType = UNSET
    campaigns: tuple[str, ...] | UnsetType | None = UNSET
    disposition: str | UnsetType = UNSET
    meaning: Meaning | UnsetType = UNSET
    note: str | UnsetType = UNSET
    callback: Utc | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    corrects: bool | UnsetType = UNSET
    day: str | UnsetType = UNSET
