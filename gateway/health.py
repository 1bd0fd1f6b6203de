"""Whether the site serves: who answers, whether the journal takes writes, and what is quarantined."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.bus import Bus, BusError, Message, Unsubscribe
from actors.runtime.clock import Clock
from actors.runtime.rendezvous import SHARDS
from actors.runtime.storage import NO_NEW_WORK
from bus_schemas.audit import RECORD_AUDIT
from bus_schemas.call import GET_CDR
from bus_schemas.contract import UNDECODABLE
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry
from bus_schemas.user import IDENTIFY
from gateway.idempotency import BUCKET
from gateway.metrics import FRESH, Metrics

log = structlog.get_logger()

CHECK_TIMEOUT = 2.0
LOOK_AGAIN = 1.0  # seconds; whoever asks more often is told what was found the last time
NEWS = 10.0  # seconds without news from a host, after which nobody knows what it has quarantined
FORGOTTEN = 600.0  # and after which it is not shown any more
PROBE_KEY = "probe"

# Who must answer for the gateway to be of use, by a line that each refuses without doing anything.
PROBES: Mapping[str, str] = {
    "point": IDENTIFY.subject,
    "ledger": GET_CDR.subject,
    "audit": RECORD_AUDIT.subject,
    "actors": "ottb.v1.cmd.slots.remove",
}
OF_BUS = ("bus", "journal")
CHECKS = (*OF_BUS, *PROBES)


class Host(Struct, frozen=True, kw_only=True):
    """What a host said last, and when: monotonic."""

    heard: float
    telemetry: HostTelemetry


class Health:
    """What one gateway knows of the site's health."""

    def __init__(self, *, bus: Bus, clock: Clock, metrics: Metrics, connected: Callable[[], bool]) -> None:
        self._bus = bus
        self._clock = clock
        self._metrics = metrics
        self._connected = connected
        self._hosts: dict[str, Host] = {}
        self._looked = float("-inf")
        self._missing: dict[str, str] = {}
        self._looking = asyncio.Lock()
        self._counted = float("-inf")
        self._counting = asyncio.Lock()
        self._stop: Unsubscribe | None = None

    async def start(self) -> None:
        self._stop = await self._bus.subscribe(HOST_TELEMETRY.pattern, self._hear)

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    # --- who serves

    async def failing(self) -> dict[str, str]:
        """What is not ready, and why. Empty: everything is."""
        async with self._looking:
            if self._clock.monotonic() - self._looked >= LOOK_AGAIN:
                self._missing = await self._look()
                self._looked = self._clock.monotonic()
                self._metrics.checks.clear()
                for check in OF_BUS if "bus" in self._missing else CHECKS:  # of the others nobody knows
                    self._metrics.checks.labels(check).set(check not in self._missing)
        return self._missing

    async def _look(self) -> dict[str, str]:
        connected = self._connected()
        self._metrics.bus_connected.set(1 if connected else 0)
        if not connected:
            self._metrics.journal_writable.set(0)
            return {"bus": "not connected", **dict.fromkeys(CHECKS[1:], "the bus is not connected")}
        names = ("journal", *PROBES)
        found = await asyncio.gather(self._try_journal(), *(self._ask(subject) for subject in PROBES.values()))
        self._metrics.journal_writable.set(0 if found[0] else 1)
        return {name: wrong for name, wrong in zip(names, found, strict=True) if wrong is not None}

    async def _ask(self, subject: str) -> str | None:
        try:
            await self._bus.request(subject, b"", {}, timeout=CHECK_TIMEOUT)
        except BusError as error:
            return f"does not answer ({type(error).__name__})"
        return None

    async def _try_journal(self) -> str | None:
        """Whether writes are stored: the server answers reads and requests as ever when its disk is full."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self._bus.put(BUCKET, PROBE_KEY, b"", expect=None)
        except (BusError, TimeoutError) as error:
            return self._bus.healthy() or f"takes no writes ({error!r})"
        return self._bus.healthy() or self._trouble()

    def _trouble(self) -> str | None:
        """What hosts say of the journal: it can be stuck while the gateway's own records are stored."""
        said = [(host.telemetry.trouble, name) for name, host in sorted(self._hosts.items()) if self._is_news(host)]
        return next((f"{trouble} (host {name})" for trouble, name in said if trouble is not None), None)

    # --- what is counted

    async def count(self) -> None:
        """Bring the figures up to date, once in `FRESH` seconds: also what readiness finds and what hosts tell."""
        self.refresh()
        async with self._counting:
            if self._clock.monotonic() - self._counted < FRESH:
                return
            there = [name for name, host in self._hosts.items() if self._is_news(host)]
            away = self._hosts.keys() - there
            told = self._metrics.hosts.ask(self._bus, there=there, away=away)
            _, _, seq = await asyncio.gather(self.failing(), told, self._last_seq())
            if seq is not None:
                self._metrics.journal_seq.set(seq)
            self._counted = self._clock.monotonic()

    async def _last_seq(self) -> int | None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                return await self._bus.last_seq()
        except (BusError, TimeoutError):
            return None

    # --- what hosts say

    async def _hear(self, message: Message) -> None:
        try:
            telemetry = msgspec.json.decode(message.data, type=HostTelemetry)
        except UNDECODABLE as error:
            self._metrics.not_understood("host telemetry", subject=message.subject, error=error)
            return
        self._hosts[telemetry.host] = Host(heard=self._clock.monotonic(), telemetry=telemetry)
        for one in telemetry.streams:
            self._metrics.stream(one.stream, one.bytes, one.limit)
        self.refresh()

    def hosts(self) -> list[dict[str, Any]]:
        """The hosts that were heard of, by name: how long ago, what each has quarantined, how many shards it serves."""
        self.refresh()
        now = self._clock.monotonic()
        return [
            {
                "host": name,
                "heard_s_ago": round(now - host.heard, 1),
                "quarantined": msgspec.to_builtins(host.telemetry.quarantined),
                "shards": len(host.telemetry.shards) if host.telemetry.shards is not None else None,
            }
            for name, host in sorted(self._hosts.items())
        ]

    def shards(self) -> dict[str, Any] | None:
        """How many shards are served, and which are not. None: nothing of this site lives on shards."""
        said = [host.telemetry.shards for host in self._hosts.values() if self._is_news(host)]
        known = [shards for shards in said if shards is not None]
        missing = sorted(set(range(SHARDS)).difference(*known)) if known else []
        self._metrics.shards_missing.set(len(missing))
        return {"held": SHARDS - len(missing), "missing": missing} if known else None

    def streams(self) -> list[dict[str, Any]]:
        """How full the streams of the bus are, as the host says that was heard last."""
        newest = max(self._hosts.values(), key=lambda host: host.heard, default=None)
        if newest is None or not self._is_news(newest):
            return []
        return [
            {**msgspec.to_builtins(one), "percent": 100 * one.bytes // one.limit if one.limit else None}
            for one in newest.telemetry.streams
        ]

    @property
    def journal_nearly_full(self) -> bool:
        """Whether nothing new is to be begun."""
        return any((one["percent"] or 0) >= NO_NEW_WORK for one in self.streams()[:1])

    @property
    def degraded(self) -> bool:
        """Whether a host that is there has left something alone, or nobody serves a shard."""
        shards = self.shards()
        alone = any(host.telemetry.quarantined and self._is_news(host) for host in self._hosts.values())
        return alone or bool(shards and shards["missing"])

    def refresh(self) -> None:
        """Forget who is gone, and bring the figures up to date."""
        now = self._clock.monotonic()
        self._hosts = {name: host for name, host in self._hosts.items() if now - host.heard < FORGOTTEN}
        counts = Counter(
            (name, one.kind)
            for name, host in self._hosts.items()
            if self._is_news(host)
            for one in host.telemetry.quarantined
        )
        self._metrics.quarantine(counts)
        self._metrics.operators(self._operators())
        self.shards()

    def _operators(self) -> Mapping[str, int]:
        """How many operators there are of each status, on all hosts."""
        found: Counter[str] = Counter()
        for host in self._hosts.values():
            if self._is_news(host):
                found.update(host.telemetry.operators)
        return found

    def _is_news(self, host: Host) -> bool:
        return self._clock.monotonic() - host.heard < NEWS
