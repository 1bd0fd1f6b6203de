"""What operators are told who look at leads before they are dialled: whether a line of theirs can call them, and what
became of those that somebody has skipped."""

import asyncio
from datetime import timedelta

import pytest

from actors.campaign import machine, previewing
from actors.campaign.actor import CampaignActor
from actors.campaign.dry_run import Assumed, Counting
from actors.campaign.previews import SKIPPED_FOR
from actors.campaign.team_dry_run import TeamDryRun
from actors.runtime.clock import moment, parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    EXPLAIN_LEAD,
    MARK_LEAD,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    CampaignAttemptClaimed,
    Mode,
    PauseCampaign,
    ResumeCampaign,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import ExplainLead, LeadStanding, LeadStatus, MarkLead
from bus_schemas.preview import (
    BEGIN_PREVIEWED,
    PREVIEW_LEAD,
    SKIP_PREVIEWED,
    BeginPreviewed,
    LeadPreview,
    PreviewLead,
    SkipPreviewed,
)
from tests.attacks.test_previews import Previewed
from tests.campaign.crowd import MAY, OWNERS, Crowd, owned
from tests.campaign.played import lead_at
from tests.campaign.test_halted_once import SOON, until, written
from tests.campaign.test_team import LONG, TALKS, TEAM, numbers
from tests.campaign.test_trunk_carriage import polish
from tests.campaign.world import Campaigns, play
from tests.support.depth import seeds

PREVIEW = {**TEAM, "mode": Mode.PREVIEW}


async def looking(site: Campaigns, *users: str, leads: list[str]) -> tuple[Crowd, LeadPreview]:
    """Operators are ready for a campaign in preview mode, and the first looks at a lead."""
    crowd = Crowd(site)
    await crowd.all_ready(*users)
    await site.create("c1", **PREVIEW)
    await site.run("c1", leads)
    return crowd, await next_of(crowd, users[0])


async def next_of(crowd: Crowd, user: str) -> LeadPreview:
    found: LeadPreview = await crowd.ask(user, PREVIEW_LEAD, PreviewLead(campaign_id="c1"))
    return found


async def begin(crowd: Crowd, user: str, lead: str) -> LeadPreview:
    found: LeadPreview = await crowd.ask(user, BEGIN_PREVIEWED, BeginPreviewed(campaign_id="c1", lead=lead))
    return found


async def skip(crowd: Crowd, user: str, lead: str) -> None:
    await crowd.ask(user, SKIP_PREVIEWED, SkipPreviewed(campaign_id="c1", lead=lead))


async def refused(crowd: Crowd, user: str, lead: str) -> Refusal:
    with pytest.raises(Refusal) as found:
        await begin(crowd, user, lead)
    return found.value


def test_who_begins_a_lead_without_a_line_is_told_why() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, TALKS))
        site.world.phone(1).unplug()
        await asyncio.sleep(15.0)
        told = await refused(crowd, "ann", shown.lead)
        assert told.code is ErrorCode.CONFLICT and "cannot be reached" in told.message
        assert (told.details or {})["lack"] == "slots_down"
        again = await next_of(crowd, "ann")
        assert again.lead == shown.lead and not again.begun and again.waits is None
        assert not site.dials()

    play(story, change=owned(*OWNERS))


def test_whose_line_may_not_call_there_is_told_so() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=[polish(0, TALKS)])
        told = await refused(crowd, "ann", shown.lead)
        assert (told.details or {})["lack"] in ("country", "operator_not_ready") and "PL" in told.message

    play(story, change=owned(*OWNERS))


def test_who_has_no_line_at_all_is_told_so() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "cid", leads=numbers(1, TALKS))
        told = await refused(crowd, "cid", shown.lead)
        assert (told.details or {})["lack"] == "no_line"

    play(story, change=owned((1, "ann"), (2, "bob")))


def test_on_a_busy_line_it_waits_and_says_so() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, TALKS))
        site.world.phone(1).ring("+380441112233")
        await asyncio.sleep(3.0)
        begun = await begin(crowd, "ann", shown.lead)
        assert begun.begun and begun.waits == "all slots that it may use are busy"
        assert (await next_of(crowd, "ann")).waits == begun.waits and not site.dials()

    play(story, change=owned(*OWNERS))


def test_a_lead_is_begun_on_an_idle_line_and_waits_for_nothing() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, LONG))
        for _ in range(2):
            begun = await begin(crowd, "ann", shown.lead)
            assert begun.begun and begun.waits is None
            await asyncio.sleep(2.0)
        await crowd.on_a_call("ann")
        assert sum(site.dials().values()) == 1

    play(story, change=owned(*OWNERS))


