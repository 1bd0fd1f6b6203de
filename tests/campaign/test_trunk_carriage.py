"""Campaigns on trunks, on phones abroad and beside each other, in a world of two hosts with their phones and a PBX."""

import asyncio
from collections import Counter
from itertools import pairwise

from msgspec.structs import replace

from actors.dialing.settings import Dial
from actors.dialing.trunk_lines import REST
from actors.settings import Settings
from bus_schemas.campaign import CampaignStatus, StopMode
from bus_schemas.carriers import Carriers, SlotCarrier, SlotsOf, TrunkCarrier
from bus_schemas.lead import LeadStatus
from simulators.carrier.rules import mobile
from simulators.device.chronicle import DeviceCall
from simulators.world.world import with_slot
from tests.campaign.test_takeover import claims, ends
from tests.campaign.world import Campaigns, play
from tests.support.depth import deep

S = CampaignStatus
LONG, TALKS, BUSY = "9999", "2003", "0001"
TRUNKS = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


def polish(place: int, ending: str) -> str:
    return f"+48601{place:02}{ending.zfill(4)}"


def at_once(calls: list[DeviceCall]) -> int:
    """How many were up together at most."""
    return max(sum(each.up(call.created) for each in calls) for call in calls)


def test_a_campaign_runs_on_trunks_to_its_end() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=TRUNKS, attempts_per_lead=1)
        wanted = [*numbers(8, TALKS), *numbers(4, BUSY, 20)]
        await site.run("c1", wanted)
        found = await site.until_over("c1")
        assert Counter(call.number for call in site.trunk_calls()) == Counter(wanted)
        assert not site.dials()  # no phone was used
        assert found.attempts == 12 and found.by_status == {LeadStatus.DONE: 8, LeadStatus.IN_PROGRESS: 4}
        assert {call.slot for call in site.trunk_calls()} == {1, 2, 3}
        for extension in (1, 2, 3):
            assert at_once([call for call in site.trunk_calls() if call.slot == extension]) == 1
        assert not [one for one in ends(site.world) if one.outcome in ("not_dialed", "extension_failed")]

    play(story)


def test_an_extension_that_is_off_loses_one_call_and_no_other() -> None:
    async def story(site: Campaigns) -> None:
        site.world.switch.dead.add("1")
        await site.create("c1", carriers=TRUNKS, attempts_per_lead=1)
        await site.run("c1", numbers(12, TALKS))
        found = await site.until_over("c1")
        lost = [call.number for call in site.trunk_calls() if call.slot == 1]
        assert found.answered == 12 and found.abandoned == len(lost) == 1
        assert found.by_status == {LeadStatus.DONE: 11, LeadStatus.IN_PROGRESS: 1}
        [end] = [end for end in ends(site.world) if end.outcome == "abandoned"]
        assert end.why == "The extension did not take it: nobody answers there"
        only = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1,)))
        await site.create("c2", carriers=only)
        await site.run("c2", numbers(1, TALKS, 100))
        await asyncio.sleep(5.0)
        [group] = (await site.explain("c2")).reasons
        assert group.reason == "extensions_busy" and "have not taken a call lately: 1" in group.words
        site.world.switch.dead.clear()
        await asyncio.sleep(REST)
        assert (await site.until_over("c2")).by_status == {LeadStatus.DONE: 1}

    play(story)


def test_a_trunk_is_never_fuller_or_faster_than_it_may() -> None:
    def slow(settings: Settings) -> Settings:
        trunks = (replace(trunk, channels=1, calls_per_second=0.5) for trunk in settings.trunks)
        return replace(settings, trunks=tuple(trunks))

    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=TRUNKS, attempts_per_lead=1)
        await site.run("c1", numbers(10, BUSY))
        await site.until_over("c1")
        for trunk in ("trunk-1", "trunk-2"):
            calls = [call for call in site.trunk_calls() if call.line == f"trunk-{trunk}"]
            begins = sorted(call.created for call in calls)
            assert at_once(calls) == 1 and len(calls) > 2
            assert min(after - before for before, after in pairwise(begins)) > 1.9
        assert not [one for one in ends(site.world) if one.outcome == "not_dialed"]

    play(story, change=slow)


