"""A campaign at work on two hosts: it calls each lead as often as it says, stops when told, and outlives its host."""

import asyncio

import pytest

from actors.campaign.actor import CampaignActor
from actors.campaign.claims import NotBegun
from actors.campaign.orders import Run
from actors.campaign.rules import Rules
from actors.runtime.actor import INBOX_LIMIT
from actors.runtime.context import Context
from actors.runtime.rendezvous import shard_of
from actors.trunk.pbx import Originate
from bus_schemas.campaign import (
    ARCHIVE_CAMPAIGN,
    CREATE_CAMPAIGN,
    LIST_CAMPAIGNS,
    RESUME_CAMPAIGN,
    RETRY_MINUTES,
    ArchiveCampaign,
    CampaignStatus,
    CreateCampaign,
    ListCampaigns,
    ResumeCampaign,
    StopMode,
)
from bus_schemas.carriers import Carriers, TrunkCarrier
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import LeadStatus
from simulators.carrier.rules import mobile
from simulators.pbx.switch import Switch
from tests.campaign.played import lead_at, rows
from tests.campaign.world import Campaigns, play

S = CampaignStatus
BUSY, TALKS, LONG = "0001", "2003", "9999"
ONCE = {"attempts_per_lead": 1}


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


def test_a_campaign_calls_each_lead_and_finishes() -> None:
    async def story(site: Campaigns) -> None:
        wanted = [*numbers(10, TALKS), *numbers(10, BUSY, 100)]
        answer = await site.run("c1", [*wanted, "12"])
        assert (answer.status, answer.accepted, [row.row for row in answer.invalid]) == (S.RUNNING, 20, [21])
        await site.configure("c1", **ONCE)
        found = await site.until_over("c1")
        assert site.dials() == dict.fromkeys(wanted, 1)
        assert (found.status, found.attempts, found.in_progress, found.answered) == (S.FINISHED, 20, 0, 10)
        assert found.by_status == {LeadStatus.DONE: 10, LeadStatus.IN_PROGRESS: 10}

    play(story)


def test_rows_for_a_campaign_that_became_anothers_meanwhile_are_refused() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1")
        life = site.owner("c1")
        assert life is not None and life.host is not None
        host, context = life.host.shards[shard_of("c1")], Context(command_id="eve-1", user="eve")
        with pytest.raises(Refusal) as refused:  # as is asked where it was nobody's when that was looked at
            await host.order(CampaignActor, "c1", Run(given=rows(lead_at(1)), by_asker=True), context)
        assert refused.value.code is ErrorCode.NOT_FOUND
        found = await site.view("c1")
        assert (found.status, found.leads) == (S.DRAFT, 0)

    play(story)


def test_the_phones_of_both_hosts_are_used_all_the_time() -> None:
    async def story(site: Campaigns) -> None:
        wanted = numbers(30, TALKS)
        began = site.world.now
        await site.run("c1", wanted)
        found = await site.until_over("c1")
        assert found.answered == 30 and site.dials() == dict.fromkeys(wanted, 1)
        busy = 4.0 * 30 / 3  # seconds of a call, and three phones
        assert site.world.now - began < 1.5 * busy

    play(story)


def test_a_wait_that_is_changed_leaves_the_others_as_they_were() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", retry_minutes={"busy": 1, "no_answer": 7})
        await site.configure("c1", retry_minutes={"busy": 2})
        found = (await site.view("c1")).settings.retry_minutes
        assert found == {**RETRY_MINUTES, "busy": 2, "no_answer": 7}

    play(story)


@pytest.mark.parametrize("mode", StopMode)
def test_a_stopped_campaign_begins_nothing_any_more(mode: StopMode) -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(30, LONG))
        await asyncio.sleep(4.0)
        answer = await site.stop("c1", mode)
        assert (answer.status, answer.in_progress) == (S.DRAINING, 3)
        dials = site.dials()
        assert sum(dials.values()) == 3
        before = site.world.now
        found = await site.until_over("c1")
        assert found.status is S.STOPPED and site.dials() == dials
        assert (site.world.now - before < 5.0) is (mode is StopMode.HANGUP)

    play(story)


def test_two_campaigns_share_the_phones() -> None:
    async def story(site: Campaigns) -> None:
        lists = {"c1": numbers(30, TALKS), "c2": numbers(30, TALKS, 1000)}
        for campaign, wanted in lists.items():
            await site.run(campaign, wanted)
        await asyncio.sleep(30.0)
        done = [(await site.view(campaign)).answered for campaign in lists]
        assert min(done) >= 0.7 * max(done) > 0, done
        for campaign in lists:
            await site.until_over(campaign)
        assert site.dials() == dict.fromkeys([*lists["c1"], *lists["c2"]], 1)

    play(story)


def test_a_number_is_never_called_by_two_campaigns_at_once() -> None:
    async def story(site: Campaigns) -> None:
        wanted = numbers(1, LONG)
        await asyncio.gather(*(site.run(f"c{place}", wanted) for place in range(6)))
        await asyncio.sleep(15.0)
        assert site.dials() == dict.fromkeys(wanted, 1)
        await asyncio.gather(*(site.stop(f"c{place}", StopMode.HANGUP) for place in range(6)))

    play(story)


def test_caps_count_over_all_campaigns() -> None:
    async def story(site: Campaigns) -> None:
        wanted = numbers(3, BUSY)
        for campaign in ("c1", "c2"):
            await site.run(campaign, wanted)
            await site.configure(campaign, **ONCE)
            await site.until_over(campaign)
        assert site.dials() == dict.fromkeys(wanted, 1)

    play(story)