def test_what_a_rule_has_come_to_forbid_is_not_begun() -> None:
    played = Previewed(leads=2)
    lead = played.shown("ann")
    assert played.selection is not None
    place = played.selection.place_of(played.state, lead)
    played.do(machine.mark, place, LeadStatus.DONE)
    with pytest.raises(Refusal, match="may not be called any more"):
        previewing.begin(played.asked("ann"), lead)
    assert played.shown("ann") != lead


async def explained(crowd: Crowd, lead: str) -> LeadStanding:
    found: LeadStanding = await crowd.site.until_done(EXPLAIN_LEAD, ExplainLead(campaign_id="c1", lead=lead))
    return found


def test_a_skipped_lead_is_explained_by_who_skipped_it_and_comes_again() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", "bob", leads=numbers(2, TALKS))
        await skip(crowd, "ann", shown.lead)
        groups = {one.reason: one for one in (await site.explain("c1")).reasons}
        assert {reason: one.leads for reason, one in groups.items()} == {"operators_decide": 1, "skipped": 1}
        assert "ann has skipped it" in groups["skipped"].words and groups["skipped"].until is not None
        assert groups["skipped"].change == "another mode, or a time to call back"
        one = await explained(crowd, shown.lead)
        assert (one.reason, one.until) == ("skipped", groups["skipped"].until) and "comes again" in one.words
        other = await next_of(crowd, "bob")
        assert other.lead != shown.lead
        await asyncio.sleep(SKIPPED_FOR)
        assert (await explained(crowd, shown.lead)).reason == "no_operators"  # who says nothing is gone
        await crowd.all_ready("ann", "bob")
        await asyncio.sleep(1.0)
        assert (await explained(crowd, shown.lead)).reason == "operators_decide"
        assert {(await next_of(crowd, user)).lead for user in ("ann", "bob")} == {shown.lead, other.lead}

    play(story, change=owned(*OWNERS))


def test_a_skipped_lead_is_nobodys_also_after_a_pause() -> None:
    played = Previewed(leads=2)
    lead = played.shown("ann")
    played.skip("ann", lead)
    played.do(machine.pause)
    played.do(machine.resume)
    assert played.shown("ann") != lead
    with pytest.raises(Refusal, match="No lead may be called now"):
        played.shown("ben")
    played.later(seconds=SKIPPED_FOR)
    assert played.shown("ben") is not None


def test_skips_that_are_over_are_not_kept() -> None:
    played = Previewed(leads=40)
    for _ in range(40):
        played.skip("ann", played.shown("ann"))
        played.later(seconds=30)
    assert len(played.state.skipped) == SKIPPED_FOR // 30


def test_a_skip_is_on_record_and_outlives_its_host() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", "bob", leads=numbers(3, LONG))
        skip = SkipPreviewed(campaign_id="c1", lead=shown.lead)
        await crowd.ask("ann", SKIP_PREVIEWED, skip)
        owner = site.owner("c1")
        assert owner is not None
        site.world.crash(owner)
        await asyncio.sleep(20.0)
        await crowd.all_ready("ann", "bob")
        await asyncio.sleep(1.0)
        others = {(await next_of(crowd, user)).lead for user in ("ann", "bob")}
        assert shown.lead not in others and len(others) == 2
        assert (await explained(crowd, shown.lead)).reason == "skipped"

    play(story, keep=True, change=owned(*OWNERS))


