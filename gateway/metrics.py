"""The gateway's figures for Prometheus. Labels are routes, never what a client wrote, but for ids of campaigns: of
those that have said something last, and not more of them than CAMPAIGNS. What is counted of the journal is in
`counted.py`, what hosts tell in `series.py`."""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from actors.runtime.spread import Spread
from bus_schemas.campaign import CampaignStatus
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.lead import LeadStatus
from bus_schemas.operator import OperatorStatus
from gateway.counted import Counted
from gateway.series import SiteSeries
from gateway.surface import ROOMS, ROUTES

log = structlog.get_logger()

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CHILDREN = 1000
FRESH = 1.0  # seconds
CAMPAIGNS = 100
NOT_UNDERSTOOD = ("event", "slot telemetry", "host telemetry", "campaign telemetry", "change of users")
CAMPAIGN_FIGURES = {
    "attempts": "Attempts that were begun.",
    "in_progress": "Attempts that are not over.",
    "answered": "Attempts that somebody answered.",
    "abandoned": "Answered calls that nobody took.",
    "abandoned_share": "The share of answered calls of the last 30 days that nobody took.",
    "abandoned_cap": "The share of answered calls that may be abandoned.",
}
WORKING = (OperatorStatus.READY, OperatorStatus.ON_CALL, OperatorStatus.WRAP_UP)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """One registry a gateway."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._registry = CollectorRegistry()
        self._made = float("-inf")
        self._recent = b""
        self._making = asyncio.Lock()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # looking one up costs 2 us
        self._requests = Counter(
            "ottb_http_requests", "Requests answered.", ["method", "path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "ottb_http_request_seconds", "Time to answer.", ["method", "path"], buckets=BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self.counted = Counted(self._registry)
        self.pauses = Spread("ottb_gateway_gc_pause_seconds")
        self._tasks = Gauge("ottb_gateway_tasks", "asyncio tasks of the gateway.", registry=self._registry)
        self.hosts = SiteSeries([self.pauses])
        self._registry.register(self.hosts)
        self.clients = Gauge("ottb_live_clients", "Socket.IO clients.", registry=self._registry)
        self.handshakes_refused = Counter(
            "ottb_live_handshakes_refused", "Handshakes of addresses that asked too often.", registry=self._registry
        )
        self.events = Counter("ottb_live_events", "Events sent to rooms.", ["room"], registry=self._registry)
        self.bus_connected = Gauge("ottb_bus_connected", "1 while the bus is connected.", registry=self._registry)
        self.journal_writable = Gauge(
            "ottb_journal_writable", "1 while the journal took the last write that readiness tried.",
            registry=self._registry,
        )  # fmt: skip
        self.checks = Gauge(
            "ottb_check_up", "1 while what readiness looks at serves.", ["check"], registry=self._registry
        )
        self._quarantined = Gauge(
            "ottb_quarantined", "Things that are quarantined at a host.", ["host", "kind"], registry=self._registry
        )
        self._quarantined_known: set[tuple[str, str]] = set()
        self.journal_seq = Gauge("ottb_journal_last_seq", "The newest entry of the journal.", registry=self._registry)
        self.heard_seq = Gauge("ottb_live_last_seq", "The newest that was heard here.", registry=self._registry)
        self.shards_missing = Gauge("ottb_shards_missing", "Shards that no host serves.", registry=self._registry)
        self._operators = Gauge("ottb_operators", "Operators of a status.", ["status"], registry=self._registry)
        self._stream_bytes = Gauge("ottb_stream_bytes", "What a stream holds.", ["stream"], registry=self._registry)
        self._stream_limit = Gauge("ottb_stream_limit_bytes", "What it may.", ["stream"], registry=self._registry)
        self._not_understood = Counter(
            "ottb_not_understood", "Messages of the bus that were skipped.", ["what"], registry=self._registry
        )
        self._campaigns: dict[str, None] = {}  # in the order in which they said something
        self._campaign = {
            name: Gauge(f"ottb_campaign_{name}", words, ["campaign"], registry=self._registry)
            for name, words in CAMPAIGN_FIGURES.items()
        }
        self._campaign_running = Gauge(
            "ottb_campaign_running", "1 while a campaign begins attempts.", ["campaign"], registry=self._registry
        )
        self._campaign_leads = Gauge(
            "ottb_campaign_leads", "Leads of a campaign.", ["campaign", "status"], registry=self._registry
        )
        self._campaign_operators = Gauge(
            "ottb_campaign_operators", "Operators who are there for a campaign.", ["campaign", "status"],
            registry=self._registry,
        )  # fmt: skip
        for what in NOT_UNDERSTOOD:
            self._not_understood.labels(what)
        for route in ROUTES:  # a counter that was never counted is 0, not missing
            self._requests.labels(route.method, route.path, str(route.status))
        for row in ROOMS:
            self.events.labels(row.kind.room)
        self.operators({})

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        key = (method, path, status)
        found = self._children.get(key)
        if found is None:
            known = method if method in METHODS else "other"
            found = self._requests.labels(known, path, str(status)), self._seconds.labels(known, path)
            if len(self._children) < CHILDREN:
                self._children[key] = found
        counter, histogram = found
        counter.inc()
        histogram.observe(seconds)

    def not_understood(self, what: str, *, subject: str, error: Exception, seq: int = 0) -> None:
        """Count and name a message of the bus that is skipped. `what`: one of NOT_UNDERSTOOD."""
        self._not_understood.labels(what).inc()
        log.error("not understood and skipped", what=what, subject=subject, seq=seq, error=str(error))

    def quarantine(self, counts: Mapping[tuple[str, str], int]) -> None:
        """How many things are quarantined, by host and kind; what is not named any more is 0."""
        self._quarantined_known |= counts.keys()
        for host, kind in self._quarantined_known:
            self._quarantined.labels(host, kind).set(counts.get((host, kind), 0))

    def operators(self, counts: Mapping[str, int]) -> None:
        """How many operators there are of each status."""
        for status in OperatorStatus:
            self._operators.labels(status.value).set(counts.get(status.value, 0))

    def stream(self, name: str, held: int, limit: int) -> None:
        """How full a stream of the bus is. `limit` 0: it has none."""
        self._stream_bytes.labels(name).set(held)
        self._stream_limit.labels(name).set(limit)

    def campaign(self, said: CampaignTelemetry) -> None:
        """How far a campaign is."""
        self._campaigns.pop(said.campaign, None)
        self._campaigns[said.campaign] = None
        for name, gauge in self._campaign.items():
            gauge.labels(said.campaign).set(getattr(said, name))
        self._campaign_running.labels(said.campaign).set(said.status is CampaignStatus.RUNNING)
        for status in LeadStatus:
            self._campaign_leads.labels(said.campaign, str(status)).set(said.by_status.get(status, 0))
        for working in WORKING:
            self._campaign_operators.labels(said.campaign, str(working)).set(said.operators.get(str(working), 0))
        if len(self._campaigns) > CAMPAIGNS:
            self._forget_campaign(next(iter(self._campaigns)))

    def _forget_campaign(self, id: str) -> None:
        del self._campaigns[id]
        for gauge in (*self._campaign.values(), self._campaign_running):
            gauge.remove(id)
        for status in LeadStatus:
            self._campaign_leads.remove(id, str(status))
        for working in WORKING:
            self._campaign_operators.remove(id, str(working))

    def exposition(self) -> bytes:
        return generate_latest(self._registry)

    async def recent(self) -> bytes:
        """The exposition of within the last second: making it takes 15 us a sample, in a thread, so that others are
        answered meanwhile."""
        async with self._making:
            now = self._now()
            if now - self._made >= FRESH:
                self._tasks.set(len(asyncio.all_tasks()))  # a thread has none
                self._made, self._recent = now, await asyncio.to_thread(self.exposition)
            return self._recent
