"""Slots and the shell commands on their phones in the ledger. A slot's row names the call of its own phone that is not
over; a call through a trunk leaves the phone alone."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel, sees
from actors.ledger.model import METADATA, Projection, Query, columns, made_of
from actors.ledger.page import from_cursor, page
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.call import START_ABSENT, CallDialing, CallEnded, CallStarted, StartCall
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import SYSTEM
from bus_schemas.slot import (
    GET_ADB_COMMAND,
    LIST_SLOTS,
    RECORDED_SLOT,
    SLOT,
    SLOT_ABSENT,
    SLOT_TELEMETRY,
    AbsentSlot,
    AdbCommandResult,
    AdbCommandStatus,
    GetAdbCommand,
    GetSlot,
    ListSlots,
    Metrics,
    SlotActivated,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotDetails,
    SlotEvent,
    SlotLinked,
    SlotRemoved,
    SlotReservationEnded,
    SlotReserved,
    SlotRestarting,
    SlotStatus,
    SlotSummary,
    SlotTelemetry,
)
from bus_schemas.slot_health import Condition, Quarantine, SlotConditionsChanged, SlotQuarantined, SlotReleased

CONFIG = msgspec.json.Decoder(SlotConfig)
QUARANTINE = msgspec.json.Decoder(Quarantine)
CONDITIONS = msgspec.json.Decoder(tuple[Condition, ...])
UNKNOWN = str(SlotStatus.UNKNOWN)
NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")


class SlotRow(Struct, frozen=True, gc=False):
    """`config`: a SlotConfig as JSON; none while there is no slot of this number and only the call of its phone is
    remembered, for a slot that is made anew meanwhile. `quarantine`, `conditions`: as JSON, of a Quarantine and of
    Conditions; None: none."""

    slot: int
    config: str | None = None
    status: str = UNKNOWN
    call_id: str | None = None
    last_activity: str | None = None
    reserved_by: str | None = None
    reserved_until: str | None = None
    quarantine: str | None = None
    conditions: str | None = None


class CommandRow(Struct, frozen=True, gc=False):
    """One shell command. `end_time` None: it has not ended."""

    command_id: str
    slot: int
    command: str
    user: str
    start_time: str
    end_time: str | None = None
    exit_code: int | None = None
    output: str | None = None
    truncated: bool = False
    error: str | None = None


SLOTS = sa.Table("slots", METADATA, *columns(SlotRow, primary="slot"))
COMMANDS = sa.Table("commands", METADATA, *columns(CommandRow, primary="command_id"))


def fold(row: SlotRow | None, event: SlotEvent | CallDialing | CallEnded, seq: int) -> SlotRow | None:
    """The slot after an event."""
    match event:
        case CallDialing() | CallEnded():
            return _after_call(row, event)
        case SlotConfigured():
            return _configured(row or SlotRow(event.slot), event)
    if row is None or row.config is None:
        return row
    match event:
        case SlotRemoved():
            return SlotRow(row.slot, call_id=row.call_id) if row.call_id is not None else None
        case SlotActivated():
            return replace(row, status=UNKNOWN)
        case SlotRestarting():
            left_alone = row.quarantine if event.by == SYSTEM else None
            return replace(row, status=str(event.status), last_activity=event.at, quarantine=left_alone)
        case SlotLinked():
            return replace(row, status=str(event.status), last_activity=event.at)
        case SlotReserved():
            return replace(row, reserved_by=event.user, reserved_until=event.until, last_activity=event.at)
        case SlotReservationEnded():
            return replace(row, reserved_by=None, reserved_until=None, last_activity=event.at)
    return _after_care(row, event)


def _after_care(row: SlotRow, event: object) -> SlotRow:
    match event:
        case SlotQuarantined(dry_run=False):
            return replace(row, quarantine=msgspec.json.encode(event.quarantine).decode())
        case SlotReleased():
            return replace(row, quarantine=None)
        case SlotConditionsChanged():
            return replace(row, conditions=msgspec.json.encode(event.conditions).decode() if event.conditions else None)
    return row


def _configured(row: SlotRow, event: SlotConfigured) -> SlotRow:
    """What was known of its phone is not, where it is another one by now."""
    config = msgspec.json.encode(event.config).decode()
    if row.config is not None and CONFIG.decode(row.config).place != event.config.place:
        row = replace(row, quarantine=None, conditions=None)
    return replace(row, config=config, last_activity=event.at)


def _after_call(row: SlotRow | None, event: CallDialing | CallEnded) -> SlotRow | None:
    if event.trunk is not None or event.slot is None:
        return row
    if isinstance(event, CallDialing):
        return replace(row or SlotRow(event.slot), call_id=event.call_id, last_activity=event.at)
    if row is None or row.call_id != event.call_id:
        return row
    return replace(row, call_id=None, last_activity=event.at) if row.config is not None else None


def fold_command(
    row: CommandRow | None, event: SlotCommandStarted | SlotCommandDone, seq: int
) -> CommandRow | None:
    """The command after an event."""
    if isinstance(event, SlotCommandStarted):
        return row or CommandRow(event.command_id, event.slot, event.command, event.by, event.at)
    return row and replace(
        row,
        end_time=event.at,
        exit_code=event.exit_code,
        output=event.output,
        truncated=event.truncated,
        error=event.error,
    )


PROJECTIONS = (
    Projection(
        table=SLOTS, row=SlotRow, key="slot", events=(*get_args(SlotEvent), CallDialing, CallEnded), fold=fold
    ),
    Projection(
        table=COMMANDS,
        row=CommandRow,
        key="command_id",
        events=(SlotCommandStarted, SlotCommandDone),
        fold=fold_command,
        once=frozenset({"slot", "command", "user", "start_time"}),
    ),
)


# --- queries ------------------------------------------------------------------------------------------------------


class RecordedSlot(Struct, frozen=True, kw_only=True):
    """What is on record of a slot."""

    config: SlotConfig
    status: SlotStatus
    call_id: str | None
    last_activity: str | None
    reserved_by: str | None = None
    reserved_until: str | None = None
    quarantine: Quarantine | None = None
    conditions: tuple[Condition, ...] = ()


def all_slots() -> Query[RecordedSlot]:
    """All slots by number."""
    found = sa.select(SLOTS).where(SLOTS.c.config.is_not(None)).order_by(SLOTS.c.slot)
    return Query(found, made_of(SlotRow, _recorded))


def one_slot(slot: int) -> Query[RecordedSlot]:
    """It."""
    return Query(
        sa.select(SLOTS).where(SLOTS.c.slot == slot, SLOTS.c.config.is_not(None)), made_of(SlotRow, _recorded)
    )


def command(slot: int, command_id: str) -> Query[AdbCommandResult]:
    found = sa.select(COMMANDS).where(COMMANDS.c.command_id == command_id, COMMANDS.c.slot == slot)
    return Query(found, made_of(CommandRow, _result))


def _recorded(row: SlotRow) -> RecordedSlot:
    return RecordedSlot(
        config=CONFIG.decode(row.config or ""),
        status=SlotStatus(row.status),
        call_id=row.call_id,
        last_activity=row.last_activity,
        reserved_by=row.reserved_by,
        reserved_until=row.reserved_until,
        quarantine=QUARANTINE.decode(row.quarantine) if row.quarantine is not None else None,
        conditions=CONDITIONS.decode(row.conditions) if row.conditions is not None else (),
    )


def _result(row: CommandRow) -> AdbCommandResult:
    over = row.end_time is not None
    status = AdbCommandStatus.EXECUTING
    if over:
        status = AdbCommandStatus.FAILED if row.error else AdbCommandStatus.DONE
    return AdbCommandResult(
        command_id=row.command_id,
        slot=row.slot,
        command=row.command,
        user=row.user,
        status=status,
        start_time=row.start_time,
        end_time=row.end_time,
        exit_code=row.exit_code,
        output=row.output,
        truncated=row.truncated,
        error=row.error,
    )


# --- answers ------------------------------------------------------------------------------------------------------


class HearsSlots(Answers):
    """Who answers with what slots have told of their phones last (`_telemetry`), which is not kept."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._telemetry: dict[int, SlotTelemetry] = {}

    def hears(self) -> Mapping[Topic[Any], Callable[[Any], Awaitable[None]]]:
        return {SLOT_TELEMETRY: self.hear_telemetry}

    async def hear_telemetry(self, telemetry: SlotTelemetry) -> None:
        self._telemetry[telemetry.slot] = telemetry


