"""What goes wrong in a simulated world. Each seed draws some kinds of trouble, so that each kind is also seen alone."""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context as NewContext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import Refusal
from bus_schemas.slot import CONFIGURE_SLOT, ConfigureSlot
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import BUSY, INVALID, LOST_SIGNAL, NO_ANSWER, REJECTED, REMOTE
from simulators.device.chronicle import Source
from simulators.phone.ailing import Ailment
from simulators.phone.handset import Handset
from simulators.world.callers import EVERYTHING
from simulators.world.world import HOST_OF, SLOTS_OF, Life, World, with_slot


class Trouble(StrEnum):
    """A kind of trouble."""

    CRASH = "crash"  # a host dies between any two steps
    PAUSE = "pause"  # a host stands still for 1-60 s and goes on
    STANDBY = "standby"  # a second process of a host's name waits for its lease
    OUTAGE = "outage"  # the bus is away, for one client or all
    LOST_ACK = "lost_ack"  # what was written is not acknowledged
    ECHO = "echo"  # replies come twice, or late
    SLOW = "slow"  # what is asked of phones and the PBX takes up to 10 s
    DEAF = "deaf"  # it is done, and no answer comes
    LATE = "late"  # what phones say by themselves comes up to 5 s later
    FOREIGN = "foreign"  # people use the phones: calls come in, calls are made by hand
    FAR_END = "far_end"  # the called side hangs up at any moment
    UNPLUG = "unplug"
    AIL = "ail"  # a phone answers no more, or is not let in, until something mends it
    REBOOT = "reboot"  # a phone restarts by itself
    PBX = "pbx"  # the connection to the PBX is cut, or it dies
    PHONE_CLOCK = "phone_clock"
    HOST_CLOCK = "host_clock"
    SETTINGS = "settings"  # they are changed while calls run
    FULL = "full"  # the journal's disk is full for a while
    REPEAT = "repeat"  # any command comes again at any time, anywhere


def draw(random: random.Random) -> frozenset[Trouble]:
    """The troubles of one world: mostly a few, now and then one alone, none, or all."""
    kinds = list(Trouble)
    chance = random.random()
    if chance < 0.25:
        return frozenset({random.choice(kinds)})
    if chance < 0.35:
        return frozenset(kinds)
    drawn = {kind for kind in kinds if random.random() < 0.25}
    if Trouble.PAUSE in drawn and random.random() < 0.5:  # somebody takes over meanwhile
        drawn.add(Trouble.STANDBY)
    return frozenset(drawn)


HICCUP = 0.02  # seconds
RECONNECT = 1.0  # seconds after an outage in which what was under way is still waited for


@dataclass
class _Between:
    """Seconds between two troubles of a kind."""

    least: float
    most: float


