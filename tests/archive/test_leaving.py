"""What is over leaves the journal, and nothing is ever dialled again for it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from actors.archive import leaving
from actors.archive.settings import Archive as Settings
from actors.archive.start import Hosts
from actors.campaign.outside import Outside
from actors.ledger.follow import Following
from actors.runtime.context import Context
from actors.runtime.marks import is_mark
from actors.runtime.wire import ask
from bus_schemas.call import (
    CALLS_FEED,
    GET_CALL,
    START_CALL,
    CallsFeed,
    CallStarted,
    GetCall,
    Phase,
    StartCall,
)
from bus_schemas.contract import verb_of
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, GetErasure
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import LeadStatus
from bus_schemas.permissions import Action
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from simulators.world.world import Life, World
from tests.archive.test_erasing import files_with
from tests.campaign.test_dispositions import TALKS, called, dispose, operator, until_marked
from tests.campaign.world import SLOTS, Campaigns, play

NUMBER = mobile(1, "2003")
MAY = frozenset(Action)
SEALED = Settings(enabled=True, journal_days=2)


class Told:
    """What somebody at a gateway does with calls."""

    def __init__(self, site: Campaigns) -> None:
        self.world = site.world

    async def ask(self, rpc: Any, request: Any, command: str) -> Any:
        context = Context(command_id=command, user="op", actions=MAY, after=0)
        return await ask(self.world.gateways[0], rpc, request, context)

    async def start(self, command: str) -> CallStarted:
        return await self.ask(START_CALL, StartCall(number=NUMBER, slot=SLOTS[0]), command)

    async def dial(self, command: str) -> CallStarted:
        wanted = DialPbx(from_=f"slot_{SLOTS[0]}", to=NUMBER, trunk="trunk-1")
        said: CallStarted = await self.ask(DIAL_PBX, wanted, command)
        return said

    def living(self) -> list[Life]:
        return [life for life in self.world.lives if life.process.runs]

    def die(self) -> None:
        """All processes that live, at once."""
        for life in self.living():
            life.bus.kill()
            life.died.set()

    async def over(self, call_id: str) -> None:
        while (await self.ask(GET_CALL, GetCall(call_id=call_id), "look")).phase is not Phase.ENDED:
            await asyncio.sleep(1.0)

    def dials(self) -> int:
        return sum(len(self.world.phone(slot).dials) for slot in SLOTS) + len(
            [call for call in self.world.book.calls if call.line.startswith("trunk-")]
        )

    def of_calls(self) -> list[str]:
        """What the journal has of calls."""
        return [verb_of(entry.subject) for entry in self.world.broker.entries("ottb.v1.evt.call.>")]

    async def days_pass(self, days: int = 4) -> None:
        for clock in (self.world.clock, *(machine.clock for machine in self.world.machines)):
            clock.step(timedelta(days=days).total_seconds())
        await asyncio.sleep(150.0)


def told(story: Callable[[Told], Awaitable[None]], settings: Settings = SEALED, **more: Any) -> World:
    async def played(site: Campaigns) -> None:
        await story(Told(site))

    return play(
        played, keep=True, owned=True, change=lambda before: replace(before, archive=settings), **more
    )  # fmt: skip


async def one_call(site: Told, command: str = "once") -> CallStarted:
    """A call that is over, and has left."""
    started = await site.start(command)
    await site.over(started.call_id)
    await site.days_pass()
    return started


def test_a_repeat_of_a_call_that_has_left_is_answered_and_not_dialled() -> None:
    async def story(site: Told) -> None:
        started = await one_call(site)
        assert site.of_calls() == [] and site.dials() == 1
        again = await site.start("once")
        assert (again.call_id, again.slot) == (started.call_id, started.slot)
        await asyncio.sleep(30.0)
        assert site.dials() == 1 and site.of_calls() == []
        other = await site.start("another")
        assert other.call_id != started.call_id
        await site.over(other.call_id)
        assert site.dials() == 2

    told(story)


@pytest.mark.parametrize("line", ["slot", "trunk"])
def test_a_line_that_knew_a_call_open_is_free_once_that_has_left(line: str) -> None:
    """A snapshot of a line may be older than the end of a call, which has left when it is read."""

    async def story(site: Told) -> None:
        started = await site.start("once") if line == "slot" else await site.dial("once")
        await asyncio.sleep(2.0)
        for life in site.living():
            life.lost.set()  # a stop in good order, in the middle of the call, keeps how the line is
        await asyncio.sleep(10.0)
        await site.over(started.call_id)
        before = await site.ask(GET_CALL, GetCall(call_id=started.call_id), "look")
        await site.days_pass()
        assert site.of_calls() == []
        site.die()
        await asyncio.sleep(60.0)
        assert site.of_calls() == []
        assert await site.ask(GET_CALL, GetCall(call_id=started.call_id), "look") == before
        other = await site.start("another")
        await site.over(other.call_id)
        other = await site.dial("one more")
        await site.over(other.call_id)
        await asyncio.sleep(10.0)
        assert not await site.ask(CALLS_FEED, CallsFeed(limit=10), "look")

    told(story)


def test_so_is_one_through_a_trunk() -> None:
    async def story(site: Told) -> None:
        started = await site.dial("once")
        await site.over(started.call_id)
        await site.days_pass()
        dials = site.dials()
        assert site.of_calls() == []
        assert (await site.dial("once")).call_id == started.call_id
        await asyncio.sleep(30.0)
        assert site.dials() == dials and site.of_calls() == []

    told(story)


def test_nobody_dials_while_the_records_are_away() -> None:
    async def story(site: Told) -> None:
        started = await one_call(site)
        ledgers = [life.ledger for life in site.world.lives if life.ledger is not None and life.process.runs]
        for ledger in ledgers:
            await ledger._service.stop()
        for command in ("once", "another"):  # nobody knows which of the two is a repeat
            with pytest.raises(Refusal) as refused:
                await site.start(command)
            assert refused.value.code is ErrorCode.UNAVAILABLE
            assert "Nothing was dialled" in refused.value.message
        assert site.dials() == 1 and site.of_calls() == []
        for ledger in ledgers:
            await ledger._service.start()
        assert (await site.start("once")).call_id == started.call_id and site.dials() == 1

    told(story)


def test_nobody_dials_while_the_records_are_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have not read up to where calls have left: whom they do not know, they may not know yet."""

    async def story(site: Told) -> None:
        await one_call(site)
        monkeypatch.setattr(Following, "_has", lambda self, seq: seq == 0)
        with pytest.raises(Refusal) as refused:
            await site.start("another")
        assert refused.value.code is ErrorCode.UNAVAILABLE and "Nothing was dialled" in refused.value.message
        await asyncio.sleep(30.0)
        assert site.dials() == 1 and site.of_calls() == []

    told(story)


