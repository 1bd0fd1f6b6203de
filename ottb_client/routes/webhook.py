"""Routes: webhook. Written by `make client` from the contract."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.webhook import (
    DeliveryStatus,
    DeliveryView,
    NewSecret,
    NewWebhook,
    Redelivering,
    Tested,
    WebhookDeleted,
    WebhookFilter,
    WebhookView,
)
from ottb_client.answers import Listing
from ottb_client.http import Http


class WebhookRoutes(Http):
    """What is asked over HTTP."""

    async def create_webhook(
        self, *, url: str, events: Sequence[str], filter: WebhookFilter | UnsetType = UNSET,
        description: str | UnsetType = UNSET, since: int | UnsetType | None = UNSET,
    ) -> NewWebhook:  # fmt: skip
        """Post events to an address: `POST /api/webhooks`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/webhooks", NewWebhook, {"url": url, "events": events, "filter": filter,
            "description": description, "since": since},
        )  # fmt: skip

    def list_webhooks(
        self, *, user: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[WebhookView]:  # fmt: skip
        """Webhooks: `GET /api/webhooks`. Raises ApiError."""
        return self._list("/api/webhooks", list[WebhookView], {"user": user, "limit": limit, "cursor": cursor})

    async def get_webhook(self, webhook: str) -> WebhookView:
        """One webhook: `GET /api/webhooks/{webhook}`. Raises ApiError."""
        return await self._ask("GET", "/api/webhooks/{webhook}", WebhookView, {"webhook": webhook})

    async def change_webhook(
        self, webhook: str, *, url: str | UnsetType | None = UNSET, events: Sequence[str] | UnsetType | None = UNSET,
        filter: WebhookFilter | UnsetType | None = UNSET, description: str | UnsetType | None = UNSET,
        enabled: bool | UnsetType | None = UNSET, since: int | UnsetType | None = UNSET,
    ) -> WebhookView:  # fmt: skip
        """Change a webhook, or switch it on or off: `PATCH /api/webhooks/{webhook}`. Raises ApiError."""
        return await self._ask(
            "PATCH", "/api/webhooks/{webhook}", WebhookView, {"webhook": webhook, "url": url, "events": events,
            "filter": filter, "description": description, "enabled": enabled, "since": since},
        )  # fmt: skip

    async def delete_webhook(self, webhook: str) -> WebhookDeleted:
        """Delete a webhook: `DELETE /api/webhooks/{webhook}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/webhooks/{webhook}", WebhookDeleted, {"webhook": webhook})

    async def ping_webhook(self, webhook: str, *, key: str | None = None) -> Tested:
        """Post a ping: `POST /api/webhooks/{webhook}/test`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do("POST", "/api/webhooks/{webhook}/test", Tested, {"webhook": webhook}, key)

    async def rotate_secret(self, webhook: str, *, keep_seconds: int | UnsetType = UNSET) -> NewSecret:
        """Give a webhook another secret: `POST /api/webhooks/{webhook}/secret`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/webhooks/{webhook}/secret", NewSecret, {"webhook": webhook, "keep_seconds": keep_seconds},
        )  # fmt: skip

    def list_deliveries(
        self, webhook: str, *, status: DeliveryStatus | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[DeliveryView]:  # fmt: skip
        """The last deliveries of a webhook: `GET /api/webhooks/{webhook}/deliveries`. Raises ApiError."""
        return self._list(
            "/api/webhooks/{webhook}/deliveries", list[DeliveryView], {"webhook": webhook, "status": status,
            "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def redeliver(self, webhook: str, n: int, *, key: str | None = None) -> Redelivering:
        """Send the event of a delivery once more: `POST /api/webhooks/{webhook}/deliveries/{n}/redeliver`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/webhooks/{webhook}/deliveries/{n}/redeliver", Redelivering, {"webhook": webhook, "n": n}, key,
        )  # fmt: skip
