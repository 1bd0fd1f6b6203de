"""From the moment that an addition is acknowledged, no call to that number begins on any host."""

import asyncio
from pathlib import Path

import msgspec

from actors.dialing.gate import BEHIND, RULE, UNKNOWN
from actors.runtime.bus import ID
from bus_schemas.campaign import CAMPAIGN_CREATED, CampaignCreated, CampaignSettings
from bus_schemas.do_not_call import (
    ADD_DO_NOT_CALL,
    PUT_ON_DO_NOT_CALL,
    REMOVE_DO_NOT_CALL,
    AddDoNotCall,
    DoNotCallChanged,
    RemoveDoNotCall,
)
from bus_schemas.errors import ErrorCode, Refusal
from tests.do_not_call.hosts import Hosts, play
from tests.support.depth import plays

OLENA, PETRO, IVAN = "+380501230001", "+380501230002", "+380671230003"
SEEDS, TURNS = max(plays(8), 3), 12
APART = 0.04  # seconds in which an addition and calls to its number are asked for


def is_listed(answer: object) -> bool:
    match answer:
        case Refusal(code=ErrorCode.CALL_FAILED, details=details):
            return details == {"rule": RULE}
    return False


async def from_everywhere(hosts: Hosts, number: str, campaign: str | None = None) -> list[object]:
    """What is answered to a call on each phone and trunk, and on any."""
    answers = [await hosts.start(number, slot, campaign=campaign) for slot in (1, 2, 3, "AUTO")]
    return answers + [await hosts.dial(number, trunk, campaign=campaign) for trunk in ("trunk-1", "trunk-2", "AUTO")]


def test_no_line_of_any_host_calls_who_is_listed(tmp_path: Path) -> None:
    async def story(hosts: Hosts) -> None:
        assert (await hosts.add("050 123 00 01")).added == 1
        assert all(map(is_listed, await from_everywhere(hosts, OLENA)))
        assert hosts.dialled(OLENA) == 0 and hosts.attempts(OLENA) == {}
        assert not isinstance(await hosts.start(PETRO, 3), Refusal)
        said = await hosts.ask(REMOVE_DO_NOT_CALL, RemoveDoNotCall(list="global", entries=(OLENA,)))
        assert said.removed == 1
        await asyncio.sleep(1.0)
        assert not isinstance(await hosts.start(OLENA, 1), Refusal)

    play(story, tmp_path)


def test_who_is_listed_by_a_beginning_is_not_called(tmp_path: Path) -> None:
    async def story(hosts: Hosts) -> None:
        await hosts.add("+38050*")
        assert all(map(is_listed, await from_everywhere(hosts, OLENA)))
        assert not isinstance(await hosts.start(IVAN, 1), Refusal)

    play(story, tmp_path)


def test_a_campaigns_list_holds_for_its_calls_alone(tmp_path: Path) -> None:
    async def story(hosts: Hosts) -> None:
        put = AddDoNotCall(list="spring", entries=(OLENA,), source="disposition")
        assert (await hosts.ask(PUT_ON_DO_NOT_CALL, put)).added == 1
        assert all(map(is_listed, await from_everywhere(hosts, OLENA, campaign="spring")))
        assert hosts.dialled(OLENA) == 0
        assert not isinstance(await hosts.start(OLENA, 1, campaign="autumn"), Refusal)
        assert not isinstance(await hosts.start(OLENA, 3), Refusal)

    play(story, tmp_path)


def test_a_list_of_no_campaign_is_refused(tmp_path: Path) -> None:
    async def story(hosts: Hosts) -> None:
        wanted = AddDoNotCall(list="spring", entries=(OLENA,))
        refused = await hosts.ask(ADD_DO_NOT_CALL, wanted)
        assert isinstance(refused, Refusal) and refused.code is ErrorCode.NOT_FOUND
        at = "2026-01-01T12:00:00.000Z"
        made = CampaignCreated(campaign="spring", at=at, by="op", settings=CampaignSettings())
        subject, bus = CAMPAIGN_CREATED.subject_for(made), hosts.world.gateways[0]
        await bus.append(subject, msgspec.json.encode(made), {ID: "made"}, scope=subject, expect=0)
        assert (await hosts.ask(ADD_DO_NOT_CALL, wanted)).added == 1

    play(story, tmp_path)


def test_a_host_that_is_behind_dials_nobody_and_says_why(tmp_path: Path) -> None:
    """It holds b back; the list's owner is a, so the answer does not wait for b."""

    async def story(hosts: Hosts) -> None:
        hosts.hears["b"].clear()
        assert (await hosts.add(OLENA)).added == 1
        for number in (OLENA, PETRO):
            for refused in (await hosts.start(number, 3), await hosts.dial(number, "trunk-2")):
                assert isinstance(refused, Refusal) and refused.code is ErrorCode.CALL_FAILED
                assert (refused.details or {})["rule"] == UNKNOWN and BEHIND in refused.message
        await asyncio.sleep(30.0)
        assert hosts.dialled(OLENA) == hosts.dialled(PETRO) == 0
        assert len(hosts.ends(OLENA)) == 2 and all('"not_dialed"' in end for end in hosts.ends(OLENA))
        assert not isinstance(await hosts.start(PETRO, 1), Refusal)  # a knows the lists
        hosts.hears["b"].set()
        await asyncio.sleep(1.0)
        assert is_listed(await hosts.start(OLENA, 3))
        assert not isinstance(await hosts.start(PETRO, 3), Refusal)

    play(story, tmp_path)


