"""One user takes every start of a trunk that may not dial as fast as they ask."""

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
from bus_schemas.call import END_CALL, EndCall
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.host import OFFER_LINES, OfferLines
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.phone.handset import Handset
from simulators.time.loop import SimLoop, run
from simulators.world.world import World

ACTIONS = frozenset({Action.CALL_START.value, Action.CALL_END.value})
SLOT_OF = {"op12": 1, "op21": 2}
SECONDS = 12
TRUNK = "trunk-1"


class Site:
    """A trunk of a host, and a slot of each of two users, whose extensions take any number of calls at once."""

    def __init__(self, folder: Path, per_second: float, channels: int = 1_000) -> None:
        loop = asyncio.get_running_loop()
        self.world = World(cast(SimLoop, loop), folder, user_calls=10_000, slow=0.0, deaf=0.0)
        slots = tuple(
            SlotConfig(id=id, serial=f"p{id}", region="UA", host="a", user=user) for user, id in SLOT_OF.items()
        )
        for slot in slots:
            self.world.handsets.setdefault(slot.serial or "", Handset(f"slot-{slot.id}"))
        dial = Dial(countries=("UA",), extension_calls=1_000, user_concurrent_calls=1_000, user_calls_per_minute=10_000)
        for machine in self.world.machines:
            here, wanted = machine.settings.trunks, {"channels": channels, "calls_per_second": per_second}
            trunks = tuple(replace(one, **wanted) for one in here)
            machine.settings = replace(machine.settings, slots=slots, dial=dial, trunks=trunks)
        self.asked = 0
        self.begun, self.rules = Counter[str](), Counter[str]()
        self.calls = list[str]()  # that go on

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        for machine in self.world.machines:
            self.world.keep(machine)
        await asyncio.sleep(8.0)
        yield
        await self.world.stop()

    async def dial(self, user: str) -> float:
        """One call; the seconds after which it may be tried again."""
        self.asked += 1
        context = Context(command_id=f"k{self.asked}", user=user, actions=ACTIONS)
        number = f"+38050{self.asked % 1000:03}4567"  # talks until somebody hangs up
        wanted = DialPbx(from_=f"slot_{SLOT_OF[user]}", to=number, trunk=TRUNK)
        try:
            view = await ask(self.world.gateways[0], DIAL_PBX, wanted, context)
        except Refusal as refusal:
            details = refusal.details or {}
            self.rules[str(details["rule"])] += 1
            return float(details["retry_after"])
        self.begun[user] += 1
        self.calls.append(view.call_id)
        return 0.0

    async def hang_up(self, user: str, seconds: float) -> None:
        """Every call ends so long after it began."""
        loop, ends = asyncio.get_running_loop(), list[tuple[float, str]]()
        while True:
            ends += [(loop.time() + seconds, call_id) for call_id in self.calls]
            self.calls.clear()
            while ends and ends[0][0] <= loop.time():
                context = Context(command_id=f"e{ends[0][1]}", user=user, actions=END_CALL.needed | ACTIONS)
                await ask(self.world.gateways[0], END_CALL, EndCall(call_id=ends.pop(0)[1]), context)
            await asyncio.sleep(0.1)

    async def flood(self, user: str) -> None:
        while True:
            await self.dial(user)
            await asyncio.sleep(0.03)

    async def come_back(self, user: str) -> None:
        """As a program does that waits as long as it is told."""
        while True:
            await asyncio.sleep(await self.dial(user) + 0.07)


async def _beside_one_who_waits(folder: Path, per_second: float) -> None:
    site = Site(folder, per_second)
    async with site.up():
        tasks = [asyncio.ensure_future(one) for one in (site.flood("op12"), site.come_back("op21"))]
        await asyncio.sleep(SECONDS)
        for task in tasks:
            task.cancel()
        begun, most = site.begun, SECONDS * per_second
        print(f"{site.asked} calls wanted in {SECONDS} s of a trunk of {per_second} a second: {dict(begun)}")
        assert begun["op21"] >= 0.2 * most  # one after the other, with a rest after each
        assert begun["op12"] >= 0.4 * most
        assert begun.total() >= 0.8 * most and {*site.rules} == {"trunk_calls_per_second", "trunk_turn"}


