"""Who owns a host's actors: one leased key, renewed long before it runs out; and keys that are claimed under it.

The holder judges by its own clock, which counts the time in which the machine was suspended: a lease counts from the
moment its renewal was *sent*, so the holder stops before anybody else can begin. That keeps two owners apart in all
but the rarest moments; what makes a stale owner harmless is the journal's fence, not this.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from actors.runtime.bus import Bus, BusError, Entry, Fenced
from actors.runtime.clock import Clock

log = structlog.get_logger()

BUCKET = "OTTB_OWN"
LEASES = "host."  # beginnings of the keys of leases
TTL = 3.0  # seconds, for one server; a replicated one needs longer than an election (12)
SILENT = 3.0
MARGIN = 0.2  # seconds by which the holder stops early
LAST_RENEWAL = 1.0  # seconds that a renewal has in the end


class Ownership(Protocol):
    """The lease by which this host owns its actors."""

    @property
    def held(self) -> bool:
        """Judged by the own monotonic clock: false as soon as somebody else could have it."""

    @property
    def epoch(self) -> int:
        """Grows with every new owner."""


class Ghosts:
    """Leases that nobody renews and that do not run out: a server that is killed brings entries back whose time was
    over, and never ends them (nats-server 2.15.1, "TTL state is outdated": it counts the time only of what it had not
    yet written down). A holder renews each quarter of its time, and judges by its own clock from the moment at which
    it sent. So one whose revision stays the same for `SILENT` times as long, as it is seen here, is in nobody's hand.
    """

    def __init__(self, clock: Clock, ttl: float) -> None:
        self._clock = clock
        self._ttl = ttl
        self._seen: dict[str, tuple[int, float, float]] = {}  # by key: its revision, seen for how long, and when last

    def among(self, leases: Mapping[str, Entry]) -> dict[str, int]:
        """Those of these keys, which are all there are now, with their revisions. What passes between two looks counts
        as a part of the time at most: the bus may have been away, for the holder, too."""
        now, before, self._seen = self._clock.monotonic(), self._seen, {}
        for key, entry in leases.items():
            revision, silent, last = before.get(key, (0, 0.0, now))
            silent = silent + min(now - last, self._ttl / 2) if revision == entry.revision else 0.0
            self._seen[key] = entry.revision, silent, now
        return {key: revision for key, (revision, silent, _) in self._seen.items() if silent > SILENT * self._ttl}


class Lease:
    """One key, held by `holder` while it is renewed. `epoch` is the revision of the first write.

    What is written is the holder's name and a nonce of this object, so that a namesake (a restarted process, the same
    host started twice) is somebody else, while a write whose acknowledgement was lost is found again.
    """

    def __init__(self, *, bus: Bus, clock: Clock, key: str, holder: str, ttl: float = TTL) -> None:
        self._bus = bus
        self._clock = clock
        self.key = key
        self._holder = f"{holder} {secrets.token_hex(8)}".encode()
        self.ttl = ttl
        self._ghosts = Ghosts(clock, ttl)
        self._until = 0.0
        self._revision = 0
        self.epoch = 0

    @property
    def held(self) -> bool:
        return self._clock.monotonic() < self._until

    @property
    def name(self) -> bytes:
        """The lease in the hand of this holder, as keys that are claimed under it name it."""
        return self.key.encode() + b" " + self._holder

    async def acquire(self) -> bool:
        """Take the key if nobody holds it. False: somebody does. Raises BusError."""
        sent = self._clock.monotonic()
        now = await self._bus.get(BUCKET, self.key)
        if now is not None and now.data is not None and now.data != self._holder:
            await end_ghosts(self._bus, self._ghosts.among({self.key: now}))
            return False
        try:
            revision = await self._bus.put(
                BUCKET, self.key, self._holder, expect=now.revision if now else 0, ttl=self.ttl
            )
        except Fenced:
            return False
        if now is None or now.revision != self._revision or not self.epoch:
            self.epoch = revision
        self._hold(revision, sent)
        return True

    async def renew(self) -> bool:
        """Hold it for another while. False: somebody else has it. Raises BusError."""
        sent = self._clock.monotonic()
        try:
            revision = await self._bus.put(BUCKET, self.key, self._holder, expect=self._revision, ttl=self.ttl)
        except Fenced:
            return await self.acquire()
        self._hold(revision, sent)
        return True

    async def release(self) -> None:
        """Let the next one have it at once."""
        held, self._until = self.held, 0.0
        if held:
            await self._bus.delete(BUCKET, self.key, expect=self._revision)

    def _hold(self, revision: int, sent: float) -> None:
        self._revision = revision
        self._until = sent + self.ttl - MARGIN


async def end_ghosts(bus: Bus, ghosts: Mapping[str, int]) -> None:
    """Have leases gone that are in nobody's hand, where they still are as they were seen. Raises BusError."""
    for key, revision in ghosts.items():
        with contextlib.suppress(Fenced):
            await bus.delete(BUCKET, key, expect=revision)
            log.warning("a lease that nobody renewed had not run out, and is ended", key=key, revision=revision)


