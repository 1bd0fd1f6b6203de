"""What somebody may have done as often as they like is not a pass over all leads; what needs one makes it in turns."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from actors.campaign import claims, machine
from actors.campaign.machine import NEXT
from actors.campaign.record import Campaign
from actors.campaign.selection import Selection
from actors.runtime.decision import SetTimer
from bus_schemas.campaign import CampaignConfigured, CampaignSettings, CampaignStatus, StopMode
from bus_schemas.carriers import Carriers, SlotCarrier
from tests.campaign.played import BY, ID, Played, lead_at, number_at

LEADS = 40_000
NOTHING, TURN = 0.001, 0.006  # seconds of the processor; all leads take some 20 times as long as a turn


@pytest.fixture(scope="module")
def large() -> Campaign:
    played = Played()
    for first in range(0, LEADS, 2_000):
        played.run(*(lead_at(place) for place in range(first, first + 2_000)))
    return played.state


def spent(does: Callable[[], object]) -> float:
    began = time.process_time()
    does()
    return time.process_time() - began


def turns(played: Played) -> list[float]:
    """What each turn costs of those that follow one another."""
    found = list[float]()
    while not found or any(isinstance(effect, SetTimer) and effect.name == NEXT for effect in played.effects):
        assert len(found) < LEADS
        found.append(spent(lambda: played.claim()))
        if played.status is CampaignStatus.FINISHED:
            break
    return found


def configure(played: Played, **settings: Any) -> None:
    changed = replace(played.state.settings, **settings)
    played.record(machine.configure(played.state, changed, BY, played.moment()))


@pytest.mark.parametrize(
    "settings", [{"weight": 3}, {"priority": 9}, {"ratio": 3.0}, {"carriers": Carriers(slots=SlotCarrier(slots=(1,)))}],
    ids=lambda settings: next(iter(settings)),
)  # fmt: skip
def test_what_changes_no_lead_looks_at_none(large: Campaign, settings: dict[str, Any]) -> None:
    played = Played()
    played.campaign, played.selection = large, Selection(large)
    costs = [spent(lambda: configure(played, **settings)), spent(lambda: configure(played, weight=7))]
    print(f"{LEADS:,} leads, another {[*settings]}: {1000 * min(costs):.2f} ms")
    assert min(costs) < NOTHING and not played.selection.unsettled


def test_what_changes_leads_has_them_looked_at_in_turns(large: Campaign) -> None:
    played = Played()
    played.campaign, played.selection = large, Selection(large)
    costs = [spent(partial(configure, played, pause_minutes=pause)) for pause in (1, 2, 3)]
    played.do_not_call.add("+38*")
    each = sorted(turns(played))
    print(f"{LEADS:,} leads, other rules: {1000 * min(costs):.2f} ms, then {len(each)} turns")
    assert min(costs) < TURN / 2 and each[len(each) // 2] < TURN and len(each) > LEADS // machine.LOOKS


@pytest.mark.parametrize("lengths", [1, 12])
def test_beginnings_on_lists_are_looked_for_in_turns(large: Campaign, lengths: int) -> None:
    played = Played()
    played.campaign, played.selection = large, Selection(large)
    beginnings = [f"+9{place:0{2 + place % lengths}d}*" for place in range(5_000)]
    selection = played.selection
    costs = [spent(lambda: selection.look_again(large, beginnings)) for _ in range(3)]
    each = list[float]()
    while selection.unsettled:
        each.append(spent(lambda: selection.give_back(large)))
    print(f"{len(beginnings):,} beginnings: {1000 * min(costs):.2f} ms, then {len(each)} turns")
    assert min(costs) < 10 * NOTHING and sorted(each)[len(each) // 2] < TURN


def test_a_campaign_finishes_only_after_all_were_looked_for(large: Campaign) -> None:
    """The last of them comes off a list while nobody else may be called."""
    played = Played()
    played.do_not_call.add("+38*")
    played.campaign, played.selection = large, Selection(large)
    selection = played.selection
    while (place := selection.take(large, 0.0)) is not None:
        selection.put(place, None)
    played.do_not_call.clear()
    selection.look_again(large, [f"{number_at(LEADS - 1)[:-1]}*"])
    while not played.claims:
        played.claim()
        assert played.status is CampaignStatus.RUNNING
    assert played.claims[0].number == number_at(LEADS - 10)


def test_to_stop_what_is_stopped_costs_nothing(large: Campaign) -> None:
    stopped = replace(large, status=CampaignStatus.STOPPED)
    now = Played().moment()

    def stop() -> None:
        machine.stop(stopped, StopMode.HANGUP, BY, now)
        assert claims.claims_of(stopped) == []

    cost = min(spent(stop) for _ in range(3))
    print(f"{LEADS:,} leads, a stop more: {1000 * cost:.2f} ms")
    assert cost < NOTHING


def test_settings_that_decide_about_leads_are_told_from_others() -> None:
    """A new one counts for one that decides, until somebody says that it does not."""
    event = CampaignConfigured(campaign=ID, at=Played().moment().at, by=BY, settings=CampaignSettings(quiet_hours=1))
    played = Played()
    played.run(lead_at(0))
    assert played.selection is not None
    played.selection.put(0, None)
    played.selection.follow(replace(played.state, settings=event.settings), event)
    played.selection.give_back(played.state)
    assert played.selection.take(played.state, 0.0) == 0
