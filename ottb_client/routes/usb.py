"""Routes: usb. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.usb import HubDetails, HubSummary, PortPowered
from ottb_client.http import Http


class UsbRoutes(Http):
    """What is asked over HTTP."""

    async def list_hubs(self, *, host: str | UnsetType | None = UNSET) -> list[HubSummary]:
        """USB hubs, and how many of their phones are online: `GET /api/monitor/usb`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/usb", list[HubSummary], {"host": host})

    async def get_hub(self, hub: str, *, host: str | UnsetType | None = UNSET) -> HubDetails:
        """One USB hub with its ports: `GET /api/monitor/usb/{hub}`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/usb/{hub}", HubDetails, {"hub": hub, "host": host})

    async def power_port(
        self, hub: str, port: int, *, host: str | UnsetType | None = UNSET,
        action: Literal["cycle", "off", "on"] | UnsetType = UNSET, seconds: float | UnsetType = UNSET,
        dry: bool | UnsetType = UNSET, key: str | None = None,
    ) -> PortPowered:  # fmt: skip
        """Switch a port of a USB hub off and on: `POST /api/monitor/usb/{hub}/ports/{port}/power`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/monitor/usb/{hub}/ports/{port}/power", PortPowered, {"hub": hub, "port": port, "host": host,
            "action": action, "seconds": seconds, "dry": dry}, key,
        )  # fmt: skip
