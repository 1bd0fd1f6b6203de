"""What is asked of hubs, at any host: it is passed on to the one whose hub it is."""

import structlog

from actors.runtime.context import Context
from actors.runtime.parts import HostParts
from actors.usb.hubs import Hubs
from actors.usb.switching import Switches
from actors.usb.views import details
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.usb import (
    HUBS_ON_HOST,
    POWER_ON_HOST,
    GetHub,
    HubDetails,
    HubOnHost,
    HubsOnHost,
    HubSummary,
    ListHubs,
    PortPowered,
    PowerOnHost,
    PowerPort,
)

log = structlog.get_logger()

NO_HUB = RefusalTemplate(ErrorCode.NOT_FOUND, "No such hub.")
WHICH = RefusalTemplate(ErrorCode.CONFLICT, "Several hosts have a hub of this name: say which `host`.")


class Desk:
    """Answers at one host for all."""

    def __init__(self, *, parts: HostParts, hubs: Hubs, switches: Switches) -> None:
        self._parts = parts
        self._hubs = hubs
        self._switches = switches

    async def list_hubs(self, request: ListHubs, context: Context) -> list[HubSummary]:
        found = await self._all(request.host, context)
        return [HubSummary(hub=hub.hub, online=hub.online, total=hub.total) for hub in found]

    async def get_hub(self, request: GetHub, context: Context) -> HubDetails:
        found = [hub for hub in await self._all(request.host, context) if hub.hub == request.hub]
        if not found:
            raise NO_HUB(hub=request.hub)
        if len(found) > 1:
            raise WHICH(hub=request.hub, hosts=[hub.host for hub in found])
        return found[0]

    async def power_port(self, request: PowerPort, context: Context) -> PortPowered:
        host = (await self.get_hub(GetHub(hub=request.hub, host=request.host), context)).host
        wanted = PowerOnHost(host=host, power=request)
        return await self._parts.hosts.ask(POWER_ON_HOST, wanted, context, retry=False)

    # --- of this host

    async def hubs_on_host(self, request: HubsOnHost, context: Context) -> list[HubOnHost]:
        """HUBS_ON_HOST."""
        host, may = self._parts.host.name, context.actions
        return [
            HubOnHost(
                details=details(hub, host, self._switches.is_off, context.user, may), here=self._hubs.are_here(hub)
            )
            for hub in self._hubs.now()
        ]

    async def power_on_host(self, request: PowerOnHost, context: Context) -> PortPowered:
        """POWER_PORT that any host has passed on."""
        hub = next((one for one in self._hubs.now() if one.name == request.power.hub), None)
        if hub is None:
            raise NO_HUB(hub=request.power.hub)
        return await self._switches.power(hub, request.power, context)

    async def _all(self, host: str | None, context: Context) -> list[HubDetails]:
        """The hubs of every host that answers, or of one. One that stands in settings alone is told of once, and only
        where no host has it. Raises Refusal where a host is asked for that is not there."""
        own, others = self._parts.host.name, self._parts.peers.others()
        if host is not None:
            self._parts.peers.must_be_there(host)
        told = list[HubOnHost]()
        for name in (own, *others) if host is None else (host,):
            try:
                there: list[HubOnHost] = await self._parts.hosts.ask(
                    HUBS_ON_HOST, HubsOnHost(host=name), context, retry=False
                )
            except Refusal as refusal:
                if host is not None:
                    raise
                log.info("a host did not tell its hubs", host=name, why=refusal.message)
                continue
            told += there
        here = [one.details for one in told if one.here]
        known = {hub.hub for hub in here}
        elsewhere = {one.details.hub: one.details for one in reversed(told) if one.details.hub not in known}
        return sorted([*here, *elsewhere.values()], key=lambda hub: (len(hub.hub), hub.hub, hub.host))
