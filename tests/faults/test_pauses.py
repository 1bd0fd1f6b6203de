"""Two hosts and two gateways of one site, with processes that stand still and are killed, a host that loses the bus,
commands that are repeated, and people who use the same phones: judged as the simulated worlds are, by what the phones
and the PBX themselves had.

`OTTB_TEST_FAULTS` says how many faults (12); 200 take about half an hour.
"""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from actors.adapters.ledger.fresh import fold_fresh, tables
from actors.adapters.nats_bus import NatsBus
from bus_schemas.call import START_CALL, StartCall
from bus_schemas.errors import Refusal
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.carrier.rules import mobile
from simulators.world.judge import Judge, Quiet, Violation
from tests.faults.doors import Callers, Doors
from tests.faults.mishaps import Lives, Mishaps, hang_up_foreign, people
from tests.faults.report import report
from tests.faults.witness import RealWorld, calls_of_pbx, calls_of_phone
from tests.support.beside import Beside, beside
from tests.support.namespace import Namespace, possible
from tests.support.site import Client, Site, running_site, until

FAULTS = int(os.environ.get("OTTB_TEST_FAULTS", "12"))
TRACKS = 2
CALLERS = 5
LOOKS = 3
PROBES = 14_000  # from here on nobody else dials (`mobile`)
SETTLE = 90.0  # seconds after which every call has ended by itself

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240 + 30 * FAULTS)]

SLOTS_OF = {"a": (11, 12, 13, 14, 15), "b": (21, 22, 23, 24, 25)}
SLOTS = [slot for slots in SLOTS_OF.values() for slot in slots]
TRUNK_OF = {"a": "trunk-1", "b": "trunk-2"}
CHANNELS = 4
LINES = {f"slot-{slot}": host for host, slots in SLOTS_OF.items() for slot in slots} | {
    f"trunk-{trunk}": host for host, trunk in TRUNK_OF.items()
}
MORE = """
[calls]
ring_timeout = 15.0
max_duration = 25.0
lost_timeout = 10.0
[dial]
user_pool_share = 1.0
user_calls_per_minute = 1000000
user_concurrent_calls = 1000000
slot_calls_per_hour = 1000000
""" + "".join(
    f'[[trunks]]\nname = "{trunk}"\nendpoint = "{trunk}"\nchannels = {CHANNELS}\ncalls_per_second = 100\n'
    f'host = "{host}"\n'
    for host, trunk in TRUNK_OF.items()
)

@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {slot: host for host, slots in SLOTS_OF.items() for slot in slots}
    folder = tmp_path_factory.mktemp("pauses")
    with running_site(folder, dict.fromkeys(SLOTS), MORE, hosts=hosts) as running:
        yield running


