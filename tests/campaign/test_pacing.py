"""How many dials are started in each mode, and what is said of it."""

from collections.abc import Sequence
from itertools import islice
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.campaign.durations import Counts, binned, seen
from actors.campaign.learning import Learnt, answer_rate
from actors.campaign.lookahead import Outlook, outlook
from actors.campaign.pacing import Fallback, Limit, Pace, Plan, Snapshot, pace, pace_without_team
from actors.campaign.rulebook import must_be_rules
from actors.campaign.tally import Day, Tally, room
from bus_schemas.campaign import CampaignSettings, Mode, Operators
from bus_schemas.errors import Refusal
from tests.campaign.plain import expectations

GOOD = Learnt(tally=Tally((Day(1, 5000, 140),)))  # 2.8 % of many answers
AT_THE_CAP = Learnt(tally=Tally((Day(1, 5000, 150),)))
NEW = Learnt()
AHEAD = outlook(GOOD)
PREDICTIVE = Plan(mode=Mode.PREDICTIVE)
BRINK = 1e-6  # of a share, by which two ways to reckon may differ

def times(longest: float, most: int) -> st.SearchStrategy[Counts]:
    return st.lists(st.floats(0, longest), max_size=most).map(binned)


snapshots = st.builds(
    Snapshot,
    idle=st.integers(0, 12),
    talking=times(600, 12),
    wrapping=times(600, 6),
    ringing=st.dictionaries(st.sampled_from(["a", "b"]), times(40, 10)),
    waiting=st.integers(0, 2),
    capacity=st.integers(0, 60),
    next_list=st.just("a"),
    hour=st.just(9),
    day=st.just(1),
)
plans = st.builds(
    Plan, mode=st.sampled_from(Mode), ratio=st.floats(0, 5), cap=st.floats(0, 0.1), smallest_team=st.integers(1, 10)
)
histories = st.builds(
    lambda answered, abandoned: Learnt(tally=Tally((Day(1, answered, min(answered, abandoned)),))),
    st.integers(0, 10_000),
    st.integers(0, 400),
)


def now(
    idle: int = 0, *, busy: int = 0, wrapping: tuple[float, ...] = (), ringing: int = 0, capacity: int = 100
) -> Snapshot:
    return Snapshot(
        idle=idle,
        talking=binned((30.0,) * busy),
        wrapping=binned(wrapping),
        ringing={"a": binned((5.0,) * ringing)},
        capacity=capacity,
        next_list="a",
        hour=9,
        day=1,
    )


def one_for_each_ready(snapshot: Snapshot) -> int:
    return min(max(snapshot.idle - snapshot.in_flight, 0), snapshot.capacity)


@given(snapshots, histories)
def test_in_preview_operators_begin_the_dials(snapshot: Snapshot, learnt: Learnt) -> None:
    answer = pace(Plan(mode=Mode.PREVIEW), snapshot, learnt, AHEAD)
    assert (answer.dials, answer.limit) == (0, in_preview(snapshot))


def in_preview(snapshot: Snapshot) -> Limit:
    if not snapshot.operators:
        return Limit.NO_OPERATORS
    if not snapshot.idle:
        return Limit.NO_OPERATOR_READY
    return Limit.READY_ARE_DIALLED_FOR if snapshot.in_flight >= snapshot.idle else Limit.OPERATORS_DECIDE


@given(snapshots, histories)
def test_progressive_is_one_dial_for_each_ready_operator(snapshot: Snapshot, learnt: Learnt) -> None:
    assert pace(Plan(), snapshot, learnt, AHEAD).dials == one_for_each_ready(snapshot)


def test_progressive_says_why_no_more() -> None:
    said = [
        pace(Plan(), each, NEW, AHEAD).limit
        for each in (now(), now(busy=2), now(2, ringing=2), now(2), now(3, capacity=2))
    ]
    assert said == [
        Limit.NO_OPERATORS,
        Limit.NO_OPERATOR_READY,
        Limit.READY_ARE_DIALLED_FOR,
        Limit.READY_ARE_DIALLED_FOR,
        Limit.CARRIERS_FULL,
    ]


