"""Many values of many figures, as their least, mean and greatest. Pure."""

from collections.abc import Iterable, Mapping

from bus_schemas.monitor import METRICS, Figures

Thing = tuple[str, str]  # its kind, and its id
Values = Mapping[str, float | None]  # by the name of the metric; None: it does not tell


class Rollup:
    """What was measured in one step. A value outside a metric's bounds is none."""

    def __init__(self) -> None:
        self._spans: dict[Thing, dict[str, _Span]] = {}

    def add(self, thing: Thing, values: Values) -> None:
        """Values of a thing at one moment."""
        spans = self._spans.setdefault(thing, {})
        for name, value in values.items():
            if value is not None and _bounded(thing[0], name, value):
                spans.setdefault(name, _Span()).add(value, value, value)

    def merge(self, things: Iterable[Figures]) -> None:
        """What was measured in a step within this one, which counts as much as each other one."""
        for one in things:
            spans = self._spans.setdefault((one.kind, one.id), {})
            for name, (low, mean, high) in one.values.items():
                spans.setdefault(name, _Span()).add(low, mean, high)

    def figures(self) -> list[Figures]:
        """Everything of the step, by thing."""
        return [
            Figures(kind, id, {name: span.figure() for name, span in spans.items()})
            for (kind, id), spans in self._spans.items()
            if spans
        ]


class _Span:
    """The values of one figure."""

    __slots__ = ("count", "high", "low", "total")

    def __init__(self) -> None:
        self.low, self.high, self.total, self.count = float("inf"), float("-inf"), 0.0, 0

    def add(self, low: float, mean: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.total += mean
        self.count += 1

    def figure(self) -> tuple[float, float, float]:
        mean = min(max(self.total / self.count, self.low), self.high)  # rounding must not lead out of its bounds
        return _rounded(self.low), _rounded(mean), _rounded(self.high)


def _bounded(kind: str, name: str, value: float) -> bool:
    metric = METRICS[kind, name]
    return (metric.low is None or metric.low <= value) and (metric.high is None or value <= metric.high)


def _rounded(value: float) -> float:
    return round(value, 2)
