"""How durations are spread, counted in a process for Prometheus.

Not prometheus_client's own: its histogram takes a lock that is not re-entrant, and a collection of garbage, which is
measured here too, may begin while that is held.
"""

from bisect import bisect_left

from bus_schemas.series import FAMILIES, Distribution


class Spread:
    """One histogram, of a family of the contract."""

    __slots__ = ("_bounds", "_counts", "_family", "_total")

    def __init__(self, family: str) -> None:
        self._family = family
        self._bounds = FAMILIES[family].bounds
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    @property
    def now(self) -> Distribution:
        """All that were counted."""
        return Distribution(self._family, tuple(self._counts), self._total)