def lease_in(name: bytes) -> str:
    """The key of the lease that a claimed key names."""
    return name.partition(b" ")[0].decode(errors="replace")


def lives(name: bytes, entries: Mapping[str, Entry]) -> bool:
    """Whether a lease is still in the hand of the holder that a claimed key names. `entries`: of the bucket."""
    found = entries.get(lease_in(name))
    return found is not None and found.data == name.partition(b" ")[2]


class Claim:
    """One key that is held under a lease, for as long as that is: it has no time of its own, so that holding many costs
    nothing. `epoch`: the revision by which it became ours.

    What is written names the lease and its holder. Once the lease has run out anybody may take the key; so after it was
    regained (its epoch says so) the key is not ours until it is confirmed, which fails if somebody has.
    """

    def __init__(self, *, bus: Bus, lease: Lease, key: str) -> None:
        self._bus = bus
        self._lease = lease
        self._key = key
        self._under = 0  # the lease's epoch; 0: none
        self._revision = 0
        self.epoch = 0

    @property
    def held(self) -> bool:
        return self._under == self._lease.epoch and self._under > 0 and self._lease.held

    async def take(self, revision: int) -> bool:
        """Take the key as it was at this revision. False: somebody else has changed it since. Raises BusError."""
        under = self._lease.epoch
        try:
            self._revision = await self._bus.put(BUCKET, self._key, self._lease.name, expect=revision)
        except Fenced:
            return False
        self.epoch = self.epoch or self._revision
        self._under = under
        return True

    async def confirm(self, found: Entry | None) -> bool:
        """Hold it again, now that the lease is regained. `found`: the key as it is: where an acknowledgement was lost,
        only that says its revision. False: somebody else has it. Raises BusError."""
        return found is not None and found.data == self._lease.name and await self.take(found.revision)

    async def release(self) -> None:
        """Let the next one have it at once. Raises BusError."""
        held, self._under = self.held, 0
        if held:
            await self._bus.delete(BUCKET, self._key, expect=self._revision)


class LeaseKeeper:
    """Acquires a lease and keeps it, over bus outages too. `on_lost`: another holder has it for good. `on_regained`: it
    had run out and is ours again; somebody else may have had it in between."""

    def __init__(
        self,
        *,
        lease: Lease,
        on_lost: Callable[[], None],
        on_regained: Callable[[], None] = lambda: None,
        ttl: float = TTL,
    ) -> None:
        self._lease = lease
        self._on_regained = on_regained
        self._on_lost = on_lost
        self._pause = ttl / 4
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        return self._lease.held

    @property
    def epoch(self) -> int:
        return self._lease.epoch

    async def start(self) -> None:
        """Wait until the lease is ours, then keep it."""
        waiting = False
        while not await self._acquired():
            if not waiting:
                waiting = True
                log.info("waiting for the former owner's lease to run out")
            await asyncio.sleep(self._pause / 2)
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._ending.set()  # a renewal that is under way is waited for: cut off, it would keep the key for nobody
            await asyncio.wait({self._task}, timeout=LAST_RENEWAL)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(BusError):
            await self._lease.release()

    async def _keep(self) -> None:
        while not await self._ends_within(self._pause):
            epoch = self._lease.epoch
            try:
                if not await self._lease.renew():
                    log.error("another process owns this host's slots now")
                    self._on_lost()
                    return
                if self._lease.epoch != epoch:
                    log.warning("the lease had run out and is ours again")
                    self._on_regained()
            except BusError as error:
                log.warning("lease not renewed", held=self._lease.held, error=repr(error))

    async def _ends_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return self._ending.is_set()

    async def _acquired(self) -> bool:
        try:
            return await self._lease.acquire()
        except BusError as error:
            log.warning("lease not acquired yet", error=repr(error))
            return False