def test_both_carriers_are_used_and_changed_while_it_runs() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=Carriers(trunks=TRUNKS.trunks))
        await site.run("c1", numbers(200, TALKS))
        await asyncio.sleep(30.0)
        assert len(site.dials()) > 5 and len(site.trunk_calls()) > 5
        await site.configure("c1", carriers=TRUNKS)
        await asyncio.sleep(1.0)
        phones, trunks = len(site.dials()), len(site.trunk_calls())
        await asyncio.sleep(20.0)
        assert len(site.dials()) == phones and len(site.trunk_calls()) > trunks + 5
        await site.configure("c1", carriers=Carriers(slots=SlotCarrier(slots=(2,))))
        await asyncio.sleep(6.0)
        trunks, others = len(site.trunk_calls()), len(site.world.phone(1).dials) + len(site.world.phone(3).dials)
        used = len(site.world.phone(2).dials)
        await asyncio.sleep(20.0)
        assert len(site.trunk_calls()) == trunks and len(site.world.phone(2).dials) > used
        assert len(site.world.phone(1).dials) + len(site.world.phone(3).dials) == others
        await site.stop("c1", StopMode.HANGUP)
        await site.until_over("c1")
        assert max(Counter(one.number for one in claims(site.world)).values()) == 1

    play(story)


def test_slots_of_others_carry_nothing() -> None:
    def owned(settings: Settings) -> Settings:
        return with_slot(with_slot(settings, 1, user="op"), 2, user="somebody")

    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=Carriers(slots=SlotCarrier(of=SlotsOf.OWN)))
        await site.run("c1", numbers(4, TALKS))
        await site.until_over("c1")
        assert len(site.world.phone(1).dials) == 4

    play(story, change=owned)


def test_after_a_stop_no_trunk_dials_and_calls_end() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=TRUNKS)
        await site.run("c1", numbers(20, LONG))
        await asyncio.sleep(3.0)
        answer = await site.stop("c1", StopMode.HANGUP)
        stopped = site.world.now
        assert answer.in_progress == 3
        found = await site.until_over("c1")
        assert found.attempts == 3 and all(call.created < stopped for call in site.trunk_calls())
        assert len(site.trunk_calls()) == 3 and not site.world.switch.calls

    play(story)


def test_a_stop_between_a_claim_and_its_trunk_call_holds() -> None:
    async def slow(name: str) -> None:
        late = name.startswith("before append ottb.v1.evt.call.trunk-") and name.endswith(".dialing")
        await asyncio.sleep(2.0 if late else 0.001)

    async def story(site: Campaigns) -> None:
        for life in site.world.lives:
            life.bus._step = slow
        await site.create("c1", carriers=TRUNKS)
        await site.run("c1", numbers(6, LONG))
        while not claims(site.world):
            await asyncio.sleep(0.01)
        answer = await site.stop("c1")
        found = await site.until_over("c1")
        assert found.attempts == answer.in_progress > 0 and not site.trunk_calls()
        assert {one.outcome for one in ends(site.world)} == {"not_dialed"}

    play(story)


def test_another_host_goes_on_with_calls_on_trunks() -> None:
    async def story(site: Campaigns) -> None:
        world = site.world
        names = [f"c{place}" for place in range(8)]
        for place, name in enumerate(names):
            await site.create(name, carriers=TRUNKS, attempts_per_lead=1)
            await site.run(name, numbers(3, TALKS, 10 * place))
        await asyncio.sleep(4.0)
        world.crash(world.lives[0])
        for name in names:
            await site.until_over(name, 900.0)
        assert max(Counter(call.number for call in site.trunk_calls()).values()) == 1
        begun = {one.command_id for one in claims(world)}
        assert len(begun) == len(claims(world)) == len(ends(world))

    play(story, keep=True)


def test_an_extension_of_a_host_that_is_away_holds_up_no_other() -> None:
    async def story(site: Campaigns) -> None:
        world = site.world
        names = [f"c{place}" for place in range(8)]
        for name in names:
            await site.create(name, carriers=TRUNKS, attempts_per_lead=1)
        mine = next(name for name in names if site.owner(name) is world.lives[0])
        world.crash(world.lives[1])
        await asyncio.sleep(1.0)
        began = world.now
        await site.run(mine, numbers(12, TALKS))
        await site.until_over(mine)
        print(f"12 calls with two of three extensions: {world.now - began:.1f} s")
        assert world.now - began < 45.0
        assert Counter(one.outcome for one in ends(world)) == {"answered": 12}

    play(story)


def test_why_trunks_carry_nothing_is_said() -> None:
    async def story(site: Campaigns) -> None:
        async def reasons(campaign: str) -> dict[str, str]:
            found = await site.explain(campaign)
            assert sum(one.leads for one in found.reasons) == found.leads
            return {one.reason: one.words for one in found.reasons if one.reason != "under_way"}

        await site.create("c1", carriers=TRUNKS)
        gone = TrunkCarrier(extensions=(1,), trunks=("gone",))
        await site.create("c2", carriers=Carriers(slots=None, trunks=gone))
        for place in range(1, 3):
            await site.run(f"c{place}", numbers(9, LONG, 20 * place))
        await asyncio.sleep(5.0)
        assert await reasons("c1") == {"extensions_busy": "all extensions for answered calls are in use"}
        assert await reasons("c2") == {"no_line": "there is no line that it may use; there is no trunk gone"}
        site.world.switch.cut()
        await asyncio.sleep(5.0)
        found = await reasons("c1")
        assert found["trunk_down"] == "trunk trunk-1 is down: cut; trunk trunk-2 is down: cut"
        site.world.switch.mend()
        for place in range(1, 3):
            await site.stop(f"c{place}", StopMode.HANGUP)

    play(story)


