"""What somebody may ask of a campaign of their own, and what that takes of the host that makes everybody's calls."""

import time
from datetime import UTC, datetime
from functools import partial

import pytest

from actors.campaign import dry_run, machine
from actors.campaign.carriage import There
from actors.campaign.forecast import forecast
from actors.campaign.hours import next_open, parse_hours
from actors.campaign.record import Campaign
from actors.campaign.rulebook import WINDOWS
from actors.campaign.rules import Candidate, zones_for
from actors.campaign.selection import Selection
from bus_schemas.campaign import CampaignSettings
from bus_schemas.campaign_outlook import DryRun
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead
from tests.campaign.played import BY, ID, NOON, Played, number_at

# Numbers that may ring in many zones, of which two are an hour from each other.
WIDE = ("+18005551234", "+79161234567")
NOW = datetime(2026, 11, 27, 3, 22, tzinfo=UTC)


def apart(windows: int) -> str:
    """So many windows of a minute of which none is in another one an hour later, or earlier."""
    begins = [24 * 60 * place // windows for place in range(windows)]
    begins = [minute + (minute // 60 + minute) % 2 for minute in begins]
    return ", ".join(f"{at // 60:02}:{at % 60:02}-{(at + 1) // 60:02}:{(at + 1) % 60:02}" for at in begins)


HOURS = (
    apart(700), {"mon-sun": apart(700)}, apart(WINDOWS + 1),
    {f"{first}-{last}": apart(WINDOWS) for first, last in (("mon", "sun"), ("mon", "sat"))}
    | {"mon-fri": ", ".join(f"{hour:02}:59-{hour + 1:02}:00" for hour in range(WINDOWS))},
)  # fmt: skip


def test_hours_of_many_windows_are_none() -> None:
    made = Played()
    made.create()
    for hours in HOURS:
        wanted = CampaignSettings(hours=hours)
        for decide in (partial(machine.create, ID, None), partial(machine.configure, made.state)):
            with pytest.raises(Refusal) as refused:
                decide(wanted, BY, made.moment())
            assert refused.value.code is ErrorCode.INVALID_PARAMS
    most, longest = parse_hours(apart(WINDOWS)), 0.0
    for number in WIDE:
        zones, began = zones_for(Candidate(number=number)), time.thread_time()
        assert next_open(most, zones, NOW) is None
        longest = max(longest, time.thread_time() - began)
    print(f"{len(HOURS)} texts of many windows refused; of {WINDOWS}, on all clocks of a number: {longest:.4f} s")
    assert longest < 0.02


async def test_a_dry_run_in_which_nobody_can_be_called_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 2_000
    monkeypatch.setattr(dry_run, "MOST_LOOKS", most)
    looks, take, played = 0, Selection.take, Played()

    def counted(self: Selection, campaign: Campaign, now: float) -> int | None:
        nonlocal looks
        looks += 1
        return take(self, campaign, now)

    monkeypatch.setattr(Selection, "take", counted)
    played.run(*(Lead(id=f"l{at}", numbers=(number_at(at), number_at(at + 500))) for at in range(500)))
    asked = DryRun(campaign_id=ID, minutes=60, lines=1, seconds=3600)
    none = There(lines=(), complete=True)
    with pytest.raises(Refusal) as refused:
        await forecast(played.state, played.book, asked, lines=1, now=NOON, there=none)
    print(f"500 leads that no line calls, an hour ahead: {looks:,} looks, then refused")
    assert refused.value.code is ErrorCode.INVALID_PARAMS and looks <= most
