"""Logins on the bus, and their end by force, on the audit.

The first of a kind is written at once; what is alike in the minute after it is written as one entry that says how
often. So nobody fills the journal: strangers have one kind for each refusal, whatever name they give, and a user as
many as there are results. A login does not wait long for its entry: who only listens shall hear also while nothing can
be written. What is late is written as soon as that is possible.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.bus import Bus
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.audit import RECORD_AUDIT, AuditEntry, RecordAudit
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOGIN, CUT = "bus.login", "bus.cut"
WINDOW = 60.0  # seconds in which alike entries are counted
KINDS = 64  # of refused logins that are told apart in one window
LATE = 1_000  # entries that are kept while the audit is away
SECONDS = 0.5  # that a login waits for its entry
OK = "OK"

Alike = tuple[str, str, str]


class _Counted(Struct):
    entry: AuditEntry
    since: float
    more: int = 0


class Summary:
    """Which entries are written at once, and which are only counted. Pure. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._windows: dict[Alike, _Counted] = {}
        self._refused = 0  # windows of refused logins

    def first(self, entry: AuditEntry, now: float) -> bool:
        """Whether this is the first of its kind; one that is not is counted, and told by `over` with the last one."""
        kind = (entry.action, entry.result, str(entry.user or entry.subject.get("username", "")))
        if entry.result != OK and kind not in self._windows and self._refused >= KINDS:
            kind = (entry.action, entry.result, "")
        counted = self._windows.get(kind)
        if counted is not None:
            counted.entry, counted.more = entry, counted.more + 1
            return False
        self._windows[kind] = _Counted(entry, now)
        self._refused += entry.result != OK
        return True

    def over(self, now: float) -> list[AuditEntry]:
        """What was counted in windows that are over. `times`: how many entries this one stands for."""
        found = []
        for kind, counted in list(self._windows.items()):
            if now - counted.since >= WINDOW:
                del self._windows[kind]
                self._refused -= counted.entry.result != OK
                if counted.more:
                    subject = {**counted.entry.subject, "times": counted.more}
                    found.append(replace(counted.entry, subject=subject))
        return found


class BusAudit:
    """Puts on the audit what POINT does at the bus's door."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._summary = Summary()
        self._late: deque[RecordAudit] = deque(maxlen=LATE)
        self._tasks: set[asyncio.Task[None]] = set()

    def note(
        self,
        action: str,
        result: str,
        *,
        user: str = "",
        subject: Mapping[str, str | int] | None = None,
        credential: str | None = None,
        address: str = "",
    ) -> asyncio.Task[None] | None:
        """Write one entry, or count it. What is returned ends when it is written, or late."""
        entry = AuditEntry(
            at=utc(self._clock.now()),
            user=user,
            door="bus",
            action=action,
            result=result,
            subject=dict(subject or {}),
            credential=credential,
            address=address,
            request_id=self._ids.new(),
        )
        return self._begin(entry) if self._summary.first(entry, self._clock.monotonic()) else None

    def _begin(self, entry: AuditEntry) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._write(RecordAudit(entry=entry)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _write(self, request: RecordAudit) -> None:
        try:
            await ask(self._bus, RECORD_AUDIT, request, Context(command_id=self._ids.new()))
        except Refusal as refusal:
            log.error("audit not written yet", refusal=refusal.message, action=request.entry.action)
            self._late.append(request)

    def sweep(self) -> None:
        """Write what was counted and what is late, where it is time."""
        for entry in self._summary.over(self._clock.monotonic()):
            self._begin(entry)
        if not self._tasks:  # one that is late again stays so until the next look
            for _ in range(len(self._late)):
                self._begin(self._late.popleft().entry)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