async def _alone(folder: Path, per_second: float) -> None:
    site = Site(folder, per_second)
    async with site.up():
        tasks = [asyncio.ensure_future(site.flood("op12")) for _ in range(2)]
        await asyncio.sleep(SECONDS)
        for task in tasks:
            task.cancel()
        assert site.begun["op12"] >= SECONDS * per_second and {*site.rules} == {"trunk_calls_per_second"}


async def _beside_a_campaign(folder: Path, per_second: float) -> None:
    """Which is offered a channel soon, although somebody asks on end by hand."""
    site = Site(folder, per_second)
    async with site.up():
        task = asyncio.ensure_future(site.flood("op12"))
        await asyncio.sleep(3.0)
        loop, waited = asyncio.get_running_loop(), list[float]()
        for number in range(5):
            began = loop.time()
            request = OfferLines(
                host="a", asker=f"c{number}", user="op21", most=1, trunks=TrunkCarrier(extensions=(SLOT_OF["op21"],))
            )
            context = Context(command_id=f"o{number}", user="op21", actions=OFFER_LINES.needed)
            offered = await ask(site.world.gateways[0], OFFER_LINES, request, context)
            assert len(offered.lines) == 1
            waited.append(loop.time() - began)
            await asyncio.sleep(6.0)  # the offer is over
        task.cancel()
        print(f"5 offers of a trunk whose every start somebody takes: after {max(waited):.1f} s at most")
        assert max(waited) < 2.5 / min(per_second, 1.0)


async def _not_all_is_offered(folder: Path, per_second: float) -> None:
    """While somebody waits who dials by hand and has had less."""
    site = Site(folder, per_second)
    async with site.up():
        while not await site.dial("op21"):
            pass
        while not await site.dial("op12"):
            pass
        site.begun.clear()
        carrier = TrunkCarrier(extensions=(SLOT_OF["op21"],))
        request = OfferLines(host="a", asker="c", user="op21", most=9, trunks=carrier)
        context = Context(command_id="o", user="op21", actions=OFFER_LINES.needed)
        offered = asyncio.ensure_future(ask(site.world.gateways[0], OFFER_LINES, request, context))
        wait = await site.dial("op12")
        await asyncio.sleep(wait + 0.4)
        assert not offered.done() or per_second > 1.0
        await site.dial("op12")
        assert site.begun == {"op12": 1}
        assert len((await offered).lines) == 1


@pytest.mark.parametrize("per_second", [1.0, 4.0])
@pytest.mark.parametrize("attack", [_beside_one_who_waits, _alone, _beside_a_campaign, _not_all_is_offered])
def test_one_user_leaves_others_their_turn_on_a_trunk(attack: Any, per_second: float, tmp_path: Path) -> None:
    run(lambda: attack(tmp_path, per_second), seed=1)


CHANNELS, TALK, LONG = 6, 4.0, 32


async def _full_beside_one_who_waits(folder: Path) -> None:
    site = Site(folder, 50.0, channels=CHANNELS)
    async with site.up():
        users = (site.flood("op12"), site.come_back("op21"), site.hang_up("admin", TALK))
        tasks = [asyncio.ensure_future(one) for one in users]
        await asyncio.sleep(LONG)
        for task in tasks:
            task.cancel()
        begun, most = site.begun, LONG * CHANNELS / TALK
        print(f"{site.asked} calls wanted in {LONG} s of {CHANNELS} channels, each {TALK} s: {dict(begun)}")
        assert begun["op21"] >= 0.25 * begun.total() and begun.total() >= 0.6 * most
        assert {*site.rules} == {"trunk_channels", "trunk_turn"}


async def _full_alone(folder: Path) -> None:
    site = Site(folder, 50.0, channels=CHANNELS)
    async with site.up():
        tasks = [asyncio.ensure_future(one) for one in (site.flood("op12"), site.hang_up("admin", TALK))]
        await asyncio.sleep(LONG)
        for task in tasks:
            task.cancel()
        assert site.begun["op12"] >= 0.85 * LONG * CHANNELS / TALK and {*site.rules} == {"trunk_channels"}


@pytest.mark.parametrize("attack", [_full_beside_one_who_waits, _full_alone])
def test_one_user_leaves_others_the_next_channel_of_a_full_trunk(attack: Any, tmp_path: Path) -> None:
    run(lambda: attack(tmp_path), seed=1)
