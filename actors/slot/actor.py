"""The slot's shell: owns one phone, carries out what the machine decides, and keeps the pool up to date."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import structlog
from msgspec.structs import replace

from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect, TimerFired
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.slot import healing, machine, record, reservation, views
from actors.slot.hindrance import may_be_used
from actors.slot.machine import (
    CommandDone,
    Configure,
    EndCallOnPhone,
    LookAtPhone,
    RebootPhone,
    Reconnect,
    Remove,
    RunCommand,
    SlotDecision,
    SlotReport,
    Take,
    Taken,
    UsePhone,
)
from actors.slot.phone import Phone, PhoneBusy, PhoneError, PhoneRefused, PhoneUncertain, PhoneUnreachable
from actors.slot.pool import IdleSlot, Pool
from actors.slot.record import RESERVED, Slot, SlotMemory
from actors.slot.screen import Screen
from actors.slot.shell_bytes import ShellBytes, on_record
from actors.telephony.line import CallCounts
from actors.telephony.line_actor import LineActor
from actors.telephony.orders import Dial
from actors.telephony.reports import DialAccepted, DialFailed, DialUncertain, Link, LinkChanged, Look, Looked
from bus_schemas.call import EndReason
from bus_schemas.catalogue import topics_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.monitor import SLOT_FIGURES, GetSlotFigures, SlotFigures
from bus_schemas.permissions import Action
from bus_schemas.slot import (
    ADB_COMMAND,
    END_RESERVATION,
    GET_SLOT,
    REBOOT_DEVICE,
    RESERVE_SLOT,
    RESTART_SLOT,
    SLOT,
    SLOT_COMMAND_STARTED,
    SLOT_RESTARTING,
    SLOT_TELEMETRY,
    AdbCommand,
    AdbCommandStarted,
    EndReservation,
    GetSlot,
    RebootDevice,
    ReserveSlot,
    RestartSlot,
    SlotActivated,
    SlotConfig,
    SlotDetails,
    SlotEvent,
    SlotReservation,
    SlotRestartingReply,
)

log = structlog.get_logger()

NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")
DIAL_DEADLINE = 12.0  # seconds; whatever becomes of the order, the phone cannot act on it later
MAX_OUTPUT = 64 * 1024  # bytes of a shell command's output that are kept

NOTHING_YET = SlotMemory()  # one for all: ten thousand idle slots know the same

MakePhone = Callable[[SlotConfig], Phone]


class SlotActor(LineActor[Slot, SlotEvent, SlotMemory, SlotReport]):
    """One numbered place with its phone."""

    kind: ClassVar[str] = "slot"
    state_type = Slot
    topics = topics_of("slot")
    snapshots: ClassVar[bool] = True

    __slots__ = ("_longest_reservation", "_make_phone", "_phone", "_pool", "_shell_bytes", "live")

    def __init__(
        self, *, id: str, host: Host, counts: CallCounts, make_phone: MakePhone, pool: Pool, shell_bytes: ShellBytes,
        longest_reservation: int = 480,
    ) -> None:
        super().__init__(id=id, host=host, counts=counts)
        self.live = NOTHING_YET
        self._make_phone = make_phone
        self._phone: Phone | None = None
        self._pool = pool
        self._shell_bytes = shell_bytes
        self._longest_reservation = longest_reservation

    # --- commands

    def get(self, request: GetSlot, context: Context) -> Outcome[SlotDetails]:
        return Outcome(decision=NOTHING, reply=views.details(self._visible_to(context), self.live))

    def figures(self, request: GetSlotFigures, context: Context) -> Outcome[SlotFigures]:
        slot = self._visible_to(context)
        machine.must_be_online(slot, **views.last_figures(slot, self.live))
        return Outcome(decision=NOTHING, reply=views.figures(slot, self.live))

    def restart(self, request: RestartSlot, context: Context) -> Outcome[SlotRestartingReply]:
        decision = machine.restart(self._visible_to(context), self.live, context.user, self._now())
        return Outcome(decision=decision, reply=SlotRestartingReply(status="restarting", slot=request.slot))

    def reboot(self, request: RebootDevice, context: Context) -> Outcome[SlotRestartingReply]:
        decision = machine.reboot(self._visible_to(context), self.live, context.user, self._now())
        return Outcome(decision=decision, reply=SlotRestartingReply(status="rebooting", slot=request.slot))

    def adb_command(self, request: AdbCommand, context: Context) -> Outcome[AdbCommandStarted]:
        command_id = derived("k", context.command_id)
        decision = machine.run_command(
            self._visible_to(context), request, command_id, context.user, context.share, self._now()
        )
        self._shell_bytes.check(context.share)
        reply = AdbCommandStarted(status="executing", slot=request.slot, command_id=command_id)
        return Outcome(decision=decision, reply=reply)

    def reserve(self, request: ReserveSlot, context: Context) -> Outcome[SlotReservation]:
        decision = reservation.reserve(
            self._visible_to(context), self.live, context.user, minutes=request.minutes,
            most=self._longest_reservation, any_slot=context.may(Action.SLOT_USE_ANY), now=self._now(),
            lease=request.lease,
        )  # fmt: skip
        return Outcome(decision=decision, reply=lambda: views.reservation(self._slot(), context.user))

    def end_reservation(self, request: EndReservation, context: Context) -> Outcome[SlotReservation]:
        slot, anybodys = self._visible_to(context), context.may(Action.SLOT_RESERVE_ANY)
        decision = reservation.end(slot, context.user, anybodys=anybodys, now=self._now(), lease=request.lease)
        user = slot.reservation.user if slot.reservation is not None else context.user
        return Outcome(decision=decision, reply=lambda: views.reservation(self._slot(), user))

    commands = by_verb(
        command(GET_SLOT, get),
        command(SLOT_FIGURES, figures),
        command(RESERVE_SLOT, reserve),
        command(END_RESERVATION, end_reservation),
        command(RESTART_SLOT, restart, answered_beside=SLOT_RESTARTING),
        command(REBOOT_DEVICE, reboot, answered_beside=SLOT_RESTARTING),
        command(ADB_COMMAND, adb_command, answered_beside=SLOT_COMMAND_STARTED),
    )

    def _visible_to(self, context: Context) -> Slot:
        slot = self._slot()
        if not SLOT.visible(slot.config.user, user=context.user, actions=context.actions):
            raise NO_SLOT()
        return slot

    def _slot(self) -> Slot:
        if self.state is None or self.state.removed:
            raise NO_SLOT()
        return self.state

    # --- orders of this host

    def owners(self, state: Slot | None) -> tuple[str | None, ...]:
        return (state.config.user,) if state is not None else ()

    def take(self, order: Take, context: Context, now: Moment) -> Outcome[Taken]:
        slot = self._visible_to(context)
        decision = machine.take(slot, self.live, order)
        reply = Taken(slot=slot.config.id, region=slot.config.region, after_ref=self.live.ref, fence=self.fence)
        return Outcome(decision=decision, reply=reply)

    def configure(self, order: Configure, context: Context, now: Moment) -> Outcome[SlotDetails]:
        decision = machine.configure(self.state, self.live, order.config, context.user, now)
        return Outcome(decision=decision, reply=lambda: views.details(self._slot(), self.live))

    def remove(self, order: Remove, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=machine.remove(self._slot(), self.live, context.user, now), reply=None)

    def give_back(self, order: reservation.GiveBack, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=reservation.given_back(self._slot(), order.user, now), reply=None)

    def heal(self, order: healing.Heal, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=healing.heal(self._slot(), self.live, order, now), reply=None)

    def give_up_on(self, order: healing.GiveUpOn, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=healing.give_up_on(self._slot(), self.live, order, now), reply=None)

    def use_again(self, order: healing.UseAgain, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=healing.use_again(self._slot(), now), reply=None)

    def hold_charge(self, order: healing.HoldCharge, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=healing.hold_charge(self._slot(), self.live, order, now), reply=None)

    def note_conditions(self, order: healing.NoteConditions, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=healing.note_conditions(self._slot(), order, now), reply=None)

    orders = by_type(
        Take.by(take), Configure.by(configure), Remove.by(remove), reservation.GiveBack.by(give_back),
        healing.Heal.by(heal), healing.GiveUpOn.by(give_up_on), healing.UseAgain.by(use_again),
        healing.NoteConditions.by(note_conditions), healing.HoldCharge.by(hold_charge),
    )

    # --- the machine's place

    evolve = staticmethod(record.evolve)

    def owner_on_record(self) -> str | None:
        return self.state.config.host if self.state is not None and not self.state.removed else None

    @property
    def under_way(self) -> bool:
        return bool(self.live.held)

    def observed(self, report: SlotReport, now: Moment) -> SlotDecision:
        if isinstance(report, TimerFired) and report.name == RESERVED:
            return reservation.run_out(self.state, now) if self.state is not None else SlotDecision()
        return machine.observe(self.state, self.live, report, now)

    def barrier(self, now: Moment, epoch: int) -> SlotActivated:
        return SlotActivated(slot=int(self.id), at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> SlotDecision:
        decision, slot = machine.resume(self.state, now), self.state
        if slot is None or slot.removed:
            return decision
        return replace(decision, effects=(*decision.effects, *reservation.resumed(slot, now)))

    def remember(self, memory: SlotMemory) -> None:
        slot, before = self.state, self.live
        foreign = slot is not None and record.external(slot, memory) != record.external(slot, before)
        news = memory.health is not before.health or foreign
        self.live = memory
        if news:
            self.spawn(self._publish_telemetry())

    def state_changed(self) -> None:
        slot = self.state
        if slot is not None and self._live and not self.stands_in and may_be_used(slot, self.live):
            config = slot.config
            place = IdleSlot(slot=config.id, user=config.user, region=config.region, last_used=slot.last_used)
            self._pool.put(place)
        else:
            self._pool.drop(int(self.id))

    async def terminate(self) -> None:
        self._pool.drop(int(self.id))
        await super().terminate()
        phone, self._phone = self._phone, None
        if phone is not None:
            await phone.close()

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case UsePhone(config=config):
                self.spawn(self._use_phone(config))
            case EndCallOnPhone():
                self.spawn(self._hang_up(effect))
            case LookAtPhone():
                self.spawn(self._look(effect))
            case Reconnect():
                self.spawn(self._reconnect())
            case healing.Reopen():
                self.spawn(self._reopen())
            case RebootPhone():
                self.spawn(self._reboot())
            case RunCommand():
                self.spawn(self._run(effect))
            case _:
                super().perform(effect)

    async def _use_phone(self, config: SlotConfig) -> None:
        old, self._phone = self._phone, None
        try:
            self._phone = self._make_phone(config)
        except Refusal as refusal:  # the settings have changed since: its place is none any more
            self.tell(LinkChanged(link=Link.ABSENT, detail=refusal.message))
        if old is not None:
            await old.close()
        if self._phone is not None:
            self._phone.start(self.tell)

    async def _publish_telemetry(self) -> None:
        if self.state is not None:
            event = views.telemetry(self.state, self.live, self._now())
            await self._host.feeds.publish(SLOT_TELEMETRY, event, self.owners(self.state))

    async def _dial(self, order: Dial) -> DialAccepted | DialFailed | DialUncertain:
        before = self.live.ref

        def leaves() -> bool:
            """Asked when the order can go: calls that came up while it waited were before it."""
            nonlocal before
            before = self.live.ref
            return self.wanted(order.call_id)

        try:
            async with asyncio.timeout(DIAL_DEADLINE):
                await self._the_phone().dial(order.attempt.number, order.call_id, leaves)
        except PhoneUnreachable as error:
            if not self.wanted(order.call_id):
                return self.withdrawn(order.call_id)
            return DialFailed(cause=str(error), reason=EndReason.PHONE_LOST)
        except PhoneRefused as error:
            if isinstance(error, PhoneBusy):
                self.spawn(self._look(LookAtPhone(why="link")))
            return DialFailed(cause=str(error), reason=EndReason.NOT_DIALED)
        except (PhoneUncertain, TimeoutError) as error:
            return DialUncertain(cause=str(error) or "no answer in time")
        attempt = order.attempt
        log.info("dialled", slot=self.id, call_id=attempt.call_id, number=attempt.number, trace_id=attempt.trace_id)
        return DialAccepted(after_ref=before)

    async def _hang_up(self, order: EndCallOnPhone) -> None:
        try:
            if await self._host.may_act_once_verified():
                await self._the_phone().hang_up(order.ref)
        except PhoneError as error:  # the call's own timer looks and tries again
            log.warning("hang-up failed", slot=self.id, call_id=order.call_id, error=str(error))

    async def _look(self, order: LookAtPhone) -> None:
        look: Look | None = None
        asked = self._host.clock.monotonic()
        try:
            look = await self._the_phone().look()
        except PhoneError as error:
            log.info("look failed", slot=self.id, why=order.why, error=str(error))
        self.tell(Looked(look=look, why=order.why, asked=asked, call_id=order.call_id))

    async def _reconnect(self) -> None:
        try:
            await self._the_phone().reconnect()
        except PhoneError as error:
            log.warning("restart failed", slot=self.id, error=str(error))
        await self._look(LookAtPhone(why="link"))

    async def _reopen(self) -> None:
        try:
            await self._the_phone().reopen()
        except PhoneError as error:
            log.warning("connections not opened anew", slot=self.id, error=str(error))

    async def _reboot(self) -> None:
        try:
            await self._the_phone().reboot()
        except PhoneError as error:
            log.warning("reboot failed", slot=self.id, error=str(error))

    async def _run(self, order: RunCommand) -> None:
        output = ""
        self._shell_bytes.charge(order.share, on_record(order.command) + MAX_OUTPUT)
        try:
            done = await self._carried_out(order)
            output = done.output
        finally:
            self._shell_bytes.charge(order.share, on_record(output) - MAX_OUTPUT)
        self.tell(done)

    async def _carried_out(self, order: RunCommand) -> CommandDone:
        try:
            result = await self._the_phone().shell(order.command, timeout=order.timeout, max_output=MAX_OUTPUT)
        except PhoneError as error:
            return CommandDone(
                command_id=order.command_id, exit_code=None, output="", truncated=False, error=str(error)
            )
        return CommandDone(
            command_id=order.command_id, exit_code=result.exit_code, output=result.output, truncated=result.truncated
        )

    @property
    def pooled(self) -> bool:
        return self.state is not None and self.state.config.user is None

    @property
    def screen(self) -> Screen:
        """The screen of its phone. Raises PhoneUnreachable."""
        return self._the_phone().screen

    def _the_phone(self) -> Phone:
        if self._phone is None:
            raise PhoneUnreachable(f"slot {self.id}: no phone yet")
        return self._phone

    def _now(self) -> Moment:
        return moment(self._host.clock)
