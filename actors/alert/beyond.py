"""Which figures are beyond the thresholds of which rules, and since when: begun at one value and over at another, so
that none comes and goes with every reading. Pure."""

from collections.abc import Iterator

from msgspec import Struct

from actors.alert.rules import Rules
from actors.monitor.rollup import Thing, Values

STALE = 300.0  # seconds after which a figure that nobody tells any more says nothing


class Beyond(Struct):
    """A figure that is. Seconds, monotonic."""

    since: float
    told: float
    value: float


class Figures:
    """Of one host."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._beyond: dict[tuple[str, Thing], Beyond] = {}

    def saw(self, thing: Thing, values: Values, now: float) -> None:
        """What a thing tells at one moment. A figure that it does not tell stays as it was."""
        kind, id = thing
        for metric, value in values.items():
            for name in self._rules.of_metrics.get((kind, metric), ()) if value is not None else ():
                if value is not None and self._rules.rules[name].is_of(id):
                    self._judge(name, thing, float(value), now)

    def _judge(self, name: str, thing: Thing, value: float, now: float) -> None:
        rule, found = self._rules.rules[name], self._beyond.get((name, thing))
        if found is None:
            if rule.begins(value):
                self._beyond[name, thing] = Beyond(since=now, told=now, value=value)
        elif rule.ends(value):
            del self._beyond[name, thing]
        else:
            found.told, found.value = now, value

    def all(self, now: float) -> Iterator[tuple[str, Thing, Beyond]]:
        """Those that are beyond now: the rule, the thing and since when."""
        for key in [key for key, found in self._beyond.items() if now - found.told > STALE]:
            del self._beyond[key]
        for (name, thing), found in self._beyond.items():
            yield name, thing, found
