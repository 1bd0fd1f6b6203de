"""Readiness: what does not serve makes the site unready, what is quarantined is shown and degrades it."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import BusUnavailable
from actors.runtime.host import Host
from actors.runtime.ownership import Lease, LeaseKeeper
from actors.runtime.peers import Peers
from actors.runtime.problems import Problem
from actors.runtime.rendezvous import SHARDS
from bus_schemas.audit import RECORD_AUDIT
from bus_schemas.call import GET_CDR
from bus_schemas.host import HOST_TELEMETRY, HostTelemetry, Quarantined
from gateway import health
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving
from tests.support.site import until

AT = "2026-01-01T00:00:00.000Z"
BAD = Quarantined(kind="slot", id="44", reason="its snapshot is not understood")


class Disk(MemoryBus):
    """A bus that can have a full disk."""

    trouble: str | None = None

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        if self.trouble is not None:
            raise BusUnavailable("no")
        return await super().put(bucket, key, data, expect=expect, ttl=ttl)

    def healthy(self) -> str | None:
        return self.trouble


async def nothing(request: Any, context: Any) -> Any:
    raise AssertionError("probes do nothing")


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOK_AGAIN", 0.0)


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {GET_CDR: nothing, RECORD_AUDIT: nothing}):
        await MemoryBus(broker).subscribe(health.PROBES["actors"], _answer)
        yield broker


async def _answer(message: Any) -> None:
    await message.reply(b"", {})


@pytest.fixture
async def gateway(broker: MemoryBroker) -> AsyncIterator[InProcess]:
    async with gateway_on(Disk(broker)) as running:
        yield running


async def say(broker: MemoryBroker, data: bytes, host: str = "a") -> None:
    await MemoryBus(broker).publish(f"ottb.v1.tel.host.{host}", data, {})


async def tell(broker: MemoryBroker, *quarantined: Quarantined, host: str = "a") -> None:
    telemetry = HostTelemetry(host=host, at=AT, quarantined=list(quarantined))
    assert HOST_TELEMETRY.subject_for(telemetry) == f"ottb.v1.tel.host.{host}"
    await say(broker, msgspec.json.encode(telemetry), host)


async def test_all_is_well(gateway: InProcess) -> None:
    status, ready = await gateway.get("/readyz?verbose")
    assert (status, ready["status"]) == (200, "ok")
    assert set(ready["checks"]) == {"bus", "journal", "point", "ledger", "audit", "actors"}
    assert set(ready["checks"].values()) == {"ok"}
    assert ready["hosts"] == []


async def test_what_is_quarantined_is_shown_and_the_rest_serves(gateway: InProcess, broker: MemoryBroker) -> None:
    await tell(broker, BAD)
    await tell(broker, host="b")

    async def hosts() -> Any:
        return (await gateway.get("/readyz?verbose"))[1]["hosts"]

    shown = await until(hosts, lambda found: len(found) == 2)
    assert [(one["host"], one["quarantined"]) for one in shown] == [("a", [msgspec.to_builtins(BAD)]), ("b", [])]
    assert 0 <= shown[0]["heard_s_ago"] < 2
    status, ready = await gateway.get("/readyz?verbose")
    assert (status, ready["status"]) == (200, "degraded")
    assert (await gateway.get("/readyz"))[1]["status"] == "ok"
    assert await gateway.figure('ottb_quarantined{host="a",kind="slot"}') == 1.0
    await tell(broker)
    await until(hosts, lambda found: not any(one["quarantined"] for one in found))
    assert (await gateway.get("/readyz?verbose"))[1]["status"] == "ok"
    assert await gateway.figure('ottb_quarantined{host="a",kind="slot"}') == 0.0


async def test_shards_that_nobody_holds_are_named(gateway: InProcess, broker: MemoryBroker) -> None:
    async def shards() -> Any:
        return (await gateway.get("/readyz?verbose"))[1]["shards"]

    async def say_shards(host: str, *shards: int) -> None:
        await say(broker, msgspec.json.encode(HostTelemetry(host=host, at=AT, shards=list(shards))), host)

    await tell(broker, host="old")
    assert await shards() is None  # nothing lives on them
    await say_shards("a", *range(SHARDS - 2))
    assert await until(shards, bool) == {"held": SHARDS - 2, "missing": [SHARDS - 2, SHARDS - 1]}
    ready = (await gateway.get("/readyz?verbose"))[1]
    assert ready["status"] == "degraded" and [one["shards"] for one in ready["hosts"]] == [SHARDS - 2, None]
    assert await gateway.figure("ottb_shards_missing") == 2.0
    await say_shards("b", SHARDS - 2, SHARDS - 1)
    await until(shards, lambda seen: not seen["missing"])
    assert (await gateway.get("/readyz?verbose"))[1]["status"] == "ok"
    assert await gateway.figure("ottb_shards_missing") == 0.0


async def test_a_host_that_fell_silent_is_named_and_then_forgotten(
    gateway: InProcess, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(broker, BAD)

    async def ready() -> Any:
        return (await gateway.get("/readyz?verbose"))[1]

    await until(ready, lambda seen: seen["status"] == "degraded")
    monkeypatch.setattr(health, "NEWS", 0.0)
    assert (await ready())["status"] == "ok" and (await ready())["hosts"][0]["host"] == "a"
    assert await gateway.figure('ottb_quarantined{host="a",kind="slot"}') == 0.0
    monkeypatch.setattr(health, "FORGOTTEN", 0.0)
    assert (await ready())["hosts"] == []


async def test_one_message_that_is_not_understood_costs_that_message(gateway: InProcess, broker: MemoryBroker) -> None:
    for data in (b"", b"[]", b"\xff", b'{"host": 1}'):
        await say(broker, data)
    await tell(broker, BAD)

    async def ready() -> Any:
        return (await gateway.get("/readyz?verbose"))[1]

    await until(ready, lambda seen: seen["hosts"])
    assert await gateway.figure('ottb_not_understood_total{what="host telemetry"}') == 4.0


async def test_a_full_disk_is_said(gateway: InProcess) -> None:
    assert isinstance(gateway.bus, Disk)
    gateway.bus.trouble = "The journal's disk is full."
    status, ready = await gateway.get("/readyz?verbose")
    assert (status, ready["status"], ready["checks"]["journal"]) == (503, "not ready", "The journal's disk is full.")
    assert (await gateway.get("/readyz"))[0] == 503
    gateway.bus.trouble = None
    assert (await gateway.get("/readyz"))[0] == 200


async def test_a_journal_that_takes_no_write_is_noticed_by_writing(gateway: InProcess) -> None:
    async def refuse(*args: Any, **more: Any) -> int:
        raise BusUnavailable("nothing is stored")

    gateway.bus.put = refuse  # type: ignore[method-assign]
    status, ready = await gateway.get("/readyz?verbose")
    assert status == 503 and "nothing is stored" in ready["checks"]["journal"]


async def test_without_the_bus_nothing_is_said_to_serve(gateway: InProcess) -> None:
    assert (await gateway.get("/readyz"))[0] == 200
    gateway.bus.alive = False
    status, ready = await gateway.get("/readyz?verbose")
    assert status == 503 and "ok" not in ready["checks"].values()
    assert [await gateway.figure(name) for name in ("ottb_journal_writable", 'ottb_check_up{check="bus"}')] == [0, 0]
    assert await gateway.figure('ottb_check_up{check="ledger"}') is None  # nobody could ask it
    gateway.bus.alive = True
    assert (await gateway.get("/readyz"))[0] == 200 and await gateway.figure('ottb_check_up{check="ledger"}') == 1


async def test_a_journal_that_is_stuck_for_a_host_is_said(gateway: InProcess, broker: MemoryBroker) -> None:
    stuck = HostTelemetry(host="a", at=AT, trouble="It stores nothing.")
    await say(broker, msgspec.json.encode(stuck))

    async def ready() -> Any:
        return await gateway.get("/readyz?verbose")

    _, said = await until(ready, lambda seen: seen[0] == 503)
    assert said["checks"]["journal"] == "It stores nothing. (host a)"
    await tell(broker)
    await until(ready, lambda seen: seen[0] == 200)


async def test_a_host_says_what_is_wrong_in_it() -> None:
    broker = MemoryBroker(clock=SystemClock())
    heard: list[HostTelemetry] = []

    async def hear(message: Any) -> None:
        heard.append(msgspec.json.decode(message.data, type=HostTelemetry))

    async def first() -> int:
        return len(heard)

    await MemoryBus(broker).subscribe(HOST_TELEMETRY.pattern, hear)
    bus = Disk(broker)
    bus.trouble = "It stores nothing."
    clock, ids = SystemClock(), RandomIds()
    lease = LeaseKeeper(lease=Lease(bus=bus, clock=clock, key="host.a", holder="me"), on_lost=lambda: None)
    host = Host(name="a", bus=bus, clock=clock, ids=ids, ownership=lease, makers=())
    host.quarantined[("slot", "44")] = BAD.reason
    peers = Peers(host=host, problems=lambda: [Problem(kind="ledger", id="entry 7", reason="x" * 10_000)])
    await peers.start()
    await until(first, bool)
    await peers.stop()
    await host.drain()
    assert heard[0].trouble == "It stores nothing."
    assert heard[0].quarantined[0] == BAD
    assert (heard[0].quarantined[1].kind, len(heard[0].quarantined[1].reason)) == ("ledger", 500)


async def test_who_does_not_answer_is_named(broker: MemoryBroker) -> None:
    async with gateway_on(MemoryBus(MemoryBroker(clock=SystemClock()))) as gateway:
        status, ready = await gateway.get("/readyz?verbose")
    assert status == 503
    assert {name for name, said in ready["checks"].items() if said != "ok"} == {"point", "ledger", "audit", "actors"}
