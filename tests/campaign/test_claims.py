"""Whatever is imported, set, marked, stopped and done to the clock: no claim outside window, cap or list, none twice,
nobody forgotten, nobody uncounted, and the record tells the state."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.claims import BeginCall, FindCall, NotBegun
from actors.campaign.explain import explain, of_campaign
from actors.campaign.pacing import Limit, Pace
from actors.campaign.places import at
from actors.campaign.presets import rules_for
from actors.campaign.record import CALLABLE, moment_of, open_places, size, under_way
from actors.campaign.rulebook import rules_of
from actors.campaign.rules import Attempt, Candidate, Reason, verdict
from actors.campaign.selection import Selection
from actors.campaign.standing import standing
from actors.runtime.clock import parse_utc, utc
from actors.runtime.decision import Decision, SetTimer
from actors.telephony.numbers import canonical
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignEvent,
    CampaignSettings,
    CampaignStatus,
    Mode,
    StopMode,
)
from bus_schemas.errors import Refusal
from bus_schemas.lead import Lead, LeadStatus
from simulators.world.campaigns import NO_WAITS
from tests.campaign.played import PRESETS, Played
from tests.support.depth import examples

NUMBERS = (
    "+380991230001", "+380991230002", "+380441230003", "+13055551234", "+12125551234", "+33612345678", "+79161234567",
    "+88213300655", "+4915112345678", "+441632960001", "+390612345678", "+14165551234",
)  # fmt: skip
LEADS = st.builds(
    lambda id, numbers, **more: Lead(id=f"l{id}", numbers=tuple(numbers), **more),
    st.integers(0, 20),
    st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True),
    timezone=st.sampled_from([None, None, "Europe/Kyiv", "America/New_York", "Europe/Atlantis"]),
    priority=st.integers(-1, 1),
    consent=st.sampled_from([True, True, True, None, False]),
)
SETTINGS = st.builds(
    CampaignSettings,
    hours=st.sampled_from(["", "", "", "09:00-12:00", "22:00-02:00", "closed"]),
    attempts_per_lead=st.sampled_from([None, 1, 2, 6]),
    attempts_per_number=st.sampled_from([None, 1, 3]),
    attempts_per_day=st.sampled_from([None, 1, 2]),
    attempts_per_30_days=st.sampled_from([None, 2]),
    pause_minutes=st.sampled_from([0, 0, 10, 600]),
    retry_minutes=st.sampled_from([NO_WAITS, {"busy": 5, "no_answer": 90}]),
    quiet_hours=st.sampled_from([0, 2]),
    final=st.sampled_from([(), ("invalid_number",), ("busy", "invalid_number")]),
    consent=st.sampled_from([False, False, True]),
)
FIRST = [
    Lead(id=f"first{place}", numbers=numbers, consent=True, timezone=timezone)
    for place, (numbers, timezone) in enumerate([
        (NUMBERS[:2], None), (NUMBERS[3:4], None), (NUMBERS[4:6], None), (NUMBERS[6:7], "Europe/Kyiv"),
    ])
]  # fmt: skip
GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "run": st.lists(LEADS, min_size=1, max_size=4),
    "claim": st.integers(0, 3),
    "over": st.tuples(st.sampled_from(EndReason), st.booleans(), st.booleans()),
    "not_begun": st.booleans(),
    "lose": st.integers(1, 3),
    "crash": st.tuples(st.sampled_from(["claim", "end"]), st.integers(0, 3), st.integers(0, 3)),
    "clock": st.sampled_from([1, 5, 20, 61, 240, 700, 1440, 10_000, 50_000, -2, -90, -3000]),
    "configure": SETTINGS,
    "mark": st.tuples(st.integers(0, 30), st.sampled_from(LeadStatus), st.integers(-60, 600)),
    "list": st.sampled_from(NUMBERS),
    "stop": st.sampled_from(StopMode),
    **dict.fromkeys(("pause", "resume", "restart"), st.none()),
}
OFTEN = ("claim",) * 8 + ("clock",) * 6 + ("over",) * 4 + ("run", "resume") * 2
STEPS = st.sampled_from((*GIVEN, *OFTEN)).flatmap(lambda step: st.tuples(st.just(step), GIVEN[step]))


class Watched(Played):
    """Each claim is held against the record and the rules, which are read anew."""

    def __init__(self) -> None:
        super().__init__()
        self.commands = Counter[str]()

    def over_first(self, given: tuple[EndReason, bool, bool]) -> None:
        reason, answered, abandoned = given
        if self.claims:
            self.over(self.claims[0], reason, answered=answered, abandoned=answered and abandoned)

    def not_begun_last(self, never: bool) -> None:
        if self.claims:
            self.not_begun(self.claims[-1], never=never)

    def mark(self, given: tuple[int, LeadStatus, int]) -> None:
        place, status, minutes = given
        if place < size(self.state):
            wish = utc(self.now + timedelta(minutes=minutes)) if status is LeadStatus.CALLBACK else None
            self.do(machine.mark, place, status, callback=wish)

    def lose(self, dials: int) -> None:
        """A claim that never comes on record."""
        assert self.selection is not None
        machine.claim(self.state, self.selection, self.book, dials, self.moment())

    def crash(self, given: tuple[str, int, int]) -> None:
        """Its owner dies after so many events of a decision, or, where all are on record, after so many effects."""
        assert self.selection is not None
        what, events, effects = given
        if what == "claim":
            decision = machine.claim(self.state, self.selection, self.book, 3, self.moment())
        elif self.claims:
            over = NotBegun(place=self.claims[0].place, attempt=self.claims[0].attempt)
            decision = machine.ended(self.state, over, self.book, self.moment())
        else:
            return
        done = decision.effects[:effects] if events >= len(decision.events) else ()
        self.record(replace(decision, events=decision.events[:events], effects=done))
        self.restart(None)

    def restart(self, _: None) -> None:
        """A new owner has the record alone. What was asked for is found; what was not, is known to have never begun."""
        self.selection = Selection(self.state)
        self.record(machine.taken_over(self.state, self.moment()))
        finds = [effect.claim for effect in self.effects if isinstance(effect, FindCall)]
        self.claims = [claim for claim in finds if self.commands[claim.command_id]]
        for claim in finds:
            if claim not in self.claims:
                self.not_begun(claim)

    def record(self, decision: Decision[CampaignEvent, Any]) -> Sequence[CampaignEvent]:
        self.commands.update(
            effect.claim.command_id for effect in decision.effects if isinstance(effect, BeginCall)
        )
        assert set(self.commands.values()) <= {1}
        return super().record(decision)

    def watched_claim(self, dials: int) -> None:
        before, known = self.state, len(self.events)
        claims = self.claim(dials)
        assert len(claims) <= dials and (not claims or before.status is CampaignStatus.RUNNING)
        for claim in claims:
            entry = at(before.leads, claim.place)
            assert not under_way(entry) and claim.place >= before.earlier and entry.status in CALLABLE
            assert not entry.callback or moment_of(entry.callback) <= self.now
            assert claim.number in entry.numbers.split(" ") and claim.number not in self.do_not_call
            attempts = self.attempts_on_record(claim.place, known)
            rules = rules_for(canonical(claim.number, "UA"), PRESETS, rules_of(before.settings))
            asked = Candidate(
                number=claim.number, timezone=entry.timezone, consent=entry.consent, attempts=attempts,
                wished=entry.callback > 0,
            )  # fmt: skip
            assert verdict(asked, rules, self.now).allowed
        if len(claims) < dials and SetTimer(name=machine.NEXT, seconds=0.0) not in self.effects:
            assert self.status is not CampaignStatus.RUNNING or not any(found.number for found in self.standings())
        if self.status is CampaignStatus.FINISHED:
            assert not any(found.number or found.until for found in self.standings() if before.status == "running")

    def attempts_on_record(self, place: int, known: int) -> list[Attempt]:
        """Of a lead, by the first events alone."""
        found: dict[int, Attempt] = {}
        for event in self.events[:known]:
            match event:
                case CampaignAttemptClaimed(place=of, attempt=attempt, number=number, at=begun) if of == place:
                    found[attempt] = Attempt(number=number, at=parse_utc(begun))
                case CampaignAttemptEnded(place=of, attempt=attempt, outcome=outcome, at=over) if of == place:
                    begun = found.pop(attempt)
                    if outcome != "not_dialed":
                        ended = parse_utc(over)
                        found[attempt] = Attempt(number=begun.number, at=begun.at, ended=ended, outcome=outcome)
        return list(found.values())


DO: dict[str, Callable[[Watched, Any], object]] = {
    "run": lambda campaign, leads: campaign.run(*leads),
    "claim": Watched.watched_claim,
    "lose": Watched.lose,
    "over": Watched.over_first,
    "not_begun": Watched.not_begun_last,
    "clock": lambda campaign, minutes: campaign.later(minutes=minutes),
    "configure": lambda campaign, settings: campaign.do(machine.configure, settings),
    "mark": Watched.mark,
    "list": lambda campaign, number: campaign.do_not_call.add(number),
    "stop": lambda campaign, mode: campaign.do(machine.stop, mode),
    "pause": lambda campaign, _: campaign.do(machine.pause),
    "resume": lambda campaign, _: campaign.do(machine.resume),
    "crash": Watched.crash,
    "restart": Watched.restart,
}


def played(steps: list[tuple[str, Any]]) -> Watched:
    campaign = Watched()
    for step, what in [("run", FIRST), *steps]:
        try:
            DO[step](campaign, what)
        except Refusal:
            continue
    return campaign


@given(st.lists(STEPS, min_size=25, max_size=60))
@settings(max_examples=examples(30), deadline=None)
def test_no_claim_is_outside_window_cap_or_list_and_none_comes_twice(steps: list[tuple[str, Any]]) -> None:
    campaign = played(steps)
    campaign.watched_claim(3)
    assert campaign.replayed() == campaign.replayed(at_once=3) == campaign.state
    assert campaign.claims or campaign.status is not CampaignStatus.DRAINING
    assert open_places(campaign.state) == sorted(claim.place for claim in campaign.claims)
    assert campaign.state.open == len(campaign.claims)


@given(st.lists(STEPS, min_size=10, max_size=30), st.integers(0, 2), st.sampled_from(Limit))
@settings(max_examples=examples(25), deadline=None)
def test_each_lead_counts_for_one_reason(steps: list[tuple[str, Any]], dials: int, limit: Limit) -> None:
    campaign = played(steps)
    pace = Pace(dials=dials, limit=limit, mode=Mode.PROGRESSIVE)
    said = explain(campaign.state, campaign.standings(), pace, campaign.now)
    assert said.leads == size(campaign.state) == sum(group.leads for group in said.reasons)
    by_reason = Counter(of_campaign(campaign.state, found, pace).reason for found in campaign.standings())
    totals = Counter[str]()
    for group in said.reasons:
        totals[group.reason] += group.leads
        assert group.leads > 0 and group.words
    if dials == 0 or campaign.status is not CampaignStatus.RUNNING:
        assert totals == by_reason
    else:
        assert totals["next"] == min(dials, by_reason["next"])


@given(st.lists(STEPS, min_size=10, max_size=30), st.floats(0, 0.999))
@settings(max_examples=examples(20), deadline=None)
def test_who_waits_until_a_moment_is_called_then_and_not_before(steps: list[tuple[str, Any]], share: float) -> None:
    campaign = played(steps)
    for place, found in enumerate(campaign.standings()):
        if found.until is not None:
            between = campaign.now + share * (found.until - campaign.now)
            assert standing(campaign.state, place, campaign.book, between).number is None
            then = standing(campaign.state, place, campaign.book, found.until)
            assert then.number is not None or found.reason not in {*Reason}, found
