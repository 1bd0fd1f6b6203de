"""Answers what is asked of hosts, together or one by one, and of the past of whatever is measured."""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from msgspec.structs import replace

from actors.monitor import spans, together
from actors.monitor.series import bounded, of_host
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from actors.runtime.parts import Series
from actors.runtime.peers import Peers
from actors.runtime.service import Hosts
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.monitor import (
    HISTORY,
    ON_HOST,
    FiguresOnHost,
    GetHost,
    GetNetwork,
    GetSystem,
    History,
    HistoryOf,
    HostFigures,
    HostHistory,
    HubHistory,
    ListHosts,
    NetworkFigures,
    SlotHistory,
    SystemFigures,
)
from bus_schemas.series import Distribution, HostSeries, SeriesOnHost
from bus_schemas.slot import RECORDED_SLOT, GetSlot
from bus_schemas.usb import GET_HUB, GetHub

log = structlog.get_logger()

NO_ANSWER = RefusalTemplate(ErrorCode.UNAVAILABLE, "This host does not answer now. Try again.")


class Desk:
    """Of one host, for all of them. `own`: its figures now. `series`: what else is counted of it."""

    def __init__(
        self, *, name: str, bus: Bus, clock: Clock, peers: Peers, hosts: Hosts, own: Callable[[], HostFigures],
        series: Iterable[Series],
    ) -> None:
        self._name = name
        self._bus = bus
        self._clock = clock
        self._peers = peers
        self._hosts = hosts
        self._own = own
        self._series = series

    async def on_host(self, request: FiguresOnHost, context: Context) -> HostFigures:
        return self._own()

    async def series_on_host(self, request: SeriesOnHost, context: Context) -> HostSeries:
        """SERIES_ON_HOST. What cannot be counted now costs nothing but itself."""
        found = [*of_host(self._own())]
        distributions = list[Distribution]()
        for source in self._series:
            try:
                for one in source():
                    if isinstance(one, Distribution):
                        distributions.append(one)
                    else:
                        found.append(one)
            except Exception:
                log.exception("series not counted")
        return HostSeries(samples=bounded(found), distributions=distributions)

    async def system(self, request: GetSystem, context: Context) -> SystemFigures:
        return together.system(await self._figures(request.host, context))

    async def network(self, request: GetNetwork, context: Context) -> NetworkFigures:
        return together.network(await self._figures(request.host, context))

    async def hosts(self, request: ListHosts, context: Context) -> list[HostFigures]:
        return await self._figures(None, context)

    async def host(self, request: GetHost, context: Context) -> HostFigures:
        [found] = await self._figures(request.host, context)
        return found

    async def slot_history(self, request: SlotHistory, context: Context) -> History:
        """Of a slot that the asker sees, wherever it is, and also while its host is away."""
        wanted = self._span("slot", str(request.slot), request)
        await ask(self._bus, RECORDED_SLOT, GetSlot(slot=request.slot), context)
        return await ask(self._bus, HISTORY, wanted, context)

    async def host_history(self, request: HostHistory, context: Context) -> History:
        """Of a host that is there, or was in that span."""
        found = await ask(self._bus, HISTORY, self._span("host", request.host, request), context)
        if not found.points:
            self._peers.must_be_there(request.host)
        return found

    async def hub_history(self, request: HubHistory, context: Context) -> History:
        """Of a hub that is there, or was at the host that is named. Raises Refusal: there is none, or several."""
        wanted, host = self._span("hub", request.hub, request), request.host
        if host is None:
            host = (await ask(self._bus, GET_HUB, GetHub(hub=request.hub), context)).host
        found = await ask(self._bus, HISTORY, replace(wanted, host=host), context)
        if not found.points and request.host is not None:
            await ask(self._bus, GET_HUB, GetHub(hub=request.hub, host=host), context)
        return found

    def _span(self, kind: str, id: str, request: SlotHistory | HostHistory | HubHistory) -> HistoryOf:
        now = self._clock.now()
        return spans.wanted(kind, id, request.metric, request.since, request.until, now)

    def _there(self) -> list[str]:
        return sorted({self._name, *self._peers.others()})

    async def _figures(self, host: str | None, context: Context) -> list[HostFigures]:
        """Of all hosts, or of one. Raises Refusal: there is no such one, or it does not answer. Of all, whoever does
        not answer is going down, and is left out."""
        if host is not None:
            self._peers.must_be_there(host)
            return [await self._ask(host, context)]
        found = await asyncio.gather(*(self._quietly(one, context) for one in self._there()))
        return [one for one in found if one is not None]

    async def _quietly(self, host: str, context: Context) -> HostFigures | None:
        try:
            return await self._ask(host, context)
        except Refusal as refusal:
            log.info("a host did not tell how it is", host=host, why=refusal.message)
            return None

    async def _ask(self, host: str, context: Context) -> HostFigures:
        try:
            return await self._hosts.ask(ON_HOST, FiguresOnHost(host=host), context, retry=False)
        except Refusal as refusal:
            if refusal.code is ErrorCode.TIMEOUT:  # nothing was to be done there
                raise NO_ANSWER(host=host) from None
            raise