class SlotAnswers(HearsSlots):
    """What is asked of all slots, of those that nobody owns now, and of commands."""

    def handlers(self) -> tuple[Served, ...]:
        return (
            serve(START_ABSENT, self.start_absent),
            serve(SLOT_ABSENT, self.slot_absent),
            serve(RECORDED_SLOT, self.recorded_slot),
            serve(LIST_SLOTS, self.list_slots),
            serve(GET_ADB_COMMAND, self.get_adb_command),
        )

    async def start_absent(self, request: StartCall, context: Context) -> CallStarted:
        raise await self._why_absent(request.slot, context)

    async def slot_absent(self, request: AbsentSlot, context: Context) -> SlotDetails:
        raise await self._why_absent(request.slot, context)

    async def _why_absent(self, slot: int | str, context: Context) -> Refusal:
        if isinstance(slot, str):
            return NO_SLOT()
        row = await self.one(context, one_slot(slot))
        if row is None or not sees(context, SLOT, row.config.user):
            return NO_SLOT()
        return OWNER_AWAY(slot=row.config.id, host=row.config.host)

    async def recorded_slot(self, request: GetSlot, context: Context) -> SlotSummary:
        row = await self.one(context, one_slot(request.slot))
        if row is None or not sees(context, SLOT, row.config.user):
            raise NO_SLOT()
        return self._summary(row)

    async def list_slots(self, request: ListSlots, context: Context) -> Page:
        after = from_cursor(request.cursor) or 0
        placed = await self.read_placed(context, all_slots(), short=True)
        wanted = [
            (row.config.id, self._summary(row))
            for row in placed.found
            if row.config.id > after
            and request.status in (None, row.status)
            and request.user in (None, row.config.user)
            and sees(context, SLOT, row.config.user)
        ]
        return page(wanted, limit=request.limit, seq=placed.seq)

    async def get_adb_command(self, request: GetAdbCommand, context: Context) -> AdbCommandResult:
        found = await self.one(context, command(request.slot, request.command_id))
        rows = await self.read(context, one_slot(request.slot), short=True)
        seen = any(sees(context, SLOT, row.config.user) for row in rows)
        if found is None or not seen:
            raise Refusal(ErrorCode.NOT_FOUND, "No such command on this slot.")
        return found

    def _summary(self, row: RecordedSlot) -> SlotSummary:
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
            reserved_by=row.reserved_by,
            reserved_until=row.reserved_until,
            quarantine=row.quarantine,
            conditions=row.conditions,
        )


READ_MODEL = ReadModel(topics=topics_of("slot"), projections=PROJECTIONS, answers=SlotAnswers)
