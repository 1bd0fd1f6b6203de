"""What is counted of the slots of a host, for Prometheus. Pure but for the actors that it looks at."""

from collections import Counter
from collections.abc import Iterable

from actors.slot.actor import SlotActor
from actors.slot.record import holder
from bus_schemas.series import Sample
from bus_schemas.slot import SlotStatus


def of_slots(slots: Iterable[SlotActor]) -> Iterable[Sample]:
    """By status, by who holds them, and by what is wrong with their phones."""
    counts = Counter({("ottb_slots", str(status)): 0 for status in SlotStatus})
    for actor in slots:
        slot = actor.state
        if slot is None or slot.removed:
            continue
        counts["ottb_slots", str(slot.status)] += 1
        if (held := holder(slot, actor.live)) is not None:
            counts["ottb_slots_held", held.kind] += 1
        if slot.quarantine is not None:
            counts["ottb_slots_quarantined", str(slot.quarantine.symptom)] += 1
        counts.update(("ottb_slots_condition", one.name) for one in slot.conditions)
    return [Sample(family, number, (label,)) for (family, label), number in counts.items()]
