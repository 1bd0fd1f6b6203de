"""A whole site on a real Asterisk, with SIPp as the far end: a thousand calls, and cuts at the worst moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faults.pbx_load import LIMITS, SLOTS, TRUNK, dial, live, records, terminal_events, usable
from tests.support.pbx import SECRET, Wire, real_pbx
from tests.support.sipp import far_end
from tests.support.site import Client, Site, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

CALLS, RATE = 1000, 50.0
CUTS = 50
EXPECTED = {"0001": "busy", "0004": "invalid_number", "0005": "network"}


@asynccontextmanager
async def site_on_asterisk(folder: Path, *, ring: int, talk: int) -> AsyncIterator[tuple[Client, Wire]]:
    """A site whose PBX is a real Asterisk behind a wire that can be cut. Milliseconds."""
    async with (
        far_end(folder, ring=ring, talk=talk) as far,
        real_pbx(folder / "pbx", far_port=far) as address,
        Wire(address.port) as wire,
    ):
        ami = f'[ami.main]\nhost = "127.0.0.1"\nport = {wire.port}\nsecret = "{SECRET}"\n'
        started = Site(folder=folder, slots=SLOTS, more=LIMITS + ami + TRUNK)
        try:
            await asyncio.to_thread(started.start)
            async with aiohttp.ClientSession() as session:
                client = Client(started, session)
                await client.login("admin", started.admin_password)
                await usable(client)
                yield client, wire
        finally:
            await asyncio.to_thread(started.stop)


async def test_a_thousand_calls_at_fifty_a_second_have_a_thousand_right_records(tmp_path: Path) -> None:
    async with site_on_asterisk(tmp_path, ring=300, talk=2000) as (client, wire):
        loop = asyncio.get_running_loop()
        endings = ["0001", "0004", "4567", "4567", "4567"]  # no 0005: five in a row would close the trunk
        numbers = [f"+38050{number:03d}{endings[number % len(endings)]}" for number in range(CALLS)]
        began = loop.time()
        tasks = []
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(began + place / RATE - loop.time(), 0))
            tasks.append(asyncio.create_task(dial(client, number)))
        ids = await asyncio.gather(*tasks)
        took = loop.time() - began
        assert all(ids), f"{ids.count(None)} calls were not acknowledged"
        await until(lambda: live(client), lambda count: count == 0, 60)
        found = await records(client, [call_id for call_id in ids if call_id is not None])
        wrong = [
            (record["number"], record["reason"], record["cause"])
            for record in found
            if record["reason"] != EXPECTED.get(record["number"][-4:], "hangup_remote")
        ]
        events = await terminal_events(client.site)
        sent = bytes(wire.sent).count(b"Action: Originate")
        print(
            f"\n{CALLS} calls in {took:.1f} s ({CALLS / took:.0f}/s): {len(found)} records, {len(wrong)} wrong, "
            f"{sent} originates, {dict(Counter(record['reason'] for record in found))}"
        )
        assert not wrong
        assert len({record["call_id"] for record in found}) == CALLS == sent
        assert sum(events.values()) == len(events) == CALLS
        talked = [record for record in found if record["reason"] == "hangup_remote"]
        assert all(abs(record["talk_seconds"] - 2) <= 1 for record in talked)


async def test_cuts_between_an_originate_and_its_answer_make_no_second_call(tmp_path: Path) -> None:
    async with site_on_asterisk(tmp_path, ring=300, talk=1500) as (client, wire):
        ids = []
        for number in range(CUTS):
            cuts = wire.cuts
            wire.cut_after = b"Action: Originate"
            while (call_id := await dial(client, f"+38050{number:03d}4567")) is None:
                await asyncio.sleep(0.05)  # the trunk is down for a moment, and says so
            ids.append(call_id)
            await until(lambda: _value(wire), lambda seen, cuts=cuts: seen > cuts)
            await usable(client)
        await until(lambda: live(client), lambda count: count == 0, 60)
        found = await records(client, ids)
        events = await terminal_events(client.site)
        sent = bytes(wire.sent).count(b"Action: Originate")
        print(f"\n{CUTS} cuts: {sent} originates, {dict(Counter(record['reason'] for record in found))}")
        assert sent == CUTS, "an originate was sent again"
        assert [events[str(call_id)] for call_id in ids] == [1] * CUTS
        # One whose end fell into a moment without a connection is lost, one that was cut off too early never was: the
        # records say so.
        reasons = Counter(record["reason"] for record in found)
        assert set(reasons) <= {"hangup_remote", "trunk_lost", "unknown"} and reasons["hangup_remote"]


async def _value(wire: Wire) -> int:
    return wire.cuts
