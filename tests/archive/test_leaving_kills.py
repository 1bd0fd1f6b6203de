"""Days pass, calls leave, hosts are stopped, killed and lose their records in the middle of it: no line stays in use,
no call is dialled twice, and each host's records have all of them."""

import random
import sqlite3
from asyncio import sleep
from typing import Any

import pytest
from msgspec.structs import replace

from bus_schemas.call import CALLS_FEED, START_CALL, CallsFeed, CallStarted, StartCall
from bus_schemas.contract import verb_of
from bus_schemas.errors import Refusal
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.carrier.rules import mobile
from simulators.world.world import SLOTS_OF, TRUNK_OF
from tests.archive.test_leaving import SEALED, Told
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

NUMBERS = [mobile(place, ends) for place, ends in enumerate(("2003", "0001", "2010", "3002", "9999", "0004"))]
LINES = [(host, slot, trunk) for host, slots in SLOTS_OF.items() for slot in slots for trunk in (None, TRUNK_OF[host])]
DAY = 24 * 3600.0
PASSING = "UNAVAILABLE", "TIMEOUT", "SLOT_OFFLINE", "SLOT_BUSY", "RATE_LIMITED", "CALL_FAILED"


class Story:
    """One seed of it. `begun`: the calls that were acknowledged, by their commands, each with what was wanted."""

    def __init__(self, site: Told, seed: int) -> None:
        self.site = site
        self.random = random.Random(seed)
        self.asked = 0
        self.begun: dict[str, tuple[Any, str]] = {}

    async def start(self) -> None:
        self.asked += 1
        _, slot, trunk = self.random.choice(LINES)
        line = (slot, trunk, self.random.choice(NUMBERS))
        try:
            self.begun[f"k{self.asked}"] = line, (await self.ask(line, f"k{self.asked}")).call_id
        except Refusal as refusal:
            assert refusal.code in PASSING, refusal

    async def ask(self, line: Any, command: str) -> CallStarted:
        slot, trunk, number = line
        if trunk is None:
            started: CallStarted = await self.site.ask(START_CALL, StartCall(number=number, slot=slot), command)
        else:
            wanted = DialPbx(from_=f"slot_{slot}", to=number, trunk=trunk)
            started = await self.site.ask(DIAL_PBX, wanted, command)
        return started

    async def repeat(self, command: str, *passing: str) -> None:
        line, call_id = self.begun[command]
        try:
            assert (await self.ask(line, command)).call_id == call_id
        except Refusal as refusal:
            assert refusal.code in passing, refusal

    def end(self, most: int) -> None:
        """Of some hosts, in good order or not, or also of all that one knows."""
        living = self.site.living()
        for life in self.random.sample(living, min(most, len(living))):
            fate = self.random.random()
            if fate < 0.4:
                life.lost.set()
                continue
            life.bus.kill()
            life.died.set()
            if fate > 0.9:
                file = self.site.world.ledger_file(life.machine)
                for part in file.parent.glob(f"{file.name}*"):
                    part.unlink()

    async def days_pass(self, days: int) -> None:
        for clock in (self.site.world.clock, *(machine.clock for machine in self.site.world.machines)):
            clock.step(days * DAY)
        await sleep(self.random.choice((2.0, 30.0, 200.0)))

    async def a_day(self) -> None:
        for _ in range(self.random.randrange(1, 7)):
            await self.start()
            await sleep(self.random.uniform(0.0, 4.0))
            if self.random.random() < 0.35:
                self.end(self.random.choice((1, 1, 2)))
            await sleep(self.random.choice((0.5, 3.0, 20.0, 40.0)))
            if self.begun and self.random.random() < 0.4:
                await self.repeat(self.random.choice(list(self.begun)), *PASSING)
        await self.days_pass(self.random.choice((1, 1, 3)))

    def records(self) -> list[dict[str, tuple[Any, ...]]]:
        """What each host has of calls."""
        found = []
        for machine in self.site.world.machines:
            with sqlite3.connect(self.site.world.ledger_file(machine)) as database:
                database.row_factory = sqlite3.Row
                found.append({row["call_id"]: tuple(row) for row in database.execute("SELECT * FROM calls")})
        return found


@pytest.mark.parametrize("seed", range(1, plays(14) + 1))
def test_hosts_that_end_at_any_time_keep_no_line_and_lose_no_call(seed: int) -> None:
    async def played(campaigns: Campaigns) -> None:
        story = Story(Told(campaigns), seed)
        for _ in range(story.random.randrange(3, 7)):
            await story.a_day()
        await story.days_pass(4)
        await sleep(300.0)
        story.end(2)
        await sleep(300.0)
        dials = story.site.dials()
        for command in story.begun:
            await story.repeat(command, "CALL_FAILED")  # it had ended before it was dialled
        assert story.site.dials() == dials
        by_call: dict[str, set[str]] = {}
        for entry in story.site.world.broker.entries("ottb.v1.evt.call.>"):
            by_call.setdefault(entry.subject.split(".")[-2], set()).add(verb_of(entry.subject))
        assert all("ended" in verbs for verbs in by_call.values()), by_call
        assert not await story.site.ask(CALLS_FEED, CallsFeed(limit=50), "look")
        for place, (_, slot, trunk) in enumerate(LINES):
            free = await story.ask((slot, trunk, NUMBERS[1]), f"free{place}")
            await story.site.over(free.call_id)
        await sleep(60.0)
        one, other = story.records()
        print(f"{len(story.begun)} calls begun, {len(one)} in the records, {len(by_call)} left, {dials} dials")
        assert one == other and {call_id for _, call_id in story.begun.values()} <= one.keys()

    play(played, keep=True, owned=True, seed=seed, change=lambda before: replace(before, archive=SEALED))


@pytest.mark.parametrize("seed", range(1, plays(8) + 1))
def test_no_lead_whose_call_has_left_is_called_again(seed: int) -> None:
    """Whoever has the campaign then, and whatever it had read when its predecessor was killed."""

    async def played(campaigns: Campaigns) -> None:
        story = Story(Told(campaigns), seed)
        await campaigns.create("c1", attempts_per_lead=1)
        leads = 0
        for _ in range(story.random.randrange(2, 5)):
            more = story.random.randrange(2, 7)
            await campaigns.run("c1", [mobile(place, "2003") for place in range(leads, leads + more)])
            leads += more
            for _ in range(story.random.randrange(3)):
                await sleep(story.random.uniform(0.0, 12.0))
                story.end(story.random.choice((1, 1, 2)))
            await campaigns.until_over("c1")
            await story.days_pass(story.random.choice((1, 1, 3)))
        await story.days_pass(4)
        await sleep(300.0)
        story.end(2)
        await sleep(300.0)
        left = {entry.subject.split(".")[-2] for entry in campaigns.world.broker.entries("ottb.v1.evt.call.*.*.ended")}
        dials, view = campaigns.dials(), await campaigns.view("c1")
        print(f"{leads} leads, {dials.total()} dials, {len(left)} calls that are over have stayed")
        assert set(dials.values()) == {1} and view.leads == leads and left == set()

    play(played, keep=True, seed=seed, change=lambda before: replace(before, archive=SEALED))
