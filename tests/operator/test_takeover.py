"""Operators on two hosts: whatever dies, no call is lost, none is made up, and nobody is kept for ever."""

import asyncio
from collections import Counter
from functools import partial

import pytest

from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.decision import TimerFired
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.operator import GET_OPERATOR, GetOperator
from bus_schemas.permissions import Action
from tests.operator.site import OperatorSite, play, simulated, soon
from tests.support.depth import plays


async def two_hosts(site: OperatorSite) -> None:
    site.start("a"), site.start("b")
    await site.until_right("a", "b")


def seconds(since: str, until: str) -> float:
    return (parse_utc(until) - parse_utc(since)).total_seconds()


@simulated
async def test_an_operator_is_on_a_call_of_their_slot_or_of_the_pool(site: OperatorSite) -> None:
    await two_hosts(site)
    for user in ("op12", "op13"):
        assert (await site.be(user, "ready")).status == "ready"
    site.answer("c1", "op12")
    await soon(partial(site.see, "op12"), "on_call")
    site.answer("c2", "boss", slot_of="op13")  # somebody else has dialled on their phone
    await soon(partial(site.see, "op13"), "on_call")
    site.hang_up("c1", "op12")
    site.hang_up("c2", "boss", slot_of="op13")
    for user in ("op12", "op13"):
        await soon(partial(site.see, user), "wrap_up")
        assert site.story(user) == ["changed", "connected", "freed"]


@simulated
async def test_the_calls_of_a_campaign_are_not_its_maker_s(site: OperatorSite) -> None:
    await two_hosts(site)
    for user in ("op12", "op13"):
        await site.be(user, "ready")
    site.answer("c1", "op12", campaign="spring")
    site.answer("c2", "op12", slot_of="op13", campaign="spring")  # whose phone it is talks
    await soon(partial(site.see, "op13"), "on_call")
    assert (await site.see("op12")).status == "ready" and site.story("op12") == ["changed"]


