"""Shards: each is served by the one host to which it belongs, whoever comes, goes, dies or stands still."""

import asyncio
import statistics

import msgspec
import pytest

from actors.call.actor import CallActor
from actors.runtime import journalled
from actors.runtime.context import Context
from actors.runtime.ownership import BUCKET, SILENT, TTL
from actors.runtime.rendezvous import SHARDS, shard_of, shards_of
from actors.runtime.shards import Sharded
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.note import NOTE_ADDED
from simulators.bus.memory_bus import MemoryBus
from tests.runtime.sharded import CLOSE, DROP, Count, CounterActor, Life, Site, play, simulated

COUNTERS = [f"c{number}" for number in range(40)]
AT_ONCE_S, DEATH_S = 1.0, 5.0  # what is promised of who leaves in good order, and of who dies


async def count_all(site: Site, id: str) -> list[int]:
    """Every counter counts one more, once, however often that has to be asked."""

    async def one(counter: str) -> int:
        while True:
            try:
                return await site.count(counter, f"{id}-{counter}")
            except Refusal as refusal:  # sent to one who stood still: it may have been done
                assert refusal.code is ErrorCode.TIMEOUT

    return await asyncio.gather(*(one(counter) for counter in COUNTERS))


async def lost(site: Site, *names: str, within: float) -> list[float]:
    """When each shard was served again by one of these hosts, in seconds from now, of those that were not."""
    began, gone = site.now, {shard for shard, holders in site.holders().items() if not holders}
    found: list[float] = []
    while gone:
        await asyncio.sleep(0.01)
        holders = site.holders()
        back = {shard for shard in gone if holders[shard]}
        found += [site.now - began] * len(back)
        gone -= back
        assert site.now - began < within, gone
    await site.until_right(*names)
    return found


@simulated
async def test_one_host_holds_all_and_who_joins_gets_its_share(site: Site) -> None:
    site.start("a")
    assert await site.until_right("a") < AT_ONCE_S
    assert await count_all(site, "one") == [1] * len(COUNTERS)
    for names in (("a", "b"), ("a", "b", "c")):
        site.start(names[-1])
        assert await site.until_right(*names) < AT_ONCE_S
    assert await count_all(site, "two") == [2] * len(COUNTERS)
    assert await count_all(site, "two") == [2] * len(COUNTERS)  # a repeat, wherever the first was done
    assert not site.stale


@simulated
async def test_hosts_that_start_at_once_have_their_share_in_the_end(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.start(name)
    assert await site.until_right("a", "b", "c") < 2 * AT_ONCE_S


@simulated
async def test_who_leaves_in_good_order_is_followed_within_a_second(site: Site) -> None:
    lives = [site.start(name) for name in ("a", "b", "c")]
    await site.until_right("a", "b", "c")
    await count_all(site, "one")
    leaving = asyncio.ensure_future(site.leave(lives[1]))
    began = site.now
    numbers = await count_all(site, "two")  # nobody who asks meanwhile is turned away
    assert numbers == [2] * len(COUNTERS) and site.now - began < AT_ONCE_S
    await leaving
    assert site.now - began < AT_ONCE_S
    assert await site.until_right("a", "c") < AT_ONCE_S
    assert not site.stale


@simulated
async def test_what_a_host_has_to_finish_does_not_keep_its_shards(site: Site) -> None:
    """It has let go of its shards before the rest of it has come to an end."""
    first, _ = site.start("a"), site.start("b")
    await site.until_right("a", "b")
    assert first.host is not None
    first.host._subscriptions["slow", "one"] = slow
    leaving = asyncio.ensure_future(site.leave(first))
    await asyncio.sleep(AT_ONCE_S)
    assert all(holders == ["b"] for holders in site.holders().values()) and not leaving.done()
    await leaving


async def slow() -> None:
    await asyncio.sleep(5.0)


@simulated
async def test_a_dead_hosts_shards_serve_again_within_five_seconds(site: Site) -> None:
    took: list[float] = []
    lives = {name: site.start(name) for name in ("a", "b", "c")}
    await site.until_right(*lives)
    await count_all(site, "first")
    for turn in range(10):
        name = ("a", "b", "c")[turn % 3]
        await asyncio.sleep(site.loop.random.uniform(0, 3))
        site.kill(lives[name])
        began = site.now
        took += await lost(site, *(lives.keys() - {name}), within=DEATH_S)
        assert await count_all(site, f"t{turn}") == [turn + 2] * len(COUNTERS) and site.now - began < DEATH_S
        lives[name] = site.start(name)
        await site.until_right(*lives)
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"\n{len(took)} shards of 10 dead hosts served again in {min(took):.2f} to {max(took):.2f} s, p95 {p95:.2f}")
    assert not site.stale


