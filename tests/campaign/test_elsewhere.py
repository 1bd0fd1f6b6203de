"""What all campaigns have tried, read at a start: the host does not wait for it, and its campaigns do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec

from actors.campaign.elsewhere import LATER, Elsewhere
from actors.campaign.rules import Attempt
from actors.runtime.bus import ID, Recorded
from actors.runtime.clock import utc
from actors.runtime.host import Host
from bench.bus import Owned
from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
)
from bus_schemas.lead import LeadStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.campaign.test_takeover import claims
from tests.campaign.world import Campaigns, play

BUSY, SLOW = "0001", 0.5  # seconds
OLENA = "+380501230001"


def test_a_host_starts_at_once_and_its_campaigns_know_all_attempts() -> None:
    """Another campaign has just called the number in vain, and each reading of it takes half a second."""

    async def story(site: Campaigns) -> None:
        world, number = site.world, mobile(7, BUSY)
        await site.run("c1", [number])
        await site.configure("c1", attempts_per_lead=1)
        await site.until_over("c1")
        for life in list(world.lives):
            world.crash(life)
        await asyncio.sleep(10.0)
        begun = world.now
        for machine in world.machines:
            world._begin(machine)
        for life in world.lives:
            life.bus._step = _slow_to_hear
        while not all(life.host is not None and life.host.serving for life in world.lives[-2:]):
            await asyncio.sleep(0.01)
        assert world.now - begun < SLOW
        await site.run("c2", [number])
        await asyncio.sleep(5.0)
        assert [one.campaign for one in claims(world)] == ["c1"]

    play(story)


async def _slow_to_hear(name: str) -> None:
    heard = name.startswith("before replay ottb.v1.evt.campaign.")
    await asyncio.sleep(SLOW if heard else 0.001)


# --- of one host ------------------------------------------------------------------------------------------------------


class Counting(MemoryBus):
    """Knows which scopes were read from the beginning. `held`: what is read waits for this."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.read: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        self.read.append(scope)
        async for entry in super().replay(scope, after=after, since=since):
            await self.held.wait()
            yield entry


class Site:
    """A journal, and what a host knows of attempts."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = SimClock(loop)
        self.bus = Counting(MemoryBroker(clock=self.clock))
        host = Host(name="a", bus=self.bus, clock=self.clock, ids=CountedIds("t"), ownership=Owned())
        self.elsewhere = Elsewhere(host=host)
        self.last = 0

    async def claim(self, campaign: str, place: int = 0, attempt: int = 1) -> int:
        event = CampaignAttemptClaimed(
            campaign=campaign, at=utc(self.clock.now()), lead="l_1", place=place, attempt=attempt, number=OLENA,
            command_id="k",
        )  # fmt: skip
        return await self._write(CAMPAIGN_ATTEMPT_CLAIMED.subject_for(event), event)

    async def end(self, campaign: str, place: int = 0, attempt: int = 1) -> int:
        event = CampaignAttemptEnded(
            campaign=campaign, at=utc(self.clock.now()), lead="l_1", place=place, attempt=attempt, outcome="busy",
            status=LeadStatus.IN_PROGRESS, call_id="c_1",
        )  # fmt: skip
        return await self._write(CAMPAIGN_ATTEMPT_ENDED.subject_for(event), event)

    async def _write(self, subject: str, event: msgspec.Struct) -> int:
        scope, data, before = "ottb.v1.evt.campaign.>", msgspec.json.encode(event), self.last
        self.last = await self.bus.append(subject, data, {ID: f"e{before}"}, scope=scope, expect=before)
        return self.last

    def tried(self, campaign: str = "mine") -> Sequence[Attempt]:
        return self.elsewhere.than(campaign)(OLENA)


def _on_one_host(story: Callable[[Site], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Site())

    run(main, 1)


def test_of_a_campaign_alone_nothing_is_read_twice() -> None:
    async def story(site: Site) -> None:
        await site.claim("mine")
        await site.elsewhere.start()
        await site.elsewhere.others_are_known("mine")
        assert site.bus.read == [] and site.tried() == []
        rest = asyncio.ensure_future(site.elsewhere.read_rest())
        await asyncio.sleep(LATER + 1.0)
        assert rest.done() and site.bus.read == ["ottb.v1.evt.campaign.mine.*"]
        assert len(site.tried("another")) == 1

    _on_one_host(story)


def test_what_is_read_and_heard_at_once_counts_once() -> None:
    """An attempt ends, and another begins, while what was before is still being read."""

    async def story(site: Site) -> None:
        await site.claim("other")
        await site.elsewhere.start()
        site.bus.held.clear()
        known = asyncio.ensure_future(site.elsewhere.others_are_known("mine"))
        await asyncio.sleep(1.0)
        await site.end("other")
        await site.elsewhere.heard(await site.claim("other", attempt=2))
        site.bus.held.set()
        await known
        assert [one.outcome for one in sorted(site.tried(), key=lambda one: one.at)] == ["busy", None]
        await site.elsewhere.heard(await site.end("other", attempt=2))
        assert [one.outcome for one in site.tried()] == ["busy", "busy"]

    _on_one_host(story)


def test_an_end_counts_though_its_beginning_is_read_later() -> None:
    async def story(site: Site) -> None:
        await site.claim("other")
        await site.elsewhere.start()
        await site.elsewhere.heard(await site.end("other"))
        assert site.tried() == []
        await site.elsewhere.others_are_known("mine")
        assert [one.outcome for one in site.tried()] == ["busy"]

    _on_one_host(story)


def test_what_counts_for_no_cap_any_more_is_not_read() -> None:
    async def story(site: Site) -> None:
        for name in ("old", "both"):
            await site.claim(name)
            await site.end(name)
        await asyncio.sleep(timedelta(days=32).total_seconds())
        await site.claim("both", attempt=2)
        await site.elsewhere.start()
        await site.elsewhere.others_are_known("mine")
        assert site.bus.read == ["ottb.v1.evt.campaign.both.*"]
        assert [one.outcome for one in site.tried()] == [None]

    _on_one_host(story)


def test_what_one_server_does_not_have_yet_is_waited_for() -> None:
    async def story(site: Site) -> None:
        await site.claim("other")
        await site.elsewhere.start()
        whole, site.bus.replay = site.bus.replay, _nothing  # type: ignore[method-assign]
        known = asyncio.ensure_future(site.elsewhere.others_are_known("mine"))
        await asyncio.sleep(1.0)
        assert not known.done()
        site.bus.replay = whole  # type: ignore[method-assign]
        await known
        assert len(site.tried()) == 1

    _on_one_host(story)


async def _nothing(scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
    for entry in ():
        yield entry