@pytest.mark.parametrize("seed", seeds(2))
def test_who_skips_a_lead_as_its_host_dies_is_answered(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        _, shown = await looking(site, "ann", leads=numbers(3, LONG))
        owner, began = site.owner("c1"), site.world.now
        assert owner is not None
        context = Context(command_id="skip", user="ann", actions=MAY, fresh=True)
        skip = SkipPreviewed(campaign_id="c1", lead=shown.lead)
        answer = asyncio.ensure_future(ask(site.world.gateways[1], SKIP_PREVIEWED, skip, context))
        await until(lambda: bool(written(site, "skip")))
        site.world.crash(owner)
        assert (await answer).lead == shown.lead and site.world.now - began < SOON
        assert written(site, "skip") == ["lead_skipped"]

    play(story, seed=seed, keep=True, change=owned(*OWNERS))


def called_back(leads: int, *places: int, by: str) -> Previewed:
    """The leads at these places are due for an operator."""
    played = Previewed(leads=leads)
    for place in places:
        at = utc(played.now + timedelta(seconds=60 + place))
        played.do(machine.mark, place, LeadStatus.CALLBACK, callback=at, operator=by)
    played.later(seconds=61 + leads)
    return played


def id_at(place: int) -> str:
    return lead_at(place).id


def test_no_one_puts_off_a_callback_of_another_by_asking() -> None:
    played = called_back(4, 2, by="ben")
    assert played.shown("ann") != id_at(2)
    assert played.shown("ben") == id_at(2)


def test_whoever_asks_on_end_keeps_no_callback_from_its_operator() -> None:
    played = called_back(30, 20, by="ben")
    for _ in range(6):
        played.skip("ann", played.shown("ann"))
        played.later(seconds=5)
    first = played.shown("cat")
    assert played.shown("ben") == id_at(20) != first
    played.skip("ben", id_at(20))
    assert played.shown("ben") != id_at(20)


def test_callbacks_come_to_their_operator_in_their_order() -> None:
    played = called_back(9, 3, 5, 4, by="ben")
    played.shown("ann")
    found = []
    for _ in range(3):
        found.append(played.shown("ben"))
        played.skip("ben", found[-1])
        played.skip("ann", played.shown("ann"))
    assert found == [id_at(3), id_at(4), id_at(5)]


def test_callbacks_of_others_are_not_walked_at_each_question() -> None:
    played = called_back(190, *range(150), by="ben")
    selection = played.selection = Counting(played.state)
    played.shown("ann")
    assert selection.looks == 151
    for user in ("ben", "ann", "cat", "ben", "ann", "cat"):
        if played.crew.previews.of(user, played.now.timestamp()) is not None:
            played.skip(user, played.shown(user))
        before = selection.looks
        assert (played.shown(user) in {id_at(place) for place in range(150)}) is (user == "ben")
        assert selection.looks - before <= 2


def test_a_callback_that_became_another_ones_is_theirs() -> None:
    played = called_back(4, 2, by="ben")
    played.shown("ann")
    at = utc(played.now + timedelta(seconds=5))
    played.do(machine.mark, 2, LeadStatus.CALLBACK, callback=at, operator="cat")
    assert played.shown("ben") != id_at(2)
    played.later(seconds=6)
    assert played.shown("cat") == id_at(2)


async def marked(crowd: Crowd, lead: str, *, seconds: float, operator: str | None = None) -> None:
    """A lead is to be called back so soon."""
    at = utc(parse_utc(moment(crowd.world.clock).at) + timedelta(seconds=seconds))
    wish = MarkLead(campaign_id="c1", lead=lead, status=LeadStatus.CALLBACK, callback=at, operator=operator)
    await crowd.site.until_done(MARK_LEAD, wish)


@pytest.mark.parametrize("operator", [None, "ann"])
def test_who_is_skipped_and_wants_a_call_is_called_when_they_want(operator: str | None) -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, TALKS))
        await skip(crowd, "ann", shown.lead)
        await marked(crowd, shown.lead, seconds=5.0, operator=operator)
        told = await explained(crowd, shown.lead)
        assert told.reason == "callback"
        await asyncio.sleep(7.0)
        assert (await explained(crowd, shown.lead)).reason == "operators_decide"
        assert (await next_of(crowd, "ann")).lead == shown.lead

    play(story, change=owned(*OWNERS))


async def attempts_foretold(site: Campaigns) -> int:
    """How many there would be in the next ten minutes, by the dry run that is made in a thread elsewhere."""
    owner = site.owner("c1")
    assert owner is not None and owner.host is not None
    actor = owner.host.shards[shard_of("c1")].get(CampaignActor, "c1")
    assert actor is not None and actor.state is not None
    crew = actor.team_crew()
    assert crew is not None
    there, now = await actor._outside.survey(actor.state, actor.whose_lines()), owner.host.clock.now()
    crew, team = crew.played(actor.state)
    found = TeamDryRun(
        actor.state, actor.book.copy(), crew=crew, team=team, there=there, now=now, wrap_up=1.0, busy=5.0,
        carrier=lambda claim: Assumed(EndReason.BUSY, 5.0),
    ).until(now + timedelta(minutes=10))  # fmt: skip
    return sum(isinstance(event, CampaignAttemptClaimed) for event in found.events)


