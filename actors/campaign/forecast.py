"""What is told of a dry run."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from random import Random

from actors.campaign.carriage import NOBODY_KNOWS, There
from actors.campaign.claims import Claim
from actors.campaign.dry_run import MOST_LOOKS, Assumed, Forecast, TooManyLooks, dry_run
from actors.campaign.places import each
from actors.campaign.record import Campaign, size
from actors.campaign.rulebook import RuleBook
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.campaign import ANSWERED, CampaignAttemptClaimed, CampaignAttemptEnded
from bus_schemas.campaign_outlook import CampaignForecast, DryRun
from bus_schemas.errors import misfit
from bus_schemas.lead import LeadStatus

ATTEMPTS_OF_A_LEAD, MOST_ATTEMPTS = 4, 20_000  # in a day, more or less; that are played: some seconds


async def forecast(
    campaign: Campaign, book: RuleBook, wanted: DryRun, *, lines: int, now: datetime, there: There = NOBODY_KNOWS
) -> CampaignForecast:
    """What the campaign would do, with people who answer as `wanted` has it; the same each time. `there`: what lines
    there are. Raises Refusal for what would take long to say."""
    if min(wanted.minutes * 60 / wanted.seconds * lines, ATTEMPTS_OF_A_LEAD * size(campaign)) > MOST_ATTEMPTS:
        raise misfit("minutes", f"more than {MOST_ATTEMPTS:,} calls. Ask for less time, or fewer lines.")
    chance = Random(campaign.campaign)

    def carrier(claim: Claim) -> Assumed:
        if chance.random() < wanted.answered:
            return Assumed(EndReason.HANGUP_REMOTE, wanted.seconds, answered=True, talked=round(wanted.seconds))
        return Assumed(EndReason.NO_ANSWER, wanted.seconds)

    def run() -> tuple[Forecast, Counter[LeadStatus]]:
        minutes, rules = wanted.minutes, book.copy()
        found = dry_run(campaign, rules, minutes=minutes, lines=lines, carrier=carrier, now=now, there=there)
        return found, Counter(entry.status for entry in each(found.campaign.leads))

    try:
        found, by_status = await asyncio.to_thread(run)
    except TooManyLooks:
        why = f"leads would be looked at more than {MOST_LOOKS:,} times. Ask for less time."
        raise misfit("minutes", why) from None
    ended = [event for event in found.events if isinstance(event, CampaignAttemptEnded)]
    seconds = wanted.minutes * 60 * lines
    return CampaignForecast(
        campaign_id=campaign.campaign, status=found.campaign.status, at=utc(now),
        until=utc(now + timedelta(minutes=wanted.minutes)), lines=lines,
        attempts=sum(isinstance(event, CampaignAttemptClaimed) for event in found.events),
        answered=sum(event.outcome == ANSWERED for event in ended), idle_share=round(found.idle / seconds, 3),
        by_status=dict(by_status),
    )  # fmt: skip
