"""Webhooks: what happens, posted to an address that a user has named, as far as that user may see it."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.alert import AlertSeverity, RuleName
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import UNSEEN, CallId, HostName, Id, SlotId, TrunkName, Username, Utc, shaped
from bus_schemas.kinds import Kind
from bus_schemas.permissions import Action
from bus_schemas.pipeline import PipelineId
from bus_schemas.slot import HubName

E = ErrorCode
A = Action

WEBHOOK = Kind("webhook", "webhooks", view=A.WEBHOOK_VIEW, view_others=A.WEBHOOK_VIEW_ANY)
NO_WEBHOOK = RefusalTemplate(ErrorCode.NOT_FOUND, "No such webhook.")  # or who asks does not see it

KEPT = 1_000  # deliveries of one webhook that its log has
LONGEST_RESPONSE = 1024  # bytes of what a receiver answers that are read


# --- what may be asked --------------------------------------------------------------------------------------------

WebhookId = Annotated[Id, Meta(examples=["wh_5k2a"])]
Url = Annotated[str, Meta(min_length=1, max_length=2048, examples=["https://example.com/ottb"])]
EVENT = r"^[a-z_]{1,32}\.([a-z_]{1,32}|\*)$(?!\n)"
EventName = Annotated[str, shaped(EVENT, "an event like `call.ended`, or all of a kind: `call.*`")]
EventNames = Annotated[tuple[EventName, ...], Meta(min_length=1, max_length=64)]
Description = Annotated[
    str, shaped(rf"^[^{UNSEEN}]{{0,200}}$(?!\n)", "a text of at most 200 characters, in one line", examples=["CRM"])
]
Since = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1)]


class WebhookFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wanted of the events: those alone that have all these values. The fields are those of the rooms
    (`subscribe:calls` with `slot`), and each must be one of all the kinds that are subscribed to."""

    slot: SlotId | None = None
    user: Username | None = None
    call_id: CallId | None = None
    trunk: TrunkName | None = None
    hub: HubName | None = None
    campaign: Id | None = None
    campaign_id: Id | None = None
    lead: Id | None = None
    list: Id | None = None
    import_id: Id | None = None
    script_id: Id | None = None
    severity: AlertSeverity | None = None
    rule: RuleName | None = None
    pipeline: PipelineId | None = None


class CreateWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Post these events to `url`, from now on; `since`: also what the journal has after this `seq`, as far as 50,000
    entries back."""

    url: Url
    events: EventNames
    filter: WebhookFilter = WebhookFilter()
    description: Description = ""
    since: Since | None = None


class ChangeWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change what is given. `enabled` true: it goes on with what happens from now on, or from `since` on. Whoever
    changes it lends it their rights from then on."""

    webhook: WebhookId
    url: Url | None = None
    events: EventNames | None = None
    filter: WebhookFilter | None = None
    description: Description | None = None
    enabled: bool | None = None
    since: Since | None = None


class GetWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One webhook."""

    webhook: WebhookId


class DeleteWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Post nothing more. What waited is dropped."""

    webhook: WebhookId


class RotateSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give it another secret. For `keep_seconds` the old one signs beside it."""

    webhook: WebhookId
    keep_seconds: Annotated[int, Meta(ge=0, le=7 * 86400)] = 86400


class PingWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Post a `webhook.ping` now, once, and tell what came of it."""

    webhook: WebhookId


