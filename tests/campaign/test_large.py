"""What many leads take of memory. How long they take: `python -m bench campaigns`."""

import tracemalloc

from actors.campaign import machine
from actors.campaign.record import size
from actors.campaign.selection import Selection
from tests.campaign.played import BY, ID, Played, lead_at, rows

LEADS = 20_000


def test_a_lead_takes_four_hundred_bytes() -> None:
    leads = (lead_at(place, name=f"Olena {place}", source="spring", custom={"city": "Kyiv"}) for place in range(LEADS))
    decision = machine.run(ID, None, None, rows(*leads), BY, Played().moment()).decision
    played = Played()
    tracemalloc.start()
    played.record(decision)
    played.events.clear()
    each = tracemalloc.get_traced_memory()[0] / LEADS
    tracemalloc.stop()
    print(f"{each:.0f} bytes a lead, 400 promised")
    assert size(played.state) == LEADS == Selection(played.state).left and each <= 400
