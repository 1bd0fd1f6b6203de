"""When what has failed is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from actors.webhook.backoff import LEAST_PART, LONGEST, Backoff, chance_of

DAY = 24 * 3600.0
CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.floats(0.01, 60), st.integers(1, 10_000), CHANCES)
def test_waits_grow_and_stay_within_an_hour(first: float, attempts: int, chance: float) -> None:
    backoff = Backoff(first, DAY)
    assert LEAST_PART * first <= backoff.wait(attempts, chance) <= LONGEST
    assert backoff.wait(attempts + 1, chance) >= backoff.wait(attempts, chance)
    assert backoff.wait(attempts, 0) <= backoff.wait(attempts, chance)


@given(st.floats(0.5, 60), st.lists(CHANCES, min_size=400, max_size=400), st.floats(60, DAY))
def test_it_is_given_up_after_its_time_and_not_before(first: float, chances: list[float], gives_up: float) -> None:
    backoff, now, due = Backoff(first, gives_up), 0.0, None
    for attempts, chance in enumerate(chances, 1):
        due = backoff.due(0.0, attempts, now, chance)
        if due is None:
            break
        assert now < due <= gives_up
        now = due
    assert due is None and now + LONGEST > gives_up - first


def test_a_day_of_failures_is_some_forty_tries() -> None:
    backoff, now, attempts = Backoff(5.0, DAY), 0.0, 1
    while (due := backoff.due(0.0, attempts, now, 0.5)) is not None:
        now, attempts = due, attempts + 1
    assert 30 <= attempts <= 50 and now > DAY - LONGEST


@given(st.text(max_size=20), st.integers(), st.integers())
def test_chance_follows_from_the_delivery(webhook: str, n: int, attempt: int) -> None:
    assert 0 <= chance_of(webhook, n, attempt) < 1
    assert chance_of(webhook, n, attempt) == chance_of(webhook, n, attempt)
    assert chance_of("a", 1) != chance_of("a", 2)