class ListWebhooks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One's own webhooks (`webhook.view_any`: everybody's), oldest first."""

    user: Username | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class DeliveryStatus(StrEnum):
    """How it is with a delivery. `retrying`: it has failed and is tried again; `failed`: it has been given up;
    `withheld`: when it was to be sent, its user might not see it any more."""

    WAITING = "waiting"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHHELD = "withheld"


class DisabledReason(StrEnum):
    """Why the platform has switched a webhook off. `failing`: nothing has arrived for days; `gone`: its user, or the
    service token that it was made with, is not let in any more; `secret`: the secret that signs is not there any more:
    make another one."""

    FAILING = "failing"
    GONE = "gone"
    SECRET = "secret"


OVER = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.WITHHELD})


class ListDeliveries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last deliveries of a webhook, newest first."""

    webhook: WebhookId
    status: DeliveryStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class Redeliver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send the event of a delivery once more, behind all that wait of the same thing."""

    webhook: WebhookId
    n: Number


class PutWebhook(Struct, frozen=True, kw_only=True):
    """For whoever has the shard of its user's webhooks: a new one."""

    shard: int
    webhook: WebhookId
    wanted: CreateWebhook


class AskedWebhook(Struct, frozen=True, kw_only=True):
    """What was asked of a webhook that nobody has, as far as the records need to know."""

    webhook: WebhookId


class FindDelivery(Struct, frozen=True, kw_only=True):
    """One delivery, for who is to repeat it."""

    webhook: WebhookId
    n: Number


class CountWebhooks(Struct, frozen=True, kw_only=True):
    """How many webhooks the site has."""


# --- what is answered ---------------------------------------------------------------------------------------------


class WebhookView(Struct, frozen=True, kw_only=True):
    """One webhook. `enabled` false: nothing is posted, and `reason` says why where nobody has switched it off.
    `failing_since`: no delivery has arrived since then, and some have failed. `waiting`: deliveries that are not
    over."""

    webhook: WebhookId
    user: Username
    url: str
    events: tuple[str, ...]
    filter: WebhookFilter
    description: str
    enabled: bool
    created: Utc
    reason: DisabledReason | None = None
    failing_since: Utc | None = None
    waiting: int = 0


class NewWebhook(WebhookView, frozen=True, kw_only=True):
    """A webhook, with the secret that signs what it posts: nobody is shown it again."""

    secret: str


class NewSecret(Struct, frozen=True, kw_only=True):
    """The secret that signs from now on: nobody is shown it again. `old_until`: until when the old one signs beside."""

    webhook: WebhookId
    secret: str
    old_until: Utc


class Tested(Struct, frozen=True, kw_only=True):
    """What came of a ping. `code`: the receiver's status, null: there was no answer, and `error` says why.
    `response`: the first 1,024 bytes of what it said, made harmless."""

    webhook: WebhookId
    delivered: bool
    code: int | None
    error: str | None
    response: str
    duration_ms: int


class DeliveryView(Struct, frozen=True, kw_only=True):
    """One delivery, after its last try. `event_id`: what is sent as `OTTB-Event-Id`, the `seq` of the event in the
    journal. `began`: when it was tried first."""

    n: Number
    event_id: str
    event: str
    status: DeliveryStatus
    attempts: int
    began: Utc | None
    tried: Utc | None
    code: int | None
    error: str | None
    response: str
    duration_ms: int
    next_try: Utc | None


class Redelivering(Struct, frozen=True, kw_only=True):
    """The delivery that repeats another one."""

    webhook: WebhookId
    n: Number
    event_id: str


class FoundDelivery(Struct, frozen=True, kw_only=True):
    """Where its event is in the journal: `seq`, and the end of its subject."""

    seq: int
    about: str


class WebhookCount(Struct, frozen=True, kw_only=True):
    count: int


class WebhookDeleted(Struct, frozen=True, kw_only=True):
    """It posts nothing more."""

    webhook: WebhookId
    at: Utc
    by: Username


ONE = frozenset({E.NOT_FOUND})
MANAGE = frozenset({E.NOT_FOUND, E.PERMISSION_DENIED, E.CONFLICT})
SEES = frozenset({A.WEBHOOK_VIEW_ANY})

# fmt: off
LIST_WEBHOOKS   = Rpc("ottb.v1.qry.webhook.list",       ListWebhooks,   list[WebhookView],  frozenset(),
                      summary="Webhooks", permission=A.WEBHOOK_VIEW, asks=SEES)
