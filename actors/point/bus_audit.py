"""Logins on the bus, and their end by force, on the audit.

What is alike in a minute is one entry (`actors/runtime/alike.py`). A login does not wait long for its entry: who only
listens shall hear also while nothing can be written. What is late is written as soon as that is possible.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from actors.runtime.alike import STRANGERS, Alike
from actors.runtime.bus import Bus
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.audit import RECORD_AUDIT, AuditEntry, RecordAudit
from bus_schemas.errors import Refusal

log = structlog.get_logger()

LOGIN, CUT = "bus.login", "bus.cut"
LATE = 1_000  # entries that are kept while the audit is away
SECONDS = 0.5  # that a login waits for its entry
OK = "OK"

class BusAudit:
    """Puts on the audit what POINT does at the bus's door. `nearly_full`: whether the journal is."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids, nearly_full: Callable[[], bool] = lambda: False) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._alike = Alike(clock=clock, write=self._write, nearly_full=nearly_full)
        self._late: deque[AuditEntry] = deque(maxlen=LATE)
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
        told = self._alike.take(entry, user or STRANGERS)
        return self._begin(told) if told is not None else None

    def _begin(self, entry: AuditEntry) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._write(entry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _write(self, entry: AuditEntry) -> None:
        try:
            wanted = RecordAudit(entry=entry, intent=self._ids.new())
            await ask(self._bus, RECORD_AUDIT, wanted, Context(command_id=wanted.intent, fresh=True))
        except Refusal as refusal:
            log.error("audit not written yet", refusal=refusal.message, action=entry.action)
            self._late.append(entry)

    def sweep(self) -> None:
        """Write what is late."""
        if not self._tasks:  # one that is late again stays so until the next look
            for _ in range(len(self._late)):
                self._begin(self._late.popleft())

    async def stop(self) -> None:
        """Tell what was counted up to now."""
        await self._alike.stop()
        for task in self._tasks:
            task.cancel()
