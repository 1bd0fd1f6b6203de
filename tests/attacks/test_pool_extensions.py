"""One user takes the extensions of every slot of the pool, with calls through trunks of this host and of another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from actors.dialing.settings import Dial
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.phone.handset import Handset
from simulators.time.loop import SimLoop, run
from simulators.world.world import World

POOL, SHARE = 8, 4
ACTIONS = frozenset({Action.CALL_START.value, Action.CALL_END.value})
HERE, ELSEWHERE = "trunk-1", "trunk-2"  # on the host of the slots, and on the other


class Site:
    """All slots of the pool on one host, and a trunk on each of two."""

    def __init__(self, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        self.world = World(cast(SimLoop, loop), folder, user_calls=200, slow=0.0, deaf=0.0)
        pool = tuple(SlotConfig(id=id, serial=f"phone{id}", region="UA", host="a") for id in range(1, POOL + 1))
        for slot in pool:
            self.world.handsets.setdefault(slot.serial or "", Handset(f"slot-{slot.id}"))
        for machine in self.world.machines:
            trunks = tuple(replace(trunk, channels=100) for trunk in machine.settings.trunks)
            dial = Dial(countries=("UA",), user_pool_share=0.5)
            machine.settings = replace(machine.settings, slots=pool, dial=dial, trunks=trunks)
        self._asked = 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        for machine in self.world.machines:
            self.world.keep(machine)
        await asyncio.sleep(8.0)
        yield
        await self.world.stop()

    async def ask(self, user: str, rpc: Any, request: Any) -> Any:
        self._asked += 1
        context = Context(command_id=f"k{self._asked}", user=user, actions=ACTIONS)
        try:
            return await ask(self.world.gateways[0], rpc, request, context)
        except Refusal as refusal:
            return refusal

    async def dial(self, user: str, slot: int, trunk: str = HERE) -> Any:
        number = f"+38050{self._asked:03}4567"  # talks until somebody hangs up
        return await self.ask(user, DIAL_PBX, DialPbx(from_=f"slot_{slot}", to=number, trunk=trunk))

    async def dial_all(self, user: str, trunk: str = HERE) -> tuple[list[Any], Counter[str]]:
        """From each slot of the pool at once: the calls, and by which rule the others were refused."""
        answers = await asyncio.gather(*(self.dial(user, slot, trunk) for slot in range(1, POOL + 1)))
        rules = Counter(str((one.details or {}).get("rule", one.code)) for one in answers if isinstance(one, Refusal))
        return [one for one in answers if not isinstance(one, Refusal)], rules


async def _at_once(folder: Path, trunk: str) -> None:
    site = Site(folder)
    async with site.up():
        mine, rules = await site.dial_all("op12", trunk)
        print(f"{POOL} slots of the pool dialled from at once by one user: {len(mine)} taken, {dict(rules)}")
        assert len(mine) == SHARE and rules == {"user_pool_share": POOL - SHARE}
        theirs, rules = await site.dial_all("op21", trunk)
        assert len(theirs) == POOL - SHARE and rules == {"SLOT_BUSY": SHARE}


async def _on_a_trunk_of_this_host(folder: Path) -> None:
    await _at_once(folder, HERE)


async def _on_a_trunk_of_another_host(folder: Path) -> None:
    await _at_once(folder, ELSEWHERE)


async def _with_auto(folder: Path) -> None:
    await _at_once(folder, "AUTO")


async def _together_with_phones(folder: Path) -> None:
    site = Site(folder)
    async with site.up():
        for slot in (1, 2):
            assert not isinstance(await site.dial("op12", slot), Refusal)
        for slot in (3, 4):
            number = f"+38050{slot:03}4567"
            assert not isinstance(await site.ask("op12", START_CALL, StartCall(number=number, slot=slot)), Refusal)
        told = await site.dial("op12", 5)
        assert (told.code, told.details) == (ErrorCode.RATE_LIMITED, {"rule": "user_pool_share", "slots": SHARE})
        phone = await site.ask("op12", START_CALL, StartCall(number="+380509994567", slot=5))
        assert phone.details["rule"] == "user_pool_share"
        assert not isinstance(await site.dial("op12", 3), Refusal)  # the other line of a slot that one has
        assert not isinstance(await site.dial("op21", 5), Refusal)


async def _what_was_given_back(folder: Path) -> None:
    site = Site(folder)
    async with site.up():
        mine, _ = await site.dial_all("op12", ELSEWHERE)  # nobody tells the slots' host that these are over
        assert len(mine) == SHARE
        for call in mine:
            await site.ask("op12", END_CALL, EndCall(call_id=call.call_id))
        await asyncio.sleep(5.0)
        for slot in {*range(1, POOL + 1)} - {call.slot for call in mine}:
            assert not isinstance(await site.dial("op12", slot), Refusal)


async def _after_a_restart(folder: Path) -> None:
    site = Site(folder)
    async with site.up():
        mine, _ = await site.dial_all("op12", ELSEWHERE)
        assert len(mine) == SHARE
        life = site.world.machines[0].life
        assert life is not None
        life.lost.set()
        await asyncio.sleep(10.0)
        again, rules = await site.dial_all("op12", HERE)
        assert not again and set(rules) <= {"user_pool_share", "SLOT_BUSY"} and rules["user_pool_share"] >= POOL - SHARE


@pytest.mark.parametrize(
    "attack",
    [
        _on_a_trunk_of_this_host,
        _on_a_trunk_of_another_host,
        _with_auto,
        _together_with_phones,
        _what_was_given_back,
        _after_a_restart,
    ],
)
def test_one_user_holds_extensions_within_the_share_alone(attack: Any, tmp_path: Path) -> None:
    run(lambda: attack(tmp_path), seed=1)