def test_a_call_stays_until_its_day_is_sealed_and_old_enough() -> None:
    async def story(site: Told) -> None:
        started = await site.start("once")
        await site.over(started.call_id)
        kept = site.of_calls()
        for _ in range(2):
            await site.days_pass(days=1)
            assert site.of_calls() == kept
        for _ in range(2):  # a day is over an hour after midnight
            await site.days_pass(days=1)
        assert site.of_calls() == []

    told(story)


@pytest.mark.parametrize("settings", [Settings(), Settings(enabled=True)])
def test_nothing_leaves_unless_it_is_set(settings: Settings) -> None:
    async def story(site: Told) -> None:
        await one_call(site)
        assert site.of_calls() != [] and site.world.broker.log.removed == set()

    told(story, settings)


def test_nothing_leaves_where_a_host_cannot_read_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two hosts does not reach the folder."""
    archive = World.archive

    def elsewhere(self: World, life: Any) -> Any:
        found = archive(self, life)
        if life.machine is self.machines[1]:
            found.store._folder = self.folder / "elsewhere"
        return found

    monkeypatch.setattr(World, "archive", elsewhere)

    async def story(site: Told) -> None:
        await one_call(site)
        assert site.of_calls() != [] and site.world.broker.log.removed == set()

    told(story)


def test_nothing_leaves_of_a_day_that_is_not_whole_any_more() -> None:
    async def story(site: Told) -> None:
        started = await site.start("once")
        await site.over(started.call_id)
        await site.days_pass(days=2)
        for path in (site.world.folder / "archive").iterdir():
            path.write_bytes(path.read_bytes()[:-1])
        await site.days_pass(days=2)
        assert site.of_calls() != [] and site.world.broker.log.removed == set()

    told(story)


def test_a_call_that_the_records_do_not_know_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(self: Hosts, call_id: str, up_to: int) -> bool:
        return False

    monkeypatch.setattr(Hosts, "known", unknown)

    async def story(site: Told) -> None:
        await one_call(site)
        assert site.of_calls() != []

    told(story)


@pytest.mark.parametrize("stay", [1, 2, 3])
def test_a_removal_that_ends_in_the_middle_leaves_no_open_call(stay: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the line over then adopts nothing, a repeat is answered, and the rest goes later."""
    remove = leaving.Leaving._call
    left = {"removals": 0}

    async def story(site: Told) -> None:
        taken = MemoryBus.remove

        async def few(self: Any, seq: int, **more: bool) -> None:
            if left["removals"] <= 0:
                raise asyncio.CancelledError
            left["removals"] -= 1
            await taken(self, seq, **more)

        monkeypatch.setattr(MemoryBus, "remove", few)
        started = await site.start("once")
        await site.over(started.call_id)
        left["removals"] = len(site.of_calls()) - stay
        await site.days_pass()
        there = site.of_calls()
        assert len(there) == stay and ("dialing" not in there or "ended" in there)
        monkeypatch.setattr(leaving.Leaving, "_call", _nothing)
        monkeypatch.setattr(MemoryBus, "remove", taken)
        site.die()
        await asyncio.sleep(60.0)
        assert (await site.start("once")).call_id == started.call_id and site.dials() == 1
        assert site.of_calls() == there
        monkeypatch.setattr(leaving.Leaving, "_call", remove)
        await site.days_pass(days=1)
        assert site.of_calls() == [] and site.dials() == 1

    told(story)


