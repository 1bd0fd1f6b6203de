"""When a phone is called hot, empty or without service, and when no longer."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.healing.conditions import conditions
from actors.healing.policy import BUILT_IN, policy_in
from actors.monitor.samples import of_phone
from actors.runtime.clock import Moment
from actors.slot.phone import Health
from bus_schemas.slot import SlotConfig
from bus_schemas.slot_health import Condition
from tests.support.depth import examples

SLOT = SlotConfig(id=44)
RULES = policy_in(BUILT_IN).conditions


def at(second: float) -> Moment:
    return Moment(at=f"2026-01-01T00:{int(second) // 60:02d}:{int(second) % 60:02d}.000Z", mono=second, boot="b")


def told(temperatures: Iterable[float | None], every: float = 15.0) -> list[tuple[str, ...]]:
    """The names of the conditions after each reading."""
    found: tuple[Condition, ...] = ()
    since: dict[str, float] = {}
    names = []
    for number, temperature in enumerate(temperatures):
        read = of_phone(Health(temperature=temperature), SLOT)
        found, since = conditions(found, since, read, at(number * every), RULES)  # type: ignore[assignment]
        names.append(tuple(one.name for one in found))
    return names


def test_a_phone_is_hot_after_a_while_and_until_it_is_cool() -> None:
    assert told([46, 46, 46, 44, 42, 41, 46]) == [(), (), ("hot",), ("hot",), ("hot",), (), ()]


def test_a_moment_of_heat_is_none() -> None:
    assert told([46, 46, 44, 46, 46]) == [()] * 5


def test_what_a_phone_does_not_tell_stays_as_it_was() -> None:
    assert told([46, 46, 46, None, None, 46])[2:] == [("hot",)] * 4
    assert told([46, None, None, 46])[:3] == [()] * 3


def test_the_words_name_the_figure_and_calls_are_refused() -> None:
    found, _ = conditions((), {"empty_battery": 0.0}, of_phone(Health(battery=3), SLOT), at(0), RULES)
    assert [(one.name, one.words[:3], one.refuses_calls) for one in found] == [("empty_battery", "3 %", True)]


def test_a_sim_that_is_locked_is_none() -> None:
    locked = of_phone(Health(sim="PIN_REQUIRED", in_service=False), SLOT)
    assert (locked["usable_sim"], locked["in_service"]) == (0.0, 0.0)
    found, _ = conditions((), {"no_sim": 0.0, "no_service": 0.0}, locked, at(100), RULES)
    assert {one.name for one in found} == {"no_sim", "no_service"}


def test_a_wrong_sim_is_told_after_a_while_and_over_with_the_right_one() -> None:
    slot, found, since, names = SlotConfig(id=44, expected_operator="25501"), (), {}, []
    for number, operators in enumerate([("25501",), ("25503",), ("25503",), ("25503",), (), ("25503", "25501")]):
        read = of_phone(Health(sim_operators=operators), slot)
        found, since = conditions(found, since, read, at(number * 15.0), RULES)  # type: ignore[assignment]
        names.append([(one.name, one.refuses_calls) for one in found])
    wrong = [("wrong_sim", True)]
    assert names == [[], [], [], wrong, wrong, []]


def test_whoever_expects_no_sim_has_the_right_one() -> None:
    wrong = Condition(name="wrong_sim", words="", since=at(0).at, refuses_calls=True)
    found, _ = conditions((wrong,), {}, of_phone(Health(sim_operators=("25503",)), SLOT), at(60), RULES)
    assert found == (), "the slot was told to take any"


@settings(max_examples=examples(100))
@given(st.lists(st.floats(30, 60), min_size=2, max_size=80))
def test_none_comes_and_goes_with_every_reading(temperatures: list[float]) -> None:
    """Between two changes the figure has crossed from one threshold to the other."""
    rule, names = RULES["hot"], told(temperatures)
    assert rule.above is not None
    for before, after, figure in zip(names, names[1:], temperatures[1:], strict=False):
        if before != after:
            assert figure > rule.above if after else figure <= rule.until
