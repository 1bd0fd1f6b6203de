"""The audit's shell: puts entries on record in groups, one link of the chain each. Any host may run it.

Two hosts may write at once: each write names the chain's last sequence, so the second is fenced, reads what the
first wrote, and links behind that.
"""

import asyncio
import contextlib

import msgspec
import structlog

from actors.audit.chain import GENESIS, link
from actors.runtime.bus import Bus, BusError, Fenced
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.service import Service
from bus_schemas.audit import AUDIT_RECORDED, RECORD_AUDIT, Audited, AuditEntry, AuditRecorded, RecordAudit
from bus_schemas.errors import ErrorCode, Refusal

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.audit.chain.*"
WAITING = 1024  # entries that may wait; more are refused
GROUP = 128  # entries in one link
WRITE_TRIES = 8

FULL = Refusal(ErrorCode.UNAVAILABLE, "The audit cannot keep up. Try again.")
NOT_WRITTEN = Refusal(ErrorCode.UNAVAILABLE, "The audit could not be written. Try again.")

Waiting = tuple[AuditEntry, "asyncio.Future[int]"]


class Audit:
    """Writes the one chain of the site."""

    def __init__(self, *, bus: Bus, ids: Ids) -> None:
        self._bus = bus
        self._ids = ids
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(maxsize=WAITING)
        self._known = False
        self._seq, self._number, self._head = 0, 0, GENESIS
        self._task: asyncio.Task[None] | None = None
        self._service = Service(bus=bus, queue="audit", handlers={RECORD_AUDIT: self._record})

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write_all())
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while not self._queue.empty():
            self._queue.get_nowait()[1].set_exception(NOT_WRITTEN)

    async def record(self, entry: AuditEntry) -> int:
        """Put one entry on record. Returns its number. Raises Refusal(UNAVAILABLE)."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((entry, done))
        except asyncio.QueueFull:
            raise FULL from None
        return await done

    async def _record(self, request: RecordAudit, context: Context) -> Audited:
        return Audited(number=await self.record(request.entry))

    async def _write_all(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                first = await self._write([entry for entry, _ in group])
            except BusError as error:
                log.error("audit not written", entries=len(group), error=repr(error))
                self._known = False  # it may have been written: look before the next one
                first = 0
            for number, (_, done) in enumerate(group):
                if done.done():
                    continue
                if first:
                    done.set_result(first + number)
                else:
                    done.set_exception(NOT_WRITTEN)

    async def _write(self, entries: list[AuditEntry]) -> int:
        for _ in range(WRITE_TRIES):
            if not self._known:
                await self._look()
            recorded = link(self._number + 1, self._head, entries)
            headers = {"Nats-Msg-Id": self._ids.new()}
            try:
                seq = await self._bus.append(
                    AUDIT_RECORDED.subject, msgspec.json.encode(recorded), headers, scope=SCOPE, expect=self._seq
                )
            except Fenced:
                self._known = False
                continue
            self._seq, self._number, self._head = seq, self._number + len(entries), recorded.hash
            return recorded.first
        raise Fenced(SCOPE)

    async def _look(self) -> None:
        last = await self._bus.last(SCOPE)
        if last is None:
            self._seq, self._number, self._head = 0, 0, GENESIS
        else:
            recorded = msgspec.json.decode(last.data, type=AuditRecorded)
            self._seq, self._head = last.seq, recorded.hash
            self._number = recorded.first + len(recorded.entries) - 1
        self._known = True
