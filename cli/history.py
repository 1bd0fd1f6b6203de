"""`ottb slot history`, `ottb hub history`: a figure over time, as lines or as a plot."""

from collections.abc import Iterator

import msgspec

from bus_schemas.monitor import History, Point

WIDTH, HEIGHT = 72, 10  # letters and lines of a plot
PARTS = " ▁▂▃▄▅▆▇█"  # of a line, by eighths


def shown(history: History, *, as_json: bool, as_plot: bool) -> str:
    """As it was asked for."""
    if as_json:
        return msgspec.json.encode(history).decode()
    return "\n".join(plot(history) if as_plot else rows(history))


def rows(history: History) -> Iterator[str]:
    """One line for each step, the oldest first."""
    yield f"{'from':24} {'min':>10} {'mean':>10} {'max':>10}  {history.unit}".rstrip()
    for point in history.points:
        yield f"{point.at:24} {point.min:>10g} {point.mean:>10g} {point.max:>10g}"


def plot(history: History) -> Iterator[str]:
    """The means as columns, the oldest first; several steps share one where there are more than fit. A time without
    points has no column of its own: the times below it tell."""
    points = history.points
    if not points:
        yield "nothing was measured in that time"
        return
    means = [_mean(part) for part in _parts(points)]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    heights = [1 + round((mean - low) / span * (8 * HEIGHT - 1)) for mean in means]  # eighths
    for line in reversed(range(HEIGHT)):
        label = f"{high:g}" if line == HEIGHT - 1 else f"{low:g}" if line == 0 else ""
        bars = "".join(PARTS[min(max(height - 8 * line, 0), 8)] for height in heights)
        yield f"{label:>10} {bars}".rstrip()
    first, last = points[0].at[:16], points[-1].at[:16]
    yield f"{'':10} {first}{last:>{max(len(means) - len(first), len(last) + 1)}}"
    yield f"{'':10} {history.metric} of {history.kind} {history.id}, {history.unit or 'a number'}, UTC"


def _parts(points: list[Point]) -> Iterator[list[Point]]:
    """In their order, as many parts as fit, each with at least one."""
    number = min(len(points), WIDTH)
    for part in range(number):
        yield points[part * len(points) // number : (part + 1) * len(points) // number]


def _mean(points: list[Point]) -> float:
    return sum(point.mean for point in points) / len(points)