@pytest.mark.parametrize(("plan", "learnt", "fallback"), [
    (PREDICTIVE, GOOD, Fallback.TEAM_TOO_SMALL), (Plan(mode=Mode.POWER), GOOD, Fallback.TEAM_TOO_SMALL),
    (Plan(mode=Mode.POWER, joins=False), GOOD, Fallback.OWN_LINES), (Plan(), NEW, None),
])  # fmt: skip
def test_with_nobody_there_it_is_progressive_and_says_so(plan: Plan, learnt: Learnt, fallback: Fallback | None) -> None:
    answer = pace(plan, now(), learnt, AHEAD)
    assert (answer.dials, answer.limit, answer.mode) == (0, Limit.NO_OPERATORS, Mode.PROGRESSIVE)
    assert answer.fallback is fallback
    assert pace(Plan(mode=Mode.POWER), now(1), GOOD, AHEAD).mode is Mode.POWER  # as soon as somebody is


def test_power_is_so_many_dials_for_each_ready_operator() -> None:
    plan = Plan(mode=Mode.POWER, ratio=2.5)
    assert pace(plan, now(3, busy=4, ringing=2), GOOD, AHEAD).dials == 5
    assert pace(plan, now(0, busy=4), GOOD, AHEAD).dials == 0


def test_power_holds_the_cap_too() -> None:
    plan = Plan(mode=Mode.POWER, ratio=3.0)
    answer = pace(plan, now(3), AT_THE_CAP, AHEAD)
    assert (answer.dials, answer.mode, answer.fallback) == (3, Mode.PROGRESSIVE, Fallback.CAP_REACHED)
    assert pace(Plan(mode=Mode.POWER, ratio=1.0), now(3), AT_THE_CAP, AHEAD).fallback is None
    one_more = pace(plan, now(3), Learnt(tally=Tally((Day(1, 5000, 149),))), AHEAD)
    assert (one_more.dials, one_more.mode, one_more.limit) == (4, Mode.POWER, Limit.ABANDONED_SHARE)


@given(snapshots, histories, st.floats(1, 10), st.floats(0, 0.1))
def test_power_never_has_more_in_flight_than_the_cap_bears(
    snapshot: Snapshot, learnt: Learnt, ratio: float, cap: float
) -> None:
    """Also where all of them are answered at once."""
    answer = pace(Plan(mode=Mode.POWER, ratio=ratio, cap=cap), snapshot, learnt, AHEAD)
    beyond = snapshot.in_flight + answer.dials - snapshot.idle
    assert not answer.dials or beyond <= max(room(learnt.tally, snapshot.day, cap), 0)


@pytest.mark.parametrize(
    ("plan", "snapshot", "learnt", "fallback"),
    [
        (PREDICTIVE, now(1), GOOD, Fallback.TEAM_TOO_SMALL),
        (Plan(mode=Mode.PREDICTIVE, smallest_team=8), now(1, busy=6), GOOD, Fallback.TEAM_TOO_SMALL),
        (PREDICTIVE, now(2, busy=6), NEW, Fallback.TOO_FEW_ANSWERS),
        (PREDICTIVE, now(2, busy=6), AT_THE_CAP, Fallback.CAP_REACHED),
        (Plan(mode=Mode.PREDICTIVE, cap=0.0), now(2, busy=6), NEW, Fallback.CAP_REACHED),
        (PREDICTIVE, now(2, busy=6), GOOD, None),
    ],
)
def test_where_looking_ahead_cannot_help_it_is_progressive_and_says_so(
    plan: Plan, snapshot: Snapshot, learnt: Learnt, fallback: Fallback | None
) -> None:
    answer = pace(plan, snapshot, learnt, AHEAD)
    assert answer.fallback is fallback
    assert answer.mode is (Mode.PREDICTIVE if fallback is None else Mode.PROGRESSIVE)
    assert fallback is None or answer.dials == one_for_each_ready(snapshot)


def test_an_operator_who_will_be_ready_is_dialled_for() -> None:
    learnt = GOOD
    for _ in range(500):  # who wraps up for 15 s
        learnt = replace(learnt, wrap=seen(learnt.wrap, 15.0, 300.0))
    ahead = outlook(learnt)
    late = pace(PREDICTIVE, now(wrapping=(14.0,) * 4), learnt, ahead)
    early = pace(PREDICTIVE, now(wrapping=(0.5,) * 4), learnt, ahead)
    assert late.dials >= 3 and early.dials == 0
    assert (late.mode, late.limit) == (Mode.PREDICTIVE, Limit.ABANDONED_SHARE)


