"""The slot's shell: owns one phone, carries out what the machine decides, and keeps the pool up to date."""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import structlog

from actors.call.line import AdoptCall, Looked, Release
from actors.call.machine import DialFailed, DialUncertain
from actors.runtime.actor import Actor, Outcome
from actors.runtime.clock import Moment, moment
from actors.runtime.context import Context
from actors.runtime.decision import Decision, Effect
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.slot import machine
from actors.slot.machine import (
    Book,
    Booked,
    CommandDone,
    Configure,
    EndCallOnPhone,
    Live,
    LookAtPhone,
    PlaceCall,
    RebootPhone,
    Reconnect,
    Remove,
    RunCommand,
    Slot,
    UsePhone,
)
from actors.slot.phone import (
    Look,
    Phone,
    PhoneError,
    PhoneRefused,
    PhoneUncertain,
    PhoneUnreachable,
)
from actors.slot.pool import Place, Pool
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import (
    ADB_COMMAND,
    GET_SLOT,
    REBOOT_DEVICE,
    RESTART_SLOT,
    SLOT_TELEMETRY,
    TOPICS,
    AdbCommand,
    AdbCommandStarted,
    GetSlot,
    RebootDevice,
    RestartSlot,
    SlotActivated,
    SlotConfig,
    SlotRestartingReply,
)
from bus_schemas.visibility import visible

log = structlog.get_logger()

NO_SLOT = Refusal(ErrorCode.NOT_FOUND, "No such slot.")
MAX_OUTPUT = 64 * 1024  # bytes of a shell command's output that are kept

MakePhone = Callable[[SlotConfig], Phone]