@pytest.mark.parametrize("seconds", [1.0, 2.7, 3.2, 4.0, 10.0, 60.0])
def test_who_stood_still_neither_acts_nor_keeps_what_others_have(seconds: float) -> None:
    async def test(site: Site) -> None:
        first, _ = site.start("a"), site.start("b")
        await site.until_right("a", "b")
        await count_all(site, "one")
        site.pause(first, seconds)
        answers = asyncio.ensure_future(count_all(site, "two"))
        await asyncio.sleep(seconds)
        await answers
        assert await site.until_right("a", "b") < 2 * AT_ONCE_S
        assert await count_all(site, "three") == [3] * len(COUNTERS)
        assert not site.stale

    play(test, seed=int(seconds * 10))


@pytest.mark.parametrize("whose", ["one", "all"])
def test_a_bus_that_was_away_costs_no_command_and_no_owner(whose: str) -> None:
    async def test(site: Site) -> None:
        lives = [site.start("a"), site.start("b")]
        await site.until_right("a", "b")
        await count_all(site, "one")
        for seconds in (0.5, 2.0, 5.0, 20.0):
            cut = [life.bus for life in lives[: 1 if whose == "one" else 2]]
            for bus in cut:
                site.broker.cut(bus, notice=site.loop.random.uniform(0, 2))
            await asyncio.sleep(seconds)
            for bus in cut:
                site.broker.mend(bus)
            assert await site.until_right("a", "b") < DEATH_S
        assert await count_all(site, "two") == [2] * len(COUNTERS)
        assert not site.stale

    play(test, seed=3)


@simulated
async def test_of_two_hosts_of_one_name_one_waits_for_the_other(site: Site) -> None:
    first, second = site.start("a"), site.start("a")
    other = site.start("b")
    await site.until_right("a", "b")
    await count_all(site, "one")
    waits = second if second.host is None else first
    holds = first if waits is second else second
    assert waits.serves == frozenset() and waits.host is None
    site.kill(holds)
    await asyncio.sleep(DEATH_S)
    assert waits.serves == shards_of("a", ("a", "b")) and other.serves == shards_of("b", ("a", "b"))
    assert await count_all(site, "two") == [2] * len(COUNTERS)
    assert not site.stale


@simulated
async def test_what_is_over_is_not_restored_and_comes_when_asked_for(site: Site) -> None:
    first = site.start("a")
    await site.until_right("a")
    await count_all(site, "one")
    for counter, rpc in (("c1", CLOSE), ("c2", DROP)):
        await ask(site.asker, rpc, Count(counter=counter), Context(command_id="over", user="op"))
    await site.leave(first)
    again = site.start("a")
    await site.until_right("a")
    assert actors_of(again) == set(COUNTERS) - {"c1", "c2"}
    assert await site.count("c1", "more") == await site.count("c2", "more") == 2


def actors_of(life: Life) -> set[str]:
    assert life.host is not None
    return {id for host in life.host.shards.values() for kind, id in host._actors}


@simulated
async def test_the_journal_is_asked_once_for_all_shards(site: Site) -> None:
    asked: list[str] = []

    async def step(life: Life, name: str) -> None:
        asked.append(name)

    first = site.start("a")
    await site.until_right("a")
    await count_all(site, "one")
    await site.leave(first)
    site.step = step
    site.start("a")
    await site.until_right("a")
    names = [name for name in asked if name.startswith("before ids ottb.v1.evt.counter")]
    assert len(names) == 3  # those that are on record, and each way to be over
    assert len([name for name in asked if name.startswith("before replay")]) == len(COUNTERS)


