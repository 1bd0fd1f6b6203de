"""The ledger's shell: folds the journal into its store in groups, and answers what is asked of the past.

What it has said it may be asked for at once: a query carries the journal's sequence that its asker has seen, and
waits until that is folded.
"""

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.ledger.repository import Folded, Repository, SlotRow
from actors.runtime.bus import Bus, Message, Recorded, Unsubscribe
from actors.runtime.clock import parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.service import Service
from actors.runtime.wire import Page
from bus_schemas import audit, call, slot, trunk
from bus_schemas.audit import LIST_AUDIT, AuditRecord, ListAudit
from bus_schemas.call import (
    CALLS_FEED,
    END_ABSENT,
    GET_CDR,
    GET_RECORDING,
    LIST_CDRS,
    PAST_CALL,
    START_ABSENT,
    CallsFeed,
    CallStarted,
    CallView,
    Cdr,
    EndCall,
    GetCall,
    GetCdr,
    GetRecording,
    ListCdrs,
    Phase,
    Recording,
    StartCall,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import (
    GET_ADB_COMMAND,
    LIST_SLOTS,
    SLOT_ABSENT,
    SLOT_TELEMETRY,
    AbsentSlot,
    AdbCommandResult,
    GetAdbCommand,
    ListSlots,
    Metrics,
    SlotDetails,
    SlotSummary,
    SlotTelemetry,
)
from bus_schemas.trunk import (
    DIAL_ABSENT,
    PBX_STATUS,
    TRUNK_TELEMETRY,
    DialPbx,
    GetPbxStatus,
    PbxCallStarted,
    PbxStatus,
    TrunkState,
    TrunkTelemetry,
    TrunkView,
)
from bus_schemas.visibility import visible

log = structlog.get_logger()

SCOPE = "ottb.v1.evt.>"
QUEUE = 10_000  # events read and not yet folded; a full queue holds the reading back
GROUP = 1_000  # events in one transaction
CATCH_UP = 1.0  # seconds a query waits for what its asker has seen
READERS = 2
TRUNK_NEWS = 10.0  # seconds without news from a trunk's host, after which nobody knows how it is
PAGE = 800_000  # bytes of a page: an answer has to fit into one message of the bus (1 MB)

NO_CALL = Refusal(ErrorCode.NOT_FOUND, "No such call.")
NO_SLOT = Refusal(ErrorCode.NOT_FOUND, "No such slot.")
OWNER_AWAY = Refusal(ErrorCode.UNAVAILABLE, "Its host is away for a moment. Try again.")

TOPICS = {
    (kind, topic.past): topic
    for kind, module in (("call", call), ("slot", slot), ("trunk", trunk), ("audit", audit))
    for topic in module.TOPICS
}


Row = TypeVar("Row", bound=Struct)


class Ledger:
    """The read models of one host."""

    def __init__(self, *, bus: Bus, repository: Repository) -> None:
        self._bus = bus
        self._repository = repository
        self._queue: asyncio.Queue[Folded] = asyncio.Queue(maxsize=QUEUE)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-write")
        self._readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="ledger-read")
        self._telemetry: dict[int, SlotTelemetry] = {}
        self._trunks: dict[str, tuple[float, TrunkView]] = {}
        self._folded = 0
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._stops: list[Unsubscribe] = []
        self._service = Service(
            bus=bus,
            queue="ledger",
            handlers={
                PAST_CALL: self.past_call,
                END_ABSENT: self.end_absent,
                START_ABSENT: self.start_absent,
                SLOT_ABSENT: self.slot_absent,
                CALLS_FEED: self.calls_feed,
                GET_CDR: self.get_cdr,
                LIST_CDRS: self.list_cdrs,
                GET_RECORDING: self.get_recording,
                DIAL_ABSENT: self.dial_absent,
                PBX_STATUS: self.pbx_status,
                LIST_SLOTS: self.list_slots,
                GET_ADB_COMMAND: self.get_adb_command,
                LIST_AUDIT: self.list_audit,
            },
        )

    @property
    def folded(self) -> int:
        """The last sequence of the journal that is in."""
        return self._folded

    async def start(self) -> None:
        """Go on where the store ends; serve once it is as far as the journal is now."""
        self._folded = await self._write(self._repository.sequence)
        self._task = asyncio.get_running_loop().create_task(self._fold())
        self._stops.append(await self._bus.follow(SCOPE, self._hear, after=self._folded))
        self._stops.append(await self._bus.subscribe(SLOT_TELEMETRY.pattern, self._hear_telemetry))
        self._stops.append(await self._bus.subscribe(TRUNK_TELEMETRY.pattern, self._hear_trunk))
        await self._until(await self._bus.last_seq(), deadline=None)
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
        for stop in self._stops:
            await stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._repository.close()

    # --- folding

    async def _hear(self, recorded: Recorded) -> None:
        await self._queue.put(Folded(seq=recorded.seq, event=_decode(recorded)))

    async def _hear_telemetry(self, message: Message) -> None:
        telemetry = msgspec.json.decode(message.data, type=SlotTelemetry)
        self._telemetry[telemetry.slot] = telemetry

    async def _hear_trunk(self, message: Message) -> None:
        telemetry = msgspec.json.decode(message.data, type=TrunkTelemetry)
        self._trunks[telemetry.trunk] = (asyncio.get_running_loop().time(), telemetry.view)

    async def _fold(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            await self._write(self._repository.fold, group)
            async with self._moved:
                self._folded = group[-1].seq
                self._moved.notify_all()

    async def _until(self, seq: int, *, deadline: float | None) -> None:
        if self._folded >= seq:
            return
        try:
            async with asyncio.timeout(deadline), self._moved:
                await self._moved.wait_for(lambda: self._folded >= seq)
        except TimeoutError:
            raise Refusal(ErrorCode.UNAVAILABLE, "The records are behind. Try again.") from None

    async def _write(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *args)

    async def _read(self, context: Context, work: Any, *args: Any) -> Any:
        await self._until(context.after, deadline=CATCH_UP)
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: work(*args))

    # --- contract lines

    async def past_call(self, request: GetCall, context: Context) -> CallView:
        found: CallView | None = await self._read(context, self._repository.call, request.call_id)
        if found is None or not _sees(context, "call", found.user):
            raise NO_CALL
        return found

    async def end_absent(self, request: EndCall, context: Context) -> CallView:
        found = await self.past_call(GetCall(call_id=request.call_id), context)
        if found.phase is not Phase.ENDED:
            raise OWNER_AWAY
        return found

    async def start_absent(self, request: StartCall, context: Context) -> CallStarted:
        raise await self._why_absent(request.slot, context)

    async def slot_absent(self, request: AbsentSlot, context: Context) -> SlotDetails:
        raise await self._why_absent(request.slot, context)

    async def _why_absent(self, slot: int | str, context: Context) -> Refusal:
        rows: list[SlotRow] = await self._read(context, self._repository.slots)
        known = any(row.config.id == slot and _sees(context, "slot", row.config.user) for row in rows)
        return OWNER_AWAY if known else NO_SLOT

    async def calls_feed(self, request: CallsFeed, context: Context) -> Page:
        before = _from_cursor(request.cursor)
        rows: list[tuple[str, CallView]] = await self._read(
            context,
            lambda: self._repository.calls(
                history=bool(request.all),
                limit=request.limit + 1,
                before=before,
                user=None if Action.CALL_VIEW_ANY in context.actions else context.user,
            ),
        )
        shown = rows[: request.limit]
        more = len(rows) > request.limit
        return Page(body=[view for _, view in shown], next_cursor=_to_cursor(shown[-1][0]) if more else None)

    async def get_cdr(self, request: GetCdr, context: Context) -> Cdr:
        found: Cdr | None = await self._read(context, self._repository.cdr, request.call_id)
        if found is None or not _sees(context, "call", found.user):
            raise Refusal(ErrorCode.NOT_FOUND, "No record: there is no such call, or it has not ended.")
        return found

    async def list_cdrs(self, request: ListCdrs, context: Context) -> Page:
        wanted = msgspec.structs.replace(request, since=_moment(request.since), until=_moment(request.until))
        before = _from_cursor(request.cursor)
        rows: list[tuple[str, Cdr]] = await self._read(
            context,
            lambda: self._repository.cdrs(
                wanted,
                limit=request.limit + 1,
                before=int(before) if before else None,
                user=None if Action.CALL_VIEW_ANY in context.actions else context.user,
            ),
        )
        shown = _fitting([cdr for _, cdr in rows[: request.limit]])
        more = len(rows) > len(shown)
        return Page(body=shown, next_cursor=_to_cursor(rows[len(shown) - 1][0]) if more else None)

    async def get_recording(self, request: GetRecording, context: Context) -> Recording:
        await self.past_call(GetCall(call_id=request.call_id), context)
        where: str | None = await self._read(context, self._repository.recording, request.call_id)
        if where is None:
            raise Refusal(ErrorCode.NOT_FOUND, "This call was not recorded.")
        pbx, _, file = where.partition("/")
        return Recording(call_id=request.call_id, pbx=pbx, file=file)

    async def dial_absent(self, request: DialPbx, context: Context) -> PbxCallStarted:
        rows: list[TrunkView] = await self._read(context, self._repository.trunks)
        known = any(row.name == request.trunk for row in rows)
        raise OWNER_AWAY if known else Refusal(ErrorCode.NOT_FOUND, "No such trunk.")

    async def pbx_status(self, request: GetPbxStatus, context: Context) -> PbxStatus:
        rows: list[TrunkView] = await self._read(context, self._repository.trunks)
        return PbxStatus(trunks=[self._trunk(row) for row in rows])

    def _trunk(self, row: TrunkView) -> TrunkView:
        heard, view = self._trunks.get(row.name, (0.0, None))
        if view is not None and asyncio.get_running_loop().time() - heard <= TRUNK_NEWS:
            return view
        return msgspec.structs.replace(row, state=TrunkState.DOWN, reason="no news from its host")

    async def list_slots(self, request: ListSlots, context: Context) -> Page:
        after = int(_from_cursor(request.cursor) or 0)
        rows: list[SlotRow] = await self._read(context, self._repository.slots)
        wanted = [
            row
            for row in rows
            if row.config.id > after
            and request.status in (None, row.status)
            and request.user in (None, row.config.user)
            and _sees(context, "slot", row.config.user)
        ]
        shown = wanted[: request.limit]
        more = len(wanted) > request.limit
        return Page(
            body=[self._summary(row) for row in shown],
            next_cursor=_to_cursor(str(shown[-1].config.id)) if more else None,
        )

    async def get_adb_command(self, request: GetAdbCommand, context: Context) -> AdbCommandResult:
        found: AdbCommandResult | None = await self._read(
            context, self._repository.command, request.slot, request.command_id
        )
        rows: list[SlotRow] = await self._read(context, self._repository.slots)
        seen = any(row.config.id == request.slot and _sees(context, "slot", row.config.user) for row in rows)
        if found is None or not seen:
            raise Refusal(ErrorCode.NOT_FOUND, "No such command on this slot.")
        return found

    async def list_audit(self, request: ListAudit, context: Context) -> Page:
        wanted = msgspec.structs.replace(request, since=_moment(request.since), until=_moment(request.until))
        before = _from_cursor(request.cursor)
        rows: list[AuditRecord] = await self._read(
            context,
            lambda: self._repository.audit(wanted, limit=request.limit + 1, before=int(before) if before else None),
        )
        shown = _fitting(rows[: request.limit])
        more = len(rows) > len(shown)
        return Page(body=shown, next_cursor=_to_cursor(str(shown[-1].number)) if more else None)

    def _summary(self, row: SlotRow) -> SlotSummary:
        telemetry = self._telemetry.get(row.config.id)
        return SlotSummary(
            id=row.config.id,
            status=row.status,
            device=telemetry.device if telemetry else None,
            user=row.config.user,
            trunk=row.config.trunk,
            last_activity=row.last_activity,
            metrics=telemetry.metrics if telemetry else Metrics(),
            call_id=row.call_id,
            external_call=telemetry.external_call if telemetry else False,
        )


