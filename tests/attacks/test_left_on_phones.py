"""A runner that was killed leaves notes of what it was about to begin on phones: what is ended by them is its own."""

from pathlib import Path

from actors.adapters.random_ids import RandomIds
from actors.runner.on_phones import SLOT, Begun, OnPhones
from simulators.bus.memory_bus import MemoryBus
from tests.support.whole import whole_site


async def test_a_slot_that_somebody_else_reserved_stays_theirs(tmp_path: Path) -> None:
    """It was noted, and then somebody else was faster: it waits for as long as the step has patience, and is killed."""
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        assert (await site.ask("POST", "/api/slots/11/reservation", {"minutes": 60}))[0] == 200
        phones, bus = OnPhones(tmp_path / "phones"), MemoryBus(site.broker)
        for user, kept in (("ann", "root"), ("root", None)):
            await phones.note(Begun(SLOT, "11"), user)
            await phones.end_left(bus, RandomIds())
            assert (await site.ask("GET", "/api/slots/11"))[1]["reserved_by"] == kept
            assert not [*(tmp_path / "phones").iterdir()]