@simulated
async def test_a_long_record_is_read_in_pieces(site: Site) -> None:
    first = site.start("a")
    await site.until_right("a")
    for number in range(1, 10):
        assert await site.count("c1", f"{number}") == number
    await site.leave(first)
    with pytest.MonkeyPatch.context() as here:
        here.setattr(journalled, "AT_ONCE", 100)  # bytes: three events
        site.start("a")
        await site.until_right("a")
    assert await site.count("c1", "more") == 10


@simulated
async def test_a_record_that_cannot_be_read_costs_that_one_alone(site: Site) -> None:
    site.broker.write("ottb.v1.evt.counter.c1.counted", b"{", {"Nats-Msg-Id": "bad"}, scope="x", expect=0)
    life = site.start("a")
    await site.until_right("a")
    assert life.host is not None and life.host.left_alone().keys() == {("counter", "c1")}
    assert await site.count("c2", "one") == 1


@simulated
async def test_what_a_former_owner_begins_late_is_refused(site: Site) -> None:
    """It stands still right before the first write of a new actor; its shard is another's by then."""
    counter = next(name for name in COUNTERS if shard_of(name) in shards_of("a", ("a", "b")))
    waiting = [True]

    async def step(life: Life, name: str) -> None:
        if waiting and name == f"before append ottb.v1.evt.counter.{counter}.activated":
            waiting.clear()
            site.pause(first, 10.0)
            await asyncio.sleep(0)

    site.step = step
    first, second = site.start("a"), site.start("b")
    await site.until_right("a", "b")
    assert first.host is not None
    former = first.host.shards[shard_of(counter)].epoch
    asked = asyncio.ensure_future(site.count(counter, "one"))
    await asyncio.sleep(6.0)
    assert second.serves == frozenset(range(SHARDS)) and not waiting
    await asked
    await site.until_right("a", "b")
    barriers = [entry.data for entry in site.broker.journal if entry.subject.endswith(f"{counter}.activated")]
    assert barriers and all(msgspec.json.decode(data)["epoch"] > former for data in barriers)
    assert site.on_record() == {counter: ["one"]} and not site.stale


@simulated
async def test_what_a_former_owner_begins_in_time_is_found(site: Site) -> None:
    """It stands still as well, and its write comes right before the barrier of who has the shard by then."""
    counter = next(name for name in COUNTERS if shard_of(name) in shards_of("a", ("a", "b")))
    began = f"append ottb.v1.evt.counter.{counter}.activated"

    async def step(life: Life, name: str) -> None:
        if life is first and name == f"before {began}":
            life.process.freeze()
        elif life is first and name == f"after {began}":
            site.kill(first)
        elif life is second and name == f"before append ottb.v1.evt.shard.{shard_of(counter)}.taken":
            first.process.thaw()
        await asyncio.sleep(0.01)

    first, second = site.start("a"), site.start("b")
    await site.until_right("a", "b")
    site.step = step
    asked = asyncio.ensure_future(site.count(counter, "one"))
    await site.until_right("b")
    assert counter in actors_of(second)
    assert len([entry for entry in site.broker.journal if entry.subject.endswith(f"{counter}.activated")]) == 2
    await asyncio.gather(asked, return_exceptions=True)
    assert await site.count(counter, "one") == 1


@simulated
async def test_what_has_begun_is_finished_before_a_shard_is_let_go(site: Site) -> None:
    counter = next(name for name in COUNTERS if shard_of(name) in shards_of("b", ("a", "b")))
    written = f"ottb.v1.evt.counter.{counter}.counted"

    async def step(life: Life, name: str) -> None:
        if life is first and name == f"before append {written}":
            site.start("b")
            await asyncio.sleep(0.3)  # by then the other one waits for the shard

    first = site.start("a")
    await site.until_right("a")
    site.step = step
    assert await site.count(counter, "one") == 1
    await site.until_right("a", "b")
    subjects = [entry.subject for entry in site.broker.journal]
    taken_again = [n for n, name in enumerate(subjects) if name == f"ottb.v1.evt.shard.{shard_of(counter)}.taken"][1]
    assert subjects.index(written) < taken_again


