"""The trunk's shell: carries out on the PBX what the machine decides, and says how the trunk is."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import ClassVar

import structlog

from actors.runtime.bus import BusError
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Outcome, by_type, by_verb
from actors.runtime.context import Context
from actors.runtime.decision import Effect
from actors.runtime.host import Host
from actors.telephony.line import Began, CallCounts, Over
from actors.telephony.line_actor import LineActor
from actors.telephony.line_call import LineCall
from actors.telephony.orders import Dial, Redirect
from actors.telephony.reports import DialAccepted, DialFailed, DialUncertain, JoinFailed, Look, Looked
from actors.trunk import machine
from actors.trunk.machine import (
    ChannelTaken,
    ConfigureTrunk,
    EndedOnPbx,
    EndOnPbx,
    LookOnPbx,
    NotPlaced,
    RemoveTrunk,
    Strays,
    TakeChannel,
    Trunk,
    TrunkDecision,
    TrunkMemory,
    TrunkReport,
    UsePbx,
)
from actors.trunk.pbx import Originate, Pbx, PbxError, PbxNoExtension, PbxRefused, PbxUncertain, PbxUnreachable
from bus_schemas.call import CALL_ENDED, CALL_ENRICHED, EndReason
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import ROOT
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.trunk import (
    TRUNK_TELEMETRY,
    TrunkActivated,
    TrunkChanged,
    TrunkConfig,
    TrunkEvent,
    TrunkTelemetry,
    TrunkView,
)

log = structlog.get_logger()

NO_TRUNK = RefusalTemplate(ErrorCode.NOT_FOUND, "No such trunk.")
TELEMETRY_PAUSE = 2.0  # seconds
DIAL_DEADLINE = 12.0  # seconds; whatever becomes of the order, it cannot be under way longer


class TrunkActor(LineActor[Trunk, TrunkEvent, TrunkMemory, TrunkReport]):
    """One SIP trunk. `over`: is told the slot and the end of each call of it that is over on record."""

    kind: ClassVar[str] = "trunk"
    state_type = Trunk
    topics = topics_of("trunk")
    commands = by_verb()
    snapshots: ClassVar[bool] = True

    __slots__ = ("_over_on_slot", "_pbxs", "_settling", "_telling", "live")

    def __init__(
        self, *, id: str, host: Host, counts: CallCounts, pbxs: Mapping[str, Pbx], over: Callable[[int, Over], None]
    ) -> None:
        super().__init__(id=id, host=host, counts=counts)
        self._over_on_slot = over
        self.live = TrunkMemory()
        self._pbxs = pbxs
        self._settling: asyncio.Task[None] | None = None  # strays
        self._telling = False

    @property
    def config(self) -> TrunkConfig:
        if self.state is None or self.state.removed:
            raise NO_TRUNK()
        return self.state.config

    @property
    def view(self) -> TrunkView:
        """The trunk as it is now. Raises Refusal(NOT_FOUND)."""
        if self.state is None or self.state.removed:
            raise NO_TRUNK()
        return machine.view(self.state, self.live, self._host.clock.monotonic())

    def takes(self, user: str) -> bool:
        """Whether it could place a call of somebody's now, as long as it has a channel."""
        if self.state is None or self.state.removed:
            return False
        return machine.takes(self.state, self.live, user, self._host.clock.monotonic())

    @property
    def slots_in_use(self) -> list[int]:
        """Of each call that it carries, the slot whose extension it is joined with."""
        carried = machine.carried(self.state, self.live).values() if self.state else ()
        return [holder.slot for holder in carried if holder.slot is not None]

    @property
    def calls_by_user(self) -> Counter[str]:
        """How many of its channels each user holds."""
        carried = machine.carried(self.state, self.live).values() if self.state else ()
        return Counter(holder.user for holder in carried)

    # --- orders of this host

    def configure(self, order: ConfigureTrunk, context: Context, now: Moment) -> Outcome[None]:
        return Outcome(decision=machine.configure(self.state, self.live, order.config, now), reply=None)

    def remove(self, order: RemoveTrunk, context: Context, now: Moment) -> Outcome[None]:
        if self.state is None:
            raise NO_TRUNK()
        return Outcome(decision=machine.remove(self.state, self.live, now), reply=None)

    def take(self, order: TakeChannel, context: Context, now: Moment) -> Outcome[ChannelTaken]:
        if self.state is None or self.state.removed:
            raise NO_TRUNK()
        decision = machine.take(self.state, self.live, order, now)
        return Outcome(decision=decision, reply=ChannelTaken(fence=self.fence))

    orders = by_type(ConfigureTrunk.by(configure), RemoveTrunk.by(remove), TakeChannel.by(take))

    # --- the machine's place

    evolve = staticmethod(machine.evolve)

    def owner_on_record(self) -> str | None:
        return self.state.config.host if self.state is not None and not self.state.removed else None

    @property
    def under_way(self) -> bool:
        return bool(self.live.held)

    def observed(self, report: TrunkReport, now: Moment) -> TrunkDecision:
        return machine.observe(self.state, self.live, report, now)

    def _take_in(self, event: Began | Over) -> None:
        began = self.state.calls.open.get(event.id) if self.state and isinstance(event, Over) else None
        super()._take_in(event)
        if isinstance(event, Over) and began is not None and began.holder.slot is not None:
            self._over_on_slot(began.holder.slot, event)

    def barrier(self, now: Moment, epoch: int) -> TrunkActivated:
        return TrunkActivated(trunk=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> TrunkDecision:
        return machine.resume(self.state)

    def remember(self, memory: TrunkMemory) -> None:
        self.live = memory

    def recorded(self, event: TrunkEvent) -> None:
        if self._telling and isinstance(event, TrunkChanged):
            self.spawn(self._tell())

    async def terminate(self) -> None:
        if self.state is not None and self.state.config.pbx in self._pbxs:
            self._pbxs[self.state.config.pbx].detach(self.id)
        await super().terminate()

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case UsePbx():
                for name, pbx in self._pbxs.items():
                    if name == self.config.pbx:
                        pbx.attach(self.config, self.tell)
                    else:
                        pbx.detach(self.id)
                if not self._telling:
                    self._telling = True
                    self.spawn(self._tell_how_it_is())
            case EndOnPbx(call_id=call_id):
                self.spawn(self._end(call_id))
            case Redirect():
                self.spawn(self._redirect(effect))
            case LookOnPbx():
                self.spawn(self._look(effect))
            case Strays(call_ids=call_ids):
                if self._settling is not None:  # those of an earlier connection, which may come and go
                    self._settling.cancel()
                self._settling = self.spawn(self._end_strays(call_ids))
            case _:
                super().perform(effect)

    async def _dial(self, order: Dial) -> DialAccepted | DialFailed | DialUncertain:
        attempt = order.attempt
        wanted = Originate(
            call_id=attempt.call_id,
            number=attempt.number,
            slot=attempt.slot,
            ring_timeout=attempt.ring_timeout + attempt.ring_at_least,  # if it rings at the very last
            max_duration=attempt.max_duration,
            recording=attempt.recording.rpartition("/")[2] if attempt.recording else None,
        )
        try:
            async with asyncio.timeout(DIAL_DEADLINE):
                await self._pbx().originate(self.config, wanted)
        except PbxUnreachable as error:
            return DialFailed(cause=str(error), reason=EndReason.TRUNK_LOST)
        except PbxNoExtension as error:
            return DialFailed(cause=str(error), reason=EndReason.EXTENSION_FAILED)
        except PbxRefused as error:
            self.tell(NotPlaced(call_id=order.call_id))
            return DialFailed(cause=str(error), reason=EndReason.NETWORK)
        except (PbxUncertain, TimeoutError) as error:
            return DialUncertain(cause=str(error) or "no answer in time")
        log.info("dialled", trunk=self.id, call_id=order.call_id, number=attempt.number, trace_id=attempt.trace_id)
        return DialAccepted()

    async def _end_strays(self, call_ids: tuple[str, ...]) -> None:
        """Calls with a name of ours that are up on the PBX, and not known here. One that is over on record is ended:
        whoever ended it died before the PBX heard of it. One that is live there has an owner, or gets one."""
        for call_id in call_ids:
            try:
                last = await self._host.bus.last(f"{ROOT}.evt.call.{self.line}.{call_id}.>", certain=True)
                if last is not None and last.subject.endswith((f".{CALL_ENDED.verb}", f".{CALL_ENRICHED.verb}")):
                    log.warning("a call that is over on record is up on the PBX", trunk=self.id, call_id=call_id)
                    await self._end(call_id)
            except BusError as error:  # the next connection asks again
                log.warning("a stray call could not be settled", trunk=self.id, call_id=call_id, error=repr(error))

    async def _end(self, call_id: str) -> None:
        try:
            if await self._host.may_act_once_verified():
                await self._pbx().hang_up(call_id)
                self.tell(EndedOnPbx(call_id=call_id))
        except PbxError as error:  # the call's own timer looks and tries again
            log.warning("hang-up failed", trunk=self.id, call_id=call_id, error=str(error))

    async def _redirect(self, order: Redirect) -> None:
        """Where nobody knows whether the PBX has done it, it is not asked again: it ends by itself what waits there."""
        try:
            if await self._host.may_act_once_verified():
                await self._pbx().redirect(order.call_id, order.extension)
                log.info("joined", trunk=self.id, call_id=order.call_id, extension=order.extension)
        except PbxUncertain as error:
            log.warning("whether a call was joined is not known", call_id=order.call_id, error=str(error))
        except PbxError as error:
            log.warning("a call was not joined", trunk=self.id, call_id=order.call_id, error=str(error))
            self._host.tell(LineCall, order.call_id, JoinFailed(cause=str(error)))

    async def _look(self, order: LookOnPbx) -> None:
        look: Look | None = None
        asked = self._host.clock.monotonic()
        try:
            look = await self._pbx().look(order.call_id)
        except PbxError as error:
            log.info("look failed", trunk=self.id, call_id=order.call_id, error=str(error))
        looked = Looked(look=look, why=order.why, asked=asked, call_id=order.call_id)
        self._host.tell(LineCall, order.call_id, looked)

    async def _tell_how_it_is(self) -> None:
        while self.state is not None and not self.state.removed:
            await self._tell()
            await self._host.pause(TELEMETRY_PAUSE)
        self._telling = False

    async def _tell(self) -> None:
        if self.state is not None and not self.state.removed:
            event = TrunkTelemetry(trunk=self.id, at=moment(self._host.clock).at, view=self.view)
            await self._host.feeds.publish(TRUNK_TELEMETRY, event)

    def _pbx(self) -> Pbx:
        pbx = self._pbxs.get(self.config.pbx)
        if pbx is None:
            raise PbxUnreachable(f"trunk {self.id}: the settings have no PBX {self.config.pbx}")
        return pbx
