"""Whether a lead may be called now, and if not, why, until when, and what would change it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.campaign.hours import ALWAYS, parse_hours
from actors.campaign.rules import (
    ALLOWED,
    Attempt,
    Candidate,
    Reason,
    Rules,
    Verdict,
    best,
    strictest,
    verdict,
)
from actors.telephony.zones import zone, zones_of
from bus_schemas.campaign import ABANDONED, OUTCOMES
from tests.campaign.test_hours import HOURS, MOMENTS, is_open
from tests.support.depth import examples

UA, DE, US, TOLL_FREE, RU = "+380991230006", "+4915112345678", "+13055551234", "+18005551234", "+79161234567"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAYTIME = Rules(hours=parse_hours("08:00-21:00"))


def ago(minutes: float, outcome: str | None = "no_answer", number: str = UA) -> Attempt:
    at = NOON - timedelta(minutes=minutes)
    return Attempt(number=number, at=at, ended=at if outcome else None, outcome=outcome)


def asked(rules: Rules, *attempts: Attempt, now: datetime = NOON, number: str = UA, **more: Any) -> Verdict:
    return verdict(Candidate(number=number, attempts=attempts, **more), rules, now)


def test_what_no_rule_forbids_is_allowed() -> None:
    assert asked(Rules()) == ALLOWED == asked(DAYTIME)


CASES: list[tuple[Rules, tuple[Attempt, ...], Reason, float | None]] = [
    (Rules(), (ago(1, None),), Reason.UNDER_WAY, None),
    (Rules(consent=True), (), Reason.CONSENT, None),
    (Rules(final=frozenset({"invalid_number"})), (ago(9999, "invalid_number"),), Reason.FINAL, None),
    (Rules(attempts_per_lead=2), (ago(9999), ago(8888, number=DE)), Reason.LEAD_ATTEMPTS, None),
    (Rules(attempts_per_number=2), (ago(9999), ago(8888)), Reason.NUMBER_ATTEMPTS, None),
    (Rules(attempts_per_day=2), (ago(1439), ago(60, number=DE), ago(1500)), Reason.DAY_ATTEMPTS, 1),
    (Rules(attempts_per_30_days=1), (ago(60),), Reason.MONTH_ATTEMPTS, 30 * 1440 - 60),
    (Rules(pause_minutes=10), (ago(4, number=DE),), Reason.PAUSE, 6),
    (Rules(retry_minutes={"busy": 5, "no_answer": 60}), (ago(30), ago(4, "busy")), Reason.RETRY, 30),
    (Rules(quiet_hours=72), (ago(60, ABANDONED, DE),), Reason.QUIET, 71 * 60),
    (Rules(hours=parse_hours("15:00-16:00")), (), Reason.HOURS, 60),  # it is 14:00 in Kyiv
    (Rules(attempts_per_day=1, hours=parse_hours("15:00-16:00")), (ago(10),), Reason.DAY_ATTEMPTS, 25 * 60),
]


@pytest.mark.parametrize(("rules", "attempts", "reason", "minutes"), CASES, ids=lambda value: str(value)[:30])
def test_a_rule_says_why_and_until_when(
    rules: Rules, attempts: tuple[Attempt, ...], reason: Reason, minutes: float | None
) -> None:
    found = asked(rules, *attempts)
    assert (found.allowed, found.reason) == (False, reason) and found.words and found.change
    assert found.until == (None if minutes is None else NOON + timedelta(minutes=minutes))
    if found.until is not None:
        assert asked(rules, *attempts, now=found.until) == ALLOWED


def test_one_attempt_less_is_allowed() -> None:
    for rules in (Rules(attempts_per_lead=2), Rules(attempts_per_number=2), Rules(attempts_per_day=2)):
        assert asked(rules, ago(60)) == ALLOWED
    assert asked(Rules(attempts_per_number=1), ago(60, number=DE)) == ALLOWED
    assert asked(Rules(retry_minutes={"busy": 60}), ago(1, "no_answer"), ago(1, "busy", DE)) == ALLOWED


def test_who_refused_is_not_called_whatever_the_rules() -> None:
    found = asked(Rules(), consent=False)
    assert found.reason is Reason.CONSENT and "refused" in found.words
    assert found.change == "another campaign with the lead's consent"  # no route edits a lead
    assert asked(Rules(consent=True)).change == "rules without `consent`, or another campaign with the lead's"
    assert asked(Rules(consent=True), consent=True) == ALLOWED


def test_attempts_later_than_a_clock_that_was_set_back_count() -> None:
    assert asked(Rules(attempts_per_day=1), ago(-600)).until == NOON + timedelta(minutes=1440 + 600)
    assert asked(Rules(pause_minutes=10), ago(-600)).reason is Reason.PAUSE


def test_hours_hold_in_every_zone_that_the_number_may_ring_in() -> None:
    evening = datetime(2026, 11, 25, 17, 0, tzinfo=UTC)  # 20:00 in Moscow, 22:00 in Almaty
    found = asked(DAYTIME, number=RU, now=evening)
    assert found.reason is Reason.HOURS and "Asia/Almaty, and 13 more zones" in found.words
    assert found.change == "longer `hours`, or the lead's time zone"
    assert asked(DAYTIME, number=RU, timezone="Europe/Moscow", now=evening) == ALLOWED
    together = asked(DAYTIME, number=TOLL_FREE).until
    assert together == NOON + timedelta(hours=10)  # 08:00 in Guam, 12:00 in Honolulu, 18:30 in St. John's
    assert asked(Rules(hours=parse_hours("10:00-15:00")), number=TOLL_FREE).reason is Reason.NO_HOURS


def test_hours_that_never_come_say_so_in_words_that_are_true() -> None:
    closed = asked(Rules(hours=parse_hours("closed")))
    assert closed.words == "no day has hours in which calls are allowed" and closed.change == "longer `hours`"
    many = asked(Rules(hours=parse_hours("closed")), number=TOLL_FREE)
    assert (many.words, many.change) == (closed.words, closed.change)
    assert asked(DAYTIME, number=US, now=NOON).until == NOON + timedelta(hours=1)


@pytest.mark.parametrize(("number", "timezone"), [("+88213300655", None), (UA, "Europe/Atlantis"), ("+999", None)])
def test_a_zone_that_nobody_knows_fails_closed(number: str, timezone: str | None) -> None:
    found = asked(DAYTIME, number=number, timezone=timezone)
    assert (found.reason, found.until, found.change) == (Reason.ZONE_UNKNOWN, None, "the lead's time zone")


def test_of_a_leads_numbers_the_first_that_may_be_called_counts() -> None:
    later, sooner, never = (
        Verdict(allowed=False, until=until) for until in (NOON + timedelta(hours=2), NOON + timedelta(hours=1), None)
    )
    assert best({"a": never, "b": ALLOWED, "c": ALLOWED}) == ("b", ALLOWED)
    assert best({"a": never, "b": later, "c": sooner}) == ("c", sooner)
    assert best({"a": never}) == ("a", never)


@pytest.mark.parametrize("given", [{"retry_minutes": {"lunch": 5}}, {"final": ["lunch"]}])
def test_an_outcome_that_does_not_exist_is_refused(given: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="`lunch` is no outcome"):
        msgspec.convert(given, Rules)


COUNTS = st.none() | st.integers(1, 4)
RULES = st.builds(
    Rules, hours=HOURS | st.just(ALWAYS), attempts_per_lead=st.none() | st.integers(3, 9), attempts_per_number=COUNTS,
    attempts_per_day=COUNTS, attempts_per_30_days=COUNTS, pause_minutes=st.integers(0, 600),
    retry_minutes=st.dictionaries(st.sampled_from(sorted(OUTCOMES)), st.integers(0, 3000), max_size=3),
    quiet_hours=st.integers(0, 72), final=st.frozensets(st.sampled_from(sorted(OUTCOMES)), max_size=2),
    consent=st.booleans(), ring_seconds=st.integers(0, 30), abandoned_share=st.none() | st.sampled_from([0.0, 0.03]),
)  # fmt: skip


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Candidate, datetime]:
    now = draw(MOMENTS)
    made = draw(st.lists(st.tuples(st.integers(-600, 50_000), st.sampled_from(sorted(OUTCOMES))), max_size=5))
    number = draw(st.sampled_from([UA, DE, US, TOLL_FREE, RU]))
    attempts = [
        Attempt(number=draw(st.sampled_from([number, UA])), at=now - timedelta(minutes=minutes),
                ended=now - timedelta(minutes=minutes - 1), outcome=outcome)
        for minutes, outcome in made
    ]  # fmt: skip
    timezone = draw(st.sampled_from([None, None, "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe"]))
    consent = draw(st.sampled_from([None, True, True]))
    return Candidate(number=number, timezone=timezone, consent=consent, attempts=attempts), now


def zones(candidate: Candidate) -> Iterable[Any]:
    return map(zone, [candidate.timezone] if candidate.timezone else zones_of(candidate.number))


@settings(max_examples=examples(100), deadline=None)
@given(candidates(), RULES)
def test_what_is_allowed_is_in_the_hours_of_every_zone_and_below_each_cap(
    given: tuple[Candidate, datetime], rules: Rules
) -> None:
    candidate, now = given
    if not verdict(candidate, rules, now).allowed:
        return
    assert is_open(rules.hours, [*zones(candidate)], now)
    recent = [attempt for attempt in candidate.attempts if attempt.at > now - timedelta(hours=24)]
    assert rules.attempts_per_day is None or len(recent) < rules.attempts_per_day
    for attempt in candidate.attempts:
        assert attempt.ended is not None and attempt.ended + timedelta(minutes=rules.pause_minutes) <= now


@settings(max_examples=examples(37), deadline=None)
@given(candidates(), RULES)
def test_the_moment_that_is_named_is_allowed_and_none_before_is(
    given: tuple[Candidate, datetime], rules: Rules
) -> None:
    candidate, now = given
    found = verdict(candidate, rules, now)
    if found.until is None:
        return
    assert verdict(candidate, rules, found.until).allowed
    minutes = int((found.until - now) / timedelta(minutes=1))
    for minute in {*range(min(minutes, 60)), *range(max(minutes - 60, 0), minutes), *range(0, minutes, 97)}:
        assert not verdict(candidate, rules, now + timedelta(minutes=minute)).allowed
    assert not verdict(candidate, rules, found.until - timedelta(seconds=1)).allowed


@settings(max_examples=examples(100), deadline=None)
@given(candidates(), RULES, RULES)
def test_the_strictest_allow_what_all_of_them_allow(
    given: tuple[Candidate, datetime], one: Rules, other: Rules
) -> None:
    candidate, now = given
    both = strictest(one, other)
    each = [verdict(candidate, rules, now).allowed for rules in (one, other)]
    assert verdict(candidate, both, now).allowed == all(each)
    assert both == strictest(other, one) and strictest(one) == one == strictest(one, one, Rules())
    assert both.ring_seconds == max(one.ring_seconds, other.ring_seconds)
    assert both.abandoned_share in (one.abandoned_share, other.abandoned_share)


def test_one_attempt_a_day_is_said_as_people_say_it() -> None:
    for rules, words in (
        (Rules(attempts_per_day=1), "1 attempt allowed in a day"),
        (Rules(attempts_per_day=2), "2 attempts allowed in a day"),
        (Rules(attempts_per_30_days=1), "1 attempt allowed in 30 days"),
        (Rules(attempts_per_lead=1), "2 attempts made, 1 allowed"),
    ):
        assert asked(rules, ago(10), ago(20)).words == words