class SlotActor(Actor[Slot]):
    """One numbered place with its phone."""

    kind: ClassVar[str] = "slot"
    state_type: ClassVar[Any] = Slot
    topics: ClassVar[Any] = tuple(topic for topic in TOPICS if topic.kept)
    commands: ClassVar[Any] = {
        GET_SLOT: "get",
        RESTART_SLOT: "restart",
        REBOOT_DEVICE: "reboot",
        ADB_COMMAND: "adb_command",
    }
    snapshots: ClassVar[bool] = True

    __slots__ = ("_make_phone", "_phone", "_pool", "live")

    def __init__(self, *, id: str, host: Host, make_phone: MakePhone, pool: Pool) -> None:
        super().__init__(id=id, host=host)
        self.live = Live()
        self._make_phone = make_phone
        self._phone: Phone | None = None
        self._pool = pool

    # --- commands

    def get(self, request: GetSlot, context: Context) -> Outcome:
        return Outcome(decision=Decision(), reply=machine.details(self._seen_by(context), self.live))

    def restart(self, request: RestartSlot, context: Context) -> Outcome:
        decision = machine.restart(self._seen_by(context), context.user, self._now())
        return Outcome(decision=decision, reply=SlotRestartingReply(status="restarting", slot=request.slot))

    def reboot(self, request: RebootDevice, context: Context) -> Outcome:
        decision = machine.reboot(self._seen_by(context), context.user, self._now())
        return Outcome(decision=decision, reply=SlotRestartingReply(status="rebooting", slot=request.slot))

    def adb_command(self, request: AdbCommand, context: Context) -> Outcome:
        command_id = derived("k", context.command_id)
        decision = machine.run_command(self._seen_by(context), request, command_id, context.user, self._now())
        reply = AdbCommandStarted(status="executing", slot=request.slot, command_id=command_id)
        return Outcome(decision=decision, reply=reply)

    def _seen_by(self, context: Context) -> Slot:
        slot = self._slot()
        if not visible("slot", slot.config.user, user=context.user, actions=context.actions):
            raise NO_SLOT
        return slot

    def _slot(self) -> Slot:
        if self.state is None or self.state.removed:
            raise NO_SLOT
        return self.state

    # --- orders of this host

    def owners(self) -> tuple[str | None, ...]:
        return (self.state.config.user,) if self.state is not None else ()

    def carry_out(self, order: Any, context: Context, now: Moment) -> Outcome:
        match order:
            case Book():
                slot = self._seen_by(context)
                reply = Booked(slot=slot.config.id, region=slot.config.region, after_ref=self.live.ref)
                return Outcome(decision=machine.book(slot, self.live, order, now), reply=reply)
            case Configure(config=config):
                decision = machine.configure(self.state, config, context.user, now)
                return Outcome(decision=decision, reply=lambda: machine.details(self._slot(), self.live))
            case Remove():
                return Outcome(decision=machine.remove(self._slot(), context.user, now), reply=None)
        raise TypeError(f"not an order for a slot: {order!r}")

    # --- the machine's place

    def evolve(self, state: Slot | None, event: Any) -> Slot | None:
        return machine.evolve(state, event)

    def observe(self, report: Any, now: Moment) -> Decision[Any]:
        return machine.observe(self.state, self.live, report, now)

    def barrier(self, now: Moment, epoch: int) -> SlotActivated:
        return SlotActivated(slot=int(self.id), at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> Decision[Any]:
        return machine.resume(self.state, now)

    def remember(self, memory: Live) -> None:
        news = memory.health is not self.live.health or memory.external != self.live.external
        self.live = memory
        if news:
            self.spawn(self._publish_telemetry())

    def moved(self) -> None:
        slot = self.state
        if slot is not None and self._live and machine.may_be_used(slot, self.live):
            config = slot.config
            place = Place(slot=config.id, user=config.user, region=config.region, last_used=slot.last_used)
            self._pool.put(place)
        else:
            self._pool.drop(int(self.id))

    async def let_go(self) -> None:
        self._pool.drop(int(self.id))
        await super().let_go()
        phone, self._phone = self._phone, None
        if phone is not None:
            await phone.close()

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case UsePhone(config=config):
                self.spawn(self._use_phone(config))
            case AdoptCall(call_id=call_id):
                self.spawn(self._adopt(call_id))
            case PlaceCall():
                self.spawn(self._place_call(effect))
            case EndCallOnPhone():
                self.spawn(self._hang_up())
            case LookAtPhone(why=why):
                self.spawn(self._look(why))
            case Reconnect():
                self.spawn(self._reconnect())
            case RebootPhone():
                self.spawn(self._reboot())
            case RunCommand():
                self.spawn(self._run(effect))

    async def _use_phone(self, config: SlotConfig) -> None:
        old, self._phone = self._phone, self._make_phone(config)
        if old is not None:
            await old.close()
        self._phone.start(self.tell)

    async def _publish_telemetry(self) -> None:
        if self.state is not None:
            event = machine.telemetry(self.state, self.live, self._now())
            await self._host.publish(SLOT_TELEMETRY, event)
            self._host.show(SLOT_TELEMETRY.subject_for(event), msgspec.json.encode(event), self.owners())

    async def _adopt(self, call_id: str) -> None:
        """Take the call over with the slot. A call whose attempt never got on record was never dialled."""
        here = self._host.get("call", call_id)
        if here is not None:
            here.begin()
        elif (await self._host.activate("call", call_id)).state is None:
            self.tell(Release(call_id=call_id))

    async def _place_call(self, order: PlaceCall) -> None:
        """The one effect that cannot be undone: asked of the phone once, by an owner, never again."""
        try:
            if not self._host.may_act:
                raise PhoneUnreachable(f"slot {self.id}: this host no longer owns it")
            await self._the_phone().dial(order.number)
            log.info("dialled", slot=self.id, call_id=order.call_id, number=order.number, trace_id=order.trace_id)
        except PhoneUnreachable as error:
            self._to_call(order.call_id, DialFailed(cause=str(error), reason=EndReason.PHONE_LOST))
        except PhoneRefused as error:
            self._to_call(order.call_id, DialFailed(cause=str(error), reason=EndReason.UNKNOWN))
        except PhoneUncertain as error:
            self._to_call(order.call_id, DialUncertain(cause=str(error)))

    def _to_call(self, call_id: str, report: Any) -> None:
        log.warning("dial did not go through", slot=self.id, call_id=call_id, cause=report.cause)
        self._host.tell("call", call_id, report)

    async def _hang_up(self) -> None:
        try:
            if self._host.may_act:
                await self._the_phone().hang_up(None)
        except PhoneError as error:  # the call's own timer looks and tries again
            log.warning("hang-up failed", slot=self.id, error=str(error))

    async def _look(self, why: str) -> None:
        look: Look | None = None
        try:
            look = await self._the_phone().look()
        except PhoneError as error:
            log.info("look failed", slot=self.id, why=why, error=str(error))
        self.tell(Looked(look=look, why=why))

    async def _reconnect(self) -> None:
        try:
            await self._the_phone().reconnect()
        except PhoneError as error:
            log.warning("restart failed", slot=self.id, error=str(error))
        await self._look("link")

    async def _reboot(self) -> None:
        try:
            await self._the_phone().reboot()
        except PhoneError as error:
            log.warning("reboot failed", slot=self.id, error=str(error))

    async def _run(self, order: RunCommand) -> None:
        try:
            result = await self._the_phone().shell(order.command, timeout=order.timeout, max_output=MAX_OUTPUT)
        except PhoneError as error:
            done = CommandDone(
                command_id=order.command_id, exit_code=None, output="", truncated=False, error=str(error)
            )
        else:
            done = CommandDone(
                command_id=order.command_id,
                exit_code=result.exit_code,
                output=result.output,
                truncated=result.truncated,
            )
        self.tell(done)

    def _the_phone(self) -> Phone:
        if self._phone is None:
            raise PhoneUnreachable(f"slot {self.id}: no phone yet")
        return self._phone

    def _now(self) -> Moment:
        return moment(self._host.clock)
