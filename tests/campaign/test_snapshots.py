"""Snapshots of campaigns: whatever happens to them, a campaign that is read back is what its journal says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from actors.assembly import running
from actors.campaign import places
from actors.campaign.actor import CampaignActor
from actors.campaign.kept import in_pieces, with_piece
from actors.campaign.record import READ_BACK, Campaign, Entry, evolve_all, size
from actors.runtime import journalled, pieces
from actors.runtime.bus import ID, BusUnavailable, Recorded
from actors.runtime.context import Context
from actors.runtime.journalled import SNAPSHOTS, Snapshot
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot.phone import Phone
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CAMPAIGN_PAUSED,
    CAMPAIGN_STOPPED,
    PAUSE_CAMPAIGN,
    RUN_CAMPAIGN,
    STOP_CAMPAIGN,
    ArchiveCampaign,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    PauseCampaign,
    RunCampaign,
    StopCampaign,
)
from bus_schemas.contract import matches, verb_of
from bus_schemas.lead import GivenLead, LeadStatus
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from bus_schemas.slot import SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from simulators.world.schedule import small
from simulators.world.world import World
from tests.campaign.test_read_back import eventful
from tests.campaign.test_takeover import Tally, killed
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

ALL = resolve(BUILT_IN_ROLES["admin"])
KEY, SCOPE = "campaign.c1", "ottb.v1.evt.campaign.c1.*"
LEADS = 14  # four parts, each a piece of its own
WORLDS = plays(12)
AT_ONCE = 6  # of them in one test, so that none takes minutes

text = st.text(max_size=5)
entries = st.builds(
    Entry, id=text, numbers=text, timezone=st.none() | text, priority=st.integers(-9, 9), source=text,
    consent=st.none() | st.booleans(), status=st.sampled_from(LeadStatus), tries=st.binary(max_size=40),
    callback=st.integers(0, 2**50), operator=st.none() | text, said=st.booleans(), why=text,
)  # fmt: skip


@given(st.lists(entries, max_size=12), st.integers(1, 5), st.integers(1, 300))
def test_a_campaign_that_is_put_together_is_what_was_taken_apart(
    leads: Sequence[Entry], part: int, piece: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "SIZE", part)
        patch.setattr(pieces, "SIZE", piece)
        campaign = replace(eventful().state, leads=places.extended((), leads))
        assert read_again(campaign) == campaign


def read_again(campaign: Campaign) -> Campaign:
    head, rest = in_pieces(campaign)
    data = msgspec.json.encode(Snapshot(seq=1, state=head))
    found = msgspec.convert(msgspec.json.decode(data, type=Snapshot).state, Campaign, str_keys=True)
    for piece in rest:
        found = with_piece(found, piece)
    return found


def test_what_many_leads_have_in_common_is_kept_once() -> None:
    """A snapshot of 1,000 is no larger than what is their own, and what is read of it is not either."""
    leads = [Entry(f"l{place}", "+380", f"Zone/{'x' * 90}", 0, "y" * 90, None) for place in range(1000)]
    _, rest = in_pieces(replace(eventful().state, leads=places.extended((), leads)))
    parts = list(rest)
    assert sum(map(len, parts)) < 40 * 1000
    found = with_piece(replace(eventful().state, leads=()), parts[0]).leads
    assert len({id(entry.source) for part in found for entry in part}) == 1


# --- a host's lives


class CutBus(MemoryBus):
    """From the `left`th step of writing snapshots on nothing of that is done. `after`: from where on the campaign was
    read."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.left = 10**6
        self.after: list[int] = []

    def replay(self, scope: str, *, after: int = 0, since: float = 0.0) -> AsyncIterator[Recorded]:
        if scope == SCOPE and not since:
            self.after.append(after)
        return super().replay(scope, after=after, since=since)

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        self._step_of(bucket)
        return await super().put(bucket, key, data, expect=expect, ttl=ttl)

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        self._step_of(bucket)
        await super().delete(bucket, key, expect=expect)

    def _step_of(self, bucket: str) -> None:
        if bucket == SNAPSHOTS:
            self.left -= 1
            if self.left < 0:
                raise BusUnavailable("cut off")