GET_WEBHOOK     = Rpc("ottb.v1.qry.webhook.get",        GetWebhook,     WebhookView,        ONE,
                      summary="One webhook", permission=A.WEBHOOK_VIEW, asks=SEES)
LIST_DELIVERIES = Rpc("ottb.v1.qry.webhook.deliveries", ListDeliveries, list[DeliveryView], ONE,
                      summary="The last deliveries of a webhook", permission=A.WEBHOOK_VIEW, asks=SEES)
ABSENT_WEBHOOK  = Rpc("ottb.v1.qry.webhook.absent",     AskedWebhook,   WebhookView,        ONE,
                      summary="Why nobody has a webhook")
CREATE_WEBHOOK  = Rpc("ottb.v1.cmd.webhooks.create",    CreateWebhook,  NewWebhook,         frozenset({E.RATE_LIMITED}),
                      summary="Post events to an address", permission=A.WEBHOOK_MANAGE, timeout=10.0,
                      audit_fields=("webhook", "url"))
CHANGE_WEBHOOK  = Rpc("ottb.v1.cmd.webhook.{webhook}.change", ChangeWebhook, WebhookView,   MANAGE,
                      summary="Change a webhook, or switch it on or off", permission=A.WEBHOOK_MANAGE, asks=SEES,
                      audit_fields=("webhook",), audit_changes=True, fallback=ABSENT_WEBHOOK)
DELETE_WEBHOOK  = Rpc("ottb.v1.cmd.webhook.{webhook}.delete", DeleteWebhook, WebhookDeleted, MANAGE,
                      summary="Delete a webhook", permission=A.WEBHOOK_MANAGE, asks=SEES, audit_fields=("webhook",),
                      when_full=True, fallback=ABSENT_WEBHOOK)
ROTATE_SECRET   = Rpc("ottb.v1.cmd.webhook.{webhook}.rotate", RotateSecret,  NewSecret,     MANAGE,
                      summary="Give a webhook another secret", permission=A.WEBHOOK_MANAGE, asks=SEES,
                      audit_fields=("webhook",), fallback=ABSENT_WEBHOOK)
PING_WEBHOOK    = Rpc("ottb.v1.cmd.webhook.{webhook}.test",   PingWebhook,   Tested,        MANAGE | {E.RATE_LIMITED},
                      summary="Post a ping", permission=A.WEBHOOK_MANAGE, asks=SEES, audit_fields=("webhook",),
                      timeout=30.0, fallback=ABSENT_WEBHOOK)
REDELIVER       = Rpc("ottb.v1.cmd.webhook.{webhook}.redeliver", Redeliver,  Redelivering,  MANAGE | {E.RATE_LIMITED},
                      summary="Send the event of a delivery once more", permission=A.WEBHOOK_MANAGE, asks=SEES,
                      audit_fields=("webhook", "n"), timeout=10.0, fallback=ABSENT_WEBHOOK)

# Between parts of the platform.
PUT_WEBHOOK     = Rpc("ottb.v1.cmd.shard.{shard}.put_webhook", PutWebhook,   NewWebhook,    frozenset({E.RATE_LIMITED}),
                      timeout=8.0)
FIND_DELIVERY   = Rpc("ottb.v1.qry.webhook.delivery",   FindDelivery,   FoundDelivery,      ONE,
                      summary="Where the event of a delivery is")
COUNT_WEBHOOKS  = Rpc("ottb.v1.qry.webhook.count",      CountWebhooks,  WebhookCount,       frozenset(),
                      summary="How many webhooks there are")
# fmt: on


# --- what happens -------------------------------------------------------------------------------------------------


class WebhookCreated(Struct, frozen=True, kw_only=True):
    """Somebody wants to be posted events. `lent`: as whom it sees them, `connection:<user>` or a service token,
    `token:<id>`, and `predecessors` as Identity has it. `position`: the entry of the journal after which it begins."""

    webhook: WebhookId
    at: Utc
    user: Username
    lent: str
    predecessors: int
    url: str
    events: tuple[str, ...]
    filter: WebhookFilter
    description: str
    position: int


