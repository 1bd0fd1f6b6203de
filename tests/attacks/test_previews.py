"""Operators who look at leads before they are dialled: nobody sees more of a list than they work on, and no two of them
have one lead."""

from collections.abc import Sequence
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from actors.campaign import machine, previewing
from actors.campaign.crew import Crew
from actors.campaign.lines import Held, HeldLines
from actors.campaign.previewing import PreviewRequest
from actors.campaign.previews import SKIP_EVERY, SKIPS
from actors.campaign.roster import Member, Roll
from actors.campaign.team import Team
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import Decision
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignEvent, Mode, Operators
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import Line
from bus_schemas.operator import OperatorStatus
from tests.campaign.played import BY, NOON, NoDesks, Played, lead_at, lines_of

USERS = ("ann", "ben", "cat")


class Ready(Team):
    """These are ready, for all campaigns."""

    def __init__(self) -> None:
        self._roll = Roll(Member(user=user, status=OperatorStatus.READY) for user in USERS)


class Previewed(Played):
    """A campaign in preview mode that runs, and its operators."""

    def __init__(self, leads: int) -> None:
        super().__init__()
        self.asking = 0
        self.crew: Crew = Crew(Ready(), NoDesks(), ())
        self.create(mode=Mode.PREVIEW, operators=Operators.TEAM)
        self.run(*map(lead_at, range(leads)))

    def asked(self, user: str) -> PreviewRequest:
        assert self.selection is not None
        now = Moment(at=utc(self.now), mono=(self.now - NOON) / timedelta(seconds=1), boot="b")
        self.asking += 1
        command = f"{user}-{self.asking}"
        return PreviewRequest(user, command, self.state, self.crew, self.selection, self.book, now)

    def shown(self, user: str) -> str:
        reply = previewing.show(self.asked(user)).reply
        assert not callable(reply)
        return reply.lead

    def record(self, decision: Decision[CampaignEvent, Any]) -> Sequence[CampaignEvent]:
        events = super().record(decision)
        for event in events:
            self.crew.follow(self.state, event)
        return events

    def skip(self, user: str, lead: str) -> None:
        self.record(previewing.skip(self.asked(user), lead).decision)

    def begun(self) -> list[CampaignAttemptClaimed]:
        """The attempts of one turn in which all operators have lines."""
        decision, _ = self.crew.begin_wanted(self.state, self.book, lines_of(USERS), self.moment())
        return [event for event in self.record(decision) if isinstance(event, CampaignAttemptClaimed)]


def again(played: Previewed) -> None:
    """Have all leads looked at again."""
    played.do(machine.pause)
    played.do(machine.resume)


def test_no_two_operators_have_one_lead_also_after_a_pause() -> None:
    played = Previewed(leads=5)
    shown = {}
    for user in USERS:
        shown[user] = played.shown(user)
        again(played)
    assert [played.shown(user) for user in USERS] == list(shown.values())
    for user, lead in shown.items():
        previewing.begin(played.asked(user), lead)
    begun = played.begun()
    leads = {*shown.values()}
    print(f"{len(USERS)} operators, all leads looked at again before each: {len(leads)} leads, {len(begun)} begun")
    assert len(leads) == len(USERS) and {(each.operator, each.lead) for each in begun} == {*shown.items()}


def test_one_lead_is_begun_once_in_a_turn() -> None:
    played = Previewed(leads=1)
    first = previewing.show(played.asked("ann")).reply
    assert not callable(first)
    shown = played.crew.previews.of("ann", NOON.timestamp())
    assert shown is not None
    played.crew.previews.show("ben", shown)
    for user in ("ann", "ben"):
        previewing.begin(played.asked(user), first.lead)
    assert [each.attempt for each in played.begun()] == [1]
    [claim] = played.claims
    assert played.over(claim)
    print(f"1 lead begun by 2 operators in one turn: 1 attempt, {played.state.open} under way after its end")
    assert not played.state.open


def test_whose_line_calls_nobody_sees_no_more_leads_by_dialling() -> None:
    played, seen = Previewed(leads=100), set[str]()
    for _ in range(100):
        lead = played.shown("ann")
        seen.add(lead)
        previewing.begin(played.asked("ann"), lead)
        abroad = HeldLines()
        abroad.add([Held("h", Line(slot=1, countries=("PL",), user="ann"), inf)])
        decision, waits = played.crew.begin_wanted(played.state, played.book, abroad, played.moment())
        assert not decision.events and not waits
    print(f"100 leads begun on a line that may not call them: {len(seen)} seen")
    assert len(seen) == 1
    played.skip("ann", lead)
    previewing.begin(played.asked("ann"), played.shown("ann"))
    assert len(played.begun()) == 1


def test_a_skip_that_could_not_be_written_costs_nothing() -> None:
    played = Previewed(leads=3)
    lead = played.shown("ann")
    for _ in range(2 * SKIPS):
        previewing.skip(played.asked("ann"), lead)  # of which the journal knows nothing
    assert played.shown("ann") == lead
    played.skip("ann", lead)
    assert played.shown("ann") != lead


def test_who_looks_in_preview_mode_looks_at_nothing_in_another() -> None:
    played = Previewed(leads=3)
    lead = played.shown("ann")
    assert played.shown("ben") != lead
    for mode in (Mode.PROGRESSIVE, Mode.PREVIEW):
        settings = replace(played.state.settings, mode=mode)
        played.record(machine.configure(played.state, settings, BY, played.moment()))
    assert played.shown("cat") == lead  # nobody keeps it from them


def test_nobody_skips_through_a_whole_list() -> None:
    played, skipped = Previewed(leads=300), 0
    with pytest.raises(Refusal) as refused:
        while True:
            played.skip("ann", played.shown("ann"))
            skipped += 1
    wait = (refused.value.details or {})["retry_after"]
    assert refused.value.code is ErrorCode.RATE_LIMITED and isinstance(wait, float) and 0 < wait <= SKIP_EVERY
    seen = played.shown("ann")
    played.skip("ben", played.shown("ben"))
    played.later(seconds=wait)
    played.skip("ann", seen)
    print(f"300 leads skipped on end: {skipped} at once, then one each {SKIP_EVERY:.0f} s")
    assert skipped == SKIPS
