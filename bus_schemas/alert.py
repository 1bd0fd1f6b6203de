"""Alerts: what somebody should look at, as rules over figures and states say it (`config/alerts.toml`).

One actor of the site keeps them, the *board*. What is only pending stands in its memory; what fires is on record.
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import GivenTime, HostName, Id, Sought, Username, Utc
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

ALERT = Kind("alert", "alerts", view=A.ALERT_VIEW)
BOARD = "site"  # there is one, and this is its id

AlertId = Annotated[Id, Meta(examples=["al_5k2a"])]
SilenceId = Annotated[Id, Meta(examples=["si_5k2a"])]
RuleName = Annotated[Id, Meta(examples=["slot_hot"])]
Words = Annotated[str, Meta(max_length=500)]
Why = Annotated[str, Meta(min_length=1, max_length=300, examples=["the rack is being moved"])]

LONGEST_SILENCE = 30  # days
MOST_SIGHTED = 500  # of one host, in one report
MOST_PENDING = 1_000  # that are shown, as they are one message

NO_ALERT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such alert.")
NOT_FIRING = RefusalTemplate(ErrorCode.NOT_FOUND, "No such alert fires now: it is over, or has not begun.")
NO_SILENCE = RefusalTemplate(ErrorCode.NOT_FOUND, "No such silence, or it is over.")


class AlertState(StrEnum):
    """PENDING: it has begun, and does not last for as long as its rule says. FIRING: it does. RESOLVED: it is over."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertSeverity(StrEnum):
    """How soon somebody should look."""

    CRITICAL = "critical"  # at once: calls are lost, or soon will be
    WARNING = "warning"  # today
    INFO = "info"


class Channel(StrEnum):
    """Who is told beside live clients, who always are."""

    WEBHOOKS = "webhooks"
    MAIL = "mail"


class AlertView(Struct, frozen=True, kw_only=True):
    """An alert of `rule` about a thing (`kind`, `id`) of `host`. `hub`: on which a slot's phone is. `value`: the
    figure, null of what is no figure. `since`: it began, `fired`: it lasted as long as the rule says, `resolved`: it is
    over. `silence`: which one keeps it from being told; `within`: the alert that is the reason for this one, which is
    then told alone."""

    alert: AlertId
    rule: RuleName
    severity: AlertSeverity
    state: AlertState
    kind: str
    id: str
    host: str
    words: str
    since: Utc
    hub: str | None = None
    value: float | None = None
    fired: Utc | None = None
    resolved: Utc | None = None
    acknowledged: Utc | None = None
    acknowledged_by: str | None = None
    note: str = ""
    silence: SilenceId | None = None
    within: AlertId | None = None


class AlertDetails(AlertView, frozen=True, kw_only=True):
    """One alert. `members`: what is within it now; null where its board does not say."""

    members: tuple[AlertView, ...] | None = None