async def _nothing(self: Any, book: Any, call_id: str, limit: int) -> None:
    return None


async def _yes(*_: Any) -> bool:
    return True


def test_a_call_that_leaves_while_a_repeat_looks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there when the repeat begins, and gone before the journal is asked."""

    async def story(site: Told) -> None:
        started = await site.start("once")
        await site.over(started.call_id)
        turn = leaving.Leaving.turn
        monkeypatch.setattr(leaving.Leaving, "turn", _none_gone)
        await site.days_pass()
        assert site.of_calls() != []
        bus, last = MemoryBus(site.world.broker), MemoryBus.last
        archive = site.world.archive(next(life for life in site.world.lives if life.process.runs))
        archive._bus = bus
        now = leaving.Leaving(
            bus=bus, clock=site.world.clock, archive=archive, days=2, everywhere=_yes, known=_yes, may=lambda: True
        )

        async def late(self: MemoryBus, scope: str, *, certain: bool = False) -> Any:
            if scope.endswith(f".{started.call_id}.dialing") and site.of_calls():
                await turn(now, "host")
            return await last(self, scope, certain=certain)

        monkeypatch.setattr(MemoryBus, "last", late)
        assert (await site.start("once")).call_id == started.call_id
        assert site.of_calls() == [] and site.dials() == 1

    told(story)


async def _none_gone(self: Any, host: str) -> int:
    return 0


def of_campaign(story: Callable[[Told, Campaigns], Awaitable[None]], *, owned: bool = False) -> None:
    async def played(site: Campaigns) -> None:
        await site.create("c1", attempts_per_lead=1)
        await story(Told(site), site)

    play(played, keep=True, owned=owned, change=lambda before: replace(before, archive=SEALED))


def test_calls_of_campaigns_leave_and_are_not_made_again() -> None:
    async def story(told: Told, site: Campaigns) -> None:
        await site.run("c1", [NUMBER])
        await site.until_over("c1")
        before = await site.view("c1")
        assert told.of_calls() != []
        await told.days_pass()
        assert told.of_calls() == []
        told.die()
        await asyncio.sleep(60.0)
        assert await site.view("c1") == before
        for life in site.world.lives:
            if life.ledger is not None and life.process.runs:
                await life.ledger._service.stop()
        await site.run("c1", [mobile(2, "2003")])  # no record says more of these than the journal: they ask that alone
        while site.dials().total() < 2:
            await asyncio.sleep(1.0)
        await asyncio.sleep(60.0)
        assert set(site.dials().values()) == {1}

    of_campaign(story)


@pytest.mark.parametrize("late", [False, True])
def test_a_call_stays_while_its_campaign_does_not_know_its_end(late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it will ask the journal. It may hear of a call before midnight only after it."""

    async def story(told: Told, site: Campaigns) -> None:
        end = Outside._over
        monkeypatch.setattr(Outside, "_over", lambda self, owner, claim, ended: None)
        await site.run("c1", [NUMBER])
        while "ended" not in told.of_calls():
            await asyncio.sleep(1.0)
        kept = told.of_calls()
        for _ in range(5 if not late else 1):
            await told.days_pass(days=1)
            assert told.of_calls() == kept
        monkeypatch.setattr(Outside, "_over", end)
        told.die()
        await site.until_over("c1")
        for _ in range(6):
            await told.days_pass(days=1)
        assert told.of_calls() == [] and set(site.dials().values()) == {1}

    of_campaign(story)


