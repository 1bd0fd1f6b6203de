"""Phones that ail at random, with calls among them, in simulated time: each comes back by what is done about it, or is
left alone for the right reason; no call ends by it, and nothing is done without end.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.healing.ladder import HOUR
from actors.healing.policy import BUILT_IN, policy_in
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.errors import Refusal
from bus_schemas.slot import GET_SLOT, LIST_SLOTS, GetSlot, ListSlots, SlotDetails, SlotStatus
from bus_schemas.slot_health import Rung, SlotHealed, SlotQuarantined, Symptom
from simulators.carrier.rules import REMOTE
from simulators.phone.ailing import Ailment
from simulators.phone.handset import Handset
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING
from simulators.world.world import SLOTS_OF, World
from tests.support.depth import plays

POLICY = policy_in(BUILT_IN)
SLOTS = [slot for slots in SLOTS_OF.values() for slot in slots]
LASTS = 3_000.0  # seconds of each world
PERSON = 1_200.0  # seconds until somebody comes to a phone that ails
MENDED = {  # by what is done about it, where the phone is in no call
    Ailment.SHELLS: Rung.RECONNECT, Ailment.CONNECTIONS: Rung.ADB_RECONNECT, Ailment.PHONE: Rung.REBOOT,
    Ailment.OFFLINE: Rung.ADB_RECONNECT,
}  # fmt: skip
LEFT_ALONE = {
    Ailment.KEY: Symptom.UNAUTHORIZED, Ailment.OFFLINE: Symptom.OFFLINE,
    **dict.fromkeys((Ailment.SHELLS, Ailment.CONNECTIONS, Ailment.PHONE, Ailment.DEAD), Symptom.SILENT),
}  # fmt: skip


class Ward:
    """The phones of a world, who calls with them, and what ails them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrong: list[str] = []
        self.came: Counter[str] = Counter()  # how the ailments ended

    async def live(self) -> None:
        tasks = [asyncio.ensure_future(work) for work in (self._call(), *map(self._ail, SLOTS))]
        await asyncio.sleep(LASTS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self) -> None:
        """Calls of ours, and of people at the phones, that talk for a while."""
        random, number = self.world.random, 0
        while True:
            await asyncio.sleep(random.uniform(2.0, 30.0))
            slot, number = random.choice(SLOTS), number + 1
            if random.random() < 0.3:
                self.world.phone(slot).dial_by_hand(f"+38067{number:03d}0007")
            else:
                with contextlib.suppress(Refusal):
                    call = StartCall(number=f"+38099{number:03d}0007", slot=slot)
                    await ask(self.world.gateways[0], START_CALL, call, _context(f"call-{number}"))
            asyncio.get_running_loop().call_later(random.uniform(5.0, 600.0), self._far_end, self.world.phone(slot))

    @staticmethod
    def _far_end(handset: Handset) -> None:
        for call in list(handset.telephony.live):
            handset.far_end(REMOTE, call)

    async def _ail(self, slot: int) -> None:
        random, handset = self.world.random, self.world.phone(slot)
        while True:
            await asyncio.sleep(random.uniform(60.0, 600.0))
            ailment, was_in_call = random.choice(list(Ailment)), bool(handset.telephony.live)
            handset.ail(ailment)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERSON):
                    while handset.ailment is not None:
                        await asyncio.sleep(1.0)
            if handset.ailment is None:
                self.came[f"{ailment} mended"] += 1
                continue
            details = await self.look(slot)
            why = details.quarantine
            if ailment in MENDED and not was_in_call and not handset.telephony.live and "as often" not in str(why):
                self.wrong.append(f"{handset.name}: {ailment} was not mended: {why}")
            if not details.call_id and (why is None or why.symptom is not LEFT_ALONE[ailment]):
                self.wrong.append(f"{handset.name}: {ailment} and left alone for {why}, {details.status}")
            self.came[f"{ailment} left alone"] += 1
            handset.mend()

    async def look(self, slot: int) -> SlotDetails:
        return await ask(self.world.gateways[0], GET_SLOT, GetSlot(slot=slot), _context("look"))


def _context(id: str) -> Context:
    return Context(command_id=id, user="admin", actions=EVERYTHING)


def _too_often(world: World) -> Iterator[str]:
    """What was done more often than it may be, by slot."""
    done = [one.event for one in world.stored if isinstance(one.event, SlotHealed)]
    for last in done:
        lately = Counter(
            one.rung for one in done
            if one.slot == last.slot and 0 <= (parse_utc(last.at) - parse_utc(one.at)).total_seconds() < HOUR
        )  # fmt: skip
        if lately[last.rung] > POLICY.rungs[last.rung].per_hour:
            yield f"slot {last.slot}: {lately[last.rung]} times {last.rung} within an hour of {last.at}"


@pytest.mark.parametrize("seed", range(plays(10)))  # `make test-all`: 40, of some 320 ailments
def test_phones_that_ail_come_back_or_are_left_alone(seed: int) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
        for machine in world.machines:
            world.keep(machine)
        await asyncio.sleep(10.0)
        ward = Ward(world)
        await ward.live()
        for handset in world.handsets.values():
            handset.mend()
            ward._far_end(handset)
        await asyncio.sleep(POLICY.well_for + 60.0)
        states = [await ward.look(slot) for slot in SLOTS]
        listed = await ask(world.gateways[0], LIST_SLOTS, ListSlots(), _context("list"))
        await world.stop()
        assert not ward.wrong, ward.wrong
        assert sum(ward.came.values()) >= 3, "in sixty worlds that is two hundred"
        assert not (found := [*_too_often(world)]), found
        assert not (cut := [call for handset in world.handsets.values() for call in handset.calls_cut]), cut
        assert all(one.status is SlotStatus.ONLINE and one.quarantine is None for one in states), states
        assert [one.quarantine for one in listed] == [None] * len(SLOTS)
        events = [one.event for one in world.stored]
        print(dict(ward.came), Counter(one.rung for one in events if isinstance(one, SlotHealed)),
              Counter(one.symptom for one in events if isinstance(one, SlotQuarantined)))
        assert not world.broken, world.broken

    with tempfile.TemporaryDirectory() as folder:
        run(main, 7 + seed)
