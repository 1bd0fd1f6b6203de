"""What an earlier version, a hand or a broken disk has left in the journal stops no start: what it is about is left
alone and named, the rest serves, and a person can step over it."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from actors.runtime.bus import ID
from actors.runtime.settings import Journal
from bus_schemas.catalogue import TOPICS
from bus_schemas.slot import CONFIGURE_SLOT, SlotConfig, SlotConfigured
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_undigestible import LISTS
from tests.support.whole import Whole

AT = "2026-01-01T00:00:00.000Z"
DEEP = b'{"x":' + b"[" * 100_000
BAD = (b"", b"{}", b"null", b"\xff\xfe", b'{"slot": "a.b", "at": 5}', DEEP)
KEPT = [topic for topic in TOPICS if topic.kept]


async def plant(site: Whole, subject: str, data: bytes) -> int:
    """An entry that nobody checked."""
    bus = MemoryBus(site.broker)
    last = await bus.last(subject)
    headers = {ID: f"planted-{len(site.broker.journal)}"}
    return await bus.append(subject, data, headers, scope=subject, expect=last.seq if last else 0)


async def serves(site: Whole) -> None:
    await site.login()
    for path in (*LISTS, "/api/slots/11", "/api/slots/44"):
        status, answer = await site.ask("GET", path)
        assert status == 200, (path, answer)
    status, answer = await site.ask("POST", "/api/call/start", {"number": "+380501230001", "slot": 44})
    assert status == 201, answer
    assert (await site.ask("POST", "/api/call/end", {"call_id": answer["call_id"]}))[0] == 200


async def test_a_slot_of_somebody_who_can_have_no_feed_is_stepped_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted before it was checked: its owner is no token of a subject."""
    site = Whole(tmp_path)
    event = SlotConfigured(slot=50, at=AT, by="admin", config=SlotConfig(id=50, serial="p50", user="a.b"))
    seq = await plant(site, "ottb.v1.evt.slot.50.configured", msgspec.json.encode(event))
    await site.start()
    assert [line for line in site.problems if line.startswith(f"slot 50: event {seq} (configured)")], site.problems
    await serves(site)
    with monkeypatch.context() as patch:
        patch.setattr("actors.runtime.wire.RETRY_FIRST", CONFIGURE_SLOT.timeout)  # asked once
        status, answer = await site.ask("POST", "/api/slots", {"slot": 50, "serial": "p50"})
    assert status == 503 and f"event {seq}" in answer["message"], answer
    site.settings = replace(site.settings, journal=Journal(step_over=(seq,)))
    for _ in range(2):
        await site.again()
        assert site.problems == []
        await site.login()
        status, answer = await site.ask("POST", "/api/slots", {"slot": 50, "serial": "p50", "user": "op12"})
        assert status == 200, answer
    await serves(site)
    await site.stop()


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
async def test_no_bad_entry_of_any_kind_stops_a_start(tmp_path: Path, data: bytes) -> None:
    site = Whole(tmp_path)
    await site.start()
    await site.login()
    await site.ask("POST", "/api/slots", {"slot": 12, "serial": "p12"})
    planted = []
    for topic in KEPT:
        for id in ("12", "x", "trunk-9"):
            subject = ".".join(id if token.startswith("{") else token for token in topic.subject.split("."))
            if topic.kind != "audit" or id == "x":
                planted.append(await plant(site, subject, data))
    await site.again()
    print(f"{len(planted)} bad entries of {len(KEPT)} kinds: {len(site.problems)} named, 0 starts failed")
    assert len(site.problems) >= len(KEPT) // 2
    await serves(site)
    site.settings = replace(site.settings, journal=Journal(step_over=tuple(planted)))
    await site.again()
    left = [line for line in site.problems if "12" in line or "entry" in line]
    assert left == []
    await serves(site)
    await site.stop()