def test_a_host_that_has_not_read_the_lists_dials_nobody(tmp_path: Path) -> None:
    async def story(hosts: Hosts) -> None:
        await hosts.add(OLENA)
        for refused in (await hosts.start(PETRO, 3), await hosts.dial(PETRO, "trunk-2")):
            assert isinstance(refused, Refusal) and refused.code is ErrorCode.CALL_FAILED
            assert (refused.details or {})["rule"] == UNKNOWN
            assert (refused.details or {})["reason"] == "the do-not-call lists are not read yet"
        assert hosts.attempts(PETRO) == {}
        for started in (await hosts.dial(PETRO, "AUTO", door=1), await hosts.start(IVAN, "AUTO", door=1)):
            assert not isinstance(started, Refusal), started  # a knows them
        await asyncio.sleep(60.0)
        hosts.hears["b"].set()
        await asyncio.sleep(10.0)
        assert not isinstance(await hosts.start(PETRO, 3), Refusal)

    async def begin(hosts: Hosts) -> None:
        """With something on record before b comes: an empty list is read at once."""
        hosts.hears["b"].clear()
        await hosts.add("+48*")
        [life] = [one for one in hosts.world.lives if one.machine.host == "b"]
        hosts.world.crash(life)
        await asyncio.sleep(20.0)
        await story(hosts)

    play(begin, tmp_path)


def test_a_new_owner_knows_the_list_before_it_changes_it(tmp_path: Path) -> None:
    """a, which owns the list, is gone; b takes it over and hears late. What was on the list is to be taken off."""

    async def story(hosts: Hosts) -> None:
        hosts.hears["b"].clear()
        await hosts.add(OLENA)
        hosts.end("a")
        hosts.world.loop.call_later(15.0, hosts.hears["b"].set)
        began, said = hosts.now, None
        while not isinstance(said, DoNotCallChanged):
            assert hosts.now < began + 40.0
            said = await hosts.ask(REMOVE_DO_NOT_CALL, RemoveDoNotCall(list="global", entries=(OLENA,)))
        assert hosts.now >= began + 15.0
        journal = [one.subject.rsplit(".", 1)[1] for one in hosts.world.broker.journal if ".global." in one.subject]
        assert journal.count("removed") == 1  # by this command or one before it, whose answer came too late

    play(story, tmp_path)


def test_no_attempt_that_comes_after_an_addition_is_dialled(tmp_path: Path) -> None:
    """Additions and calls at the same moment, on hosts that hear late, stand still and crash now and then."""
    late = early = 0
    for seed in range(SEEDS):
        races = Races(seed)
        (folder := tmp_path / str(seed)).mkdir()
        play(races.story, folder, seed)
        late, early = late + races.late, early + races.early
    print(f"{late} attempts after an addition tried, {early} before one; dialled of the first: 0")
    assert late >= SEEDS / 2 and early > SEEDS


class Races:
    """`late`: attempts that got on record after the addition of their number; `early`: before it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.late = self.early = 0

    async def story(self, hosts: Hosts) -> None:
        for turn in range(TURNS):
            await self._trouble(hosts, turn % 4)
            number = f"+38050124{turn:02}{self.seed:02}"
            await asyncio.gather(self._call(hosts, number), self._call(hosts, number), self._add(hosts, number))
            await asyncio.sleep(20.0 if turn % 4 == 2 else 5.0)
            added = hosts.added(number)
            before = [seq for seq in hosts.attempts(number).values() if seq < added]
            self.early += len(before)
            self.late += len(hosts.attempts(number)) - len(before)
            assert hosts.dialled(number) <= len(before), number

    async def _trouble(self, hosts: Hosts, kind: int) -> None:
        drawn, loop = hosts.world.random, hosts.world.loop
        host = drawn.choice(("a", "b"))
        [life] = [one for one in hosts.world.lives if one.machine.host == host and not one.process.killed]
        if kind == 0:
            hosts.hears[host].clear()
            loop.call_later(drawn.uniform(0.0, 2.0), hosts.hears[host].set)
        elif kind == 1:
            life.process.freeze()
            loop.call_later(drawn.uniform(0.0, 1.0), life.process.thaw)
        elif kind == 2:
            loop.call_later(drawn.uniform(0.0, APART), hosts.world.crash, life)

    async def _call(self, hosts: Hosts, number: str) -> None:
        drawn = hosts.world.random
        await asyncio.sleep(drawn.uniform(0.0, APART))
        if drawn.random() < 0.7:
            await hosts.start(number, drawn.choice((1, 2, 3)))
        else:
            await hosts.dial(number, "AUTO")

    async def _add(self, hosts: Hosts, number: str) -> None:
        await asyncio.sleep(hosts.world.random.uniform(0.0, APART))
        wanted = AddDoNotCall(list="global", entries=(number,))
        while isinstance(await hosts.ask(ADD_DO_NOT_CALL, wanted), Refusal):
            await asyncio.sleep(1.0)