class Matcher(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts are meant: all fields that are given must be the alert's. `hub`: also those of its slots."""

    rule: RuleName | None = None
    severity: AlertSeverity | None = None
    kind: Sought | None = None
    id: Sought | None = None
    hub: Sought | None = None
    host: HostName | None = None

    @property
    def is_empty(self) -> bool:
        return all(getattr(self, name) is None for name in self.__struct_fields__)


class SilenceView(Struct, frozen=True, kw_only=True):
    """Alerts that fit `matcher` are told to nobody by webhooks or e-mail until `until`."""

    silence: SilenceId
    matcher: Matcher
    until: Utc
    by: Username
    at: Utc
    why: str


# --- what may be asked -----------------------------------------------------------------------------------------------


class ListAlerts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that are firing, or in another state; the newest first."""

    state: AlertState = AlertState.FIRING
    severity: AlertSeverity | None = None
    kind: Sought | None = None
    rule: RuleName | None = None
    host: HostName | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetAlert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alert."""

    alert: AlertId


class AcknowledgeAlert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody looks after it: it is not told again while it lasts. Once more changes nothing."""

    alert: AlertId
    note: Annotated[str, Meta(max_length=300, examples=["on my way"])] = ""


class ListSilences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that hold now, the newest first."""


class MakeSilence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell nobody of these alerts until then, 30 days from now at most."""

    matcher: Matcher
    until: GivenTime
    why: Why


class EndSilence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell of them again."""

    silence: SilenceId


class LookAtBoard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the board has in memory of an alert; null: all that is pending."""

    alert: AlertId | None = None


class BoardStands(Struct, frozen=True, kw_only=True):
    """`pending`: what has begun; `within`: by alert, what is within it; of one alert, itself within another."""

    pending: tuple[AlertView, ...] = ()
    within: dict[str, tuple[AlertView, ...]] = {}


class Sighting(Struct, frozen=True, kw_only=True):
    """A rule that applies to a thing now, and for how many seconds it has. `reason`: what is said of a state."""

    rule: RuleName
    kind: str
    id: str
    seconds: float
    words: Words
    hub: str | None = None
    value: float | None = None


class ReportSightings(Struct, frozen=True, kw_only=True):
    """All that a host sees now. What is not in it is not so any more."""

    shard: int
    host: HostName
    sightings: tuple[Sighting, ...]


class SightingsHeard(Struct, frozen=True, kw_only=True):
    """The board has it."""


# fmt: off
#                     subject                             request           reply            may be refused with
PAST_ALERT = Rpc("ottb.v1.qry.alert.get", GetAlert, AlertDetails, frozenset({E.NOT_FOUND}),
                        summary="One alert from the records")
PAST_ALERTS       = Rpc("ottb.v1.qry.alert.list",            ListAlerts,       list[AlertView], frozenset(),
                        summary="Alerts that are firing or over, from the records")
LIST_ALERTS       = Rpc("ottb.v1.cmd.alerts.list",           ListAlerts,       list[AlertView], frozenset(),
                        summary="Alerts", permission=A.ALERT_VIEW, again=READ_AGAIN)
GET_ALERT = Rpc("ottb.v1.cmd.alerts.get", GetAlert, AlertDetails, frozenset({E.NOT_FOUND}),
                        summary="One alert", permission=A.ALERT_VIEW, again=READ_AGAIN)
ACKNOWLEDGE_ALERT = Rpc("ottb.v1.cmd.alert.site.acknowledge", AcknowledgeAlert, AlertView,
                        frozenset({E.NOT_FOUND, E.CONFLICT}), summary="Say that one looks after an alert",
                        permission=A.ALERT_ACKNOWLEDGE, audit_fields=("alert",))
LIST_SILENCES     = Rpc("ottb.v1.cmd.alert.site.silences",   ListSilences,     list[SilenceView], frozenset(),
                        summary="Silences", permission=A.ALERT_VIEW, again=READ_AGAIN)
MAKE_SILENCE      = Rpc("ottb.v1.cmd.alert.site.silence",    MakeSilence,      SilenceView,     frozenset({E.CONFLICT}),
                        summary="Have some alerts told to nobody for a while", permission=A.ALERT_SILENCE,
                        audit_fields=("silence",))
END_SILENCE = Rpc("ottb.v1.cmd.alert.site.unsilence", EndSilence, SilenceView, frozenset({E.NOT_FOUND}),
                        summary="Have them told again", permission=A.ALERT_SILENCE, audit_fields=("silence",))

# Between parts of the platform.
LOOK_AT_BOARD     = Rpc("ottb.v1.cmd.alert.site.stands",     LookAtBoard,      BoardStands,     frozenset(),
                        summary="What is pending, and what is within alerts", timeout=2.0, again=READ_AGAIN)
REPORT_SIGHTINGS  = Rpc("ottb.v1.cmd.shard.{shard}.sighted", ReportSightings,  SightingsHeard,  frozenset(),
                        summary="What a host sees", timeout=2.0)
# fmt: on


# --- events ----------------------------------------------------------------------------------------------------------


class AlertSaid(Struct, frozen=True, kw_only=True):
    """What each event of an alert says. `told`: who is told beside live clients."""

    alert: AlertId
    at: Utc
    rule: RuleName
    severity: AlertSeverity
    kind: str
    id: str
    host: HostName
    told: tuple[Channel, ...]
    board: Id = BOARD


class AlertFired(AlertSaid, frozen=True, kw_only=True):
    """It has lasted for as long as its rule says. `told`: who is told beside live clients; nobody while it is
    silenced. `after`: seconds without it until it is resolved. `covers`: it is the reason for what is wrong with
    everything on that hub, or of that host."""

    since: Utc
    words: str
    after: float
    covers: Literal["", "hub", "host"] = ""
    hub: str | None = None
    value: float | None = None
    silence: SilenceId | None = None


class AlertResolved(AlertSaid, frozen=True, kw_only=True):
    """It is over. `why`: where it is not that the thing is well again."""

    words: str
    why: str = ""


class AlertAcknowledged(AlertSaid, frozen=True, kw_only=True):
    """Somebody looks after it."""

    by: Username
    note: str


class AlertSilenced(AlertSaid, frozen=True, kw_only=True):
    """It is told to nobody for now."""

    silence: SilenceId


class AlertUnsilenced(AlertSaid, frozen=True, kw_only=True):
    """It is firing still, and told again."""

    words: str


class SilenceMade(Struct, frozen=True, kw_only=True):
    """Somebody wants some alerts to be told to nobody."""

    silence: SilenceId
    at: Utc
    by: Username
    matcher: Matcher
    until: Utc
    why: str
    board: Id = BOARD


class SilenceEnded(Struct, frozen=True, kw_only=True):
    """It is over. `by` null: its time is."""

    silence: SilenceId
    at: Utc
    by: Username | None = None
    board: Id = BOARD


class AlertsMailed(Struct, frozen=True, kw_only=True):
    """An e-mail of a group has been taken: it said that `firing` are, and that `resolved` are over."""

    group: str
    at: Utc
    firing: tuple[AlertId, ...]
    resolved: tuple[AlertId, ...]
    board: Id = BOARD


class HostWatched(Struct, frozen=True, kw_only=True):
    """A host tells what it sees, for the first time: from now on it is missed when it does not."""

    host: HostName
    at: Utc
    board: Id = BOARD


class HostForgotten(Struct, frozen=True, kw_only=True):
    """It was away for so long that nobody misses it any more."""

    host: HostName
    at: Utc
    board: Id = BOARD


class BoardActivated(Struct, frozen=True, kw_only=True):
    """A host owns the board; older owners can no longer write."""

    at: Utc
    host: HostName
    epoch: int
    board: Id = BOARD


OfAlert = AlertFired | AlertResolved | AlertAcknowledged | AlertSilenced | AlertUnsilenced
AlertEvent = OfAlert | SilenceMade | SilenceEnded | AlertsMailed | HostWatched | HostForgotten | BoardActivated

# fmt: off
ALERT_FIRED        = Topic("ottb.v1.evt.alert.{board}.fired",         AlertFired,        "An alert fires")
ALERT_RESOLVED     = Topic("ottb.v1.evt.alert.{board}.resolved",      AlertResolved,     "An alert is over")
ALERT_ACKNOWLEDGED = Topic("ottb.v1.evt.alert.{board}.acknowledged", AlertAcknowledged, "Somebody looks after an alert")
ALERT_SILENCED     = Topic("ottb.v1.evt.alert.{board}.silenced",      AlertSilenced,     "An alert is silenced")
ALERT_UNSILENCED   = Topic("ottb.v1.evt.alert.{board}.unsilenced",    AlertUnsilenced,   "An alert is told again")
SILENCE_MADE       = Topic("ottb.v1.evt.alert.{board}.silence_made",  SilenceMade,       "A silence was made")
SILENCE_ENDED      = Topic("ottb.v1.evt.alert.{board}.silence_ended", SilenceEnded,      "A silence is over")
ALERTS_MAILED = Topic("ottb.v1.evt.alert.{board}.mailed", AlertsMailed, "An e-mail about alerts was taken")
HOST_WATCHED       = Topic("ottb.v1.evt.alert.{board}.host_watched",  HostWatched,       "A host is watched")
HOST_FORGOTTEN = Topic("ottb.v1.evt.alert.{board}.host_forgotten", HostForgotten, "A host is not watched any more")
BOARD_ACTIVATED = Topic("ottb.v1.evt.alert.{board}.activated", BoardActivated, "The board of alerts has a new owner")
# fmt: on

ALERT_NEWS = Subscribable(
    ALERT, (ALERT_FIRED, ALERT_RESOLVED, ALERT_ACKNOWLEDGED, ALERT_SILENCED, ALERT_UNSILENCED), ("severity", "rule")
)

# --- what live clients are told --------------------------------------------------------------------------------------


class AlertUpdate(Struct, frozen=True, kw_only=True):
    """An alert has changed. `words`: with `fired`, `resolved` and `unsilenced`; `value`, `since`, `hub` and `covers`
    with `fired`; `by` and `note` with `acknowledged`; `silence` with `silenced`, and with `fired` where it is at once.
    `told`: who is told beside."""

    alert: AlertId
    at: Utc
    change: Literal["fired", "resolved", "acknowledged", "silenced", "unsilenced"]
    rule: str
    severity: AlertSeverity
    kind: str
    id: str
    host: str
    words: str | UnsetType = UNSET
    since: Utc | UnsetType = UNSET
    hub: str | UnsetType | None = UNSET
    value: float | UnsetType | None = UNSET
    silence: str | UnsetType | None = UNSET
    by: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    why: str | UnsetType = UNSET
    told: tuple[Channel, ...] = ()
    covers: Literal["", "hub", "host"] | UnsetType = UNSET