@simulated
async def test_an_actor_that_comes_while_its_shard_is_drained_goes_with_it(site: Site) -> None:
    counter = next(name for name in COUNTERS if shard_of(name) in shards_of("b", ("a", "b")))

    async def step(life: Life, name: str) -> None:
        if life is first and name == f"before append ottb.v1.evt.counter.{counter}.activated":
            joining.append(site.start("b"))
            await asyncio.sleep(0.3)  # by then the shard is being drained

    joining: list[Life] = []
    first = site.start("a")
    await site.until_right("a")
    site.step = step
    assert await site.count(counter, "one") == 1
    await site.until_right("a", "b")
    assert await site.count(counter, "two") == 2
    (hears,) = site.broker.listeners(f"ottb.v1.cmd.counter.{counter}.count")
    assert hears.client is joining[0].bus


@simulated
async def test_a_lease_that_is_missed_in_one_read_is_not_taken_for_dead(site: Site) -> None:
    lives = [site.start(name) for name in ("a", "b")]
    await site.until_right("a", "b")
    before = taken(site)
    site.broker.overlooks = lambda name: name.startswith(f"{BUCKET}/host.") and site.loop.random.random() < 0.5
    for _ in range(2000):
        assert not lives[0].serves & lives[1].serves
        await asyncio.sleep(0.01)
    site.broker.overlooks = lambda name: False
    await site.until_right("a", "b")
    assert taken(site) == before  # nobody has taken anything again


def taken(site: Site) -> list[str]:
    return [entry.subject for entry in site.broker.journal if entry.subject.startswith("ottb.v1.evt.shard.")]


@simulated
async def test_when_all_have_left_nothing_is_left(site: Site) -> None:
    lives = [site.start(name) for name in ("a", "b")]
    await site.until_right("a", "b")
    await count_all(site, "one")
    for life in lives:
        await site.leave(life)
    await asyncio.sleep(1.0)
    assert not site.left_over()


def test_a_kind_that_would_not_be_found_on_record_is_refused() -> None:
    with pytest.raises(TypeError, match=r"call: ottb\.v1\.evt\.call\.\{line\}\.\{call_id\}\.\w+ would not"):
        Sharded(actor=CallActor, prepare=lambda host: None)
    with pytest.raises(TypeError, match=r"counter: ottb\.v1\.evt\.note\."):
        Sharded(actor=CounterActor, prepare=lambda host: None, over=(NOTE_ADDED,))


@simulated
async def test_who_waits_is_told_when_an_actor_is_let_go_of_in_the_middle(site: Site) -> None:
    """Else a host that starts waits for ever for an order of its own."""
    life = site.start("a")
    await site.until_right("a")
    await site.count("c0", "first")
    assert life.host is not None
    host = life.host.shards[shard_of("c0")]
    actor = host.get(CounterActor, "c0")
    assert actor is not None

    async def slowly(life: Life, step: str) -> None:
        await asyncio.sleep(1.0)

    site.step = slowly
    asked = asyncio.ensure_future(site.count("c0", "second"))
    while not actor._pump or actor._pump.done():
        await asyncio.sleep(0.1)
    began = site.now
    await actor.terminate()
    with pytest.raises(Refusal) as told:
        await asked
    assert told.value.code is ErrorCode.TIMEOUT and "interrupted" in told.value.message
    assert site.now - began < 5.0


@simulated
async def test_a_lease_that_came_back_from_the_dead_keeps_nothing(site: Site) -> None:
    """A server that was killed has one again that had run out, and never ends it."""
    bus = MemoryBus(site.broker)
    for again in (False, True):
        lives = [site.start(name) for name in ("a", "b")]
        await site.until_right("a", "b")
        lease = (await bus.entries(BUCKET))["host.b"].data
        site.kill(lives[1])
        await lost(site, "a", within=DEATH_S)
        assert lease is not None
        left = (await bus.entries(BUCKET)).get("host.b")
        assert left is None or left.data is None
        revision = left.revision if left is not None else 0
        await bus.put(BUCKET, "host.b", lease, expect=revision)
        if again:
            lives.append(site.start("b"))  # who waits for it to run out
        await asyncio.sleep(SILENT * TTL + 2.0)
        await site.until_right(*(("a", "b") if again else ("a",)))
        for life in (lives[0], *lives[2:]):
            await site.leave(life)