# --- countries


def abroad(settings: Settings) -> Settings:
    """Each SIM calls its own country; there is one of Poland."""
    dial: Dial = replace(settings.dial, countries=(), site_region="UA")
    return with_slot(replace(settings, dial=dial), 3, region="PL")


def test_each_number_is_called_from_its_own_country() -> None:
    async def story(site: Campaigns) -> None:
        away, own = [polish(place, BUSY) for place in range(6)], numbers(12, BUSY)
        await site.create("c1", attempts_per_lead=1)
        await site.run("c1", [*away, *own])
        found = await site.until_over("c1")
        assert Counter(site.world.phone(3).dials) == Counter(away)
        assert Counter([*site.world.phone(1).dials, *site.world.phone(2).dials]) == Counter(own)
        assert found.attempts == 18 and not [one for one in ends(site.world) if one.outcome == "not_dialed"]

    play(story, change=abroad)


def test_of_idle_phones_the_one_of_the_callees_country_calls() -> None:
    def both(settings: Settings) -> Settings:
        return with_slot(replace(settings, dial=replace(settings.dial, countries=("UA", "PL"))), 2, region="PL")

    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=Carriers(slots=SlotCarrier(slots=(1, 2))))
        await site.run("c1", [polish(1, TALKS), *numbers(1, TALKS)])
        await site.until_over("c1")
        assert site.world.phone(2).dials == [polish(1, TALKS)] and site.world.phone(1).dials == numbers(1, TALKS)

    play(story, change=both)


def test_that_all_phones_have_made_their_calls_is_said() -> None:
    def few(settings: Settings) -> Settings:
        return replace(settings, dial=replace(settings.dial, slot_calls_per_hour=2))

    async def story(site: Campaigns) -> None:
        await site.create("c1", attempts_per_lead=1)
        await site.run("c1", numbers(9, BUSY))
        await asyncio.sleep(30.0)
        found = {one.reason: one.leads for one in (await site.explain("c1")).reasons}
        assert found == {"attempts_per_lead": 6, "slots_spent": 3} and len(claims(site.world)) == 6
        await site.stop("c1")

    play(story, change=few)


def test_a_busy_sim_abroad_is_waited_for() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c0", carriers=Carriers(slots=SlotCarrier(regions=("PL",))))
        await site.run("c0", [polish(place, TALKS) for place in range(3)])
        await asyncio.sleep(0.5)
        await site.create("c1", attempts_per_lead=1)
        await site.run("c1", [polish(place, BUSY) for place in range(10, 13)])
        found = await site.explain("c1")
        assert {one.reason for one in found.reasons} <= {"slots_busy", "next", "under_way"}
        await site.until_over("c1", 900.0)

    play(story, change=abroad)


# --- among campaigns


@deep
def test_five_campaigns_share_phones_by_weight_and_none_starves() -> None:
    weights = {"c1": 1, "c2": 2, "c3": 3, "c4": 4, "c5": 10}

    async def story(site: Campaigns) -> None:
        for place, (name, weight) in enumerate(weights.items()):
            await site.create(name, weight=weight)
            await site.run(name, numbers(300, TALKS, 400 * place))
        before = Counter(one.campaign for one in claims(site.world))
        await asyncio.sleep(300.0)
        got = Counter(one.campaign for one in claims(site.world))
        got.subtract(before)
        print(f"dials of five campaigns by weight {weights}: {dict(got)}")
        for name, weight in weights.items():
            assert abs(got[name] / got.total() - weight / 20) <= 0.03, got
        for name in weights:
            await site.stop(name, StopMode.HANGUP)

    play(story)


@deep
def test_of_five_campaigns_the_first_priority_goes_first_and_none_starves() -> None:
    async def story(site: Campaigns) -> None:
        for place in range(5):
            await site.create(f"c{place}", priority=20 if place == 2 else -place)
            await site.run(f"c{place}", numbers(300, TALKS, 400 * place))
        before = Counter(one.campaign for one in claims(site.world))
        await asyncio.sleep(300.0)
        got = Counter(one.campaign for one in claims(site.world))
        got.subtract(before)
        print(f"dials of five campaigns, the third one's priority is above the others': {dict(got)}")
        assert got["c2"] / got.total() >= 0.8, got
        assert min(got[f"c{place}"] / got.total() for place in range(5)) >= 0.015, got
        for place in range(5):
            await site.stop(f"c{place}", StopMode.HANGUP)

    play(story)
