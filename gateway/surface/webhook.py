"""Webhooks over HTTP, and what Socket.IO clients hear of one."""


from msgspec import Struct

from bus_schemas.webhook import (
    CHANGE_WEBHOOK,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    GET_WEBHOOK,
    LIST_DELIVERIES,
    LIST_WEBHOOKS,
    PING_WEBHOOK,
    REDELIVER,
    ROTATE_SECRET,
    WEBHOOK,
    WEBHOOK_CHANGED,
    WEBHOOK_CREATED,
    WEBHOOK_DELETED,
    WEBHOOK_DISABLED,
    WEBHOOK_ENABLED,
    WebhookChange,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookId,
    WebhookUpdate,
)
from gateway.routes import Part, Room, Route, shared_fields

P = Part
C = "/api/webhooks"
ONE = C + "/{webhook}"

# What answers a secret takes no Idempotency-Key: answers are kept for that.
# fmt: off
ROUTES = (
    #     method    path                                contract         status part
    Route("POST",   C,                                  CREATE_WEBHOOK,  201, P.WORKSPACE),
    Route("GET",    C,                                  LIST_WEBHOOKS,   200, P.WORKSPACE),
    Route("GET",    ONE,                                GET_WEBHOOK,     200, P.WORKSPACE, light=True),
    Route("PATCH",  ONE,                                CHANGE_WEBHOOK,  200, P.WORKSPACE),
    Route("DELETE", ONE,                                DELETE_WEBHOOK,  200, P.WORKSPACE),
    Route("POST",   ONE + "/test",                      PING_WEBHOOK,    200, P.WORKSPACE, True),
    Route("POST",   ONE + "/secret",                    ROTATE_SECRET,   200, P.WORKSPACE),
    Route("GET",    ONE + "/deliveries",                LIST_DELIVERIES, 200, P.WORKSPACE),
    Route("POST",   ONE + "/deliveries/{n}/redeliver",  REDELIVER,       202, P.WORKSPACE, True),
)
# fmt: on

CHANGES: dict[type[Struct], WebhookChange] = {
    WebhookCreated: "created",
    WebhookChanged: "changed",
    WebhookEnabled: "enabled",
    WebhookDisabled: "disabled",
    WebhookDeleted: "deleted",
}


def present(event: Struct) -> WebhookUpdate:
    """What an event says of its webhook."""
    return WebhookUpdate(**shared_fields(event, WebhookUpdate), change=CHANGES[type(event)])


ROOM = Room(
    WEBHOOK, WebhookUpdate,
    (WEBHOOK_CREATED, WEBHOOK_CHANGED, WEBHOOK_ENABLED, WEBHOOK_DISABLED, WEBHOOK_DELETED), present,
    narrows=(("webhook", WebhookId),),
)  # fmt: skip