def test_a_skip_ends_with_preview_mode_by_all_accounts() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", "bob", leads=numbers(4, TALKS))
        for _ in range(3):
            shown = await next_of(crowd, "ann")
            await skip(crowd, "ann", shown.lead)
        await next_of(crowd, "bob")  # who looks at the last one
        await crowd.be("bob", "break")
        await crowd.be("ann", "break")
        await asyncio.sleep(1.0)
        await site.configure("c1", mode=Mode.PROGRESSIVE)
        await asyncio.sleep(1.0)
        assert {one.reason: one.leads for one in (await site.explain("c1")).reasons} == {"no_operators": 4}
        await crowd.be("ann", "ready")
        await asyncio.sleep(0.2)
        assert await attempts_foretold(site) >= 3  # beside what is under way
        working = asyncio.create_task(crowd.work())
        await asyncio.sleep(120.0)
        working.cancel()
        assert len(site.dials()) == 4

    play(story, change=owned(*OWNERS))


def test_who_goes_back_to_preview_mode_has_the_skipped_ones_again() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(1, TALKS))
        await skip(crowd, "ann", shown.lead)
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
        for mode in (Mode.PROGRESSIVE, Mode.PREVIEW):
            await site.configure("c1", mode=mode)
        await site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id="c1"))
        assert (await next_of(crowd, "ann")).lead == shown.lead

    play(story, change=owned(*OWNERS))


def test_other_settings_leave_a_skip_as_it_is() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, TALKS))
        await skip(crowd, "ann", shown.lead)
        other = await next_of(crowd, "ann")
        await site.configure("c1", weight=3, retry_minutes={"busy": 7})
        assert (await explained(crowd, shown.lead)).reason == "skipped"
        assert (await next_of(crowd, "ann")).lead == other.lead != shown.lead

    play(story, change=owned(*OWNERS))


async def said(site: Campaigns) -> dict[str, str]:
    """The reasons for which the leads are not called, and the words."""
    return {one.reason: one.words for one in (await site.explain("c1")).reasons}


def test_it_is_said_when_no_operator_could_begin() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(3, LONG))
        assert [*await said(site)] == ["operators_decide"]
        for status, reason in (("offline", "no_operators"), ("ready", "operators_decide")):
            await crowd.be("ann", status)
            await asyncio.sleep(1.0)
            assert [*await said(site)] == [reason]
        await begin(crowd, "ann", shown.lead)
        await asyncio.sleep(0.5)
        assert {*await said(site)} == {"under_way", "ready_are_dialled_for"}
        await crowd.on_a_call("ann")
        assert {*await said(site)} == {"under_way", "no_operator_ready"}

    play(story, change=owned(*OWNERS))


def test_it_is_said_when_nobody_who_is_ready_has_a_line() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", leads=numbers(2, TALKS))
        site.world.phone(1).unplug()
        await asyncio.sleep(15.0)
        told = (await refused(crowd, "ann", shown.lead)).details or {}
        assert [*await said(site)] == ["slots_down"] == [told["lack"]]
        one = await explained(crowd, shown.lead)
        assert (one.reason, one.change) == ("slots_down", told["change"])
        await crowd.be("bob", "ready")
        await asyncio.sleep(1.0)
        assert [*await said(site)] == ["operators_decide"]  # one who could
        await crowd.be("bob", "break")
        await crowd.be("ann", "break")
        await crowd.be("eve", "ready")
        await asyncio.sleep(1.0)
        assert [*await said(site)] == ["no_line"]

    play(story, change=owned(*OWNERS))


def test_of_a_begun_lead_it_is_said_what_it_waits_for() -> None:
    async def story(site: Campaigns) -> None:
        crowd, shown = await looking(site, "ann", "bob", leads=numbers(2, TALKS))
        site.world.phone(1).ring("+380441112233")
        await asyncio.sleep(3.0)
        begun = await begin(crowd, "ann", shown.lead)
        one, group = await explained(crowd, shown.lead), await said(site)
        assert (one.reason, one.until) == ("slots_busy", begun.until)
        assert one.words == f"ann has begun it: {begun.waits}"
        assert group == {"slots_busy": one.words, "operators_decide": group["operators_decide"]}
        await crowd.be("ann", "break")
        await asyncio.sleep(1.0)
        one = await explained(crowd, shown.lead)
        assert (one.reason, one.words) == ("operator_not_ready", "ann has begun it, and is not ready")
        await site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id="c1"))
        assert [*await said(site)] == ["paused"]

    play(story, change=owned(*OWNERS))
