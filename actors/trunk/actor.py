"""The trunk's shell: carries out on the PBX what the machine decides, and says how the trunk is."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import structlog

from actors.call.line import AdoptCall, Looked, Release
from actors.call.machine import Call, DialFailed, DialUncertain
from actors.runtime.actor import Actor, Outcome
from actors.runtime.clock import Moment, moment
from actors.runtime.context import Context
from actors.runtime.decision import Decision, Effect
from actors.runtime.host import Host
from actors.slot.phone import Look
from actors.trunk import machine
from actors.trunk.machine import (
    BookTrunk,
    ConfigureTrunk,
    EndOnPbx,
    Live,
    LookOnPbx,
    NotPlaced,
    PlaceOnPbx,
    RemoveTrunk,
    Trunk,
    UsePbx,
)
from actors.trunk.pbx import Originate, Pbx, PbxError, PbxRefused, PbxUncertain, PbxUnreachable
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.trunk import (
    TOPICS,
    TRUNK_TELEMETRY,
    TrunkActivated,
    TrunkChanged,
    TrunkConfig,
    TrunkTelemetry,
    TrunkView,
)

log = structlog.get_logger()

NO_TRUNK = Refusal(ErrorCode.NOT_FOUND, "No such trunk.")
TELEMETRY_PAUSE = 2.0  # seconds


class TrunkActor(Actor[Trunk]):
    """One SIP trunk."""

    kind: ClassVar[str] = "trunk"
    state_type: ClassVar[Any] = Trunk
    topics: ClassVar[Any] = tuple(topic for topic in TOPICS if topic.kept)
    commands: ClassVar[Any] = {}
    snapshots: ClassVar[bool] = True

    __slots__ = ("_pbxs", "_telling", "live")

    def __init__(self, *, id: str, host: Host, pbxs: Mapping[str, Pbx]) -> None:
        super().__init__(id=id, host=host)
        self.live = Live()
        self._pbxs = pbxs
        self._telling = False

    @property
    def config(self) -> TrunkConfig:
        if self.state is None or self.state.removed:
            raise NO_TRUNK
        return self.state.config

    @property
    def view(self) -> TrunkView:
        """The trunk as it is now. Raises Refusal(NOT_FOUND)."""
        if self.state is None or self.state.removed:
            raise NO_TRUNK
        return machine.view(self.state, self.live, self._host.clock.monotonic())

    # --- orders of this host

    def carry_out(self, order: Any, context: Context, now: Moment) -> Outcome:
        match order:
            case ConfigureTrunk(config=config):
                return Outcome(decision=machine.configure(self.state, config, now), reply=None)
            case RemoveTrunk() if self.state is not None:
                return Outcome(decision=machine.remove(self.state, now), reply=None)
            case BookTrunk():
                if self.state is None or self.state.removed:
                    raise NO_TRUNK
                return Outcome(decision=machine.book(self.state, self.live, order, now), reply=None)
        raise TypeError(f"not an order for a trunk: {order!r}")

    # --- the machine's place

    def owners(self) -> tuple[str | None, ...]:
        return (None,)

    def observe(self, report: Any, now: Moment) -> Decision[Any]:
        return machine.observe(self.state, self.live, report, now)

    def barrier(self, now: Moment, epoch: int) -> TrunkActivated:
        return TrunkActivated(trunk=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> Decision[Any]:
        return machine.resume(self.state)

    def remember(self, memory: Live) -> None:
        self.live = memory

    def evolve(self, state: Trunk | None, event: Any) -> Trunk | None:
        after = machine.evolve(state, event)
        if self._telling and isinstance(event, TrunkChanged):
            self.spawn(self._tell())
        return after

    async def let_go(self) -> None:
        if self.state is not None and self.state.config.pbx in self._pbxs:
            self._pbxs[self.state.config.pbx].detach(self.id)
        await super().let_go()

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
            case AdoptCall(call_id=call_id):
                self.spawn(self._adopt(call_id))
            case PlaceOnPbx():
                self.spawn(self._place(effect))
            case EndOnPbx(call_id=call_id):
                self.spawn(self._end(call_id))
            case LookOnPbx():
                self.spawn(self._look(effect))

    async def _adopt(self, call_id: str) -> None:
        """Take the call over with the trunk. A call whose attempt never got on record was never dialled."""
        here = self._host.get("call", call_id)
        if here is not None:
            here.begin()
        elif (await self._host.activate("call", call_id)).state is None:
            self.tell(Release(call_id=call_id))

    async def _place(self, order: PlaceOnPbx) -> None:
        """The one effect that cannot be undone: asked of the PBX once, by an owner, never again."""
        call = self._host.get("call", order.call_id)
        state = call.state if call is not None else None
        if not isinstance(state, Call):
            return
        wanted = Originate(
            call_id=order.call_id,
            number=order.number,
            slot=order.slot,
            ring_timeout=state.ring_timeout,
            max_duration=state.max_duration,
            recording=state.recording.rpartition("/")[2] if state.recording else None,
        )
        try:
            if not self._host.may_act:
                raise PbxUnreachable(f"trunk {self.id}: this host no longer owns it")
            await self._pbx().originate(self.config, wanted)
            log.info("dialled", trunk=self.id, call_id=order.call_id, number=order.number, trace_id=order.trace_id)
        except PbxUnreachable as error:
            self._not_placed(order.call_id, DialFailed(cause=str(error), reason=EndReason.TRUNK_LOST))
        except PbxRefused as error:
            self._not_placed(order.call_id, DialFailed(cause=str(error), reason=EndReason.NETWORK))
            self.tell(NotPlaced(call_id=order.call_id))
        except PbxUncertain as error:
            log.warning("the PBX may have dialled", trunk=self.id, call_id=order.call_id, cause=str(error))
            self._host.tell("call", order.call_id, DialUncertain(cause=str(error)))

    def _not_placed(self, call_id: str, report: DialFailed) -> None:
        log.warning("dial did not go through", trunk=self.id, call_id=call_id, cause=report.cause)
        self._host.tell("call", call_id, report)

    async def _end(self, call_id: str) -> None:
        try:
            if self._host.may_act:
                await self._pbx().hang_up(call_id)
        except PbxError as error:  # the call's own timer looks and tries again
            log.warning("hang-up failed", trunk=self.id, call_id=call_id, error=str(error))

    async def _look(self, order: LookOnPbx) -> None:
        look: Look | None = None
        try:
            look = await self._pbx().look(order.call_id)
        except PbxError as error:
            log.info("look failed", trunk=self.id, call_id=order.call_id, error=str(error))
        self._host.tell("call", order.call_id, Looked(look=look, why=order.why))

    async def _tell_how_it_is(self) -> None:
        while self.state is not None and not self.state.removed:
            await self._tell()
            await self._host.pause(TELEMETRY_PAUSE)
        self._telling = False

    async def _tell(self) -> None:
        if self.state is not None and not self.state.removed:
            event = TrunkTelemetry(trunk=self.id, at=moment(self._host.clock).at, view=self.view)
            await self._host.publish(TRUNK_TELEMETRY, event)
            self._host.show(TRUNK_TELEMETRY.subject_for(event), msgspec.json.encode(event), self.owners())

    def _pbx(self) -> Pbx:
        pbx = self._pbxs.get(self.config.pbx)
        if pbx is None:
            raise PbxUnreachable(f"trunk {self.id}: the settings have no PBX {self.config.pbx}")
        return pbx
