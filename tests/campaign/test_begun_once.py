"""A lead in preview is begun once, however often that is asked: who asks as its host dies is told within seconds, and
may ask for a lead anew; nothing is dialled twice."""

import asyncio
from collections.abc import Awaitable

import pytest

from actors.campaign import previewing
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.preview import BEGIN_PREVIEWED, PREVIEW_LEAD, BeginPreviewed, LeadPreview, PreviewLead
from tests.attacks.test_previews import Previewed
from tests.campaign.crowd import MAY, OWNERS, Crowd, owned
from tests.campaign.test_halted_once import SOON
from tests.campaign.test_team import LONG, TALKS, numbers
from tests.campaign.test_team_previews import begin, looking, next_of
from tests.campaign.world import Campaigns, play
from tests.support.depth import seeds


def asked(crowd: Crowd, lead: str) -> Awaitable[LeadPreview]:
    """One command, sent once by who asks, under its id."""
    context = Context(command_id="begin", user="ann", actions=MAY)
    return ask(crowd.world.gateways[1], BEGIN_PREVIEWED, BeginPreviewed(campaign_id="c1", lead=lead), context)


@pytest.mark.parametrize("seed", seeds(4))
def test_who_begins_a_lead_as_its_host_dies_is_told_soon(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(3, LONG))
        owner, began = site.owner("c1"), site.world.now
        assert owner is not None
        owner.process.freeze()  # what is sent to it waits there
        answer = asyncio.ensure_future(asked(crowd, shown.lead))
        await asyncio.sleep(0.2)
        site.world._end(owner)
        with pytest.raises(Refusal, match="not the lead that you look at") as refused:
            await answer
        assert refused.value.code is ErrorCode.CONFLICT and site.world.now - began < SOON
        await asyncio.sleep(3.0)
        assert not site.dials()
        await crowd.be("ann", "ready")
        await asyncio.sleep(1.0)
        again = await next_of(crowd, "ann")
        assert not again.begun and (await begin(crowd, "ann", again.lead)).begun
        await crowd.on_a_call("ann")
        assert dict(site.dials()) == {again.number: 1}

    play(story, seed=seed, keep=True, change=owned(*OWNERS))


@pytest.mark.parametrize("seed", seeds(4))
@pytest.mark.parametrize("between", [0.0, 0.001, 0.05, 0.3, 2.0])
def test_who_begins_a_lead_twice_has_one_call(between: float, seed: int) -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(3, LONG))
        first = asyncio.ensure_future(asked(crowd, shown.lead))
        await asyncio.sleep(between)
        second = await asked(crowd, shown.lead)
        assert (await first).begun and second.begun and second.lead == shown.lead
        await crowd.on_a_call("ann")
        assert dict(site.dials()) == {shown.number: 1} and len(crowd.claims()) == 1

    play(story, seed=seed, change=owned(*OWNERS))


def test_a_second_time_does_not_begin_anew_what_is_looked_at_once_more() -> None:
    played = Previewed(leads=1)
    lead, first = played.shown("ann"), played.asked("ann")
    previewing.begin(first, lead)
    assert len(played.begun()) == 1
    assert played.over(played.claims[0])
    played.later(days=1)
    assert played.shown("ann") == lead
    again = previewing.begin(played.asked("ann")._replace(command=first.command), lead).reply
    assert not callable(again) and not again.begun and not played.begun()
    previewing.begin(played.asked("ann"), lead)
    assert len(played.begun()) == 1


@pytest.mark.parametrize("seed", seeds(4))
def test_a_second_time_that_comes_late_begins_no_other_lead(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(3, TALKS))
        assert (await asked(crowd, shown.lead)).begun
        await asyncio.sleep(60.0)
        assert sum(site.dials().values()) == 1
        await crowd.be("ann", "ready")
        await asyncio.sleep(1.0)
        other = await next_of(crowd, "ann")
        with pytest.raises(Refusal, match="not the lead that you look at"):
            await asked(crowd, shown.lead)
        assert other.lead != shown.lead and (await next_of(crowd, "ann")) == other
        await asyncio.sleep(10.0)
        assert sum(site.dials().values()) == 1

    play(story, seed=seed, change=owned(*OWNERS))


async def answer_to(crowd: Crowd, user: str) -> ErrorCode | None:
    """What somebody is told who asks for a lead. None: which one."""
    try:
        await ask(
            crowd.world.gateways[1], PREVIEW_LEAD, PreviewLead(campaign_id="c1"),
            Context(command_id=f"look-{user}", user=user, actions=MAY), retry=False,
        )  # fmt: skip
    except Refusal as refusal:
        return refusal.code
    return None


def test_while_its_host_is_away_a_campaign_is_there_for_its_operators_alone() -> None:
    async def story(site: Campaigns) -> None:
        crowd, _ = await looking(site, "ann", "bob", leads=numbers(3, LONG))
        await crowd.work_for("bob", "another")
        owner = site.owner("c1")
        assert owner is not None
        await asyncio.sleep(1.0)
        site.world._end(owner)
        await asyncio.sleep(1.0)
        assert await answer_to(crowd, "ann") is ErrorCode.UNAVAILABLE
        assert [await answer_to(crowd, user) for user in ("bob", "eve")] == [ErrorCode.NOT_FOUND] * 2
        await asyncio.sleep(15.0)
        assert await answer_to(crowd, "eve") is ErrorCode.NOT_FOUND

    play(story, change=owned(*OWNERS))


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("between", [0.0, 0.002, 0.005, 0.01, 0.03, 0.1])
def test_a_stop_that_meets_a_begin_counts_what_it_calls_off(between: float, seed: int) -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, LONG))
        begun = asyncio.ensure_future(asked(crowd, shown.lead))
        await asyncio.sleep(between)
        stopped = await site.stop("c1")
        dialled = site.dials()
        await asyncio.gather(begun, return_exceptions=True)  # which may have come after the stop
        assert sum(dialled.values()) <= stopped.in_progress <= len(crowd.claims())
        await asyncio.sleep(5.0)
        assert site.dials() == dialled  # nobody afterwards
        if not dialled:
            assert [one.outcome for one in crowd.ends()] == ["not_dialed"] * len(crowd.claims())
            assert (await site.view("c1")).status == "stopped"

    play(story, seed=seed, change=owned(*OWNERS))
