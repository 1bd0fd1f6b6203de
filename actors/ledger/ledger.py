"""The ledger's shell: folds the journal into its store in groups, and answers what is asked of the past.

What it has said it may be asked for at once: a query carries the journal's sequence that its asker has seen, and
waits until that is folded.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.ledger.follow import Following, Health
from actors.ledger.page import fitting, from_cursor, moment, to_cursor
from actors.ledger.repository import Repository, SlotRow, StoreDamaged, StoreFailed
from actors.runtime.bus import Bus, BusError, Message, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.problems import Problem
from actors.runtime.service import Service, serve
from actors.runtime.wire import Page
from bus_schemas.audit import LIST_AUDIT, AuditRecord, ListAudit
from bus_schemas.call import (
    CALLS_FEED,
    END_ABSENT,
    GET_CDR,
    GET_RECORDING,
    LIST_CDRS,
    OPEN_CALLS,
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
    OpenCall,
    OpenCalls,
    Phase,
    Recording,
    StartCall,
)
from bus_schemas.contract import UNDECODABLE
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

CATCH_UP = 1.0  # seconds a query waits for what its asker has seen
READERS = 2
MOST_OPEN_CALLS = 10_000  # in one answer; PAGE ends it before that
TRUNK_NEWS = 10.0  # seconds without news from a trunk's host, after which nobody knows how it is
START_PATIENCE = 30.0  # seconds that the start of everything else waits for a rebuild
SERVE_PAUSE = 1.0  # seconds between tries to serve

NO_CALL = Refusal(ErrorCode.NOT_FOUND, "No such call.")
NO_SLOT = Refusal(ErrorCode.NOT_FOUND, "No such slot.")
NOT_READABLE = Refusal(ErrorCode.UNAVAILABLE, "The records cannot be read now. Try again.")
OWNER_AWAY = Refusal(ErrorCode.UNAVAILABLE, "Its host is away for a moment. Try again.")

Telemetry = TypeVar("Telemetry", bound=Struct)


class Ledger:
    """The read models of one host. `threads=False`: the store is asked on the loop, as simulated time needs it."""

    def __init__(self, *, bus: Bus, repository: Repository, threads: bool = True) -> None:
        self._bus = bus
        self._repository = repository
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger-write") if threads else None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-read") if threads else None
        self._following = Following(bus=bus, store=repository, work=self._write)
        self._telemetry: dict[int, SlotTelemetry] = {}
        self._trunks: dict[str, tuple[float, TrunkView]] = {}
        self._serving: asyncio.Task[None] | None = None
        self._stops: list[Unsubscribe] = []
        self._service = Service(
            bus=bus,
            queue="ledger",
            handlers=(
                serve(PAST_CALL, self.past_call),
                serve(END_ABSENT, self.end_absent),
                serve(START_ABSENT, self.start_absent),
                serve(SLOT_ABSENT, self.slot_absent),
                serve(CALLS_FEED, self.calls_feed),
                serve(GET_CDR, self.get_cdr),
                serve(LIST_CDRS, self.list_cdrs),
                serve(OPEN_CALLS, self.open_calls),
                serve(GET_RECORDING, self.get_recording),
                serve(DIAL_ABSENT, self.dial_absent),
                serve(PBX_STATUS, self.pbx_status),
                serve(LIST_SLOTS, self.list_slots),
                serve(GET_ADB_COMMAND, self.get_adb_command),
                serve(LIST_AUDIT, self.list_audit),
            ),
        )

    @property
    def folded(self) -> int:
        """The last sequence of the journal that is in."""
        return self._following.folded

    @property
    def health(self) -> Health:
        """Whether it serves, how far behind it is, and what is in its way."""
        return self._following.health

    def problems(self) -> list[Problem]:
        """What is in its way, and the entries of the journal that it could not take."""
        return self._following.problems()

    async def start(self) -> None:
        """Go on where the store ends; serve once it is as far as the journal is now. That is waited for, but not when
        the store fails, and not for ever: the records come later, then."""
        self._stops.append(await self._bus.subscribe(SLOT_TELEMETRY.pattern, self._hear_telemetry))
        self._stops.append(await self._bus.subscribe(TRUNK_TELEMETRY.pattern, self._hear_trunk))
        await self._following.start()
        self._serving = asyncio.get_running_loop().create_task(self._serve())
        try:
            async with asyncio.timeout(START_PATIENCE):
                if await self._following.until_settled():
                    await asyncio.shield(self._serving)
        except TimeoutError:
            log.warning("the records are being rebuilt, and are served when that is done", folded=self.folded)

    async def _serve(self) -> None:
        await self._following.until_ready()
        while True:
            try:
                return await self._service.start()
            except BusError as error:
                log.warning("ledger not served yet", error=repr(error))
                await self._service.stop()
                await asyncio.sleep(SERVE_PAUSE)

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        await self._service.stop()
        for stop in self._stops:
            await stop()
        await self._following.stop()
        for pool in (self._writer, self._readers):
            if pool is not None:
                pool.shutdown(wait=True)
        self._repository.close()

    # --- hearing

    async def _hear_telemetry(self, message: Message) -> None:
        telemetry = _reading(message, SlotTelemetry)
        if telemetry is not None:
            self._telemetry[telemetry.slot] = telemetry

    async def _hear_trunk(self, message: Message) -> None:
        telemetry = _reading(message, TrunkTelemetry)
        if telemetry is not None:
            self._trunks[telemetry.trunk] = (asyncio.get_running_loop().time(), telemetry.view)

    # --- the store

    async def _write(self, work: Any, *args: Any, **more: Any) -> Any:
        return await self._in(self._writer, work, *args, **more)

    async def _read(self, context: Context, work: Any, *args: Any) -> Any:
        """Ask the store, once what the asker has seen is in. Raises Refusal(UNAVAILABLE)."""
        await self._following.until(context.after, deadline=CATCH_UP)
        generation = self._following.generation
        try:
            return await self._in(self._readers, work, *args)
        except StoreFailed as error:
            log.error("records not readable", kind=error.kind, error=str(error))
            if isinstance(error, StoreDamaged):
                self._following.damaged(generation, str(error))
            raise NOT_READABLE from None

    async def _in(self, pool: ThreadPoolExecutor | None, work: Any, *args: Any, **more: Any) -> Any:
        if pool is None:
            return work(*args, **more)
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(*args, **more))

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
        for row in rows:
            if row.config.id == slot and _sees(context, "slot", row.config.user):
                return Refusal(OWNER_AWAY.code, OWNER_AWAY.message, slot=row.config.id, host=row.config.host)
        return NO_SLOT

    async def calls_feed(self, request: CallsFeed, context: Context) -> Page:
        before = from_cursor(request.cursor)
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
        return Page(body=[view for _, view in shown], next_cursor=to_cursor(shown[-1][0]) if more else None)

    async def get_cdr(self, request: GetCdr, context: Context) -> Cdr:
        found: Cdr | None = await self._read(context, self._repository.cdr, request.call_id)
        if found is None or not _sees(context, "call", found.user):
            raise Refusal(ErrorCode.NOT_FOUND, "No record: there is no such call, or it has not ended.")
        return found

    async def list_cdrs(self, request: ListCdrs, context: Context) -> Page:
        wanted = msgspec.structs.replace(request, since=moment(request.since), until=moment(request.until))
        before = from_cursor(request.cursor)
        rows: list[tuple[str, Cdr]] = await self._read(
            context,
            lambda: self._repository.cdrs(
                wanted,
                limit=request.limit + 1,
                before=int(before) if before else None,
                user=None if Action.CALL_VIEW_ANY in context.actions else context.user,
            ),
        )
        shown = fitting([cdr for _, cdr in rows[: request.limit]])
        more = len(rows) > len(shown)
        return Page(body=shown, next_cursor=to_cursor(rows[len(shown) - 1][0]) if more else None)

    async def open_calls(self, request: OpenCalls, context: Context) -> list[OpenCall]:
        wanted = msgspec.structs.replace(request, before=moment(request.before))
        rows: list[OpenCall] = await self._read(
            context, lambda: self._repository.open_calls(wanted, limit=MOST_OPEN_CALLS)
        )
        return fitting(rows)

    async def get_recording(self, request: GetRecording, context: Context) -> Recording:
        await self.past_call(GetCall(call_id=request.call_id), context)
        where: str | None = await self._read(context, self._repository.recording, request.call_id)
        if where is None:
            raise Refusal(ErrorCode.NOT_FOUND, "This call was not recorded.")
        pbx, _, file = where.partition("/")
        return Recording(call_id=request.call_id, pbx=pbx, file=file)

    async def dial_absent(self, request: DialPbx, context: Context) -> PbxCallStarted:
        rows: list[TrunkView] = await self._read(context, self._repository.trunks)
        for row in rows:
            if row.name == request.trunk:
                raise Refusal(OWNER_AWAY.code, OWNER_AWAY.message, trunk=row.name, host=row.host)
        raise Refusal(ErrorCode.NOT_FOUND, "No such trunk.")

    async def pbx_status(self, request: GetPbxStatus, context: Context) -> PbxStatus:
        rows: list[TrunkView] = await self._read(context, self._repository.trunks)
        return PbxStatus(trunks=[self._trunk(row) for row in rows])

    def _trunk(self, row: TrunkView) -> TrunkView:
        heard, view = self._trunks.get(row.name, (0.0, None))
        if view is not None and asyncio.get_running_loop().time() - heard <= TRUNK_NEWS:
            return view
        return msgspec.structs.replace(row, state=TrunkState.DOWN, reason="no news from its host")

    async def list_slots(self, request: ListSlots, context: Context) -> Page:
        after = int(from_cursor(request.cursor) or 0)
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
            next_cursor=to_cursor(str(shown[-1].config.id)) if more else None,
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
        wanted = msgspec.structs.replace(request, since=moment(request.since), until=moment(request.until))
        before = from_cursor(request.cursor)
        rows: list[AuditRecord] = await self._read(
            context,
            lambda: self._repository.audit(wanted, limit=request.limit + 1, before=int(before) if before else None),
        )
        shown = fitting(rows[: request.limit])
        more = len(rows) > len(shown)
        return Page(body=shown, next_cursor=to_cursor(str(shown[-1].number)) if more else None)

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


def _reading(message: Message, type: type[Telemetry]) -> Telemetry | None:
    """A host's figures. None when they are not what they should be: the next ones come soon."""
    try:
        return msgspec.json.decode(message.data, type=type)
    except UNDECODABLE as error:
        log.warning("telemetry not understood", subject=message.subject, error=str(error))
        return None