def test_what_is_said_of_a_call_that_has_left_reaches_its_lead() -> None:
    """An operator may say it days later, also that nobody is to call there again."""

    async def story(told: Told, site: Campaigns) -> None:
        await operator(site)
        number = mobile(0, TALKS)
        await site.run("c1", [number])
        call_id = await called(site, number)
        await told.over(call_id)
        await told.days_pass()
        assert told.of_calls() == []
        await dispose(site, call_id, "do_not_call")
        [mark] = await until_marked(site, 1)
        assert mark.status is LeadStatus.DO_NOT_CALL
        await site.run("c2", [number, mobile(1, TALKS)])
        await site.until_over("c2")
        assert site.dials() == {number: 1, mobile(1, TALKS): 1}

    of_campaign(story, owned=True)


def test_calls_that_stay_keep_no_other_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come first."""
    monkeypatch.setattr(leaving, "MOST", 2)

    async def story(told: Told, site: Campaigns) -> None:
        monkeypatch.setattr(Outside, "_over", lambda self, owner, claim, ended: None)
        await site.run("c1", [mobile(number, "2003") for number in range(1, 4)])
        while told.of_calls().count("ended") < 3:
            await asyncio.sleep(1.0)
        kept = told.of_calls()
        await one_call(told)
        assert told.of_calls() == kept

    of_campaign(story)


def test_an_erasure_finds_calls_that_have_left() -> None:
    """And so long as one goes on, nothing leaves."""

    async def story(site: Told) -> None:
        started = await one_call(site)
        folder = site.world.folder / "archive"
        assert files_with(folder, NUMBER.encode()) != []
        second = await site.start("second")
        await site.over(second.call_id)
        await asyncio.sleep(2.0)
        said = await site.ask(ERASE_PERSON, ErasePerson(numbers=(NUMBER,), reason="letter"), "erase")
        while said.ended is None:
            await asyncio.sleep(1.0)
            said = await site.ask(GET_ERASURE, GetErasure(erasure=said.erasure), "look")
        assert (str(said.status), said.erased.calls) == ("done", 2)
        assert files_with(folder, NUMBER.encode()) == []
        await asyncio.sleep(30.0)
        found = await site.ask(GET_CALL, GetCall(call_id=started.call_id), "look")
        assert is_mark(found.number) and found.phase is Phase.ENDED
        assert (await site.start("once")).call_id == started.call_id and site.dials() == 2
        await site.days_pass()
        assert site.of_calls() == [] and files_with(folder, NUMBER.encode()) == []

    told(story)
