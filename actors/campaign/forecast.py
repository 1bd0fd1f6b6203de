"""What is told of a dry run."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from actors.campaign.carriage import NOBODY_KNOWS, There
from actors.campaign.claims import Claim
from actors.campaign.crew import Crew
from actors.campaign.dry_run import MOST_LOOKS, Assumed, Carrier, Forecast, TooManyLooks, dry_run, started
from actors.campaign.explain import LIMITED
from actors.campaign.pacing import Limit
from actors.campaign.places import each
from actors.campaign.record import Campaign, size
from actors.campaign.rulebook import RuleBook
from actors.campaign.team_dry_run import TeamDryRun
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.campaign import ABANDONED, BY_SOMEBODY, CampaignAttemptClaimed, CampaignAttemptEnded, Mode
from bus_schemas.campaign_outlook import CampaignForecast, DryRun
from bus_schemas.errors import misfit
from bus_schemas.lead import LeadStatus

ATTEMPTS_OF_A_LEAD, MOST_ATTEMPTS = 4, 20_000  # in a day, more or less; that are played: some seconds
NOBODY_IS_DIALLED = (Limit.OPERATORS_DECIDE, Limit.NO_OPERATORS, Limit.NO_OPERATOR_READY)


@dataclass(frozen=True)
class Ran:
    """A dry run that is over. `of`: so many lines, or operators, have or have not to do. `team`: what is told of one
    with operators alone."""

    found: Forecast
    lines: int
    of: int
    team: dict[str, Any] = field(default_factory=dict)


async def forecast(
    campaign: Campaign, book: RuleBook, wanted: DryRun, *, lines: int, now: datetime, there: There = NOBODY_KNOWS
) -> CampaignForecast:
    """What the campaign would do, with people who answer as `wanted` has it; the same each time. `there`: what lines
    there are. Raises Refusal for what would take long to say."""
    _must_be_few(campaign, wanted, lines)
    carrier, rules = _carrier(campaign, wanted), book.copy()

    def run() -> Ran:
        found = dry_run(campaign, rules, minutes=wanted.minutes, lines=lines, carrier=carrier, now=now, there=there)
        return Ran(found, lines, of=lines)

    return await _told(campaign, wanted, run, now)


async def team_forecast(
    campaign: Campaign, book: RuleBook, wanted: DryRun, *, crew: Crew, now: datetime, there: There
) -> CampaignForecast:
    """The same of one with operators: `crew`, with the lines that are `there`."""
    crew, team = crew.played(campaign)
    rules, carrier = book.copy(), _carrier(campaign, wanted)
    wrap_up = crew.wrap_up if wanted.wrap_up is None else wanted.wrap_up

    def run() -> Ran:
        begun = started(campaign)
        played = TeamDryRun(
            begun, rules, crew=crew, team=team, there=there, carrier=carrier, now=now, wrap_up=wrap_up,
            busy=wanted.seconds, lines=wanted.lines,
        )  # fmt: skip
        pace, lines = crew.pace(begun, now), played.most()
        _must_be_few(begun, wanted, max(lines, 1))
        found = played.until(now + timedelta(minutes=wanted.minutes))
        limit = pace.limit if pace.limit in NOBODY_IS_DIALLED or lines else Limit.CARRIERS_FULL
        preview = begun.settings.mode is Mode.PREVIEW
        told = {
            "operators": len(team.members), "mode": pace.mode, "fallback": pace.fallback, "limit": limit,
            "needs": LIMITED[limit][1], "offered": played.offered(crew.free(begun)) if preview else {},
        }  # fmt: skip
        return Ran(found, lines, of=len(team.members), team=told)

    return await _told(campaign, wanted, run, now)


def _must_be_few(campaign: Campaign, wanted: DryRun, lines: int) -> None:
    if min(wanted.minutes * 60 / wanted.seconds * lines, ATTEMPTS_OF_A_LEAD * size(campaign)) > MOST_ATTEMPTS:
        raise misfit("minutes", f"more than {MOST_ATTEMPTS:,} calls. Ask for less time, or fewer lines.")


def _carrier(campaign: Campaign, wanted: DryRun) -> Carrier:
    chance = Random(campaign.campaign)

    def carrier(claim: Claim) -> Assumed:
        if chance.random() < wanted.answered:
            return Assumed(EndReason.HANGUP_REMOTE, wanted.seconds, answered=True, talked=round(wanted.seconds))
        return Assumed(EndReason.NO_ANSWER, wanted.seconds)

    return carrier


async def _told(campaign: Campaign, wanted: DryRun, run: Callable[[], Ran], now: datetime) -> CampaignForecast:
    """In a thread: a run passes over all leads before it begins."""

    def looked() -> tuple[Ran, Counter[LeadStatus]]:
        ran = run()
        return ran, Counter(entry.status for entry in each(ran.found.campaign.leads))

    try:
        ran, by_status = await asyncio.to_thread(looked)
    except TooManyLooks:
        why = f"leads would be looked at more than {MOST_LOOKS:,} times. Ask for less time."
        raise misfit("minutes", why) from None
    ended = [event for event in ran.found.events if isinstance(event, CampaignAttemptEnded)]
    return CampaignForecast(
        campaign_id=campaign.campaign, status=ran.found.campaign.status, at=utc(now),
        until=utc(now + timedelta(minutes=wanted.minutes)), lines=ran.lines,
        attempts=sum(isinstance(event, CampaignAttemptClaimed) for event in ran.found.events),
        answered=sum(event.outcome in BY_SOMEBODY for event in ended),
        abandoned=sum(event.outcome == ABANDONED for event in ended),
        idle_share=round(ran.found.idle / (wanted.minutes * 60 * max(ran.of, 1)), 3), by_status=dict(by_status),
        **ran.team,
    )  # fmt: skip
