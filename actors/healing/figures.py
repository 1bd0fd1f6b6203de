"""The figures of a phone by the names that a policy knows them by. Pure."""

from collections.abc import Mapping

from actors.slot.hindrance import can_call
from actors.slot.phone import Health

# Of `Health`; what is or is not is 1 or 0.
_OF_HEALTH = (
    "battery", "temperature", "charging", "cpu", "ram", "latency_ms", "uptime_s", "in_service", "signal_level",
)  # fmt: skip
METRICS = (*_OF_HEALTH, "usable_sim")


def figures(health: Health) -> Mapping[str, float]:
    """Those that the phone tells."""
    told: dict[str, float | None] = {name: getattr(health, name) for name in _OF_HEALTH}
    told["usable_sim"] = None if health.sim is None else can_call(health.sim)
    return {name: float(value) for name, value in told.items() if value is not None}
