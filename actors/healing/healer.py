"""Looks after the phones of one host: once a second it sees how each is, and orders of its slot what is due."""

import asyncio
from collections.abc import Mapping

import structlog
from msgspec.structs import replace

from actors.healing.conditions import Since, conditions
from actors.healing.ladder import Act, Done, GiveUp, LetGo, Patient, Seen, Try, plan
from actors.healing.policy import Policy
from actors.monitor.samples import of_phone
from actors.runtime.clock import Moment, moment, parse_utc
from actors.runtime.commands import Order
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.service import Hosts
from actors.slot.actor import SlotActor
from actors.slot.healing import GiveUpOn, Heal, NoteConditions, UseAgain, charge_held, vitals
from actors.slot.phone import Health
from actors.slot.record import Slot, SlotMemory
from actors.slot.settings import Hub
from bus_schemas.errors import Refusal
from bus_schemas.slot import SlotConfig
from bus_schemas.slot_health import Rung
from bus_schemas.usb import POWER_ON_HOST, PowerOnHost, PowerPort, Switching

log = structlog.get_logger()

LOOK = 1.0  # seconds between two looks
ORDER_DEADLINE = 10.0  # seconds; an order that was not answered may have been carried out, and counts
CAN = frozenset({Rung.RECONNECT, Rung.ADB_RECONNECT, Rung.REBOOT})


class Healer:
    """Of one host. What was done is on the slots' record; the rest is known again soon after a start."""

    def __init__(
        self, *, host: Host, hosts: Hosts, ids: Ids, policy: Policy, hubs: Mapping[str, Hub]
    ) -> None:
        self._host = host
        self._hosts = hosts
        self._hubs = hubs
        self._ids = ids
        self._policy = policy
        self._patients: dict[int, Patient] = {}
        self._read: dict[int, Health] = {}  # the reading that the conditions were last judged by
        self._since: dict[int, Since] = {}

    async def keep_looking(self) -> None:
        """For as long as the host is there."""
        while True:
            await self._host.pause(LOOK)
            try:
                await self._look()
            except Exception:  # one phone that nobody foresaw must not cost the others theirs
                log.exception("looking after the phones failed")

    async def _look(self) -> None:
        now = moment(self._host.clock)
        slots = {
            int(actor.id): (actor.state, actor.live)
            for actor in self._host.all(SlotActor)
            if actor.state is not None and not actor.state.removed and not actor.stands_in
            and charge_held(actor.state) is None  # its port is off on purpose
        }
        seen = {id: _seen(slot, live, self._can(slot.config)) for id, (slot, live) in slots.items()}
        before = self._patients
        self._patients, acts = plan(before, seen, self._policy, now=now.mono, epoch=now.seconds)
        done = (self._do(slots[id][0].config, act, before.get(id, Patient())) for id, act in acts.items())
        judged = (self._judge(id, slot, live, now) for id, (slot, live) in slots.items() if self._is_new(id, live))
        await asyncio.gather(*done, *judged)

    def _can(self, config: SlotConfig) -> frozenset[Rung]:
        """What can be done to the phone of a slot: ports of a hub are switched where somebody has tried it."""
        hub = self._hubs.get(config.hub or "")
        switched = hub is not None and config.port is not None and hub.switching is not Switching.NONE
        return CAN | {Rung.PORT_POWER} if switched else CAN

    async def _do(self, slot: SlotConfig, act: Act, before: Patient) -> None:
        """What was refused is due again at the next look; a port that others use, some looks later."""
        dry_run = self._policy.dry_run
        switches = isinstance(act, Try) and act.rung is Rung.PORT_POWER and not dry_run
        if switches and not await self._cycle(slot):
            self._patients[slot.id] = replace(before, since=self._host.clock.monotonic())
        elif not await self._order(slot.id, _order_of(act, dry_run=dry_run)) and not switches:  # that was done
            self._patients[slot.id] = before

    async def _cycle(self, slot: SlotConfig) -> bool:
        """Switch its port off and on, which holds whoever hangs on it meanwhile, and is on record with its hub."""
        assert slot.hub is not None and slot.port is not None
        wanted = PowerOnHost(host=self._host.name, power=PowerPort(hub=slot.hub, port=slot.port))
        try:
            await self._hosts.ask(POWER_ON_HOST, wanted, Context(command_id=self._ids.new()), retry=False)
        except Refusal as refusal:
            log.info("a port was not switched for its phone", slot=slot.id, why=refusal.message)
            return False
        return True

    def _is_new(self, slot: int, live: SlotMemory) -> bool:
        return self._read.get(slot) is not live.health

    async def _judge(self, id: int, slot: Slot, live: SlotMemory, now: Moment) -> None:
        rules = self._policy.conditions
        told = of_phone(live.health, slot.config)
        found, since = conditions(slot.conditions, self._since.get(id, {}), told, now, rules)
        if found == slot.conditions or await self._order(id, NoteConditions(conditions=found)):
            self._read[id], self._since[id] = live.health, since

    async def _order(self, slot: int, order: Order[None]) -> bool:
        """Whether it was carried out, or may have been."""
        try:
            async with asyncio.timeout(ORDER_DEADLINE):
                await self._host.order(SlotActor, str(slot), order, Context(command_id=self._ids.new()))
        except Refusal as refusal:
            log.debug("not done about a phone now", slot=slot, order=type(order).__name__, why=refusal.message)
            return False
        except TimeoutError:
            log.warning("a slot did not answer in time", slot=slot, order=type(order).__name__)
        return True


def _seen(slot: Slot, live: SlotMemory, can: frozenset[Rung]) -> Seen:
    now = vitals(slot, live)
    return Seen(
        symptom=now.symptom, pending=now.pending, held=now.held, in_call=now.in_call, hub=slot.config.hub, can=can,
        done=tuple(Done(rung=one.rung, at=parse_utc(one.at).timestamp()) for one in slot.healed),
        quarantined=slot.quarantine.symptom if slot.quarantine is not None else None,
    )  # fmt: skip


def _order_of(act: Act, *, dry_run: bool) -> Order[None]:
    match act:
        case Try(symptom, rung):
            return Heal(symptom=symptom, rung=rung, dry_run=dry_run)
        case GiveUp(symptom, reason, to_do):
            return GiveUpOn(symptom=symptom, reason=reason, to_do=to_do, dry_run=dry_run)
        case LetGo():
            return UseAgain()
