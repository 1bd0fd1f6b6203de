"""The ledger on a real server: numbers of entries whose time is over, and a journal larger than one group."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.ledger.fresh import fold_anew
from actors.adapters.nats_bus import NatsBus
from actors.ledger.follow import SCOPE
from actors.ledger.ledger import Ledger
from actors.runtime.wire import ask
from bus_schemas.call import GET_CDR, GetCdr
from tests.ledger.journals import call, seen
from tests.ledger.places import Place, tables_at
from tests.support.own_bus import own_bus
from tests.support.site import PATIENCE


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[NatsBus]:
    async with own_bus(tmp_path) as bus:
        yield bus


async def _session(bus: NatsBus, number: int) -> None:
    subject = f"ottb.v1.evt.point.s{number}.session_opened"
    headers = {"Nats-Msg-Id": subject, "Nats-TTL": "1s"}
    await bus.append(subject, b"{}", headers, scope=subject, expect=0)


@pytest.mark.parametrize("last", ["call", "session"])
async def test_entries_whose_time_is_over_leave_numbers_that_are_nowhere(
    bus: NatsBus, place: Place, last: str
) -> None:
    for number in range(5):
        await _session(bus, number)
        await call(bus, number)
    if last == "session":
        await _session(bus, 5)
    before = await bus.size()
    async with asyncio.timeout(PATIENCE):
        while (await bus.size()).entries > 20:
            await asyncio.sleep(0.1)
    after = await bus.size()
    assert (after.entries, after.last_seq) == (20, before.last_seq)
    ledger = Ledger(bus=bus, store=place.store())
    async with asyncio.timeout(PATIENCE):
        await ledger.start()
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_4"), seen(after.last_seq))).talk_seconds == 3
        await call(bus, 5)
        assert (await ask(bus, GET_CDR, GetCdr(call_id="c_5"), seen(await bus.last_seq()))).talk_seconds == 3
    assert ledger.health.ready and ledger.problems() == []
    journal = [entry async for entry in bus.replay(SCOPE)]
    assert tables_at(place) == fold_anew(journal, place.store("fresh"))
    await ledger.stop()


async def test_a_rebuild_of_many_groups_is_whole(bus: NatsBus, place: Place) -> None:
    for first in range(0, 700, 50):  # all at once, a slow disk leaves some unanswered
        await asyncio.gather(*(call(bus, number) for number in range(first, first + 50)))
    ledger = Ledger(bus=bus, store=place.store())
    await ledger.start()
    assert ledger.health.ready and ledger.folded == 2800
    journal = [entry async for entry in bus.replay(SCOPE)]
    assert tables_at(place) == fold_anew(journal, place.store("fresh"))
    await ledger.stop()