def _sees(context: Context, kind: str, owner: str | None) -> bool:
    return visible(kind, owner, user=context.user, actions=context.actions)


def _decode(recorded: Recorded) -> Any:
    _, _, _, kind, *_, past = recorded.subject.split(".")
    topic = TOPICS.get((kind, past))
    if topic is None:
        return None
    try:
        return msgspec.json.decode(recorded.data, type=topic.event)
    except msgspec.DecodeError as error:  # of a later version: the rest of the journal counts all the same
        log.error("event not understood", subject=recorded.subject, seq=recorded.seq, error=str(error))
        return None


def _moment(text: str | None) -> str | None:
    """A date or a time as the records write it, so that they compare as text. Raises Refusal(INVALID_PARAMS)."""
    if text is None:
        return None
    try:
        return utc(parse_utc(text).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Refusal(ErrorCode.INVALID_PARAMS, "No such date or time.", given=text) from None


def _fitting(rows: list[Row]) -> list[Row]:
    """As many of the first rows as go into one answer."""
    size = 0
    for place, row in enumerate(rows):
        size += len(msgspec.json.encode(row))
        if size > PAGE:
            return rows[:place]
    return rows


def _to_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _from_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not key.isdigit() or len(key) > 18:
        raise Refusal(ErrorCode.INVALID_PARAMS, "Not a cursor of this list.")
    return key
