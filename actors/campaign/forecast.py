"""What is told of a dry run."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

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
from bus_schemas.campaign import ABANDONED, ANSWERED, CampaignAttemptClaimed, CampaignAttemptEnded, Mode
from bus_schemas.campaign_outlook import CampaignForecast, DryRun
from bus_schemas.errors import misfit
from bus_schemas.lead import LeadStatus

ATTEMPTS_OF_A_LEAD, MOST_ATTEMPTS = 4, 20_000  # in a day, more or less; that are played: some seconds
NOBODY_IS_DIALLED = (Limit.OPERATORS_DECIDE, Limit.NO_OPERATORS, Limit.NO_OPERATOR_READY)


async def forecast(
    campaign: Campaign, book: RuleBook, wanted: DryRun, *, lines: int, now: datetime, there: There = NOBODY_KNOWS
) -> CampaignForecast:
    """What the campaign would do, with people who answer as `wanted` has it; the same each time. `there`: what lines
    there are. Raises Refusal for what would take long to say."""
    _must_be_few(campaign, wanted, lines)
    carrier, rules = _carrier(campaign, wanted), book.copy()

    def run() -> Forecast:
        return dry_run(campaign, rules, minutes=wanted.minutes, lines=lines, carrier=carrier, now=now, there=there)

    return await _told(campaign, wanted, run, now, lines=lines, of=lines)


async def team_forecast(
    campaign: Campaign, book: RuleBook, wanted: DryRun, *, crew: Crew, now: datetime, there: There
) -> CampaignForecast:
    """The same of one with operators: `crew`, with the lines that are `there`."""
    crew, team = crew.played(campaign)
    campaign = started(campaign)
    wrap_up = crew.wrap_up if wanted.wrap_up is None else wanted.wrap_up
    run = TeamDryRun(
        campaign, book.copy(), crew=crew, team=team, there=there, carrier=_carrier(campaign, wanted), now=now,
        wrap_up=wrap_up, busy=wanted.seconds, lines=wanted.lines,
    )  # fmt: skip
    pace, lines = crew.pace(campaign, now), run.most()
    _must_be_few(campaign, wanted, max(lines, 1))
    found = await _told(
        campaign, wanted, lambda: run.until(now + timedelta(minutes=wanted.minutes)), now, lines=lines,
        of=len(team.members),
    )  # fmt: skip
    limit = pace.limit if pace.limit in NOBODY_IS_DIALLED or lines else Limit.CARRIERS_FULL
    preview = campaign.settings.mode is Mode.PREVIEW
    return replace(
        found, operators=len(team.members), mode=pace.mode, fallback=pace.fallback, limit=limit,
        needs=LIMITED[limit][1], offered=run.offered(crew.free(campaign)) if preview else {},
    )  # fmt: skip


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


async def _told(
    campaign: Campaign, wanted: DryRun, run: Callable[[], Forecast], now: datetime, *, lines: int, of: int
) -> CampaignForecast:
    """`of`: so many lines, or operators, have or have not to do."""

    def looked() -> tuple[Forecast, Counter[LeadStatus]]:
        found = run()
        return found, Counter(entry.status for entry in each(found.campaign.leads))

    try:
        found, by_status = await asyncio.to_thread(looked)
    except TooManyLooks:
        why = f"leads would be looked at more than {MOST_LOOKS:,} times. Ask for less time."
        raise misfit("minutes", why) from None
    ended = [event for event in found.events if isinstance(event, CampaignAttemptEnded)]
    return CampaignForecast(
        campaign_id=campaign.campaign, status=found.campaign.status, at=utc(now),
        until=utc(now + timedelta(minutes=wanted.minutes)), lines=lines,
        attempts=sum(isinstance(event, CampaignAttemptClaimed) for event in found.events),
        answered=sum(event.outcome in (ANSWERED, ABANDONED) for event in ended),
        abandoned=sum(event.outcome == ABANDONED for event in ended),
        idle_share=round(found.idle / (wanted.minutes * 60 * max(of, 1)), 3), by_status=dict(by_status),
    )  # fmt: skip