@asynccontextmanager
async def _everything(site: Site) -> AsyncIterator[tuple[Beside, Client, Doors, RealWorld]]:
    """The second host, where it is possible in a network of its own, and all doors."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Namespace()) if possible() else None
        async with beside(site, "b", net) as second, aiohttp.ClientSession() as session:
            world = RealWorld(lines=LINES, channels=CHANNELS)
            client = Client(site, session)
            await client.login("admin", site.admin_password)
            gateways = [f"http://127.0.0.1:{port}" for port in (site.ports["ottb"], second.ports["ottb"])]
            doors = Doors(world, session, client.token or "", gateways)
            await doors.connect(site.nats_port, site.admin_password)
            try:
                yield second, client, doors, world
            finally:
                await doors.close()


async def test_faults_of_two_hosts_lose_repeat_and_forge_nothing(site: Site) -> None:
    async with _everything(site) as (second, client, doors, world):

        async def serving() -> bool:
            return await _serving(doors)

        await until(serving, bool, 40.0)
        lives = Lives(second, world)
        mishaps = Mishaps(second, world, serving, SLOTS, FAULTS)
        foreign: Counter[str] = Counter()
        callers = Callers(doors, SLOTS, list(TRUNK_OF.values()))
        watching = [asyncio.ensure_future(work) for work in (lives.watch(), people(client, SLOTS, foreign))]
        calling = [asyncio.ensure_future(callers.run()) for _ in range(CALLERS)]
        try:
            await asyncio.sleep(5.0)
            await mishaps.run(TRACKS)
        finally:
            await callers.stop()
            await asyncio.gather(*calling)
            watching[1].cancel()
        await until(serving, bool, 60.0)
        quiet = await _quiet(site, client, doors)
        watching[0].cancel()
        await _read_logs(client, world)
        quiet.ledgers += await _ledgers(site, world)
        judge = Judge(world, doors.commands, quiet)
        violations = judge.violations() + await _without_record(doors)
        print(report(world, doors, mishaps, lives, foreign, judge, violations))
        assert not violations


async def _serving(doors: Doors) -> bool:
    """Both gateways are ready, both hosts have been heard, and every slot can be used."""
    try:
        for gateway in range(2):
            ready = await doors.get("/readyz?verbose", gateway)
            heard = {host["host"] for host in ready["hosts"] if host["heard_s_ago"] < 4.0}
            if not {"a", "b"} <= heard:
                return False
        slots = await doors.get("/api/slots")
        return len(slots) == len(SLOTS) and all(slot["status"] == "ONLINE" for slot in slots)
    except (aiohttp.ClientError, OSError, TimeoutError, Refusal, KeyError):
        return False


# --- when all is quiet ------------------------------------------------------------------------------------------


async def _quiet(site: Site, client: Client, doors: Doors) -> Quiet:
    """Wait until every call is over, look for what should not be there, and see that every line takes a call."""
    quiet = Quiet()
    for slot in SLOTS:
        await hang_up_foreign(client, slot)
    with contextlib.suppress(AssertionError):
        await until(lambda: _busy(client, doors), lambda busy: not busy, SETTLE)
    quiet.held += await _busy(client, doors)
    again = [command for command in doors.commands if command.starts and command.first is not None]
    for command in random.sample(again, min(len(again), 50)):  # long after
        await doors.ask(command)
    await asyncio.sleep(3.0)
    quiet.held += [f"after repeats: {what}" for what in await _busy(client, doors)]
    await _probe(doors, quiet)
    with contextlib.suppress(AssertionError):
        await until(lambda: _busy(client, doors), lambda busy: not busy, 15.0)
    quiet.held += [f"after probes: {what}" for what in await _busy(client, doors)]
    return quiet


async def _busy(client: Client, doors: Doors) -> list[str]:
    """Everything that is in use, by whoever knows of it."""
    found = []
    for slot in await doors.get("/api/slots"):
        if slot["call_id"] is not None or slot["external_call"]:
            found.append(f"slot {slot['id']}: {slot['call_id']} external {slot['external_call']}")
    found += [f"in the feed: {row['call_id']}" for row in await doors.get("/api/calls/feed?limit=500")]
    trunks = (await doors.get("/api/pbx/status"))["trunks"]
    found += [f"{trunk['name']}: {trunk['calls']} calls" for trunk in trunks if trunk["calls"]]
    phones = await client.phones("GET", "/phones")
    found += [f"phone {slot}: {phone['live']}" for slot, phone in phones.items() if phone["live"]]
    found += [f"PBX: {id}" for id in await client.pbx("GET", "/calls")]
    return found


async def _probe(doors: Doors, quiet: Quiet) -> None:
    """A call on every slot, and through each trunk one from every slot: nothing is held in secret."""
    for place, slot in enumerate(SLOTS):
        number = mobile(PROBES + place, "0001")
        command = doors.command(f"probe-{slot}", START_CALL, StartCall(number=number, slot=slot), number)
        refusal = (await doors.ask(command)).refusal
        if refusal is not None:
            quiet.held.append(f"slot {slot}: {refusal!r}")
    for trunk in TRUNK_OF.values():
        for place, slot in enumerate(SLOTS):
            number = mobile(PROBES + 100 * int(trunk[-1]) + place, "0004")
            request = DialPbx(from_=f"slot_{slot}", to=number, trunk=trunk)
            refusal = (await doors.ask(doors.command(f"probe-{trunk}-{slot}", DIAL_PBX, request, number))).refusal
            if refusal is not None:
                quiet.held.append(f"{trunk} from {slot}: {refusal!r}")
            await asyncio.sleep(0.5)
        await asyncio.sleep(2.0)


async def _read_logs(client: Client, world: RealWorld) -> None:
    """What the phones and the PBX have written down."""
    for slot in SLOTS:
        log = (await client.phones("GET", f"/phones/{slot}"))["log"]
        world.book.calls += calls_of_phone(f"slot-{slot}", log, world.began_mono)
    log = await client.pbx("GET", "/log")
    world.book.calls += calls_of_pbx(log, {trunk: trunk for trunk in TRUNK_OF.values()}, world.began_mono)


async def _read_journal(site: Site, world: RealWorld) -> None:
    password = json.loads((site.state / "secrets.json").read_text())["core"]
    bus = await NatsBus.connect(f"nats://127.0.0.1:{site.nats_port}", name="judge", user="core", password=password)
    world.journal = [entry async for entry in bus.replay("ottb.v1.evt.>")]
    await bus.close()


async def _ledgers(site: Site, world: RealWorld) -> list[str]:
    """What each host's ledger has otherwise than a fresh fold of the journal, which may have grown meanwhile: what was
    refused is counted for a minute."""
    found: list[str] = []
    for number in range(LOOKS):
        await _read_journal(site, world)
        found = await _compare(site, world, site.folder / f"fresh-{number}.sqlite3")
        if not found:
            break
    return found


async def _compare(site: Site, world: RealWorld, fresh: Path) -> list[str]:
    found, right = [], fold_fresh(world.journal, fresh)
    for host in SLOTS_OF:
        file = site.state / f"ledger-{host}.sqlite3"

        async def position(file: Path = file) -> int:
            return int(tables(file)["position"][0][0])

        with contextlib.suppress(AssertionError):
            await until(position, lambda seq: seq >= world.journal[-1].seq, 10.0)
        has = tables(file)
        for table in sorted(right.keys() | has.keys()):
            more, fewer = (set(one.get(table, [])) - set(other.get(table, [])) for one, other in
                           ((has, right), (right, has)))  # fmt: skip
            found += [f"{file.name}: {table} has {row}" for row in more]
            found += [f"{file.name}: {table} lacks {row}" for row in fewer]
    return found


async def _without_record(doors: Doors) -> list[Violation]:
    """The acknowledged calls of which the site has no record to show."""
    found = []
    for command in doors.commands:
        if command.starts and command.first is not None:
            call_id = getattr(command.first, "call_id", "")
            try:
                await doors.get(f"/api/call/{call_id}/cdr")
            except Refusal as refusal:
                found.append(Violation("no record", call_id, repr(refusal)))
    return found
