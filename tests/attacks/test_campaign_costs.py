"""What somebody may ask of a campaign of their own, and what that takes of the host that makes everybody's calls."""

import asyncio
import gc
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from msgspec.structs import replace

from actors.campaign import dry_run, machine
from actors.campaign.carriage import There
from actors.campaign.crew import Crew
from actors.campaign.figures import Figures
from actors.campaign.forecast import forecast, team_forecast
from actors.campaign.hours import next_open, parse_hours
from actors.campaign.lines import HeldLines
from actors.campaign.places import extended
from actors.campaign.record import Campaign, anybody_left, entry_of
from actors.campaign.roster import Member, Roll
from actors.campaign.rulebook import WINDOWS
from actors.campaign.rules import Candidate, zones_for
from actors.campaign.selection import Selection
from actors.campaign.taking_over import taken_in
from actors.campaign.team import Team
from actors.leads import lead
from actors.leads.lead import id_of
from bus_schemas.campaign import CampaignSettings, Mode, Operators
from bus_schemas.campaign_outlook import DryRun
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import Lead, LeadStatus
from bus_schemas.operator import OperatorStatus
from tests.campaign.edited import Edited
from tests.campaign.played import BY, ID, NOON, NoDesks, Played, lead_at, number_at
from tests.support.steps import steps
from tests.support.turns import Others
from tests.support.whole import whole_site

CAMPAIGNS = "/api/autodialer/campaigns"
CHANGES, RENUMBERED, FEW_MOMENTS = 2_001, 100, 20  # odd: one of two leads moves on alone

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


@pytest.mark.parametrize("mode", [Mode.PROGRESSIVE, Mode.PREVIEW])
async def test_a_dry_run_with_operators_leaves_others_their_turn(mode: Mode) -> None:
    played, crew = Played(), Crew(Ready(3), NoDesks(), frozenset())
    played.create(mode=mode, operators=Operators.TEAM)
    for first in range(0, MANY, 2_000):
        played.run(*(lead_at(place) for place in range(first, first + 2_000)))
    await asyncio.sleep(0)
    others, asked = Others(), DryRun(campaign_id=ID, minutes=1)
    found = await team_forecast(played.state, played.book, asked, crew=crew, now=NOON, there=There(complete=True))
    others.end()
    print(f"a dry run of {MANY:,} leads and {found.operators} operators ({mode}): {others}")
    assert others.longest < TURN and found.operators == 3 and found.by_status == {LeadStatus.NEW: MANY}


async def test_a_dry_run_that_shows_leads_to_many_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "MOST_LOOKS", 60)
    played, crew = Played(), Crew(Ready(60), NoDesks(), frozenset())
    played.create(mode=Mode.PREVIEW, operators=Operators.TEAM)
    played.run(*(lead_at(place) for place in range(100)))
    asked = DryRun(campaign_id=ID, minutes=1)
    with pytest.raises(Refusal) as refused:
        await team_forecast(played.state, played.book, asked, crew=crew, now=NOON, there=There(complete=True))
    assert refused.value.code is ErrorCode.INVALID_PARAMS


MANY, TURN = 40_000, 0.02  # leads; seconds of the processor until it is others' turn


def many() -> Played:
    played = Played()
    for first in range(0, MANY, 2_000):
        played.run(*(lead_at(place) for place in range(first, first + 2_000)))
    return played


async def test_a_campaign_is_taken_over_in_turns() -> None:
    played, others = many(), Others()
    await asyncio.sleep(0)
    selection, figures, _ = await taken_in(played.state, Crew(Ready(0), NoDesks(), frozenset()))
    others.end()
    print(f"{MANY:,} leads of a campaign taken over: {others}")
    assert others.longest < TURN and selection.left == MANY and not selection.unsettled
    now = played.moment().at
    anew = Figures(played.state)
    assert figures.said(played.state, now, None, played.book) == anew.said(played.state, now, None, played.book)


