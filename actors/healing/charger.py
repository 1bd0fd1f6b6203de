"""Holds the batteries of the phones of one host between two levels, by the power of their ports.

That a port is off for this stands as a condition with each slot on it, before it is switched: whoever comes after a
crash switches it on.
"""

import structlog

from actors.healing.charging import COMES_BACK, Battery, Charging, Learned, begun, ended, may_rest
from actors.runtime.clock import moment, parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.service import Hosts
from actors.slot.actor import SlotActor
from actors.slot.healing import HoldCharge, charge_held, vitals
from actors.slot.record import Slot
from bus_schemas.errors import Refusal
from bus_schemas.names import SYSTEM
from bus_schemas.slot import SlotConfig, SlotStatus
from bus_schemas.usb import POWER_ON_HOST, PortPowered, PowerAction, PowerOnHost, PowerPort

log = structlog.get_logger()

LOOK = 5.0  # seconds
AGAIN = 60.0  # seconds until what was refused is tried again


class Charger:
    """Of one host."""

    def __init__(self, *, host: Host, hosts: Hosts, ids: Ids, rule: Charging) -> None:
        self._host = host
        self._hosts = hosts
        self._ids = ids
        self._rule = rule
        self._learned: dict[int, Learned] = {}  # of each slot since the start
        self._ports: dict[int, SlotConfig] = {}  # whose port is off: where it was when it was switched
        self._woken: dict[int, float] = {}  # whose port was switched on again: for how long it had been off
        self._idle: dict[int, float] = {}  # since when nobody works with it, monotonic
        self._not_before: dict[int, float] = {}

    async def keep_looking(self) -> None:
        """For as long as the host is there."""
        while True:
            await self._host.pause(LOOK)
            try:
                await self._look()
            except Exception:  # one phone that nobody foresaw must not cost the others theirs
                log.exception("holding the charge of phones failed")

    async def _look(self) -> None:
        for slot in self._slots():
            self._note(slot)
        for slot in self._slots():
            id, now = int(slot.id), self._host.clock.monotonic()
            if now < self._not_before.get(id, 0.0):
                continue
            if charge_held(_state(slot)) is not None:
                if self._is_over(slot):
                    await self._wake(slot)
            elif self._wants_rest(slot):
                await self._rest(slot)

    def _slots(self) -> list[SlotActor]:
        actors = self._host.all(SlotActor)
        return [one for one in actors if one.state is not None and not one.state.removed and not one.stands_in]

    # --- when

    def _note(self, slot: SlotActor) -> None:
        id, now = int(slot.id), self._host.clock.monotonic()
        seen = vitals(_state(slot), slot.live)
        if seen.held or seen.in_call or seen.symptom is not None or seen.pending:
            self._idle.pop(id, None)
        else:
            self._idle.setdefault(id, now)
        if id in self._woken and _state(slot).status is SlotStatus.ONLINE and slot.live.health.battery is not None:
            seconds = self._woken.pop(id)
            self._learned[id] = ended(self._learned.get(id, Learned()), slot.live.health.battery, seconds)

    def _wants_rest(self, slot: SlotActor) -> bool:
        since = self._idle.get(int(slot.id))
        if since is None or self._host.clock.monotonic() - since < self._rule.idle:
            return False
        fresh = _state(slot).quarantine is None and int(slot.id) not in self._woken
        return fresh and self._rule.is_for(_state(slot).config) and may_rest(_battery(slot), self._rule)

    def _is_over(self, slot: SlotActor) -> bool:
        """Whether its port is to be on again: its time is over, this host has not switched it off, or it is on."""
        id, held = int(slot.id), charge_held(_state(slot))
        assert held is not None
        if id not in self._ports or self._ports[id].place != _state(slot).config.place:
            return True
        lasted = moment(self._host.clock).seconds - parse_utc(held.since).timestamp()
        on = _state(slot).status is SlotStatus.ONLINE and lasted > COMES_BACK
        return on or lasted >= self._learned[id].seconds or not self._rule.is_for(_state(slot).config)

    # --- what is done

    async def _rest(self, slot: SlotActor) -> None:
        """Switch its port off, if all that would go with it may rest, too."""
        config, noted = _state(slot).config, list[SlotActor]()
        try:
            would = await self._switch(config, "off", dry=True)
            ids = {str(one.slot) for one in would.phones}
            together = [one for one in self._slots() if one.id in ids]
            if len(together) != len(would.phones) or not all(map(self._wants_rest, together)):
                self._wait(slot)
                return
            for one in together:
                noted.append(one)
                await self._begin(one, len(together))
            await self._switch(config, "off")
        except Refusal as refusal:
            log.info("a port is not switched off for its phone's battery", slot=config.id, why=refusal.message)
            for one in noted:
                self._ports.pop(int(one.id), None)
                await self._hold(one, "")
            self._wait(slot)

    async def _begin(self, slot: SlotActor, together: int) -> None:
        """Note that its port is off from now on. Raises Refusal."""
        id, percent = int(slot.id), slot.live.health.battery or self._rule.high
        learned = self._learned[id] = begun(self._learned.get(id, Learned()), percent, self._rule)
        self._ports[id] = _state(slot).config
        await self._hold(slot, _words(percent, learned.seconds, together))

    async def _wake(self, slot: SlotActor) -> None:
        """Switch its port on, and say so."""
        id, held = int(slot.id), charge_held(_state(slot))
        assert held is not None
        try:
            await self._switch(self._ports.get(id, _state(slot).config), "on")
        except Refusal as refusal:
            log.warning("a port that is off for its phone's battery stays off", slot=id, why=refusal.message)
            self._wait(slot)
            return
        if self._ports.pop(id, None) is not None:
            self._woken[id] = moment(self._host.clock).seconds - parse_utc(held.since).timestamp()
        self._idle.pop(id, None)
        await self._hold(slot, "")

    def _wait(self, slot: SlotActor) -> None:
        self._not_before[int(slot.id)] = self._host.clock.monotonic() + AGAIN

    async def _hold(self, slot: SlotActor, words: str) -> None:
        """Note that its charge is held, or (no words) no longer. Raises Refusal where somebody works with it."""
        await self._host.order(SlotActor, slot.id, HoldCharge(words=words), Context(command_id=self._ids.new()))

    async def _switch(self, slot: SlotConfig, action: PowerAction, *, dry: bool = False) -> PortPowered:
        assert slot.hub is not None and slot.port is not None
        wanted = PowerPort(hub=slot.hub, port=slot.port, action=action, dry=dry)
        context = Context(command_id=self._ids.new(), user=SYSTEM)
        return await self._hosts.ask(
            POWER_ON_HOST, PowerOnHost(host=self._host.name, power=wanted), context, retry=False
        )


def _state(slot: SlotActor) -> Slot:
    assert slot.state is not None
    return slot.state


def _battery(slot: SlotActor) -> Battery:
    health = slot.live.health
    return Battery(percent=health.battery, frozen=bool(health.battery_frozen))


def _words(percent: float, seconds: float, together: int) -> str:
    others = f", with {together - 1} other phones of the hub" if together > 1 else ""
    return f"{percent:g} %: its port is off for {seconds / 60:.0f} min{others}, so that its battery is not kept full"