class Site:
    """A host that lives again and again, with one campaign, and nothing to call with."""

    def __init__(self, loop: SimLoop) -> None:
        self.clock = SimClock(loop)
        self.broker = MemoryBroker(clock=self.clock)
        self.bus, self.ids = CutBus(self.broker), CountedIds("t")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[CampaignActor | None]:
        """The campaign, as a life of the host has it. It ends in good order."""
        self.bus.after.clear()
        async with running(
            Settings(slots=()), bus=self.bus, clock=self.clock, ids=self.ids, devices=lambda: (), pbxs={},
            make_phone=nobodys, lost=asyncio.Event(),
        ) as host:  # fmt: skip
            await asyncio.sleep(5.0)
            shard = host.shards[shard_of("c1")]
            yield shard.get(CampaignActor, "c1")

    async def run(self, first: int, count: int) -> None:
        leads = tuple(GivenLead(number=mobile(place, "2003")) for place in range(first, first + count))
        await self.ask(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=leads))

    async def ask(self, rpc: Any, request: Any) -> None:
        await ask(self.bus, rpc, request, Context(command_id=self.ids.new(), user="op", actions=ALL))

    async def call(self, campaign: Campaign, places_of: Iterable[int]) -> None:
        """Put a call to each of these on record, as an owner would."""
        for place in places_of:
            entry = places.at(campaign.leads, place)
            about = {"campaign": "c1", "at": "2026-01-01T00:00:01.000Z", "lead": entry.id, "place": place, "attempt": 1}
            claimed = CampaignAttemptClaimed(**about, number=entry.numbers, command_id="k")
            ended = CampaignAttemptEnded(**about, outcome="busy", status=LeadStatus.IN_PROGRESS, call_id="c_1")
            await self.write(CAMPAIGN_ATTEMPT_CLAIMED.subject_for(claimed), claimed)
            await self.write(CAMPAIGN_ATTEMPT_ENDED.subject_for(ended), ended)

    async def write(self, subject: str, event: Struct) -> None:
        last = self.broker.last(SCOPE)
        assert last is not None
        data, headers = msgspec.json.encode(event), {ID: self.ids.new()}
        await self.bus.append(subject, data, headers, scope=SCOPE, expect=last.seq)

    async def snapshot(self) -> Snapshot:
        found = await self.bus.get(SNAPSHOTS, KEY)
        assert found is not None and found.data is not None
        return msgspec.json.decode(found.data, type=Snapshot)

    async def put(self, snapshot: Snapshot) -> None:
        await self.bus.put(SNAPSHOTS, KEY, msgspec.json.encode(snapshot), expect=None)


def nobodys(config: SlotConfig) -> Phone:
    raise AssertionError(config)


def told(broker: MemoryBroker, seq: int) -> tuple[Campaign | None, int]:
    """The campaign as the journal tells it up to an entry, and where it was last halted."""
    found = [entry for entry in broker.journal if matches(SCOPE, entry.subject) and entry.seq <= seq]
    events = {topic.verb: topic.event for topic in CampaignActor.topics}
    read = [(verb_of(entry.subject), entry) for entry in found]
    halts = (CAMPAIGN_PAUSED.verb, CAMPAIGN_STOPPED.verb)
    state = evolve_all(
        None, [msgspec.json.decode(one.data, type=READ_BACK.get(events[verb], events[verb])) for verb, one in read]
    )
    return state, max((one.seq for verb, one in read if verb in halts), default=0)


def is_as_told(site: Site, campaign: CampaignActor | None) -> CampaignActor:
    assert campaign is not None and campaign.state is not None
    assert (campaign.state, campaign.halted) == told(site.broker, campaign.seq)
    return campaign


