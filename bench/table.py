"""One row of the bench: ours, the floor or peer measured in the same run, and the goal for their ratio."""

import operator
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """`ratio` is ours / other. `goal` reads like `>= 0.8`."""

    name: str
    ours: str
    other: str
    ratio: float
    goal: str

    @property
    def met(self) -> bool:
        comparison, _, figure = self.goal.partition(" ")
        return bool({">=": operator.ge, "<=": operator.le, "<": operator.lt}[comparison](self.ratio, float(figure)))


def print_table(rows: Sequence[Row]) -> None:
    width = max(len(row.name) for row in rows)
    print(f"\n{'what'.ljust(width)}  {'ours':>18}  {'the other':>34}  {'ratio':>7}  goal")
    for row in rows:
        verdict = "" if row.met else "   MISSED"
        print(f"{row.name.ljust(width)}  {row.ours:>18}  {row.other:>34}  {row.ratio:7.2f}  {row.goal}{verdict}")


async def rate(work: Callable[[], Awaitable[object]], *, count: int, at_once: int) -> tuple[float, float]:
    """How many a second, and the 99th percentile in milliseconds, with so many under way at once."""
    import asyncio

    times: list[float] = []
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await work()
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    spent = time.perf_counter() - began
    times.sort()
    return count / spent, 1000 * times[int(len(times) * 0.99) - 1]


async def compared(
    ours: Callable[[], Awaitable[float]], other: Callable[[], Awaitable[float]], *, rounds: int = 5
) -> tuple[float, float, float]:
    """Both in turn, so that a noisy machine is noisy for both: the medians, and the median of the ratios."""
    pairs = [(await ours(), await other()) for _ in range(rounds)]
    ratio = median(one / two for one, two in pairs)
    return median(one for one, _ in pairs), median(two for _, two in pairs), ratio
