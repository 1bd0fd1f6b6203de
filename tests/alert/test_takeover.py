"""The board on two hosts in simulated time: whoever dies, each alert fires once, ends once, and is mailed."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

import msgspec
import pytest

from actors.alert.mailer import NotTaken
from actors.alert.rules import Rules
from actors.alert.start import on_shards
from actors.assembly import serve as serve_host
from actors.assembly import start_host
from actors.runtime.context import Context
from actors.runtime.parts import Parts
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.alert import (
    ACKNOWLEDGE_ALERT,
    BOARD,
    LIST_SILENCES,
    MAKE_SILENCE,
    REPORT_SIGHTINGS,
    AcknowledgeAlert,
    AlertFired,
    ListSilences,
    MakeSilence,
    Matcher,
    ReportSightings,
    Sighting,
)
from bus_schemas.contract import verb_of
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.alert.boards import RULES, hot
from tests.runtime.sharded import Life, Site
from tests.support.depth import seeds

MAY = frozenset({Action.ALERT_SILENCE, Action.ALERT_ACKNOWLEDGE, Action.ALERT_VIEW})


class Post:
    """Takes e-mails, some time later, unless it is down."""

    def __init__(self, random: Random) -> None:
        self.random, self.down = random, False
        self.taken: list[tuple[str, str]] = []  # the id of each, and its text

    async def send(self, *, to: tuple[str, ...], subject: str, text: str, id: str) -> None:
        await asyncio.sleep(self.random.uniform(0.01, 2.0))
        if self.down:
            raise NotTaken("451 later")
        self.taken.append((id, text))


class AlertSite(Site):
    """A broker, hosts that come and go, a mail server, and somebody who tells what the hosts see."""

    def __init__(self, loop: SimLoop, post: Post, rules: Rules) -> None:
        super().__init__(loop)
        self.post, self.rules = post, rules
        self.sights: tuple[Sighting, ...] = ()
        self.began: dict[str, float] = {}

    async def _live(self, life: Life, number: int) -> None:
        async with AsyncExitStack() as stack:
            process = Parts(bus=life.bus, clock=self.clock, ids=CountedIds(f"{life.name}{number}-"))
            settings = Settings(host=life.name)
            parts = await start_host(process, stack, settings=settings, on_lost=life.over.set, problems=list)
            parts.shards.add(on_shards(self.rules, self.post))
            await serve_host(parts, stack)
            life.host = parts.host
            await life.over.wait()

    async def tell(self) -> None:
        """What host `x`, which outlives all of them, sees."""
        number = 0
        while True:
            number += 1
            seen = tuple(hot(id, self.now - began) for id, began in self.began.items())
            report = ReportSightings(shard=shard_of(BOARD), host="x", sightings=seen)
            with contextlib.suppress(Refusal):  # the board moves
                await ask(self.asker, REPORT_SIGHTINGS, report, Context(command_id=f"r{number}"), retry=False)
            await asyncio.sleep(1.0)

    def hot(self, *ids: str) -> None:
        self.began = {id: self.began.get(id, self.now) for id in ids}

    async def owner(self) -> Life:
        while True:
            for life in self.lives:
                if shard_of(BOARD) in life.serves:
                    return life
            await asyncio.sleep(0.1)

    def verbs(self) -> Counter[str]:
        return Counter(verb_of(entry.subject) for entry in self.broker.entries("ottb.v1.evt.alert.*.*"))

    def fired(self) -> list[AlertFired]:
        found = self.broker.entries("ottb.v1.evt.alert.*.fired")
        return [msgspec.json.decode(entry.data, type=AlertFired) for entry in found]

    async def until(self, what: Callable[[], bool], seconds: float = 900.0) -> None:
        give_up = self.now + seconds
        while not what():
            assert self.now < give_up, self.verbs()
            await asyncio.sleep(0.5)


def play(test: Callable[[AlertSite, Random], Awaitable[None]], seed: int = 1) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        random = Random(seed)
        site = AlertSite(loop, Post(random), RULES)
        site.start("a"), site.start("b")
        await site.until_right("a", "b")
        telling = loop.create_task(site.tell())
        await test(site, random)
        telling.cancel()
        await site.end()
        await asyncio.sleep(0.1)

    run(main, seed)


async def fate(site: AlertSite, random: Random) -> None:
    """Something happens to whoever has the board, and somebody comes in their place."""
    life = await site.owner()
    match random.randrange(3):
        case 0:
            site.kill(life)
        case 1:
            await site.leave(life)
        case 2:
            site.pause(life, random.uniform(5, 30))
            return
    await asyncio.sleep(random.uniform(0, 3))
    site.start(life.name)
    await site.until_right("a", "b")


@pytest.mark.parametrize("seed", seeds(6))
def test_whoever_dies_each_alert_fires_once_ends_once_and_is_mailed(seed: int) -> None:
    async def test(site: AlertSite, random: Random) -> None:
        site.hot("1", "2")
        await asyncio.sleep(random.uniform(25, 40))
        for _ in range(4):
            await fate(site, random)
            await asyncio.sleep(random.uniform(0, 20))
        await site.until(lambda: site.verbs()["fired"] == 2)
        site.hot()
        await asyncio.sleep(random.uniform(50, 65))
        await fate(site, random)
        await site.until(lambda: site.verbs()["resolved"] == 2)
        await asyncio.sleep(300)
        assert site.verbs()["fired"] == site.verbs()["resolved"] == 2
        assert len({one.alert for one in site.fired()}) == 2
        told = Counter(id for id, _ in site.post.taken)
        assert sum("Resolved (2)" in text for text in dict(site.post.taken).values()) == 1
        assert len(told) <= 3 and sum(told.values()) <= len(told) + 2  # a death between taken and on record

    play(test, seed)


def test_a_mail_that_waits_goes_out_from_the_next_owner() -> None:
    async def test(site: AlertSite, random: Random) -> None:
        site.post.down = True
        site.hot("1")
        await asyncio.sleep(60)
        site.kill(await site.owner())
        site.hot()
        await asyncio.sleep(120)
        site.post.down = False
        await site.until(lambda: bool(site.post.taken))
        [(_, text)] = site.post.taken
        assert "Resolved (1)" in text and "Slot 1" in text

    play(test)


def test_silences_and_who_looks_after_an_alert_outlive_their_host() -> None:
    async def test(site: AlertSite, random: Random) -> None:
        site.hot("1")
        await site.until(lambda: site.verbs()["fired"] == 1)
        [alert] = site.fired()
        asking = Context(command_id="ack", user="op", actions=MAY)
        for _ in range(2):
            seen = await ask(site.asker, ACKNOWLEDGE_ALERT, AcknowledgeAlert(alert=alert.alert, note="mine"), asking)
            assert seen.acknowledged_by == "op"
        wanted = MakeSilence(matcher=Matcher(rule="hot"), until="2026-01-20T00:00:00Z", why="known")
        made = await ask(site.asker, MAKE_SILENCE, wanted, Context(command_id="si", user="op", actions=MAY))
        site.kill(await site.owner())
        await site.owner()
        again = await ask(site.asker, MAKE_SILENCE, wanted, Context(command_id="si", user="op", actions=MAY))
        assert again == made
        found = await ask(site.asker, LIST_SILENCES, ListSilences(), Context(command_id="l", user="op", actions=MAY))
        assert found == [made]
        assert (site.verbs()["acknowledged"], site.verbs()["silence_made"], site.verbs()["silenced"]) == (1, 1, 1)

    play(test)