class WebhookChanged(Struct, frozen=True, kw_only=True):
    """It is like this now."""

    webhook: WebhookId
    at: Utc
    by: Username
    lent: str
    predecessors: int
    url: str
    events: tuple[str, ...]
    filter: WebhookFilter
    description: str


class WebhookEnabled(Struct, frozen=True, kw_only=True):
    """It posts what comes after `position`."""

    webhook: WebhookId
    at: Utc
    by: Username
    position: int


class WebhookDisabled(Struct, frozen=True, kw_only=True):
    """It posts nothing for now. `by` null: the platform has done it, and `reason` says why."""

    webhook: WebhookId
    at: Utc
    user: Username
    by: Username | None = None
    reason: DisabledReason | None = None


class Try(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is with one delivery after its last try, or before its first. `about`: the end of its event's subject;
    `code`: 0 where there was no answer; `due`: when it is tried next."""

    n: int
    seq: int
    about: str
    status: DeliveryStatus
    attempts: int = 0
    began: str = ""
    tried: str = ""
    code: int = 0
    error: str = ""
    response: str = ""
    ms: int = 0
    due: str = ""


class WebhookAdvanced(Struct, frozen=True, kw_only=True):
    """How far it is: what the journal has up to `position` is over, or waits. `tries`: what has come of deliveries
    since it was last said; `waiting`: how many are not over. `failing_since`: as WebhookView has it."""

    webhook: WebhookId
    at: Utc
    position: int
    tries: tuple[Try, ...]
    waiting: int
    failing_since: Utc | None = None


class WebhookActivated(Struct, frozen=True, kw_only=True):
    """A host owns it; older owners can no longer write."""

    webhook: WebhookId
    at: Utc
    host: HostName
    epoch: int


WebhookEvent = (
    WebhookCreated | WebhookChanged | WebhookEnabled | WebhookDisabled | WebhookAdvanced | WebhookDeleted
    | WebhookActivated
)  # fmt: skip

# fmt: off
WEBHOOK_CREATED   = Topic("ottb.v1.evt.webhook.{webhook}.created",   WebhookCreated,   "A webhook was made")
WEBHOOK_CHANGED   = Topic("ottb.v1.evt.webhook.{webhook}.changed",   WebhookChanged,   "A webhook was changed")
WEBHOOK_ENABLED   = Topic("ottb.v1.evt.webhook.{webhook}.enabled",   WebhookEnabled,   "A webhook was switched on")
WEBHOOK_DISABLED  = Topic("ottb.v1.evt.webhook.{webhook}.disabled",  WebhookDisabled,  "A webhook was switched off")
WEBHOOK_ADVANCED  = Topic("ottb.v1.evt.webhook.{webhook}.advanced",  WebhookAdvanced,  "What came of its deliveries")
WEBHOOK_DELETED   = Topic("ottb.v1.evt.webhook.{webhook}.deleted",   WebhookDeleted,   "A webhook was deleted")
WEBHOOK_ACTIVATED = Topic("ottb.v1.evt.webhook.{webhook}.activated", WebhookActivated, "A webhook has a new owner")
# fmt: on

# --- what live clients are told ------------------------------------------------------------------------------


WebhookChange = Literal["created", "changed", "enabled", "disabled", "deleted"]


class WebhookUpdate(Struct, frozen=True, kw_only=True):
    """A webhook was made, or has changed. `reason`: why the platform has switched it off. What comes of its
    deliveries is in their list."""

    webhook: WebhookId
    at: Utc
    change: WebhookChange
    by: str | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET
    filter: WebhookFilter | UnsetType = UNSET
    description: str | UnsetType = UNSET
    reason: DisabledReason | UnsetType | None = UNSET
