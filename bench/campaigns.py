"""100,000 leads in one campaign: what they take of memory, and of time at an import, a claim and a start.

Seconds are of the processor, so they do not count who else is at work, and the best of three counts. Each row compares
with what is promised (docs/decisions/0034-a-campaign-is-one-value-and-its-order-is-beside-it.md)."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from actors.campaign import machine
from actors.campaign.record import Campaign, evolve
from actors.campaign.selection import Selection
from bench.table import Row
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignAttemptEnded, CampaignEvent
from bus_schemas.lead import LeadStatus
from tests.campaign.played import BY, ID, Played, lead_at, rows

LEADS, LINES, CLAIMS = 100_000, 40, 5000
ROUNDS = 3

Journal = list[tuple[type[CampaignEvent], bytes]]


async def measure(folder: Path) -> list[Row]:
    journal = _imported()
    return [_import(), _memory(journal), _claims(journal), _start(journal)]


def _import() -> Row:
    given = rows(*(lead_at(place, name=f"Olena {place}") for place in range(LEADS)))

    def bring_in() -> None:
        assert Played().run(given=given).accepted == LEADS

    seconds = min(_seconds(bring_in) for _ in range(ROUNDS))
    return Row("import of 100,000 leads", f"{seconds:.2f} s", "promised 2 s", seconds / 2.0, "<= 1.0")


def _memory(journal: Journal) -> Row:
    tracemalloc.start()
    campaign = _read(journal)
    kept = campaign, Selection(campaign)
    each = tracemalloc.get_traced_memory()[0] / LEADS
    tracemalloc.stop()
    del kept
    return Row("memory of a lead, with the order", f"{each:.0f} bytes", "promised 400 bytes", each / 400, "<= 1.0")


def _claims(journal: Journal) -> Row:
    played = Played()
    played.campaign = _read(journal)
    played.selection = Selection(played.state)
    each = min(_seconds(lambda: _claim(played)) for _ in range(ROUNDS)) / CLAIMS
    assert played.state.open == ROUNDS * CLAIMS
    return Row("a claim among 100,000", f"{1e6 * each:.0f} us", "promised 50 us", each / 50e-6, "<= 1.0")


def _claim(played: Played) -> None:
    campaign, selection, now = played.state, played.selection, played.moment()
    assert selection is not None
    for _ in range(CLAIMS // LINES):
        for event in machine.claim(campaign, selection, played.book, LINES, now).events:
            after = evolve(campaign, event)
            assert after is not None
            campaign = after
            selection.follow(campaign, event)
    played.campaign = campaign


def _start(journal: Journal) -> Row:
    whole = [*journal, *_written(_calls())]
    seconds = _seconds(lambda: Selection(_read(whole)))
    what = f"start from {len(whole):,} events"
    return Row(what, f"{seconds:.2f} s", "promised 3 s", seconds / 3.0, "<= 1.0")


def _calls() -> Iterable[CampaignEvent]:
    """Everybody was called once."""
    at = Played().moment().at
    for place in range(LEADS):
        lead = lead_at(place)
        yield CampaignAttemptClaimed(
            campaign=ID, at=at, lead=lead.id, place=place, attempt=1, number=lead.numbers[0], command_id="k"
        )
        yield CampaignAttemptEnded(
            campaign=ID, at=at, lead=lead.id, place=place, attempt=1, outcome="busy", status=LeadStatus.IN_PROGRESS,
            call_id="c_1",
        )  # fmt: skip


def _imported() -> Journal:
    leads = (lead_at(place, name=f"Olena {place}", source="spring", custom={"city": "Kyiv"}) for place in range(LEADS))
    return _written(machine.run(ID, None, None, rows(*leads), BY, Played().moment()).decision.events)


def _written(events: Iterable[CampaignEvent]) -> Journal:
    return [(type(event), msgspec.json.encode(event)) for event in events]


def _read(journal: Journal) -> Campaign:
    campaign: Campaign | None = None
    for kind, data in journal:
        campaign = evolve(campaign, msgspec.json.decode(data, type=kind))
    assert campaign is not None
    return campaign


def _seconds(do: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    do()
    return time.process_time() - begun
