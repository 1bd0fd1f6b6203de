"""Whether the SIM that a slot expects is in its phone. Pure."""

from actors.slot.phone import Health
from bus_schemas.slot import SlotConfig


def is_right_sim(config: SlotConfig, health: Health) -> bool | None:
    """Of a phone with two, whether one of them is; any is, where none is expected. None: it does not tell enough."""
    if config.expected_operator is config.expected_iccid is None:
        return True
    found = []
    if (operator := config.expected_operator) is not None and health.sim_operators:
        found.append(operator in health.sim_operators)
    if (iccid := config.expected_iccid) is not None and health.iccids:
        found.append(any(_same(iccid, told) for told in health.iccids))
    return all(found) if found else None


def _same(expected: str, told: str) -> bool:
    """As far as both go: phones hide the end of an ICCID, and fill it up with an F."""
    short, long = sorted((expected.rstrip("Ff"), told.rstrip("Ff")), key=len)
    return long.startswith(short)
