"""Calls: what may be asked, what is answered and what happens to them."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import CallId, Extension, GivenTime, Id, LineName, SlotId, Sought, Username, Utc
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

CALL = Kind("call", "calls", view=A.CALL_VIEW, view_others=A.CALL_VIEW_ANY)


def owners_of(user: str, operator: str | None) -> tuple[str, ...]:
    """Whose a call is, for all who show or end it: of `user`, who started it, and of the `operator` who has it."""
    return (user,) if operator is None or operator == user else (user, operator)

def line_name(slot: int | None, trunk: str | None) -> str:
    """The line of a call as its subjects name it: its trunk, else its slot's phone."""
    return f"slot-{slot}" if trunk is None else f"trunk-{trunk}"


AppName = Annotated[str, Meta(max_length=200, examples=["org.telegram.messenger"])]  # a package of Android


class Phase(StrEnum):
    """The four steps of a call's life."""

    DIALING = "dialing"
    ALERTING = "alerting"
    CONNECTED = "connected"
    ENDED = "ended"


class CallState(StrEnum):
    """The documented `state`. FAILED: it ended, was never answered, and neither side chose to hang up."""

    RING = "RING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    FAILED = "FAILED"


class CallStatus(StrEnum):
    """The documented `status`, the same four."""

    RINGING = "ringing"
    CONNECTED = "connected"
    ENDED = "ended"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a call is over. `unknown` is an honest answer: nobody could tell, and nobody redials by itself. `not_dialed`:
    neither the phone nor the PBX has dialled. `phone_asks_for_sim`: the phone asked on its screen which SIM is to call,
    and nothing was dialled. `unreachable`: the called phone is off or out of reach. `trunk_refused`: the provider would
    not carry it. `extension_failed`: nobody took it at the slot's extension, or there is none."""

    HANGUP_LOCAL = "hangup_local"
    HANGUP_REMOTE = "hangup_remote"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    UNREACHABLE = "unreachable"
    NETWORK = "network"
    PHONE_LOST = "phone_lost"
    PHONE_ASKS_FOR_SIM = "phone_asks_for_sim"
    TRUNK_LOST = "trunk_lost"
    TRUNK_REFUSED = "trunk_refused"
    EXTENSION_FAILED = "extension_failed"
    NOT_DIALED = "not_dialed"
    UNKNOWN = "unknown"


def state_of(phase: Phase, *, answered: bool = False, reason: EndReason | None = None) -> CallState:
    """The documented `state` for a phase and an outcome."""
    if phase is Phase.CONNECTED:
        return CallState.ACTIVE
    if phase is not Phase.ENDED:
        return CallState.RING
    chosen = reason in (EndReason.HANGUP_LOCAL, EndReason.HANGUP_REMOTE)
    return CallState.ENDED if answered or chosen else CallState.FAILED


_STATUS = {
    CallState.RING: CallStatus.RINGING,
    CallState.ACTIVE: CallStatus.CONNECTED,
    CallState.ENDED: CallStatus.ENDED,
    CallState.FAILED: CallStatus.FAILED,
}


def status_of(state: CallState) -> CallStatus:
    """The documented `status` for a `state`."""
    return _STATUS[state]


# --- commands and queries -------------------------------------------------------------------------------------


class StartCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Place a call. `slot`: a number, or AUTO for an idle slot of the caller, else of the shared pool."""

    number: Annotated[str, Meta(min_length=1, max_length=64, examples=["+380991234567"])]
    slot: SlotId | Literal["AUTO"] = "AUTO"


class CallStarted(Struct, frozen=True, kw_only=True):
    """The attempt is on record and goes out to the phone."""

    call_id: CallId
    slot: SlotId
    state: CallState


class EndCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hang up, also while ringing. Ending an ended call changes nothing and answers how it ended."""

    call_id: CallId


class JoinCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Join a call that was answered and waits on the PBX with an operator's extension. It is done once: a call that was
    joined to somebody is nobody else's."""

    call_id: CallId
    operator: Username
    extension: Extension


class GetCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call, live or past."""

    call_id: CallId


class CallView(Struct, frozen=True, kw_only=True):
    """One call. `duration`: whole seconds from answer to end, null while it is not over. `operator`: for whom a
    campaign dialled it on a line of theirs. `slot` null: of none; whoever answers waits on the PBX until they are
    joined to an `operator`, at that one's `extension`. `app`: it is a call in that app of the slot's phone."""

    call_id: CallId
    slot: SlotId | None
    number: str
    status: CallStatus
    start_time: Utc
    end_time: Utc | None
    duration: int | None
    user: str
    state: CallState
    phase: Phase
    answer_time: Utc | None = None
    reason: EndReason | None = None
    cause: str | None = None
    ending: bool = False
    trace_id: str | None = None
    trunk: str | None = None
    operator: str | None = None
    extension: str | None = None
    app: str | None = None


class CallsFeed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Live calls, newest first; `all=1` for history too. `cursor` continues where the last page ended."""

    all: Literal[0, 1] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetCdr(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record of one ended call."""

    call_id: CallId


class Cdr(Struct, frozen=True, kw_only=True):
    """The record of one call, written once when it ended. Times in UTC, durations in whole seconds. `trunk`: the SIP
    trunk; null for a call of the slot's phone. `campaign`: for which it was made, if for one. `cause`: in the words of
    the phone, or of the SIP side. `recording`: where to fetch it. `disposition`, `billable_seconds`: what the PBX
    counted by itself. `operator_disposition`: what its operator says came of it, the last word. `operator`: for whom
    a campaign dialled it on a line of theirs. `slot` null: of none; it waited on the PBX, and was joined to `operator`,
    at that one's `extension`, or to nobody. `app`: it was a call in that app of the slot's phone."""

    call_id: CallId
    user: str
    slot: SlotId | None
    number: str
    start_time: Utc
    ring_time: Utc | None
    answer_time: Utc | None
    end_time: Utc
    ring_seconds: int
    talk_seconds: int
    outcome: CallState
    reason: EndReason
    cause: str
    ended_by: str | None
    clock_suspect: bool
    trace_id: str | None
    trunk: str | None = None
    recording: str | None = None
    disposition: str | None = None
    billable_seconds: int | None = None
    operator_disposition: str | None = None
    campaign: Id | None = None
    operator: str | None = None
    extension: str | None = None
    app: str | None = None


class ListCdrs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records of ended calls, newest first. `since`, `until`: of the start. `number`: the number or a part of it, as
    people write it. `format=csv` gives a table: all of them, unless `limit` or `cursor` is said."""

    since: GivenTime | None = None
    until: GivenTime | None = None
    number: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    user: Sought | None = None
    slot: SlotId | None = None
    trunk: Sought | None = None
    campaign: Sought | None = None
    outcome: CallState | None = None
    reason: EndReason | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    format: Literal["json", "csv"] = "json"


class OpenCalls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The calls on record that are not over, oldest first; what does not fit into one answer, the newest, is left off.
    `slot` and `lines` narrow it; `before`: begun before then."""

    slot: SlotId | None = None
    lines: Annotated[list[LineName], Meta(max_length=10_000)] | None = None
    before: Utc | None = None


class OpenCall(Struct, frozen=True, kw_only=True):
    """One call that is not over."""

    call_id: CallId
    line: LineName
    slot: SlotId | None
    user: str
    trunk: str | None
    start_time: Utc


class GetRecording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was said in one call, as WAV. Takes `Range`."""

    call_id: CallId


class Recording(Struct, frozen=True, kw_only=True):
    """Where a recording is: the file `file` in the recordings' folder of the PBX `pbx`."""

    call_id: CallId
    pbx: str
    file: str


START_REFUSALS = frozenset(
    {E.SLOT_BUSY, E.SLOT_OFFLINE, E.CALL_FAILED, E.NOT_FOUND, E.PERMISSION_DENIED, E.RATE_LIMITED, E.CONFLICT}
)

# Seconds for what is asked while a start is answered: less than the start has, so that its asker hears what came of it.
INSIDE_START = 8.0

SEES = frozenset({A.CALL_VIEW_ANY})
USES = frozenset({A.SLOT_USE_ANY, A.SLOT_VIEW_ANY})

# fmt: off
#                 subject                                request    reply           may be refused with
PAST_CALL  = Rpc("ottb.v1.qry.call.get",                 GetCall,   CallView,       frozenset({E.NOT_FOUND}),
                 summary="One call from the records")
END_ABSENT = Rpc("ottb.v1.qry.call.end_absent",          EndCall,   CallView,       frozenset({E.NOT_FOUND}),
                 summary="How a call ended that nobody owns any more")
START_ABSENT = Rpc("ottb.v1.qry.call.start_absent",      StartCall, CallStarted,    START_REFUSALS,
                   summary="Why nobody owns the slot that a call was wanted on")
START_CALL = Rpc("ottb.v1.cmd.call.start",               StartCall, CallStarted,    START_REFUSALS,
                 summary="Start a call", timeout=10.0,
                 permission=A.CALL_START, asks=USES, audit_fields=("call_id", "slot"))
START_ON_SLOT = Rpc("ottb.v1.cmd.slot.{slot}.start_call", StartCall, CallStarted,   START_REFUSALS,
                    summary="Start a call on one slot, wherever its host is",
                    timeout=INSIDE_START, fallback=START_ABSENT)
END_CALL   = Rpc("ottb.v1.cmd.call.{call_id}.end",       EndCall,   CallView,
                 frozenset({E.NOT_FOUND, E.PERMISSION_DENIED, E.CALL_FAILED}), summary="End a call",
                 fallback=END_ABSENT, permission=A.CALL_END, asks=SEES | {A.CALL_END_ANY}, audit_fields=("call_id",),
                 when_full=True)
JOIN_CALL  = Rpc("ottb.v1.cmd.call.{call_id}.join",      JoinCall,  CallView,
                 frozenset({E.NOT_FOUND, E.CONFLICT}), summary="Join a call that waits with an operator's extension",
                 timeout=2.0)
GET_CALL   = Rpc("ottb.v1.cmd.call.{call_id}.get",       GetCall,   CallView,       frozenset({E.NOT_FOUND}),
                 summary="One call", fallback=PAST_CALL, permission=A.CALL_VIEW, asks=SEES, again=READ_AGAIN)
CALLS_FEED = Rpc("ottb.v1.qry.call.feed",                CallsFeed, list[CallView], frozenset(),
                 summary="Live feed of all calls", permission=A.CALL_VIEW, asks=SEES)
GET_CDR    = Rpc("ottb.v1.qry.call.cdr",                 GetCdr,    Cdr,            frozenset({E.NOT_FOUND}),
                 summary="The record of one ended call", permission=A.CALL_VIEW, asks=SEES)
LIST_CDRS  = Rpc("ottb.v1.qry.call.cdrs",                ListCdrs,  list[Cdr],      frozenset(),
                 summary="Records of ended calls", permission=A.CALL_VIEW, asks=SEES)
OPEN_CALLS = Rpc("ottb.v1.qry.call.open",                OpenCalls, list[OpenCall], frozenset(),
                 summary="Calls on record that are not over")
GET_RECORDING = Rpc("ottb.v1.qry.call.recording",        GetRecording, Recording,   frozenset({E.NOT_FOUND}),
                    summary="The recording of one call",
                    permission=A.CALL_RECORDING, asks=SEES, audit_fields=("call_id",))
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class CallDialing(Struct, frozen=True, kw_only=True):
    """The attempt: on record before the phone is told. `mono` is seconds on the clock of boot `boot`;
    `after_ref` is the phone's name for the newest call it knew before this one. After `ring_timeout` seconds it is
    given up, but where it rings by then not before it has rung for `ring_at_least`. `operator`: for whom a campaign
    dials it, on a line of theirs. `slot` null: whoever answers waits on the PBX until an operator is joined to the
    call. `app`: the call is in that app of the slot's phone, and `run`, a script's, places it there. `traced`: spans of
    it are collected."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: Username
    number: str
    at: Utc
    mono: float
    boot: str
    command_id: str
    ring_timeout: float
    max_duration: float
    after_ref: str | None = None
    trace_id: str | None = None
    trunk: str | None = None
    recording: str | None = None
    campaign: Id | None = None
    ring_at_least: float = 0.0
    operator: Username | None = None
    app: AppName | None = None
    run: Id | None = None
    traced: bool = False


class CallAdopted(Struct, frozen=True, kw_only=True):
    """A new owner took the call over; older owners can no longer write. Nothing changed for the call itself."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    host: str
    epoch: int


class CallAlerting(Struct, frozen=True, kw_only=True):
    """It rings at the far end. `ref` is the phone's own name for the call."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    mono: float
    boot: str
    ref: str


class CallConnected(Struct, frozen=True, kw_only=True):
    """The far end answered. `clock_suspect`: the phone's clock said a moment at which it cannot have been."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    mono: float
    boot: str
    ref: str
    clock_suspect: bool = False
    campaign: Id | None = None


class CallJoined(Struct, frozen=True, kw_only=True):
    """A call that waited is an operator's, and no other one's, from now on: the PBX is told to take it to `extension`.
    `by`: for whom they were joined."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    operator: Username
    extension: str
    by: str
    command_id: str


class CallEnding(Struct, frozen=True, kw_only=True):
    """Somebody asked to hang up (`by`: a user, or `ring_timeout`, `max_duration`, `phone_asks_for_sim`,
    `extension_failed`: the PBX would not take it to the operator's extension)."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    by: str
    command_id: str


class CallEnded(Struct, frozen=True, kw_only=True):
    """The one terminal event of a call. `clock_suspect`: the talk time had to be taken from wall clocks, or from a
    clock that was set meanwhile. `ref`: the phone's own name for the call. `operator`: whose it was, if somebody's."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    number: str
    at: Utc
    state: CallState
    reason: EndReason
    cause: str
    duration: int
    ring_seconds: int
    start_time: Utc
    ring_time: Utc | None
    answer_time: Utc | None
    ended_by: str | None = None
    clock_suspect: bool = False
    trace_id: str | None = None
    trunk: str | None = None
    recording: str | None = None
    ref: str | None = None
    campaign: Id | None = None
    operator: Username | None = None
    app: AppName | None = None


class CallEnriched(Struct, frozen=True, kw_only=True):
    """What the PBX counted by itself of a call that is over. `disposition` in Asterisk's words."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    disposition: str
    billable_seconds: int


CallEvent = (
    CallDialing | CallAdopted | CallAlerting | CallConnected | CallJoined | CallEnding | CallEnded | CallEnriched
)

# fmt: off
CALL_DIALING   = Topic("ottb.v1.evt.call.{line}.{call_id}.dialing",   CallDialing,   "A call attempt was recorded")
CALL_ADOPTED   = Topic("ottb.v1.evt.call.{line}.{call_id}.adopted",   CallAdopted,   "A call has a new owner")
CALL_ALERTING  = Topic("ottb.v1.evt.call.{line}.{call_id}.alerting",  CallAlerting,  "It rings at the far end")
CALL_CONNECTED = Topic("ottb.v1.evt.call.{line}.{call_id}.connected", CallConnected, "The call was answered")
CALL_JOINED    = Topic("ottb.v1.evt.call.{line}.{call_id}.joined",    CallJoined,    "A call is an operator's")
CALL_ENDING    = Topic("ottb.v1.evt.call.{line}.{call_id}.ending",    CallEnding,    "A hang-up was asked for")
CALL_ENDED     = Topic("ottb.v1.evt.call.{line}.{call_id}.ended",     CallEnded,     "The call is over")
CALL_ENRICHED  = Topic("ottb.v1.evt.call.{line}.{call_id}.enriched",  CallEnriched,  "What the PBX counted")
# fmt: on

CALL_NEWS = Subscribable(CALL, (
    CALL_DIALING, CALL_ALERTING, CALL_CONNECTED, CALL_JOINED, CALL_ENDING, CALL_ENDED,
), ("slot", "user", "call_id"))  # fmt: skip

# --- what live clients are told ------------------------------------------------------------------------------


CallChange = Literal["dialing", "alerting", "connected", "joined", "ending", "ended"]


class CallUpdate(Struct, frozen=True, kw_only=True):
    """A call has moved on. `change` says how, and with it which other fields are there; `phase`, `state` and `status`
    are those after it. Seconds for `ring_timeout`, `ring_at_least` and `max_duration`; whole
    seconds for `duration` and `ring_seconds`. `ending`: a hang-up was asked for, by `by`. `joined`: who waited is the
    `operator`'s now, at `extension`, for `by`; with `dialing`, `operator`: for whom a campaign dials it on a line of
    theirs. `slot` null: of none, whoever answers waits for that."""

    line: LineName
    call_id: CallId
    slot: int | None
    user: str
    at: Utc
    change: CallChange
    phase: Phase | UnsetType = UNSET
    state: CallState | UnsetType = UNSET
    status: CallStatus | UnsetType = UNSET
    ending: bool | UnsetType = UNSET
    by: str | UnsetType = UNSET
    number: str | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    ring_timeout: float | UnsetType = UNSET
    ring_at_least: float | UnsetType = UNSET
    max_duration: float | UnsetType = UNSET
    reason: EndReason | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    ring_seconds: int | UnsetType = UNSET
    start_time: Utc | UnsetType = UNSET
    ring_time: Utc | UnsetType | None = UNSET
    answer_time: Utc | UnsetType | None = UNSET
    ended_by: str | UnsetType | None = UNSET
    clock_suspect: bool | UnsetType = UNSET
    trace_id: str | UnsetType | None = UNSET
    trunk: str | UnsetType | None = UNSET
    recording: str | UnsetType | None = UNSET
    campaign: str | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    extension: str | UnsetType = UNSET
    app: str | UnsetType | None = UNSET