class Troubles:
    """The troubles of one world, until it is calm."""

    def __init__(self, world: World, kinds: frozenset[Trouble]) -> None:
        self.world = world
        self.random = world.random
        self.kinds = kinds
        self._tasks: list[asyncio.Task[Any]] = []

    def begin(self) -> None:
        """Let them loose."""
        world, kinds = self.world, self.kinds
        fates = ((Trouble.CRASH, world.crash), (Trouble.PAUSE, self._pause))
        world.fates = tuple(fate for kind, fate in fates if kind in kinds)
        if Trouble.LOST_ACK in kinds:
            world.broker.lose_ack = self._lose_ack
        if Trouble.ECHO in kinds:
            world.broker.reply_delays = self._reply_delays
        each: tuple[tuple[Trouble, _Between, Callable[[], Any]], ...] = (
            (Trouble.STANDBY, _Between(5.0, 60.0), self._standby),
            (Trouble.OUTAGE, _Between(5.0, 40.0), self._outage),
            (Trouble.FOREIGN, _Between(2.0, 20.0), self._foreign),
            (Trouble.FAR_END, _Between(0.1, 8.0), self._far_end),
            (Trouble.UNPLUG, _Between(5.0, 40.0), self._unplug),
            (Trouble.AIL, _Between(10.0, 60.0), self._ail),
            (Trouble.REBOOT, _Between(10.0, 60.0), self._reboot),
            (Trouble.PBX, _Between(5.0, 40.0), self._cut_pbx),
            (Trouble.PHONE_CLOCK, _Between(5.0, 30.0), self._step_phone),
            (Trouble.HOST_CLOCK, _Between(5.0, 30.0), self._step_host),
            (Trouble.SETTINGS, _Between(5.0, 30.0), self._settings),
            (Trouble.FULL, _Between(10.0, 60.0), self._full),
        )
        for kind, between, happen in each:
            if kind in kinds:
                self._tasks.append(asyncio.ensure_future(self._now_and_then(between, happen)))

    def end(self) -> None:
        """Mend everything; nothing goes wrong any more."""
        world = self.world
        world.calm = True
        for task in self._tasks:
            task.cancel()
        world.impairments.slow = world.impairments.deaf = world.impairments.late = 0.0
        world.broker.full = False
        for client in [*world.gateways, *(life.bus for life in world.lives if life.bus.alive)]:
            world.broker.mend(client)
        for life in world.lives:
            life.process.thaw()
        for handset in world.handsets.values():
            handset.mend()
            handset.plug()
            for call in list(handset.telephony.live):
                if handset.record(call).source is not Source.ORDER:  # nobody's phone rings for ever
                    handset.far_end(REMOTE, call)
        world.switch.mend()
        for fault in world.book.faults:
            if fault.end is None or fault.end > world.now:
                fault.end = world.now

    async def _now_and_then(self, between: _Between, happen: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(self.random.uniform(between.least, between.most))
            await happen()

    def _lose_ack(self) -> bool:
        if self.world.calm or self.random.random() >= 0.05:
            return False
        self.world.book.fault("lost ack", "bus", self.world.now, self.world.now)
        return True

    def _reply_delays(self) -> tuple[float, ...]:
        if self.world.calm or self.random.random() < 0.7:
            return (0.0,)
        return tuple(self.random.choice((0.001, 0.1, 2.0)) for _ in range(self.random.randrange(1, 3)))

    # --- hosts

    def _pause(self, life: Life) -> None:
        """Now and then with what hangs on the host: a hub that resets can stall it."""
        world = self.world
        phones = [world.phone(slot) for slot in SLOTS_OF[life.machine.host]]
        in_call = [handset for handset in phones if handset.telephony.live]
        if Trouble.UNPLUG in self.kinds and in_call and self.random.random() < 0.6:
            handset = self.random.choice(in_call)
            world.book.fault("unplugged", handset.name, world.now, world.now + HICCUP)
            handset.unplug()
            asyncio.get_running_loop().call_later(HICCUP, handset.plug, context=NewContext())
        world.pause(life)

    async def _standby(self) -> None:
        if len(self.world.machines) == 2:
            machine = self.world.standby(self.random.choice(("a", "b")))
            self.world.book.fault("second process", f"host {machine.host}", self.world.now, self.world.now)
            self.world.keep(machine)

    async def _step_host(self) -> None:
        machine = self.random.choice(self.world.machines)
        seconds = self.random.choice((-3600.0, -5.0, 5.0, 3600.0, 86400.0))
        machine.clock.step(seconds)
        self.world.book.fault(f"wall clock {seconds:+}", f"host {machine.host}", self.world.now, self.world.now)

    async def _settings(self) -> None:
        """Somebody changes an entry of the file and restarts the host, or changes it over the bus."""
        world, slot = self.world, self.random.randrange(1, 4)
        user, region = self.random.choice((None, "op0", "op1")), self.random.choice(("UA", "UA", "PL"))
        machine = self.random.choice(world.machines)
        if self.random.random() < 0.5:
            machine.settings = with_slot(machine.settings, slot, user=user, region=region)
            world.book.fault(
                f"settings: slot {slot} is {user}'s in {region}", f"host {machine.host}", world.now, world.now
            )
            if machine.life is not None:
                world.crash(machine.life)
            return
        slots = [one for slots in SLOTS_OF.values() for one in slots]
        if any(world.broker.last(f"ottb.v1.evt.slot.{one}.configured") is None for one in slots):
            return  # the phone of a slot that is on no record yet may be given to another one, which then has it
        beside = self.random.choice(SLOTS_OF[HOST_OF[f"slot-{slot}"]])  # the phone of a slot of the same host
        serial = f"phone{self.random.choice((slot, beside))}"
        request = ConfigureSlot(slot=slot, serial=serial, user=user, region=region)
        context = Context(command_id=f"configure-{world.now}", user="admin", actions=EVERYTHING)
        world.broker.turn = self.random.randrange(1000)
        try:
            await ask(self.random.choice(world.gateways), CONFIGURE_SLOT, request, context)
            world.book.note(world.now, f"slot {slot} configured: {request}")
        except Refusal as refusal:
            world.book.note(world.now, f"slot {slot} not configured: {refusal!r}")

    # --- the bus

    async def _outage(self) -> None:
        """For one client or for all, for a moment or for long."""
        world = self.world
        seconds = self.random.choice((0.1, 0.5, 3.0, 8.0, 15.0, 60.0)) * self.random.uniform(0.5, 1.0)
        clients: list[MemoryBus] = [life.bus for life in world.lives if life.bus.alive] + world.gateways
        hit = clients if self.random.random() < 0.4 else [self.random.choice(clients)]
        for client in hit:
            world.broker.cut(client, notice=self.random.choice((0.0, 1.0, 4.0)))
        world.book.fault("outage", "bus", world.now, world.now + seconds + RECONNECT)
        try:
            await asyncio.sleep(seconds)
        finally:
            for client in hit:
                world.broker.mend(client)

    async def _full(self) -> None:
        broker = self.world.broker
        seconds = self.random.choice((0.5, 5.0, 20.0))
        self.world.book.fault("disk full", "bus", self.world.now, self.world.now + seconds)
        broker.full = True
        try:
            await asyncio.sleep(seconds)
        finally:
            broker.full = False

    # --- phones

    def _handset(self) -> Handset:
        return self.world.phone(self.random.randrange(1, 4))

    async def _unplug(self) -> None:
        handset = self._handset()
        fault = self.world.book.fault("unplugged", handset.name, self.world.now)
        handset.unplug()
        try:
            await asyncio.sleep(self.random.choice((0.1, 2.0, 8.0, 25.0)))
        finally:
            handset.plug()
            fault.end = self.world.now

    async def _ail(self) -> None:
        """Somebody comes at last, if no host has mended it."""
        handset = self._handset()
        if handset.ailment is not None:
            return
        fault = self.world.book.fault("ailing", handset.name, self.world.now)
        handset.ail(self.random.choice(list(Ailment)))
        try:
            async with asyncio.timeout(self.random.choice((10.0, 40.0, 90.0))):
                while handset.ailment is not None:
                    await asyncio.sleep(0.5)
        except TimeoutError:
            handset.mend()
        finally:
            fault.end = self.world.now

    async def _reboot(self) -> None:
        self._handset().restart(self.random.choice((3.0, 12.0)))

    async def _foreign(self) -> None:
        """Somebody calls the phone, or uses it: beside our call or alone."""
        handset = self._handset()
        match self.random.randrange(6):
            case 0 | 1:
                handset.ring(f"+38063{self.random.randrange(10**7):07d}")
            case 2:
                handset.dial_by_hand(f"+38067{self.random.randrange(10**7):07d}")
            case 3:
                handset.answer_by_hand()
            case 4:
                handset.swap_by_hand()
            case _ if handset.telephony.live:
                handset.hang_up_by_hand(self.random.choice(handset.telephony.live))
        await asyncio.sleep(self.random.uniform(0.0, 3.0))
        if self.random.random() < 0.5:
            handset.answer_by_hand()
        self._tasks.append(asyncio.ensure_future(self._foreign_ends(handset)))

    async def _foreign_ends(self, handset: Handset) -> None:
        await asyncio.sleep(self.random.uniform(1.0, 15.0))
        for call in list(handset.telephony.live):
            if handset.record(call).source is not Source.ORDER:
                handset.far_end(REMOTE, call)

    async def _far_end(self) -> None:
        cause = self.random.choice((REMOTE, REMOTE, BUSY, REJECTED, NO_ANSWER, INVALID, LOST_SIGNAL))
        handset = self._handset()
        if handset.telephony.live and self.random.random() < 0.5:
            call = self.random.choice(handset.telephony.live)
            handset.far_end(REMOTE if handset.record(call).answered is not None else cause, call)
        elif self.world.switch.calls:
            call_id = self.random.choice(list(self.world.switch.calls))
            if self.random.random() < 0.2:
                self.world.switch.hang_up_at_extension(call_id)
            else:
                self.world.switch.far_end(call_id, cause)

    async def _step_phone(self) -> None:
        handset = self._handset()
        seconds = self.random.choice((-3600.0, -3.0, 3.0, 3600.0))
        handset.step_clock(seconds)
        self.world.book.fault(f"phone clock {seconds:+}", handset.name, self.world.now, self.world.now)

    # --- the PBX

    async def _cut_pbx(self) -> None:
        switch, book = self.world.switch, self.world.book
        dies = self.random.random() < 0.4
        fault = book.fault("PBX died" if dies else "cut", "pbx", self.world.now)
        (switch.restart if dies else switch.cut)()
        try:
            await asyncio.sleep(self.random.choice((0.01, 0.5, 5.0, 25.0)))
        finally:
            switch.mend()
            fault.end = self.world.now
