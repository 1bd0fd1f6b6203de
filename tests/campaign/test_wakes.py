"""Whatever frees a lead wakes it: with lines enough nobody is left who may be called, whatever was changed before, and
every lead is counted under one reason."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.campaign import machine
from actors.campaign.explain import explain
from actors.campaign.pacing import Limit, Pace
from actors.campaign.record import CALLABLE
from actors.campaign.rules import Rules
from actors.campaign.standing import Stand
from actors.dialing.rules import is_listed
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignSettings, CampaignStatus, Mode
from bus_schemas.do_not_call import (
    ADD_DO_NOT_CALL,
    GLOBAL,
    REMOVE_DO_NOT_CALL,
    AddDoNotCall,
    RemoveDoNotCall,
)
from bus_schemas.lead import Lead, LeadStatus
from simulators.carrier.rules import mobile
from tests.campaign.played import NOON, Played, number_at
from tests.campaign.world import Campaigns, play
from tests.support.depth import examples

S = CampaignStatus
LEADS = 8
TALKS = "2003"
NUMBERS = [number_at(place) for place in range(12)]  # the last of which are second ones
BEGINNINGS = ["+38099000000*", "+3809900000*", "+38099000001*"]
ZONES = [None, "America/New_York", "Asia/Tokyo"]


class Site(Played):
    """One campaign, and a do-not-call list that changes beside it."""

    def __init__(self) -> None:
        self.listed: dict[str, float] = {}
        super().__init__(presets=(), site=Rules(), held_until=self.held_until)
        leads = [
            Lead(
                id=f"l{place}", timezone=ZONES[place % 3], consent=None if place % 4 else True,
                numbers=(number_at(place), *((number_at(8 + place),) if place < 4 else ())),
            )
            for place in range(LEADS)
        ]  # fmt: skip
        self.run(*leads)

    def held_until(self, number: str) -> float:
        return max((until for entry, until in self.listed.items() if is_listed(number, {entry})), default=0.0)

    def put(self, entry: str, hours: float | None) -> None:
        until = inf if hours is None else (self.now + timedelta(hours=hours)).timestamp()
        self.listed[entry] = max(until, self.listed.get(entry, 0.0))
        self.told(entry)

    def take_off(self, entry: str) -> None:
        self.listed.pop(entry, None)
        self.told(entry)

    def told(self, entry: str) -> None:
        assert self.selection is not None
        if self.status is S.RUNNING:  # as the campaign's actor has it
            self.selection.look_again(self.state, [entry])

    def configure(self, **settings: Any) -> None:
        self.do(lambda state, by, now: machine.configure(state, CampaignSettings(**settings), by, now))

    def end_one(self, reason: EndReason, answered: bool) -> None:
        if self.claims:
            self.over(self.claims[0], reason, answered=answered)

    def mark(self, place: int, status: LeadStatus) -> None:
        if self.status in (S.RUNNING, S.PAUSED):
            wish = utc(self.now + timedelta(hours=20)) if status is LeadStatus.CALLBACK else None
            self.do(lambda state, by, now: machine.mark(state, place, status, by, now, callback=wish))

    def turn(self, pause: bool) -> None:
        if self.status is S.RUNNING and pause:
            self.do(machine.pause)
        elif self.status is S.PAUSED and not pause:
            self.do(machine.resume)

    def check(self) -> None:
        """Turns until there is nothing to do, with lines enough; then nobody may be left."""
        while self.status is S.RUNNING and self.claim(100):
            pass
        left = [found for found in self.standings() if found.reason == Stand.READY]
        assert self.status is not S.RUNNING or not left, left
        waits = [found for found in self.standings() if found.until is not None]
        assert self.status is not S.FINISHED or not waits or self.finished, waits
        self.finished = self.status is S.FINISHED
        pace = Pace(dials=0, limit=Limit.CARRIERS_FULL, mode=Mode.PROGRESSIVE)
        explained = explain(self.state, self.standings(), pace, self.now)
        assert sum(group.leads for group in explained.reasons) == explained.leads == LEADS

    finished = False


ENTRIES = st.sampled_from([*NUMBERS, *BEGINNINGS])
STEPS: st.SearchStrategy[Callable[[Site], None]] = st.one_of(
    st.builds(
        lambda entry, hours: lambda site: site.put(entry, hours), ENTRIES, st.sampled_from([None, 0.5, 30.0])
    ),
    st.builds(lambda entry: lambda site: site.take_off(entry), ENTRIES),
    st.builds(
        lambda hours, attempts, day, consent, minutes: lambda site: site.configure(
            hours=hours, attempts_per_lead=attempts, attempts_per_day=day, consent=consent,
            retry_minutes={"busy": minutes}, final=(),
        ),
        st.sampled_from(["", "08:00-21:00", "09:00-09:05"]), st.sampled_from([1, 2, None]),
        st.sampled_from([1, None]), st.booleans(), st.sampled_from([0, 60]),
    ),
    st.builds(lambda hours: lambda site: site.later(hours=hours), st.sampled_from([0.1, 1, 7, 24, 800, -2, -30])),
    st.builds(
        lambda reason, answered: lambda site: site.end_one(reason, answered),
        st.sampled_from([EndReason.BUSY, EndReason.HANGUP_REMOTE, EndReason.NOT_DIALED]), st.booleans(),
    ),
    st.builds(
        lambda place, status: lambda site: site.mark(place, status),
        st.integers(0, LEADS - 1), st.sampled_from([*CALLABLE, LeadStatus.DO_NOT_CALL]),
    ),
    st.builds(lambda pause: lambda site: site.turn(pause), st.booleans()),
)  # fmt: skip


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=25))
def test_nobody_is_left_asleep_whom_something_has_freed(steps: list[Callable[[Site], None]]) -> None:
    site = Site()
    site.check()
    for step in steps:
        step(site)
        site.check()


@pytest.mark.parametrize("entry", [NUMBERS[7], "+380990000007*"])
def test_an_entry_that_is_removed_wakes_whom_it_held(entry: str) -> None:
    site = Site()
    site.put(entry, None)
    held = {claim.number for claim in site.claim(100)}
    assert len(held) == LEADS - 1 and NUMBERS[7] not in held
    site.take_off(entry)
    assert [claim.number for claim in site.claim(100)] == [NUMBERS[7]]


def test_a_campaign_that_is_resumed_calls_whom_a_list_has_let_go_meanwhile() -> None:
    site = Site()
    site.put(NUMBERS[7], None)
    site.claim(100)
    site.turn(pause=True)
    site.take_off(NUMBERS[7])
    site.turn(pause=False)
    assert [claim.number for claim in site.claim(100)] == [NUMBERS[7]]


def test_an_entry_that_expires_wakes_whom_it_held() -> None:
    site = Site()
    site.put("+38099*", 2)
    assert site.claim(100) == [] and site.status is S.RUNNING
    assert {found.until for found in site.standings()} == {NOON + timedelta(hours=2)}
    site.later(hours=2)
    assert len(site.claim(100)) == LEADS


def test_who_waits_is_moved_by_an_entry_and_the_campaign_finishes() -> None:
    site = Site()
    site.configure(hours="09:00-09:05")
    assert site.claim(100) == []
    site.put("+38099*", None)
    assert {found.reason for found in site.standings()} == {"do_not_call"}
    site.claim(100)
    assert site.status is S.FINISHED


def test_a_lead_is_called_when_its_entry_is_taken_off_or_expires() -> None:
    """By whoever has the campaign, while it waits for somebody else."""

    async def story(site: Campaigns) -> None:
        wanted = [mobile(place, TALKS) for place in range(3)]
        soon = utc(site.world.clock.now() + timedelta(seconds=60))
        for number, expires in zip(wanted, (None, None, soon), strict=True):
            await site.until_done(ADD_DO_NOT_CALL, AddDoNotCall(list=GLOBAL, entries=(number,), expires=expires))
        await site.run("c1", wanted)
        await asyncio.sleep(20.0)
        assert not site.dials()
        await site.until_done(REMOVE_DO_NOT_CALL, RemoveDoNotCall(list=GLOBAL, entries=(wanted[0],)))
        await asyncio.sleep(5.0)
        assert site.dials() == {wanted[0]: 1}
        await asyncio.sleep(60.0)
        assert site.dials() == {wanted[0]: 1, wanted[2]: 1}
        assert (await site.view("c1")).status is S.FINISHED

    play(story)


def test_a_campaign_whose_leads_are_all_put_on_a_list_finishes() -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", hours="00:00-00:01")
        await site.run("c1", [mobile(place, TALKS) for place in range(3)])
        await asyncio.sleep(5.0)
        assert (await site.view("c1")).status is S.RUNNING
        await site.until_done(ADD_DO_NOT_CALL, AddDoNotCall(list=GLOBAL, entries=("+38099*", "+380*")))
        await site.until_over("c1", 10.0)

    play(story)
