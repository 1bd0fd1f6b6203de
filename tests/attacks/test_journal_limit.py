"""The journal has an end: who fills it is told of early, new work is refused before old records are lost, and what has
begun still gets its end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from nats.js.api import DiscardPolicy

from actors.adapters import nats_streams
from actors.adapters.nats_bus import NatsBus
from actors.runtime import storage as storage_module
from actors.runtime.bus import FULL, ID, BusFull
from bench.parts import free_port, nats_server, process
from cli.site.probes import nats_answers
from tests.runtime.test_buses import NATS_SERVER
from tests.support.own_bus import own_bus
from tests.support.site import until
from tests.support.whole import Whole, whole_site

MB = 2**20
SCOPE = "ottb.v1.evt.audit.chain.*"


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsBus]:
    monkeypatch.setattr(nats_streams, "LEAST", MB)
    async with own_bus(tmp_path, MB) as bus:
        yield bus


async def fill(bus: NatsBus, seq: int = 0) -> int:
    """Write until it is refused. Gives the last sequence that was stored."""
    with pytest.raises(BusFull):
        for _ in range(100):
            headers = {ID: f"n{seq}"}
            seq = await bus.append(SCOPE.replace("*", "recorded"), b"x" * 50_000, headers, scope=SCOPE, expect=seq)
    return seq


async def test_a_full_journal_refuses_what_is_new_and_loses_nothing(bus: NatsBus) -> None:
    last = await fill(bus)
    kept = [entry.seq async for entry in bus.replay(SCOPE)]
    print(f"{last} entries until the limit of 1 MB: {last - len(kept)} lost, healthy: {bus.healthy() is None}")
    assert kept == list(range(1, last + 1)) and bus.healthy() == FULL
    await bus.put("OTTB_OWN", "host.a", b"lease", expect=None)  # a lease still holds, or calls could not be seen to
    await bus.ensure_streams(2 * MB)  # raised, and started again
    assert await fill(bus, last) > last
    await bus.ensure_streams(MB)  # less than there is: nothing goes
    assert len([entry async for entry in bus.replay(SCOPE)]) > last


async def test_a_full_bucket_of_files_loses_none_and_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**nats_streams.BUCKETS, "OTTB_FILE": replace(nats_streams.BUCKETS["OTTB_FILE"], limit=MB)}
    monkeypatch.setattr(nats_streams, "BUCKETS", small)
    written = 0
    async with nats_server(tmp_path) as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="one")
        await bus.ensure_streams(MB)
        with pytest.raises(BusFull):
            for written in range(100):
                await bus.put("OTTB_FILE", f"a.{written}", bytes(50_000), expect=None)
        lost = [number for number in range(written) if await bus.get("OTTB_FILE", f"a.{number}") is None]
        print(f"{written} pieces until the limit of 1 MB: {len(lost)} lost, healthy: {bus.healthy() is None}")
        assert not lost and bus.healthy() is None and not bus.full
        await bus.put("OTTB_OWN", "host.a", b"lease", expect=None)
        await bus.delete("OTTB_FILE", "a.0")
        await bus.put("OTTB_FILE", "b.0", bytes(10_000), expect=None)
        await bus.close()


async def test_a_journal_of_an_earlier_version_starts_without_a_limit_and_says_so(tmp_path: Path) -> None:
    async with nats_server(tmp_path) as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="one")
        *_, config = nats_streams._configs(-1)
        config.allow_msg_schedules, config.discard = True, DiscardPolicy.OLD
        await bus._js.add_stream(config)
        await bus.ensure_streams(MB)
        journal, *others = await bus.usage()
        assert journal.limit == 0 and all(one.limit > 0 for one in others)
        await bus.close()


async def test_a_server_with_less_to_give_is_used_all_the_same(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{tmp_path}/js", max_file_store: 20MB }}\n')
    async with process(NATS_SERVER, "-c", str(config)):
        await until(lambda: nats_answers(port), bool)
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="one")
        await bus.ensure_streams()
        assert [one.limit for one in await bus.usage()] == [0, 0, 0, 0, 0, MB // 2, 0, 0, 4 * MB, 0]
        await bus.append("ottb.v1.evt.audit.chain.recorded", b"x", {ID: "n"}, scope=SCOPE, expect=0)
        await bus.close()


async def test_every_stream_has_a_limit_and_tells_how_full_it_is(bus: NatsBus) -> None:
    await fill(bus)
    found = {one.stream: one for one in await bus.usage()}
    assert found.keys() == {
        "OTTB_EVT", "OTTB_RED", "OTTB_LOG", "OTTB_FIG", "OTTB_OUT", "KV_OTTB_OWN", "KV_OTTB_SNAP", "KV_OTTB_IDEM",
        "KV_OTTB_HOOK", "KV_OTTB_FILE",
    }  # fmt: skip
    assert all(one.limit > 0 for one in found.values())
    assert 90 <= storage_module.percent_of(found["OTTB_EVT"]) <= 100


async def test_a_bucket_at_its_limit_forgets_the_oldest_and_takes_the_new(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(nats_streams.BUCKETS, "OTTB_IDEM", nats_streams.Bucket(60.0, MB))
    await bus.ensure_streams(MB)
    for number in range(40):
        await bus.put("OTTB_IDEM", f"k{number}", b"x" * 50_000, expect=0)
    assert await bus.get("OTTB_IDEM", "k0") is None and await bus.get("OTTB_IDEM", "k39") is not None
    assert bus.healthy() is None


# --- what a site makes of it


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    monkeypatch.setattr(storage_module, "LOOK", 0.05)
    monkeypatch.setattr("actors.runtime.peers.SAID_EVERY", 0.05)
    async with whole_site(tmp_path) as site:
        await site.login()
        yield site


async def _at(site: Whole, percent: int) -> Any:
    """What readiness says once the journal is that full."""

    async def ready() -> Any:
        held = sum(len(entry.data) for entry in site.broker.journal)
        site.broker.limit = max(100 * held // percent, 1)
        return (await site.ask("GET", "/readyz?verbose"))[1]

    def is_seen(said: Any) -> bool:
        return bool(said["streams"]) and abs(said["streams"][0]["percent"] - percent) <= 1

    return await until(ready, is_seen)


async def test_a_journal_without_room_is_not_ready_before_anybody_has_tried_it(site: Whole) -> None:
    """After a restart no write has failed yet, and of what is left a short one may take the last."""
    async def ready() -> tuple[int, Any]:
        return await site.ask("GET", "/readyz?verbose")

    for _ in range(2):
        site.broker.limit = sum(len(entry.data) for entry in site.broker.journal)
        status, said = await until(ready, lambda heard: heard[0] == 503)
        assert status == 503 and said["checks"]["journal"].startswith(FULL), said
        assert {name for name, found in said["checks"].items() if found != "ok"} == {"journal"}
        await site.again()
    site.broker.limit = 0
    assert (await until(ready, lambda heard: heard[0] == 200))[0] == 200


async def test_it_is_said_at_70_and_85_percent_and_new_calls_stop_at_95(site: Whole) -> None:
    start = {"number": "+380501230001", "slot": 11}
    assert (await _at(site, 60))["status"] == "ok"
    status, begun = await site.ask("POST", "/api/call/start", start)
    assert status == 201, begun
    for percent in (72, 87):
        said = await _at(site, percent)
        [alarm] = said["hosts"][0]["quarantined"]
        assert said["status"] == "degraded" and alarm["kind"] == "stream" and alarm["id"] == "OTTB_EVT", said
        assert "% of its limit" in alarm["reason"]
    assert (await site.gateway.figure('ottb_stream_bytes{stream="OTTB_EVT"}') or 0) > 0
    await _at(site, 97)
    before = len(site.broker.journal)
    for _ in range(20):
        status, refused = await site.ask("POST", "/api/call/start", {"number": "+380501230001", "slot": 44})
        assert status == 429 and refused["details"]["rule"] == "journal_full", refused
        assert "nearly full" in refused["message"]
    assert len(site.broker.journal) == before + 1  # the refusals take nothing of what is left
    status, ended = await site.ask("POST", "/api/call/end", {"call_id": begun["call_id"]})
    assert status == 200, ended  # what has begun gets its end
    assert (await _at(site, 60))["status"] == "ok"
    status, begun = await site.ask("POST", "/api/call/start", start)
    assert status == 201, begun
