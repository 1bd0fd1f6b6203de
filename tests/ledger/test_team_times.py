"""What operators' times were for a campaign, by hour, on both databases."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from msgspec.structs import replace

from actors.ledger.campaign import report_of
from actors.ledger.lead import OfHour
from actors.ledger.store import JournalEntry
from actors.ledger.team_times import TeamHour, times_of
from actors.operator import machine
from actors.operator.record import WRAP_UP
from bus_schemas.campaign import (
    CampaignConfigured,
    CampaignCreated,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    Mode,
    Operators,
)
from bus_schemas.carriers import Carriers, TrunkCarrier
from bus_schemas.errors import Refusal
from bus_schemas.operator import AssignOperator, Down
from bus_schemas.user import UserChanged, UserCreated, UserStatus
from simulators.time.loop import SimLoop
from tests.ledger.places import Place
from tests.operator.played import RULES, Played, at, step

DAY = "2026-03-10"  # the play begins at 9:00 of it
TEAM, SLOTS = CampaignSettings(operators=Operators.TEAM), CampaignSettings()


def said(event: Any, seconds: float, **more: Any) -> Any:
    return event(campaign="c1", at=at(seconds).at, by="boss", **more)


CAMPAIGN = [
    said(CampaignCreated, 0, settings=TEAM), said(CampaignStarted, 100, earlier=0), said(CampaignPaused, 3000),
    said(CampaignResumed, 3400), said(CampaignConfigured, 4000, settings=SLOTS),
]  # fmt: skip


def told(
    place: Place, events: Sequence[Any], campaign: str = "c1", day: str = DAY, name: str = "l", *, joins: bool = False
) -> list[TeamHour]:
    """What is on record, folded twice, in groups of two."""
    entries = [JournalEntry(seq=seq, event=event) for seq, event in enumerate(events, 5)]
    with closing(place.store(name)) as store:
        for first in (*range(0, len(entries), 2), 0):
            assert store.fold(entries[first : first + 2]) == []
        return sorted(store.read(times_of(campaign, day, joins=joins)))


def assign(played: Played, campaigns: list[str] | None, seconds: float) -> None:
    request = AssignOperator(user="op12", campaigns=campaigns)
    played.take(machine.assign(played.operator, request, "boss", at(seconds)))


def a_morning() -> Played:
    played = Played().be("ready", 0).join("k1", 300, "c1", "l1").over("k1", 400).fired(WRAP_UP, 430)
    assign(played, ["c2"], 1000)
    assign(played, ["c2", "c1"], 2000)
    played.join("k2", 3500, "c1", "l2").over("k2", 3700).fired(WRAP_UP, 3730)
    return played.be("break", 5000).be("ready", 5100).join("k3", 5200, "c2", "l1").over("k3", 5260).fired(WRAP_UP, 5290)


def test_a_campaign_has_the_times_of_its_operators_by_hour(place: Place) -> None:
    events = [*CAMPAIGN, *a_morning().events]
    assert told(place, events) == [
        (9, "idle", 1_000 * (200 + 570 + 1000 + 100)), (9, "talk", 200_000), (9, "wrap_up", 30_000),
        (10, "idle", 270_000), (10, "talk", 100_000), (10, "wrap_up", 30_000),
    ]  # fmt: skip
    assert told(place, events, "c2", name="m") == [(10, "talk", 60_000), (10, "wrap_up", 30_000)]
    assert told(place, events, "c1", "2026-03-11", "n") == [] == told(place, events, "c", name="o")


def test_a_time_in_which_the_site_was_down_is_nobodys(place: Place) -> None:
    """Ready from 0 to 5000 but for a talk, and down in the middle, also over the full hour."""
    times = ((900, 1200), (3500, 3700), (4990, 9000))
    down = tuple(Down(begun=at(begun).at, over=at(over).at) for begun, over in times)
    played = Played(replace(RULES, down=down)).be("ready", 0).be("break", 1000).be("ready", 1100)
    played.be("break", 5000).be("ready", 8000)
    events = [said(CampaignCreated, 0, settings=TEAM), said(CampaignStarted, 0, earlier=0), *played.events]
    idle = 900 + (3500 - 1200), 4990 - 3700
    assert told(place, events) == [(9, "idle", 1000 * idle[0]), (10, "idle", 1000 * idle[1])]
    assert sum(one.ms for event in played.events for one in getattr(event, "spent", ()) if event.before == "ready") == (
        1000 * sum(idle)
    )


def test_who_has_no_extension_is_not_idle_where_calls_wait(place: Place) -> None:
    """Ready from 0 to 3000; the extension is theirs from 500 to 1500, calls wait from 1000 to 2000."""
    played = Played().be("ready", 0).be("break", 3000)
    waits = CampaignSettings(operators=Operators.TEAM, mode=Mode.POWER, carriers=Carriers(trunks=TrunkCarrier()))
    user = {"user": "op12", "role": "operator", "email": None, "password_hash": "", "must_change_password": False}
    active = {**user, "status": UserStatus.ACTIVE, "by": "boss"}
    events = [
        UserCreated(**user, at=at(0).at, by="boss"),
        said(CampaignCreated, 0, settings=TEAM), said(CampaignStarted, 0, earlier=0),
        UserChanged(**active, at=at(500).at, extension="601"), said(CampaignConfigured, 1000, settings=waits),
        UserChanged(**active, at=at(1500).at, extension=None), said(CampaignConfigured, 2000, settings=TEAM),
        *played.events,
    ]  # fmt: skip
    assert told(place, events, joins=True) == [(9, "idle", 1000 * (1000 + 500 + 1000))]
    assert told(place, events, name="m") == [(9, "idle", 1000 * 3000)]  # a site whose PBX takes nobody to operators


@pytest.mark.parametrize("down", [(), (Down(begun=at(2000).at, over=at(4000).at),)])
def test_times_of_the_machine_are_those_of_the_report(place: Place, down: tuple[Down, ...]) -> None:
    for seed in range(5):
        played, now, random = Played(replace(RULES, down=down)), 0.0, SimLoop(seed).random
        for _ in range(80):
            now += random.uniform(1, 600)
            try:
                step(played, random.choice((0, 0, 1, 2, 5, 7, 7, 8, 10, 11)), now)
            except Refusal:
                continue
        runs = [said(CampaignCreated, 0, settings=TEAM), said(CampaignStarted, 0, earlier=0)]
        runs = [type(one)(**{**{f: getattr(one, f) for f in one.__struct_fields__}, "campaign": "a"}) for one in runs]
        sums = Counter[str]()
        for day in (DAY, "2026-03-11"):
            for one in told(place, [*runs, *played.events], "a", day, f"l{len(down)}{seed}{day}"):
                sums[one.what] += one.ms
        spent = Counter[str]()
        for event in played.events:
            for each in getattr(event, "spent", ()):
                spent[str(event.before)] += each.ms
        assert (sums["idle"], sums["wrap_up"]) == (spent["ready"], spent["wrap_up"])
        assert sums["talk"] == spent["on_call"]


def test_a_report_has_the_times_of_operators_also_where_nothing_was_begun() -> None:
    found = [OfHour(f"{DAY}T09", "answered", 1, 60)]
    times = [TeamHour(9, "talk", 59_600), TeamHour(11, "idle", 500_400), TeamHour(11, "wrap_up", 1_000)]
    lines = report_of(found, times, day=DAY)
    assert [line["hour"] for line in lines] == [f"{DAY}T09:00:00Z", f"{DAY}T11:00:00Z"]
    names = [f"operators_{what}_seconds" for what in ("talk", "wrap_up", "idle")]
    assert [[line[name] for name in names] for line in lines] == [[60, 0, 0], [0, 1, 500]]
    assert [line["answered"] if "answered" in line else line["attempts"] for line in lines] == [1, 0]
