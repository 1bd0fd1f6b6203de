"""Which slot somebody may work with by hand, and when."""

from dataclasses import dataclass, field

from actors.by_hand.port import MakeTools, PhoneTools
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.script.effects import Back
from actors.slot.actor import SlotActor
from actors.slot.foreseen import Foreseen
from actors.slot.hindrance import busy
from actors.slot.record import RESERVED, Slot, holder
from actors.slot.screen import OnScreen
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.slot import SLOT, SlotStatus

NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")
NOT_HERE = RefusalTemplate(ErrorCode.UNAVAILABLE, "The slot is being taken over. Try again.")


@dataclass(frozen=True)
class Place:
    """A slot whose phone can be reached."""

    slot: Slot
    actor: SlotActor
    tools: PhoneTools
    foreseen: Foreseen

    @property
    def id(self) -> int:
        return self.slot.config.id

    async def carry_out(self, effect: OnScreen) -> Back:
        """Have its screen do it. Raises PhoneError."""
        return await self.foreseen.carry_out(self.actor.screen, effect)

    async def picture(self) -> bytes:
        """What is on its screen: a PNG. Raises PhoneError."""
        return await self.foreseen.picture(self.actor.screen)


@dataclass(frozen=True)
class Places:
    """The slots of one host."""

    host: Host
    make_tools: MakeTools
    foreseen: dict[int, Foreseen] = field(default_factory=dict)  # by slot

    def phone_in(self, slot: int, context: Context) -> str | None:
        """Which phone is in the slot, wherever that is now. Raises Refusal(NOT_FOUND) for who does not see the slot."""
        return self._visible(slot, context)[1].config.serial

    def _visible(self, slot: int, context: Context) -> tuple[SlotActor, Slot]:
        actor = self.host.get(SlotActor, str(slot))
        if actor is None:
            raise NOT_HERE()
        state = actor.state
        if state is None or state.removed:
            raise NO_SLOT()
        if not SLOT.visible(state.config.user, user=context.user, actions=context.actions):
            raise NO_SLOT()
        return actor, state

    def seen(self, slot: int, context: Context) -> Place:
        """The slot, to look at. Raises Refusal(NOT_FOUND, SLOT_OFFLINE)."""
        actor, state = self._visible(slot, context)
        if state.status is not SlotStatus.ONLINE:
            raise Refusal(
                ErrorCode.SLOT_OFFLINE, "The slot's phone cannot be reached.", slot=slot, status=state.status
            )
        foreseen = self.foreseen.setdefault(slot, Foreseen(slot=slot))
        return Place(state, actor, self.make_tools(state.config), foreseen)

    def held(self, slot: int, context: Context) -> Place:
        """The slot, to change something on its phone: not while somebody else is at work there. Raises
        Refusal(NOT_FOUND, SLOT_OFFLINE, SLOT_BUSY)."""
        place = self.seen(slot, context)
        held = holder(place.slot, place.actor.live)
        if held is not None and held.user != context.user:
            ids = {} if held.kind == RESERVED else {f"{held.kind}_id": held.id}  # a reservation has none
            raise busy(place.slot, held, **{"held_by": held.kind, **ids})
        return place