def test_an_archived_campaign_is_there_for_the_records_alone() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(3, TALKS))
        with pytest.raises(Refusal) as running:
            await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
        assert running.value.code is ErrorCode.CONFLICT
        await site.until_over("c1")
        await site.until_done(ARCHIVE_CAMPAIGN, ArchiveCampaign(campaign_id="c1"))
        await asyncio.sleep(10.0)
        assert site.owner("c1") is None and (await site.view("c1")).status is S.ARCHIVED
        assert await site.until_done(LIST_CAMPAIGNS, ListCampaigns()) == []
        for again in (site.stop("c1"), site.explain("c1"), site.run("c1", numbers(1, TALKS, 50))):
            with pytest.raises(Refusal) as refused:
                await again
            assert refused.value.code is ErrorCode.CONFLICT
        await site.until_done(CREATE_CAMPAIGN, CreateCampaign(campaign_id="c2", like="c1"))
        assert (await site.view("c2")).status is S.DRAFT

    play(story)


def test_a_campaign_whose_calls_no_slot_takes_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise Refusal(ErrorCode.CALL_FAILED, "Calls are not allowed at this hour.", rule="hours")

    async def story(site: Campaigns) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("actors.dialing.rules.check", closed)
            await site.run("c1", numbers(200, TALKS))
            await asyncio.sleep(600.0)
            found = await site.view("c1")
            assert 10 < found.attempts < 60 and not site.dials()
        await asyncio.sleep(61.0)
        await site.until_over("c1", within=600.0)
        assert len(site.dials()) == 200

    play(story)


def test_numbers_that_no_sim_here_may_call_hold_nobody_up() -> None:
    async def story(site: Campaigns) -> None:
        abroad = [f"+48601{place:06}" for place in range(100)]
        await site.run("c1", [*abroad, *numbers(10, TALKS)])
        await asyncio.sleep(60.0)
        reasons = {one.reason: (one.leads, one.words) for one in (await site.explain("c1")).reasons}
        assert reasons == {"done": (10, "it is done"), "country": (100, "no line that it may use may call PL")}
        found = await site.until_over("c1")
        assert found.by_status == {LeadStatus.NEW: 100, LeadStatus.DONE: 10}
        assert found.attempts == len(site.dials()) == 10  # nothing was claimed in vain
        await site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id="c1"))
        await asyncio.sleep(60.0)  # for a line anew
        assert (await site.view("c1")).status is S.RUNNING
        assert (await site.until_over("c1")).status is S.FINISHED

    play(story)


@pytest.mark.parametrize("rule", ["country", "premium"])
def test_what_no_phone_was_asked_for_is_no_outcome_of_the_number(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """The settings or a SIM were others then."""

    def forbidden(*_: object) -> None:
        raise Refusal(ErrorCode.CALL_FAILED, "It is not allowed.", rule=rule)

    async def story(site: Campaigns) -> None:
        number = mobile(1, TALKS)
        with monkeypatch.context() as patch:
            patch.setattr("actors.dialing.rules.check", forbidden)
            await site.run("c1", [number])
            await asyncio.sleep(600.0)
            found = await site.view("c1")
            assert 0 < found.attempts < 6 and not site.dials()
            assert (LeadStatus.INVALID in found.by_status) is (rule == "premium")
        await site.stop("c1")
        await asyncio.sleep(61.0)
        await site.run("c2", [number])
        await site.until_over("c2")
        assert site.dials() == {number: 1}

    play(story)


def test_a_thousand_calls_that_end_at_once_are_one_after_the_other() -> None:
    async def story(site: Campaigns) -> None:
        await site.run("c1", numbers(3, LONG))
        await asyncio.sleep(3.0)
        owner = site.owner("c1")
        assert owner is not None and owner.host is not None
        actor = next(one for shard in owner.host.shards.values() if (one := shard.get(CampaignActor, "c1")))
        for _ in range(3 * INBOX_LIMIT):
            actor.ended(NotBegun(place=0, attempt=9, of_number=True))  # of another life: nothing follows
        assert actor.alive and (await site.stop("c1", StopMode.HANGUP)).in_progress == 3
        await site.until_over("c1")
        assert actor.alive and not actor._ended

    play(story)


@pytest.mark.parametrize("carriers", [Carriers(), Carriers(slots=None, trunks=TrunkCarrier(extensions=(1,)))])
@pytest.mark.parametrize(("least", "rings"), [(0.0, 10.0), (14.9, 14.9), (25.0, 25.0)])
def test_nobody_is_given_up_before_it_has_rung_for_long_enough(
    monkeypatch: pytest.MonkeyPatch, carriers: Carriers, least: float, rings: float
) -> None:
    """The site gives up after 15 s, of which some pass before it rings; the PBX by itself not earlier."""
    orders, place = list[Originate](), Switch.place

    def placed(self: Switch, trunk: str, order: Originate) -> None:
        orders.append(order)
        place(self, trunk, order)

    monkeypatch.setattr(Switch, "place", placed)

    async def story(site: Campaigns) -> None:
        await site.create("c1", carriers=carriers, **ONCE)
        await site.run("c1", numbers(1, "3040"))
        await site.until_over("c1")
        [call] = site.world.book.ordered()
        assert call.ended is not None and call.rung is not None
        assert rings <= call.ended - call.rung < max(rings + 3.0, 15.5)
        assert all(order.ring_timeout >= 15.0 + least for order in orders)  # it may begin to ring at the very last
        assert len(orders) == (carriers.trunks is not None)

    play(story, rules=Rules(ring_seconds=least))
