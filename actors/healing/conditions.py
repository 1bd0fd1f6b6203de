"""Which conditions a phone is in: each begins when its figure has been beyond the threshold for long enough, and ends
at another one, so that none comes and goes with every reading. Pure."""

from collections.abc import Iterator, Mapping

from actors.healing.policy import ConditionRule
from actors.monitor.rollup import Values
from actors.runtime.clock import Moment
from bus_schemas.slot_health import Condition

Since = Mapping[str, float]  # by condition that may begin: since when its figure is beyond, seconds, monotonic


def conditions(
    before: tuple[Condition, ...], since: Since, told: Values, now: Moment,
    rules: Mapping[str, ConditionRule],
) -> tuple[tuple[Condition, ...], Since]:
    """The conditions after these figures. What a phone does not tell stays as it was; what no rule names is over."""
    kept = {one.name: one for one in before}
    found = dict(_stands(kept, since, told, now, rules))
    beyond = {
        name: since.get(name, now.mono)
        for name, rule in rules.items()
        if (value := told.get(rule.metric)) is not None and rule.begins(value)
    }
    return tuple(found.values()), beyond


def _stands(
    kept: Mapping[str, Condition], since: Since, told: Values, now: Moment,
    rules: Mapping[str, ConditionRule],
) -> Iterator[tuple[str, Condition]]:
    for name, rule in rules.items():
        value, before = told.get(rule.metric), kept.get(name)
        if before is not None:
            if value is None or not rule.ends(value):
                yield name, before
        elif value is not None and rule.begins(value) and now.mono - since.get(name, now.mono) >= rule.seconds:
            words = rule.said(value)
            yield name, Condition(name=name, words=words, since=now.at, refuses_calls=rule.refuses_calls)