def in_lives(story: Callable[[Site], Awaitable[object]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        await story(Site(loop))

    with small():
        run(main, 1)


async def begun(site: Site) -> CampaignActor:
    """A first life has made the campaign, paused it, and kept a snapshot when it ended."""
    async with site.life():
        await site.run(0, LEADS)
        await site.ask(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
    async with site.life() as campaign:
        pass
    assert campaign is not None and site.bus.after[0] > 0
    return campaign


def test_what_follows_a_snapshot_is_read_from_the_journal() -> None:
    async def story(site: Site) -> None:
        former = await begun(site)
        assert former.state is not None
        await site.call(former.state, (0, 5, 13))
        async with site.life() as campaign:
            found = is_as_told(site, campaign)
            assert site.bus.after == [former.seq - 1] and found.halted > 0
            assert found.state is not None and size(found.state) == LEADS

    in_lives(story)


def test_who_ends_between_two_steps_of_a_snapshot_leaves_a_whole_one() -> None:
    """Also where pieces of that and of the one before lie beside each other."""

    async def story(site: Site) -> None:
        former, steps = await begun(site), range(2 * LEADS // places.SIZE + 6)
        for left in steps:
            before = (await site.snapshot()).seq
            async with site.life():
                await site.run(LEADS + left, 1)
                await site.ask(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
                site.bus.left = left
            site.bus.left = 10**6
            kept = (await site.snapshot()).seq
            async with site.life() as campaign:
                is_as_told(site, campaign)
                assert site.bus.after == [kept - 1]
            assert kept >= before
        assert former.seq < kept

    in_lives(story)


async def _forgotten(site: Site, key: str) -> None:
    await site.bus.delete(SNAPSHOTS, key)


async def _another(site: Site, key: str) -> None:
    data = next(iter(in_pieces(eventful().state)[1]))
    await site.bus.put(SNAPSHOTS, key, data, expect=None)


async def _of_another_version(site: Site, key: str) -> None:
    await site.put(replace(await site.snapshot(), form="1"))


async def _no_state(site: Site, key: str) -> None:
    await site.put(replace(await site.snapshot(), state={"campaign": 7}))


async def _no_piece(site: Site, key: str) -> None:
    kept = await site.snapshot()
    assert kept.rest is not None
    for number, data in enumerate((b"\xc1", msgspec.msgpack.encode([[[], [["l", "+1", b"", 0, 3]]]]))):
        await site.bus.put(SNAPSHOTS, key, data, expect=None)
        digests = list(kept.rest.digests)
        digests[1] = pieces.digest(data)
        await site.put(replace(kept, rest=replace(kept.rest, digests=tuple(digests))))
        if not number:
            async with site.life() as campaign:
                is_as_told(site, campaign)
            kept = await site.snapshot()
            assert kept.rest is not None
            key = f"{KEY}.{kept.rest.place}.1"


async def _ahead(site: Site, key: str) -> None:
    await site.put(replace(await site.snapshot(), seq=10**6))


async def _of_anothers_event(site: Site, key: str) -> None:
    await site.put(replace(await site.snapshot(), seq=1))


@pytest.mark.parametrize(
    "spoil", [_forgotten, _another, _of_another_version, _no_state, _no_piece, _ahead, _of_anothers_event]
)
def test_a_snapshot_that_cannot_be_used_costs_nothing_but_time(spoil: Callable[[Site, str], Awaitable[None]]) -> None:
    async def story(site: Site) -> None:
        former = await begun(site)
        assert former.state is not None
        await site.call(former.state, (1, 6))
        kept = await site.snapshot()
        assert kept.rest is not None and len(kept.rest.digests) == 4
        await spoil(site, f"{KEY}.{kept.rest.place}.1")
        async with site.life() as campaign:
            is_as_told(site, campaign)
            assert site.bus.after[-1] == 0
        async with site.life() as campaign:  # and the next start has one again
            is_as_told(site, campaign)
            assert site.bus.after[-1] > 0

    in_lives(story)


def test_a_snapshot_of_what_the_journal_has_lost_does_not_fit_later() -> None:
    """When other events stand where it was made."""

    async def story(site: Site) -> None:
        former = await begun(site)
        assert former.state is not None
        lost = len(site.broker.journal) + 40
        await site.put(replace(await site.snapshot(), seq=lost, beside=lost))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("LARGE_EVERY", "LARGE_AT_STOP"):
                patch.setattr(journalled, name, 10**6)  # no other one comes in its place
            async with site.life() as campaign:
                is_as_told(site, campaign)
        while len(site.broker.journal) < lost:
            await site.call(former.state, (len(site.broker.journal) % LEADS,))
        assert matches(SCOPE, site.broker.journal[lost - 1].subject)
        async with site.life() as campaign:
            is_as_told(site, campaign)

    in_lives(story)


def test_a_former_owners_snapshot_hides_nothing_of_its_successor() -> None:
    """It was held up, and writes its own when the other one has long gone on."""

    async def story(site: Site) -> None:
        former = await begun(site)
        assert former.state is not None
        old, old_state = await site.snapshot(), former.state
        async with site.life():
            await site.run(LEADS, 3)
        await site.call(old_state, (2,))
        _, rest = in_pieces(old_state)
        written = await pieces.write(site.bus, SNAPSHOTS, KEY, rest, last=None)
        await site.put(replace(old, rest=written))
        async with site.life() as campaign:
            found = is_as_told(site, campaign)
            assert found.state is not None and size(found.state) == LEADS + 3 and site.bus.after == [old.seq - 1]

    in_lives(story)


def test_an_archived_campaign_leaves_no_snapshot() -> None:
    async def story(site: Site) -> None:
        await begun(site)
        async with site.life():
            await site.ask(STOP_CAMPAIGN, StopCampaign(campaign_id="c1"))
            await site.ask(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
            await asyncio.sleep(10.0)
        kept = {key: one.data for key, one in (await site.bus.entries(SNAPSHOTS)).items() if key.startswith(KEY)}
        assert set(kept.values()) == {None}

    in_lives(story)


# --- whole worlds


@pytest.mark.parametrize("first", range(0, WORLDS, AT_ONCE))
def test_every_owner_begins_with_what_the_journal_says(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """Hosts die between any two steps, also of those of writing snapshots."""
    worlds, begins, shorter = list[World](), 0, 0
    take_over = CampaignActor.take_over

    async def looked_at(self: CampaignActor) -> None:
        nonlocal begins, shorter
        broker = worlds[-1].broker
        assert (self.state, self.halted) == told(broker, self.seq)
        if self.id == "c1" and self.state is not None:
            begins += 1
            shorter += self._unsaved < sum(matches(SCOPE, entry.subject) for entry in broker.journal)
        await take_over(self)

    async def story(site: Campaigns) -> None:
        worlds.append(site.world)
        await killed(site, Tally())

    monkeypatch.setattr(CampaignActor, "take_over", looked_at)
    seeds = range(first, min(first + AT_ONCE, WORLDS))
    for seed in seeds:
        play(story, seed=1000 + seed, keep=True)
    assert begins > len(seeds) and shorter > begins / 3, (begins, shorter)
