"""Campaigns that dial more calls than there are operators ready: who answers waits on the PBX, is taken to whoever is
ready, and is let go where nobody is."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.campaign.lookahead import PATIENCE
from actors.campaign.rules import Rules
from actors.dialing.trunk_lines import REST
from actors.runtime.bus import Message
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.settings import Settings
from bus_schemas.call import CallJoined
from bus_schemas.campaign import CampaignAttemptOffered, CampaignStatus, Mode, Operators, StopMode
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.carriers import Carriers, SlotCarrier, TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.user import (
    FIND_EXTENSION,
    USER_CHANGED,
    ExtensionFound,
    FindExtension,
    UserChanged,
    UserStatus,
)
from simulators.carrier.rules import mobile
from simulators.device.chronicle import DeviceCall
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.world import Campaigns, play
from tests.trunk.test_joined_calls import joining

BUSY, TALKS, LONG, RINGS_THEN_TALKS = "0001", "2003", "9999", "1005"
TRUNKS = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))
EXTENSIONS = {"ann": "601", "bob": "602", "cid": "603"}
POWER = {
    "operators": Operators.TEAM, "mode": Mode.POWER, "ratio": 2.0, "abandoned_share": 1.0, "carriers": TRUNKS,
    "attempts_per_lead": 1,
}  # fmt: skip


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


def on_trunks(settings: Settings) -> Settings:
    """Operators, and trunks whose calls can be taken to them, with room for ten calls each."""
    trunks = tuple(replace(trunk, channels=10) for trunk in settings.trunks)
    return joining(owned(*OWNERS)(replace(settings, trunks=trunks)))


@asynccontextmanager
async def desks(site: Campaigns, known: dict[str, str] = EXTENSIONS) -> Any:
    """POINT, as far as it says where the PBX reaches users."""

    async def find(request: FindExtension, context: Context) -> ExtensionFound:
        return ExtensionFound(user=request.user, extension=known.get(request.user))

    point = Service(bus=site.world.gateways[0], queue="point", handlers=[serve(FIND_EXTENSION, find)])
    await point.start()
    yield
    await point.stop()


class Joins(Crowd):
    """What is on record of calls that are taken to operators, and what the PBX has of them."""

    def taken(self) -> list[CallJoined]:
        return list(self.said(CallJoined))

    def offers(self) -> list[CampaignAttemptOffered]:
        return list(self.said(CampaignAttemptOffered))

    def calls(self) -> Iterator[DeviceCall]:
        return iter(self.site.trunk_calls())

    def check(self) -> None:
        """Every attempt has one end; a call was taken to one extension at most, which is its operator's; who was joined
        to nobody was abandoned, and nobody waited for longer than the PBX lets them."""
        ends, joins = self.ends(), {(one.campaign, one.place, one.attempt): one for one in self.joins()}
        assert len(joins) == len(self.joins())
        assert len({(one.campaign, one.place, one.attempt) for one in ends}) == len(ends) == len(self.claims())
        taken = {one.call_id: one for one in self.taken()}
        assert len(taken) == len(self.taken())
        on_record = self.talks(joined=True)
        assert not on_record or max(on_record.values()) == 1, on_record
        devices = {call.call_id: call for call in self.calls()}
        for one in ends:
            device, join = devices.get(one.call_id), joins.get((one.campaign, one.place, one.attempt))
            if one.outcome == "answered":
                assert join is not None and one.call_id is not None
                assert taken[one.call_id].operator == join.operator, one
            if device is not None and device.answered is not None:
                assert not device.joined or one.outcome in ("answered", "abandoned"), one
                self._one_desk(device, taken)

    def _one_desk(self, device: DeviceCall, taken: dict[str, CallJoined]) -> None:
        assert len(device.joined) <= 1, device
        assert device.ended is not None and device.answered is not None
        if device.joined:
            assert device.call_id is not None and device.joined[0][1] == taken[device.call_id].extension
        else:
            assert device.ended - device.answered <= PATIENCE + 2.1, device


def told(story: Callable[[Joins], Awaitable[None]], known: dict[str, str] = EXTENSIONS, **more: Any) -> None:
    async def with_desks(site: Campaigns) -> None:
        async with desks(site, known):
            await story(Joins(site))

    play(with_desks, **{"change": on_trunks, **more})


async def told_counts(crowd: Joins) -> list[CampaignTelemetry]:
    """What campaigns say of themselves from now on."""
    said = list[CampaignTelemetry]()

    async def hear(message: Message) -> None:
        said.append(msgspec.json.decode(message.data, type=CampaignTelemetry))

    await crowd.world.gateways[0].subscribe("ottb.v1.tel.campaign.*", hear)
    return said


async def after_some_answers(crowd: Joins, **settings: Any) -> None:
    """A campaign that has talked to six people, one for each operator at a time, and so may dial more now."""
    await crowd.site.create("c1", **{**POWER, **settings})
    await crowd.all_ready()
    working = asyncio.ensure_future(crowd.work())
    await crowd.site.run("c1", numbers(6, TALKS, 500))
    await crowd.site.until_over("c1")
    working.cancel()
    for _, user in OWNERS:
        while (await crowd.see(user)).status != "ready":
            await crowd.be(user, "ready")
            await asyncio.sleep(0.5)


def test_power_dials_more_than_are_ready_and_joins_whoever_is() -> None:
    """And needs no extensions of slots for that."""

    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd, carriers=Carriers(slots=None, trunks=TrunkCarrier()))
        with pytest.raises(Refusal) as refused:
            await crowd.site.configure("c1", mode=Mode.PROGRESSIVE)
        assert "carriers.trunks.extensions" in str(refused.value)
        before = len(crowd.claims())
        await crowd.site.run("c1", numbers(6, LONG))
        while len(crowd.ends()) < before + 3:
            await asyncio.sleep(0.1)
        explained = await crowd.site.explain("c1")
        assert (explained.mode, explained.fallback, explained.no_extension) == (Mode.POWER, None, ())
        claims = crowd.claims()[before:]
        assert len(claims) == 6 and {claim.operator for claim in claims} == {None}
        assert [one.outcome for one in crowd.ends()[before:]] == ["abandoned"] * 3
        up = [call for call in crowd.calls() if call.ended is None]
        assert sorted(call.joined[0][1] for call in up) == ["601", "602", "603"]
        assert {(await crowd.see(user)).status for _, user in OWNERS} == {"on_call"}
        [seen] = (await crowd.see("ann")).calls
        assert seen.campaign_id == "c1" and seen.lead is not None
        found = await crowd.site.until_over("c1")
        assert (found.answered, found.abandoned) == (12, 3)
        assert not crowd.site.dials()
        crowd.check()

    told(story)


def test_who_comes_while_somebody_waits_gets_them_once_their_desk_is_known() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd)
        await crowd.site.run("c1", numbers(4, LONG))
        while sum(bool(call.joined) for call in crowd.calls() if call.ended is None) < 3:
            await asyncio.sleep(0.02)
        await crowd.be("dee", "ready")  # of whom this host has heard nothing
        await asyncio.sleep(2 * PATIENCE)
        up = [call for call in crowd.calls() if call.ended is None]
        assert sorted(call.joined[0][1] for call in up) == ["601", "602", "603", "604"]
        await crowd.site.stop("c1", StopMode.HANGUP)
        await crowd.site.until_over("c1")
        crowd.check()

    told(story, {**EXTENSIONS, "dee": "604"})


def test_whose_extension_takes_no_call_gets_no_other_for_a_while() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd)
        crowd.world.switch.dead.add("601")
        working = asyncio.ensure_future(crowd.work())
        wanted = numbers(12, TALKS)
        await crowd.site.run("c1", wanted)

        def at_ann() -> list[float]:
            joined = (one for call in crowd.calls() if call.number in wanted for one in call.joined)
            return [at for at, extension in joined if extension == "601"]

        while not at_ann():
            await asyncio.sleep(0.1)
        await asyncio.sleep(5.0)
        assert (await crowd.site.explain("c1")).no_extension == ("ann",)
        await crowd.site.until_over("c1")
        assert len(at_ann()) == 1
        await asyncio.sleep(REST)  # the phone is on again meanwhile
        crowd.world.switch.dead.clear()
        wanted += numbers(3, TALKS, 100)
        await crowd.site.run("c1", wanted)
        await crowd.site.until_over("c1")
        working.cancel()
        assert len(at_ann()) == 2
        crowd.check()

    told(story)


def test_who_has_been_ready_longest_gets_who_has_waited_longest() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd)
        for user in ("bob", "ann", "cid"):  # ann is ready last
            await crowd.be(user, "break")
            await asyncio.sleep(0.1)
        before = len(crowd.offers())
        for user in ("cid", "bob", "ann"):
            await crowd.be(user, "ready")
            await asyncio.sleep(1.0)
        await crowd.site.run("c1", numbers(2, LONG))
        while len(crowd.offers()) < before + 2:
            await asyncio.sleep(0.05)
        assert [one.operator for one in crowd.offers()[before:]] == ["cid", "bob"]
        await crowd.site.stop("c1", StopMode.HANGUP)
        await crowd.site.until_over("c1")
        crowd.check()

    told(story)


def test_before_it_may_abandon_anybody_each_dial_is_for_one_who_is_kept() -> None:
    async def story(crowd: Joins) -> None:
        await crowd.all_ready()
        await crowd.site.create("c1", **{**POWER, "abandoned_share": 0.03})
        await crowd.site.run("c1", numbers(5, RINGS_THEN_TALKS))
        while len(crowd.claims()) < 3:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        explained = await crowd.site.explain("c1")
        assert (explained.mode, explained.fallback) == (Mode.PROGRESSIVE, "too_few_answers")
        assert sorted(claim.operator or "" for claim in crowd.claims()) == ["ann", "bob", "cid"]
        assert (await crowd.be("ann", "break")).status == "ready"  # kept: it comes after the call
        working = asyncio.ensure_future(crowd.work())
        found = await crowd.site.until_over("c1")
        working.cancel()
        assert (found.answered, found.abandoned) == (5, 0)
        assert {one.extension for one in crowd.taken() if one.operator == "ann"} == {"601"}
        crowd.check()

    told(story)


def test_where_the_cap_is_reached_it_is_progressive() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd, abandoned_share=0.25)
        working = asyncio.ensure_future(crowd.work())
        await crowd.site.run("c1", numbers(30, LONG))
        give_up, fallbacks = crowd.world.now + 400.0, Counter[str | None]()
        while crowd.world.now < give_up and len(crowd.ends()) < 30:
            fallbacks[(await crowd.site.explain("c1")).fallback] += 1
            ends = crowd.ends()
            assert sum(one.outcome == "abandoned" for one in ends) <= 0.25 * len(ends) + 1, ends
            await asyncio.sleep(1.0)
        working.cancel()
        assert fallbacks["cap_reached"] and fallbacks[None], fallbacks
        await crowd.site.stop("c1", StopMode.HANGUP)
        found = await crowd.site.until_over("c1")
        assert 0 < found.abandoned <= 0.25 * found.answered + 1
        crowd.check()

    told(story)


async def told_cap(crowd: Joins) -> float:
    """The cap in the next telemetry of the campaign."""
    heard = asyncio.get_running_loop().create_future()

    async def hear(message: Message) -> None:
        if not heard.done():
            heard.set_result(msgspec.json.decode(message.data, type=CampaignTelemetry))

    stop = await crowd.world.gateways[0].subscribe("ottb.v1.tel.campaign.c1", hear)
    said: CampaignTelemetry = await heard
    await stop()
    return said.abandoned_cap


def test_the_strictest_cap_holds_whoever_sets_it() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd)
        before = len(crowd.claims())
        await crowd.site.run("c1", numbers(6, LONG))
        await asyncio.sleep(10.0)
        explained = await crowd.site.explain("c1")
        assert (explained.mode, explained.fallback) == (Mode.PROGRESSIVE, "cap_reached")
        assert sorted(claim.operator or "" for claim in crowd.claims()[before:]) == ["ann", "bob", "cid"]
        assert await told_cap(crowd) == 0.0
        await crowd.site.stop("c1", StopMode.HANGUP)
        await crowd.site.until_over("c1")
        crowd.check()

    told(story, rules=Rules(abandoned_share=0.0))


def test_predictive_is_in_effect_and_dials_for_who_will_be_ready() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd, mode=Mode.PREDICTIVE, abandoned_share=0.5)
        working, seen = asyncio.ensure_future(crowd.work()), set[tuple[str, str | None]]()
        await crowd.site.run("c1", [*numbers(30, TALKS), *numbers(20, BUSY, 100)])
        give_up = crowd.world.now + 300.0
        while crowd.world.now < give_up and (await crowd.site.view("c1")).status is not CampaignStatus.FINISHED:
            explained = await crowd.site.explain("c1")
            seen.add((explained.mode, explained.fallback))
            await asyncio.sleep(2.0)
        working.cancel()
        assert (Mode.PREDICTIVE, None) in seen, seen
        found = await crowd.site.until_over("c1")
        assert found.attempts == 56 and found.answered == 36
        assert any(claim.operator is None for claim in crowd.claims())
        crowd.check()

    told(story)


async def another_extension(crowd: Joins, known: dict[str, str], user: str, extension: str | None) -> None:
    """POINT has it on record, and says so from now on."""
    known.pop(user)
    if extension is not None:
        known[user] = extension
    said = UserChanged(
        user=user, at=utc(crowd.world.clock.now()), role="operator", email=None, password_hash="",
        status=UserStatus.ACTIVE, must_change_password=False, by="boss", extension=extension,
    )  # fmt: skip
    subject, bus = USER_CHANGED.subject, crowd.world.gateways[0]
    last = await bus.last(subject)
    data, headers = msgspec.json.encode(said), {"Nats-Msg-Id": f"{user} {extension}"}
    await bus.append(subject, data, headers, scope=subject, expect=last.seq if last is not None else 0)


def test_an_extension_that_was_changed_is_known_at_once() -> None:
    known = dict(EXTENSIONS)

    async def story(crowd: Joins) -> None:
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **POWER)
        await crowd.site.run("c1", numbers(1, RINGS_THEN_TALKS))
        while not crowd.claims():
            await asyncio.sleep(0.05)
        await asyncio.sleep(3.0)  # before it is answered
        await another_extension(crowd, known, "ann", "699")
        await crowd.site.until_over("c1")
        assert [one.extension for one in crowd.taken()] == ["699"]
        crowd.check()

    told(story, known)


def test_who_was_kept_for_a_call_that_another_one_gets_is_free_at_once() -> None:
    known = dict(EXTENSIONS)

    async def story(crowd: Joins) -> None:
        await crowd.all_ready("ann")
        await crowd.site.create("c1", **{**POWER, "abandoned_share": 0.03})  # so each call is for one who is kept
        await crowd.site.run("c1", numbers(1, RINGS_THEN_TALKS))
        while not crowd.claims():
            await asyncio.sleep(0.05)
        await crowd.all_ready("bob")
        assert (await crowd.see("ann")).reserved_by == "c1"
        await another_extension(crowd, known, "ann", None)
        while not crowd.taken():
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert [one.operator for one in crowd.taken()] == ["bob"]
        assert (await crowd.see("ann")).reserved_by is None
        await crowd.site.until_over("c1")
        crowd.check()

    told(story, known)


def test_who_has_no_extension_is_counted_out_and_named() -> None:
    async def story(crowd: Joins) -> None:
        said = await told_counts(crowd)
        await crowd.all_ready()
        await crowd.site.create("c1", **POWER)
        await crowd.site.run("c1", numbers(4, LONG))
        await asyncio.sleep(8.0)
        explained = await crowd.site.explain("c1")
        assert explained.no_extension == ("bob", "cid")
        assert said and sum(said[-1].operators.values()) == 1, said[-1:]
        assert {one.operator for one in crowd.offers() or crowd.claims()} == {"ann"}
        await crowd.site.stop("c1", StopMode.HANGUP)
        await crowd.site.until_over("c1")
        crowd.check()

    told(story, {"ann": "601"})


def test_that_no_channel_is_to_be_had_is_said() -> None:
    async def story(crowd: Joins) -> None:
        await after_some_answers(crowd)
        before = len(crowd.claims())
        crowd.world.switch.cut()
        await crowd.site.run("c1", numbers(4, LONG))
        await asyncio.sleep(10.0)
        reasons = {one.reason: one.leads for one in (await crowd.site.explain("c1")).reasons}
        assert reasons.get("trunk_down") == 4 and len(crowd.claims()) == before
        crowd.world.switch.mend()
        while len(crowd.claims()) == before:
            await asyncio.sleep(0.5)
        await crowd.site.stop("c1", StopMode.HANGUP)
        await crowd.site.until_over("c1")

    told(story)


def test_an_extension_that_nobody_takes_is_an_abandoned_call() -> None:
    async def story(crowd: Joins) -> None:
        crowd.world.switch.dead |= {"601", "602", "603"}
        await crowd.all_ready()
        await crowd.site.create("c1", **POWER)
        await crowd.site.run("c1", numbers(2, LONG))
        found = await crowd.site.until_over("c1")
        assert (found.answered, found.abandoned) == (2, 2)
        assert {one.outcome for one in crowd.ends()} == {"abandoned"} and len(crowd.taken()) == 2

    told(story)


def test_phones_and_trunks_that_join_nobody_dial_progressively() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Joins(site)
        await crowd.all_ready()
        await site.create("c1", **POWER)
        await site.create("c2", **{**POWER, "carriers": Carriers(slots=SlotCarrier())})
        for campaign, first in (("c1", 0), ("c2", 50)):
            await site.run(campaign, numbers(2, BUSY, first))
            explained = await site.explain(campaign)
            assert (explained.mode, explained.fallback) == (Mode.PROGRESSIVE, "own_lines")
            await site.until_over(campaign)
        assert all(claim.operator and not claim.joins for claim in crowd.claims())

    play(story, change=owned(*OWNERS))


def test_with_both_carriers_it_is_trunks_alone_that_dial() -> None:
    async def story(crowd: Joins) -> None:
        await crowd.all_ready()
        both = Carriers(slots=SlotCarrier(), trunks=TRUNKS.trunks)
        await crowd.site.create("c1", **{**POWER, "carriers": both})
        await crowd.site.run("c1", numbers(6, BUSY))
        found = await crowd.site.until_over("c1")
        assert found.attempts == 6 and not crowd.site.dials() and all(claim.joins for claim in crowd.claims())

    told(story)