@given(snapshots, histories, plans)
def test_carriers_hold_and_ready_operators_are_always_dialled_for(
    snapshot: Snapshot, learnt: Learnt, plan: Plan
) -> None:
    answer = pace(plan, snapshot, learnt, AHEAD)
    assert 0 <= answer.dials <= snapshot.capacity
    if plan.mode in (Mode.PROGRESSIVE, Mode.PREDICTIVE):
        assert answer.dials >= one_for_each_ready(snapshot)
    if snapshot.operators == 0:
        assert answer.dials == 0
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Pace) == answer


def chances_of(counts: Counts, of_bin: Sequence[float]) -> list[float]:
    return [chance for count, chance in zip(counts, of_bin, strict=True) for _ in range(count)]


def plainly(plan: Plan, now: Snapshot, learnt: Learnt, ahead: Outlook) -> list[float]:
    """The share with 0, 1, 2 ... dials, up to more than are dialled: one call after the other, over all operators."""
    frees = chances_of(now.talking, ahead.talking) + chances_of(now.wrapping, ahead.wrapping)
    answers = [1.0] * now.waiting
    for of_list, counts in now.ringing.items():
        answers += chances_of(counts, [*ahead.answer_chances(answer_rate(learnt, of_list, now.hour))])
    shares = expectations(now.idle, frees, answers, answer_rate(learnt, now.next_list, now.hour))
    return [expected.share for expected in islice(shares, now.capacity + 2)]


def check_against_the_plain_formula(plan: Plan, now: Snapshot, learnt: Learnt, ahead: Outlook) -> Pace:
    """It is the most dials with which the share is allowed. Where it is on the brink, either."""
    answer = pace(plan, now, learnt, ahead)
    if answer.allowed_share is None or answer.expected_share is None:
        return answer
    shares, certain = plainly(plan, now, learnt, ahead), max(now.idle - now.in_flight, 0)
    fewer, more = (
        next((number for number, share in enumerate(shares) if number > certain and share > allowed), len(shares))
        for allowed in (answer.allowed_share - BRINK, answer.allowed_share + BRINK)
    )
    found = min(answer.dials + (answer.limit is Limit.CARRIERS_FULL), now.capacity + 1)
    assert fewer - 1 <= found <= more - 1
    assert answer.expected_share == pytest.approx(shares[answer.dials], abs=BRINK)
    return answer


@given(snapshots, histories, st.floats(0.0, 1.0))
def test_it_is_the_most_dials_with_which_the_share_is_allowed(
    snapshot: Snapshot, learnt: Learnt, cap: float
) -> None:
    for plan in (PREDICTIVE, replace(PREDICTIVE, cap=cap)):
        check_against_the_plain_formula(plan, snapshot, learnt, AHEAD)


@pytest.mark.parametrize("operators", [20, 100, 400])
def test_it_is_as_many_for_a_large_team(operators: int) -> None:
    chance = Random(operators)
    for cap in (0.005, 0.03, 0.5, 1.0):
        learnt = Learnt(tally=Tally((Day(1, 5000, 0),)))
        talking = binned(chance.expovariate(1 / 90) for _ in range(operators // 2))
        wrapping = binned(chance.expovariate(1 / 20) for _ in range(operators // 6))
        ringing = {"a": binned(chance.uniform(0, 25) for _ in range(chance.randrange(operators)))}
        snapshot = Snapshot(
            idle=operators // 3, talking=talking, wrapping=wrapping, ringing=ringing, waiting=chance.randrange(3),
            capacity=chance.choice([operators, 1000]), next_list="a", hour=9, day=1,
        )  # fmt: skip
        assert check_against_the_plain_formula(Plan(mode=Mode.PREDICTIVE, cap=cap), snapshot, learnt, AHEAD).dials


@given(snapshots, st.integers(100, 150), st.integers(0, 40))
def test_the_more_were_abandoned_the_fewer_are_dialled(snapshot: Snapshot, abandoned: int, more: int) -> None:
    before, after = (
        pace(PREDICTIVE, snapshot, Learnt(tally=Tally((Day(1, 5000, count),))), AHEAD).dials
        for count in (abandoned, abandoned + more)
    )
    assert after <= before


def test_in_preview_mode_nothing_dials_by_itself_without_operators() -> None:
    """Such settings are refused; what an earlier version took is not dialled for nobody."""
    assert pace_without_team(Mode.PREVIEW, 5, rests=False).dials == 0
    with pytest.raises(Refusal) as refused:
        must_be_rules(CampaignSettings(mode=Mode.PREVIEW))
    assert refused.value.details["field"] == "settings.mode"
    must_be_rules(CampaignSettings(mode=Mode.PREVIEW, operators=Operators.TEAM))
