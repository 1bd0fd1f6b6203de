"""Whatever is set, imported, marked, stopped and done to the clocks: no phone dials outside window, cap or list. The
whole platform in simulated time; what was dialled is read from the phones' own logs, and the rules are asked anew."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.campaign.rulebook import rules_of
from actors.campaign.rules import Attempt, Candidate, verdict
from actors.leads.lead import id_of
from actors.runtime.clock import parse_utc
from bus_schemas.campaign import (
    MARK_LEAD,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignConfigured,
    CampaignCreated,
    CampaignSettings,
    Mode,
    Operators,
    PauseCampaign,
    ResumeCampaign,
    StopMode,
)
from bus_schemas.errors import Refusal
from bus_schemas.lead import CampaignLeadMarked, LeadStatus, MarkLead
from simulators.carrier.rules import mobile
from simulators.world.campaigns import NO_WAITS
from simulators.world.records import Stored
from simulators.world.world import LISTED, World
from tests.campaign.test_team_joins import TRUNKS, Joins, desks, on_trunks
from tests.campaign.world import Campaigns, play
from tests.support.depth import examples

NUMBERS = (*(mobile(place, ("0001", "0001", "0003")[place % 3]) for place in range(8)), LISTED[0])
CAMPAIGNS = ("c1", "c2")
TEAMS = {  # campaigns with operators, on their phones and on trunks
    "t1": {"operators": Operators.TEAM},
    "t2": {"operators": Operators.TEAM, "mode": Mode.POWER, "ratio": 3.0, "abandoned_share": 1.0, "carriers": TRUNKS},
}
SLACK = timedelta(seconds=15)  # from the last question to the rules until the phone dials

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "hours": st.sampled_from(["", "08:00-21:00", "09:00-12:00", "22:00-02:00", "closed"]),
        "attempts_per_lead": st.sampled_from([1, 2, 3, 6]),
        "attempts_per_number": st.sampled_from([None, 1, 3]),
        "attempts_per_day": st.sampled_from([None, 1, 2]),
        "pause_minutes": st.sampled_from([0, 10]),
        "retry_minutes": st.sampled_from([NO_WAITS, NO_WAITS, {"busy": 5, "rejected": 90}]),
    },
)
GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "run": st.tuples(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), st.sampled_from(
        [None, "Europe/Kyiv", "America/New_York"]
    )),
    "configure": SETTINGS,
    "mark": st.tuples(st.sampled_from(NUMBERS), st.sampled_from([LeadStatus.DO_NOT_CALL, LeadStatus.IN_PROGRESS])),
    "clock": st.sampled_from([0.1, 1, 3, 7, 11, 24, -2, -9]),
    "stop": st.sampled_from(StopMode),
    "pause": st.none(),
    "resume": st.none(),
    "wait": st.sampled_from([0.02, 1.1, 3.0, 12.0]),
}  # fmt: skip
OFTEN = ("run", "wait", "clock", "configure") * 2
Step = tuple[str, str, Any]


def steps(campaigns: tuple[str, ...]) -> st.SearchStrategy[Step]:
    """What is done to one of them."""
    return st.sampled_from((*GIVEN, *OFTEN)).flatmap(
        lambda step: st.tuples(st.just(step), st.sampled_from(campaigns), GIVEN[step])
    )


async def clock(site: Campaigns, _: str, hours: float) -> None:
    for machine in site.world.machines:
        machine.clock.step(3600.0 * hours)


async def wait(site: Campaigns, _: str, seconds: float) -> None:
    await asyncio.sleep(seconds)


DO: dict[str, Callable[[Campaigns, str, Any], Coroutine[Any, Any, Any]]] = {
    "run": lambda site, campaign, what: site.run(campaign, what[0], timezone=what[1]),
    "configure": lambda site, campaign, settings: site.configure(campaign, **settings),
    "mark": lambda site, campaign, what: site.until_done(
        MARK_LEAD, MarkLead(campaign_id=campaign, lead=id_of(what[0]), status=what[1])
    ),
    "clock": clock,
    "stop": lambda site, campaign, mode: site.stop(campaign, mode),
    "pause": lambda site, campaign, _: site.until_done(PAUSE_CAMPAIGN, PauseCampaign(campaign_id=campaign)),
    "resume": lambda site, campaign, _: site.until_done(RESUME_CAMPAIGN, ResumeCampaign(campaign_id=campaign)),
    "wait": wait,
}


async def tried(site: Campaigns, steps: list[Step], settings: dict[str, dict[str, Any]]) -> None:
    """Campaigns that dial a lead again as soon as they may, and what is done to them."""
    for campaign in settings:
        await site.create(campaign, **{"attempts_per_lead": 2, "retry_minutes": NO_WAITS, **settings[campaign]})
        await site.run(campaign, NUMBERS[3:])
    for step, campaign, what in steps:
        with suppress(Refusal):
            await DO[step](site, campaign, what)
    await wait(site, "", 20.0)
    for campaign in settings:
        with suppress(Refusal):
            await site.stop(campaign, StopMode.HANGUP)
    await wait(site, "", 15.0)
    assert forbidden(site.world) == []


@given(st.lists(steps(CAMPAIGNS), min_size=8, max_size=25))
@settings(max_examples=examples(25), deadline=None)
def test_no_phone_dials_outside_window_cap_or_list(steps: list[Step]) -> None:
    play(lambda site: tried(site, steps, {campaign: {} for campaign in CAMPAIGNS}))


@given(st.lists(steps((*TEAMS, "c1")), min_size=8, max_size=25))
@settings(max_examples=examples(12), deadline=None)
def test_no_team_dials_outside_window_cap_or_list(steps: list[Step]) -> None:
    async def story(site: Campaigns) -> None:
        async with desks(site):
            crowd = Joins(site)
            await crowd.all_ready()
            working = asyncio.ensure_future(crowd.work(gone=True))
            await tried(site, steps, {**TEAMS, "c1": {}})
            working.cancel()

    play(story, change=on_trunks)


def forbidden(world: World) -> list[str]:
    """Every call of a campaign that the rules did not allow, by what was on record before it was claimed."""
    claims = {
        (one.event.campaign, one.event.command_id): one
        for one in world.stored
        if isinstance(one.event, CampaignAttemptClaimed)
    }
    dials = {one.event.command_id: one.event for one in world.stored if one.subject.endswith(".dialing")}
    dialled = {call.call_id for call in world.book.ordered()}
    found = []
    for (campaign, command_id), claim in claims.items():
        dial = dials.get(command_id)
        if dial is None or dial.call_id not in dialled:
            continue
        at = parse_utc(dial.at)
        if not any(allowed(world, campaign, claim, moment) for moment in (parse_utc(claim.event.at), at, at - SLACK)):
            found.append(f"{campaign} {claim.event.number} at {dial.at}")
    return found


def allowed(world: World, campaign: str, claim: Stored, now: datetime) -> bool:
    """Whether the rules allowed an attempt at a moment: list, marks, hours, caps and waits."""
    before = [one for one in world.stored if one.seq < claim.seq]
    mine = [one.event for one in before if getattr(one.event, "campaign", None) == campaign]
    set_by = [event.settings for event in mine if isinstance(event, CampaignCreated | CampaignConfigured)]
    marks = [event.status for event in mine if isinstance(event, CampaignLeadMarked) and event.lead == claim.event.lead]
    zones = [lead.timezone for event in mine if hasattr(event, "leads") for lead in event.leads
             if lead.id == claim.event.lead]  # fmt: skip
    attempts = tuple(attempts_on(before, claim.event.number))
    asked = Candidate(number=claim.event.number, timezone=zones[0], attempts=attempts)
    marked_off = marks[-1:] == [LeadStatus.DO_NOT_CALL]
    rules = rules_of(set_by[-1] if set_by else CampaignSettings())
    return claim.event.number not in LISTED and not marked_off and verdict(asked, rules, now).allowed


def attempts_on(before: list[Stored], number: str) -> list[Attempt]:
    """What all campaigns have tried on a number, that has reached a phone."""
    found: dict[tuple[str, int], Attempt] = {}
    for event in (one.event for one in before):
        match event:
            case CampaignAttemptClaimed(number=of) if of == number:
                found[event.campaign, event.attempt] = Attempt(number=number, at=parse_utc(event.at))
            case CampaignAttemptEnded() if (event.campaign, event.attempt) in found and event.lead == id_of(number):
                begun = found.pop((event.campaign, event.attempt))
                if event.outcome != "not_dialed":
                    found[event.campaign, event.attempt] = Attempt(
                        number=number, at=begun.at, ended=parse_utc(event.at), outcome=event.outcome
                    )
    return list(found.values())