async def test_what_calls_have_taught_is_learnt_again_in_turns() -> None:
    played, attempts = Played(), 60_000
    played.create(mode=Mode.PREDICTIVE, operators=Operators.TEAM)
    tries = b"".join(pack("<BQQB", 0, 60_000 * number, 60_000 * number + 9_000, 1 + number % 2) for number in range(4))
    entry = replace(entry_of(lead_at(0)), tries=tries)
    state = replace(played.state, leads=extended((), [entry] * (attempts // 4)))
    crew, others = Crew(Ready(10), NoDesks(), frozenset()), Others()
    await asyncio.sleep(0)
    await taken_in(state, crew)
    others.end()
    print(f"{attempts:,} attempts of a campaign with operators taken over: {others}")
    assert others.longest < TURN
    with steps() as taken:  # and nobody looks at all of them again
        crew.pace(state, NOON)
    assert taken.count < 4 * attempts


def test_who_waited_for_one_moment_wakes_in_turns_by_rank() -> None:
    played, last = many(), Lead(id="l", numbers=(number_at(MANY),), priority=9)
    played.run(last)
    assert played.selection is not None
    for place in range(MANY + 1):
        played.selection.put(place, NOON.timestamp() + 60)
    played.later(seconds=61)
    longest, turns = 0.0, 0
    while not played.claims:
        began = time.thread_time()
        played.claim()
        longest, turns = max(longest, time.thread_time() - began), turns + 1
    print(f"{MANY:,} leads that waited for one second: {turns} turns, the longest of {longest:.4f} s")
    assert turns > MANY // 1_000 and longest < TURN and played.claims[0].lead == last.id


async def test_a_refused_resume_passes_over_the_leads_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 0

    def counted(campaign: Campaign) -> bool:
        nonlocal passed
        passed += 1
        return anybody_left(campaign)

    monkeypatch.setattr("actors.campaign.machine.anybody_left", counted)
    async with whole_site(tmp_path) as site:
        await site.login()
        run = {"campaign_id": ID, "leads": [{"number": number_at(1), "lead_id": "l1"}, {"number": number_at(2)}]}
        assert (await site.ask("POST", CAMPAIGNS, {"campaign_id": ID}))[0] == 201
        found = [(await site.ask("POST", f"{CAMPAIGNS}/{ID}/resume"))[0] for _ in range(20)]
        assert found == 20 * [409] and passed == 1
        print(f"{len(found)} resumes without anybody to call: {passed} looked for somebody")
        assert (await site.ask("POST", "/api/autodialer/run-campaign", run))[0] == 200
        assert (await site.ask("POST", f"{CAMPAIGNS}/{ID}/pause"))[0] == 200
        assert (await site.ask("POST", f"{CAMPAIGNS}/{ID}/resume"))[0] == 200


class Name(str):
    """A name that counts how often it is compared with another one."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_operators_are_not_compared_each_with_each() -> None:
    played, users = Played(), 500
    played.create(mode=Mode.PREDICTIVE, operators=Operators.TEAM)
    played.run(lead_at(1))
    crew = Crew(Ready(users), NoDesks(), ())
    crew.pace(played.state, NOON)
    HeldLines().drop_of_others(crew.free(played.state))
    print(f"{users} operators, whose pace is asked for: {Name.compared:,} comparisons")
    assert Name.compared < 10 * users


class Ready(Team):
    """So many, half of whom are ready."""

    def __init__(self, users: int) -> None:
        status = (OperatorStatus.READY, OperatorStatus.ON_CALL)
        members = (Member(user=Name(f"op{at}"), status=status[at % 2], since=NOON.timestamp()) for at in range(users))
        self._roll = Roll(members)


def test_moments_for_which_nobody_waits_any_more_are_not_kept() -> None:
    """Whoever may say when a lead is to be called may say so ever anew: each moment was 0.8 kB, until it came."""
    played = Played()
    played.run(lead_at(0), lead_at(1), lead_at(2))
    selection, moments = played.selection, in_memory(deque)
    assert selection is not None
    now = datetime.fromisoformat(played.moment().at)
    for change in range(CHANGES):
        at, place = now + timedelta(hours=1, seconds=change // 2), change % 2
        played.record(machine.mark(
            played.state, place, LeadStatus.CALLBACK, BY, played.moment(), callback=at.isoformat()
        ))  # fmt: skip
    more = in_memory(deque) - moments
    print(f"{CHANGES:,} changes of when two leads are to be called: {more} moments are kept")
    assert more < FEW_MOMENTS
    at = now + timedelta(hours=1, seconds=CHANGES)
    assert {selection.take(played.state, at.timestamp()) for _ in range(4)} == {0, 1, 2, None}


def test_numbers_that_a_lead_has_no_more_are_not_kept() -> None:
    """Whoever may change leads may give one others ever anew: five numbers were 0.45 kB, until the next start."""
    played = Edited(2)
    assert played.selection is not None
    for change in range(1, RENUMBERED):
        assert played.edit(numbers=tuple(number_at(5 * change + place) for place in range(5)))
    known = sum(played.selection.knows(played.state, id_of(number_at(place))) for place in range(5 * RENUMBERED))
    kept = len(played.selection._places)
    print(f"{RENUMBERED - 1} times five other numbers of a lead: {kept} are kept, {known} of them are known")
    assert kept < FEW_MOMENTS and known >= 5
    assert played.refused(1, numbers=(number_at(5 * RENUMBERED - 1),)) == {"lead": id_of(number_at(0))}
    assert played.edit(1, numbers=(number_at(5),)) == {"numbers": (number_at(5),)}


def test_what_comes_on_a_list_is_reckoned_once_for_all_campaigns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand that run took 0.3 s for each 500 entries, in the same moment: now it is a third of that."""
    played, made, really = Played(), list[bytes](), lead.blake2b
    played.run(*(lead_at(place) for place in range(10)))

    def blake2b(data: bytes, *, digest_size: int) -> Any:
        made.append(data)
        return really(data, digest_size=digest_size)

    campaigns = [Selection(played.state) for _ in range(20)]
    monkeypatch.setattr(lead, "blake2b", blake2b)
    entries = [f"+38077{place:07d}" for place in range(500)]
    for selection in campaigns:
        selection.look_again(played.state, [*entries, number_at(3)])
    print(f"{len(entries)} entries and {len(campaigns)} campaigns: {len(made)} names of leads were made")
    assert len(made) < len(entries) + 3 * len(campaigns)


def in_memory(kind: type) -> int:
    """How many there are."""
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())
