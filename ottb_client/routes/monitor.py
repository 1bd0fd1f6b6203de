"""Routes: monitor. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.monitor import History, HostFigures, NetworkFigures, SlotFigures, SystemFigures
from ottb_client.http import Http


class MonitorRoutes(Http):
    """What is asked over HTTP."""

    async def get_system(self, *, host: str | UnsetType | None = UNSET) -> SystemFigures:
        """How busy the hosts are: `GET /api/monitor/system`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/system", SystemFigures, {"host": host})

    async def get_network(self, *, host: str | UnsetType | None = UNSET) -> NetworkFigures:
        """The network of the hosts: `GET /api/monitor/network`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/network", NetworkFigures, {"host": host})

    async def slot_figures(self, slot: int) -> SlotFigures:
        """How a slot's phone is: `GET /api/monitor/slots/{slot}`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/slots/{slot}", SlotFigures, {"slot": slot})

    async def slot_history(
        self, slot: int, *, metric: str, since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET,
    ) -> History:  # fmt: skip
        """A figure of a slot over time: `GET /api/monitor/slots/{slot}/history`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/monitor/slots/{slot}/history", History, {"slot": slot, "metric": metric, "from": since,
            "to": until},
        )  # fmt: skip

    async def list_hosts(self) -> list[HostFigures]:
        """How the hosts are: `GET /api/monitor/hosts`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/hosts", list[HostFigures], {})

    async def get_host(self, host: str) -> HostFigures:
        """How a host is: `GET /api/monitor/hosts/{host}`. Raises ApiError."""
        return await self._ask("GET", "/api/monitor/hosts/{host}", HostFigures, {"host": host})

    async def host_history(
        self, host: str, *, metric: str, since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET,
    ) -> History:  # fmt: skip
        """A figure of a host over time: `GET /api/monitor/hosts/{host}/history`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/monitor/hosts/{host}/history", History, {"host": host, "metric": metric, "from": since,
            "to": until},
        )  # fmt: skip

    async def hub_history(
        self, hub: str, *, metric: str, host: str | UnsetType | None = UNSET, since: str | UnsetType | None = UNSET,
        until: str | UnsetType | None = UNSET,
    ) -> History:  # fmt: skip
        """A figure of a hub over time: `GET /api/monitor/usb/{hub}/history`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/monitor/usb/{hub}/history", History, {"hub": hub, "metric": metric, "host": host,
            "from": since, "to": until},
        )  # fmt: skip