@simulated
async def test_a_call_that_ends_while_nobody_has_the_operator_is_seen(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    site.answer("c1", "op12")
    await soon(partial(site.see, "op12"), "on_call")
    await asyncio.sleep(10)
    site.kill(site.owner_of("op12"))
    await asyncio.sleep(1)
    ended = site.clock.now()
    site.hang_up("c1", "op12")
    seen = await soon(partial(site.see, "op12"), "wrap_up")
    assert (parse_utc(seen.since) - ended).total_seconds() == pytest.approx(0, abs=0.01)
    assert seen.until is not None and seconds(seen.since, seen.until) == 30
    assert site.story("op12") == ["changed", "connected", "freed"]


@simulated
async def test_a_whole_call_while_nobody_has_the_operator_is_seen(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    site.kill(site.owner_of("op12"))
    await asyncio.sleep(0.5)
    site.answer("c1", "op12")
    await asyncio.sleep(1.0)
    site.hang_up("c1", "op12")
    seen = await soon(partial(site.see, "op12"), "wrap_up")
    assert seen.talk_seconds == 1 and site.story("op12") == ["changed", "connected", "freed"]


@simulated
async def test_a_call_goes_on_over_restarts_of_the_whole_site(site: OperatorSite) -> None:
    first = site.start("a")
    await site.until_right("a")
    await site.be("op12", "ready")
    site.answer("c1", "op12")
    await soon(partial(site.see, "op12"), "on_call")
    site.kill(first)
    await asyncio.sleep(30)
    site.start("a")
    assert (await soon(partial(site.see, "op12"), "on_call")).calls[0].call_id == "c1"
    site.hang_up("c1", "op12")
    await soon(partial(site.see, "op12"), "wrap_up")
    assert site.story("op12") == ["changed", "connected", "freed"]


@simulated
async def test_a_wrap_up_ends_in_its_time_on_another_host(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    site.answer("c1", "op12")
    await soon(partial(site.see, "op12"), "on_call")
    site.hang_up("c1", "op12")
    wrapping = await soon(partial(site.see, "op12"), "wrap_up")
    site.kill(site.owner_of("op12"))
    seen = await soon(partial(site.see, "op12"), "ready", within=40)
    assert seconds(wrapping.since, seen.since) == pytest.approx(30, abs=0.1)
    assert site.story("op12") == ["changed", "connected", "freed", "changed"]


@simulated
async def test_calls_from_before_somebody_was_an_operator_are_not_theirs(site: OperatorSite) -> None:
    await two_hosts(site)
    site.answer("c0", "op12")
    site.hang_up("c0", "op12")
    site.answer("c1", "op12")  # but one that is still up is
    await asyncio.sleep(1)
    await site.be("op12", "ready")
    assert [call.call_id for call in (await soon(partial(site.see, "op12"), "on_call")).calls] == ["c1"]
    assert site.story("op12").count("connected") == 1


@simulated
async def test_a_crashed_actor_hears_what_was_said_meanwhile(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    life = site.owner_of("op12")
    assert life.host is not None
    [actor] = [found for host in life.host.shards.values() if (found := host.find("operator", "op12"))]
    actor._crash(RuntimeError("on purpose"))
    site.answer("c1", "op12")
    await soon(partial(site.see, "op12"), "on_call")
    actor.tell(TimerFired(name="wrap_up"))  # it is over, and says nothing any more
    assert site.story("op12") == ["changed", "connected"]


@simulated
async def test_who_asks_while_a_dead_hosts_shard_moves_waits_for_it(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    for _ in range(3):
        life = site.owner_of("op12")
        site.kill(life)
        await asyncio.sleep(1)  # the bus has noticed
        assert (await site.be("op12", "break")).status == "break"
        site.start(life.name)
        await site.until_right("a", "b")
        await site.be("op12", "ready")


# --- reservations


@simulated
async def test_a_reservation_outlives_its_owner_and_not_its_time(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    held = await site.reserve("op12", "camp", "r1")
    assert await site.reserve("op12", "camp", "r1") == held
    site.kill(site.owner_of("op12"))
    await asyncio.sleep(5)
    seen = await soon(partial(site.see, "op12"), "ready")
    assert seen.reserved_by is None
    assert await site.reserve("op12", "camp", "r1") == held  # a repeat, and no second reservation
    assert site.story("op12") == ["changed", "reserved", "released"]
    assert (await site.reserve("op12", "other", "r2")).campaign_id == "other"


@simulated
async def test_of_many_campaigns_at_once_one_has_the_operator(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    tries = (site.reserve("op12", f"camp{number}", f"r{number}") for number in range(20))
    found = await asyncio.gather(*tries, return_exceptions=True)
    refusals = [one.code for one in found if isinstance(one, Refusal)]
    assert refusals == [ErrorCode.CONFLICT] * 19
    [held] = [one for one in found if not isinstance(one, BaseException)]
    await site.join("op12", "c1", held.campaign_id)
    assert site.story("op12") == ["changed", "reserved", "connected"]


@simulated
async def test_a_joined_call_ends_although_it_is_not_of_the_operators_slot(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    site.answer("c1", "campaigner")
    await site.reserve("op12", "camp", "r1")
    assert (await site.join("op12", "c1", "camp")).status == "on_call"
    site.kill(site.owner_of("op12"))
    await soon(partial(site.see, "op12"), "on_call")
    site.hang_up("c1", "campaigner")
    await soon(partial(site.see, "op12"), "wrap_up")
    await site.be("op12", "ready")
    site.answer("c2", "campaigner")
    site.hang_up("c2", "campaigner")
    await asyncio.sleep(1)
    await site.join("op12", "c2", "camp")  # it is over already
    await soon(partial(site.see, "op12"), "wrap_up")


@simulated
async def test_a_call_that_nobody_knows_holds_an_operator_for_no_minute(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    await site.join("op12", "c_none", "camp")
    await soon(partial(site.see, "op12"), "wrap_up")


# --- presence


@simulated
async def test_who_is_not_heard_of_for_a_minute_is_offline(site: OperatorSite) -> None:
    await two_hosts(site)
    await site.be("op12", "ready")
    for _ in range(5):
        await asyncio.sleep(40)
        await site.renew("op12")
    assert (await site.see("op12")).status == "ready"
    await asyncio.sleep(59)
    assert (await site.see("op12")).status == "ready"
    await asyncio.sleep(2)
    assert (await site.see("op12")).status == "offline"


@pytest.mark.parametrize(("user", "may_call", "left"), [
    ("op12", True, "ready"), ("op12", False, "offline"), ("boss", True, "offline"),
])  # fmt: skip
def test_who_asks_how_they_are_is_there_while_they_may_call(user: str, may_call: bool, left: str) -> None:
    async def test(site: OperatorSite) -> None:
        await two_hosts(site)
        await site.be("op12", "ready")
        actions = frozenset(Action) if may_call else frozenset(Action) - {Action.CALL_START}
        for _ in range(5):
            await asyncio.sleep(30)
            context = Context(command_id="look", user=user, actions=actions)
            await ask(site.asker, GET_OPERATOR, GetOperator(user="op12"), context)
        assert (await site.see("op12")).status == left

    play(test)


# --- anything


@pytest.mark.parametrize("seed", range(plays(8)))
def test_whatever_dies_each_call_begins_and_ends_once(seed: int) -> None:
    async def test(site: OperatorSite) -> None:
        random = site.loop.random
        lives = {name: site.start(name) for name in ("a", "b")}
        await site.until_right("a", "b")
        users = [f"op{number}" for number in range(6)]
        for user in users:
            await site.be(user, "ready")
        up: dict[str, str] = {}
        done = Counter[str]()
        for number in range(60):
            await asyncio.sleep(random.uniform(0, 1.5))
            match random.randrange(5):
                case 0 | 1:
                    user = random.choice(users)
                    up[f"c{number}"] = user
                    site.answer(f"c{number}", user)
                case 2 if up:
                    call, user = up.popitem()
                    done[user] += 1
                    site.hang_up(call, user)
                case 3 if number % 4 == 0:
                    name = random.choice(sorted(lives))
                    if random.random() < 0.5:
                        site.kill(lives[name])
                    else:
                        await site.leave(lives[name])
                    lives[name] = site.start(name)
                case 4 if number % 5 == 0:
                    site.pause(lives[random.choice(sorted(lives))], random.uniform(0.5, 6))
        for call, user in up.items():
            done[user] += 1
            site.hang_up(call, user)
        await asyncio.sleep(20)
        await site.until_right("a", "b")
        for user in users:
            assert not (await soon(partial(site.see, user), (await site.see(user)).status)).calls
            story = Counter(site.story(user))
            assert (story["connected"], story["freed"]) == (done[user], done[user]), user

    play(test, seed)
