"""What a call costs on the bus: counted in simulated time, not measured."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.assembly import running
from actors.campaign.settings import Campaigns
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.call import END_CALL, START_CALL, EndCall, StartCall
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import DIAL_PBX, DialPbx, TrunkConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from simulators.pbx.simulated_pbx import SimulatedPbx
from simulators.pbx.switch import Switch
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from simulators.world.world import ledger_of

MAY = frozenset({Action.CALL_START.value, Action.CALL_END.value})
PHONE, TRUNK = "phone", "trunk"
JOURNAL = ("append", "last", "replay", "ids", "get", "put", "delete")
# What goes on by itself, whether there are calls or not.
IDLE = ("OTTB_OWN", "OTTB_SNAP", ".tel.host", ".tel.trunk", "qry.call.open", "qry.script.open", ".sighted", ".alert.")
MOST = {PHONE: 10, TRUNK: 12}  # bus messages of one call
# Whose is the phone; whose the trunk, and the slot's extension. Where the do-not-call lists end their owner knows.
READS = {PHONE: ["last"], TRUNK: ["last", "last"]}


class Counted:
    """A host with one slot and one trunk, and every step that it takes on the bus and outside, in order."""

    def __init__(self, bus: MemoryBroker) -> None:
        self.steps: list[str] = []
        self.bus = MemoryBus(bus, step=self.step)
        self.client = MemoryBus(bus)
        self._begun = 0

    async def step(self, name: str) -> None:
        if name.startswith("before ") and not any(idle in name for idle in IDLE):
            self.steps.append(name.removeprefix("before "))

    async def begin(self, line: str, number: str, *, fresh: bool = True) -> str:
        """Start a call; `fresh`: as a gateway does for a request without a key. Gives its id."""
        self.steps.clear()
        self._begun += 1
        context = Context(command_id=f"c{self._begun}", user="op12", actions=MAY, fresh=fresh)
        if line == PHONE:
            return (await ask(self.client, START_CALL, StartCall(number=number), context)).call_id
        request = DialPbx(from_="slot_1", to=number, trunk="trunk-1")
        return (await ask(self.client, DIAL_PBX, request, context)).call_id

    async def end(self, call_id: str) -> None:
        context = Context(command_id=f"e{call_id}", user="op12", actions=MAY)
        await ask(self.client, END_CALL, EndCall(call_id=call_id), context)

    def before_the_dial(self) -> list[str]:
        """What was asked of the journal until the phone, or the PBX, was told."""
        told = next(place for place, name in enumerate(self.steps) if name == "dial")
        return [kind for kind in (name.split(" ")[0] for name in self.steps[:told]) if kind in JOURNAL]

    def events(self) -> list[str]:
        return [name.rsplit(".", 1)[1] for name in self.steps if name.startswith("append")]

    def messages(self) -> list[str]:
        """What goes over the bus for the call: the request itself is one more."""
        return [name for name in self.steps if name.split(" ")[0] in (*JOURNAL, "request", "publish", "subscribe")]


class CountedPbx(SimulatedPbx):
    """One whose orders to dial are counted as the phone's are."""

    async def originate(self, trunk: TrunkConfig, order: object) -> None:
        await self._step("before dial")
        await super().originate(trunk, order)  # type: ignore[arg-type]


@asynccontextmanager
async def counted(folder: Path) -> AsyncIterator[Counted]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock = SimClock(loop)
    broker = MemoryBroker(clock=clock)
    site = Counted(broker)
    ledger = ledger_of(MemoryBus(broker), SqliteLedger(folder / "l"))
    await ledger.start()
    handset, switch = Handset(), Switch()
    settings = Settings(
        slots=(SlotConfig(id=1, serial="p1", region="UA"),),
        trunks=(TrunkConfig(name="trunk-1", endpoint="trunk-1", countries=("UA",)),),
        campaigns=Campaigns(presets=()),
    )
    host = running(
        settings,
        bus=site.bus,
        clock=clock,
        ids=CountedIds("t"),
        make_phone=lambda config: SimulatedPhone(handset, alive=lambda: True, buried=site.bus.buried, step=site.step),
        devices=lambda: (),
        pbxs={"main": CountedPbx(switch, alive=lambda: True, buried=site.bus.buried, step=site.step)},
        lost=asyncio.Event(),
    )
    try:
        async with host:
            await asyncio.sleep(1.0)
            yield site
    finally:
        await ledger.stop()


def in_time(folder: Path, story: Callable[[Counted], Awaitable[None]]) -> None:
    async def told() -> None:
        async with counted(folder) as site:
            await story(site)

    run(told, seed=1)


@pytest.mark.parametrize("line", [PHONE, TRUNK])
def test_before_a_dial_are_one_write_a_read_of_lists_and_one_of_each_line(tmp_path: Path, line: str) -> None:
    async def story(site: Counted) -> None:
        for number in range(3):
            await site.begin(line, mobile(number, "0001"))
            await asyncio.sleep(5.0)
            assert site.before_the_dial() == ["append", *READS[line]], site.steps

    in_time(tmp_path, story)


@pytest.mark.parametrize("line", [PHONE, TRUNK])
def test_a_repeat_that_may_be_one_reads_twice_more(tmp_path: Path, line: str) -> None:
    """Its attempt, and whether that may have left the journal."""

    async def story(site: Counted) -> None:
        await site.begin(line, "+380501230001")
        await asyncio.sleep(5.0)
        await site.begin(line, "+380501240001", fresh=False)
        await asyncio.sleep(5.0)
        assert site.before_the_dial() == ["last", "last", "append", *READS[line]], site.steps

    in_time(tmp_path, story)


@pytest.mark.parametrize("line", [PHONE, TRUNK])
def test_a_call_that_ends_by_itself_writes_three_events(tmp_path: Path, line: str) -> None:
    async def story(site: Counted) -> None:
        for number in range(2):  # the first one through an extension also learns who holds it
            await site.begin(line, mobile(number, "3005"))  # rings 5 s, then is busy
            await asyncio.sleep(15.0)
        assert [event for event in site.events() if event != "enriched"] == ["dialing", "alerting", "ended"]
        assert len(site.messages()) + 1 <= MOST[line], "\n".join(site.messages())

    in_time(tmp_path, story)


@pytest.mark.parametrize("line", [PHONE, TRUNK])
@pytest.mark.parametrize("by", ["us", "nobody"])
def test_a_call_that_is_rung_out_or_cancelled_writes_four(tmp_path: Path, line: str, by: str) -> None:
    async def story(site: Counted) -> None:
        call_id = await site.begin(line, "+380501231099")  # rings for 99 s
        await asyncio.sleep(3.0)
        if by == "us":
            await site.end(call_id)
        await asyncio.sleep(100.0)
        assert [event for event in site.events() if event != "enriched"] == ["dialing", "alerting", "ending", "ended"]

    in_time(tmp_path, story)


def test_nothing_else_is_written_for_a_call(tmp_path: Path) -> None:
    async def story(site: Counted) -> None:
        await site.begin(PHONE, "+380501230001")
        await asyncio.sleep(15.0)
        written = [name.split(" ")[1] for name in site.steps if name.startswith("append")]
        assert all(subject.startswith("ottb.v1.evt.call.slot-1.") for subject in written), written

    in_time(tmp_path, story)
