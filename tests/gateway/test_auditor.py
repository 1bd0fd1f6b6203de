"""No action without its entry: a gateway that dies between the two, an audit that is away, and no entry twice."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit import audit as audit_module
from actors.audit.audit import SCOPE, Audit
from actors.audit.chain import check
from actors.runtime.alike import times
from actors.runtime.bus import Message
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, AuditEntry, AuditRecorded
from bus_schemas.call import START_CALL, CallStarted, CallState, StartCall
from bus_schemas.contract import READ_AGAIN
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import EXPORT_LEADS
from gateway import auditor as auditor_module
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, bus_door_on, gateway_on, serving
from tests.support.site import until

GRACE = 0.3
BODY = {"number": "+380991234567"}


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "GRACE", GRACE)
    monkeypatch.setattr(audit_module, "SWEEP", 0.05)
    monkeypatch.setattr(audit_module, "LEAVING", 0.05)
    monkeypatch.setattr(auditor_module, "LATE_PAUSE", 0.05)
    monkeypatch.setattr("gateway.server.FINISH_SECONDS", 0.05)  # a gateway that died finishes no request
    monkeypatch.setattr(auditor_module, "RECORD_AUDIT", dataclasses.replace(RECORD_AUDIT, timeout=0.2))


@asynccontextmanager
async def audit_on(bus: MemoryBus) -> AsyncIterator[Audit]:
    audit = Audit(bus=bus, clock=SystemClock(), ids=RandomIds())
    await audit.start()
    yield audit
    await audit.stop()


async def start(request: StartCall, context: Context) -> CallStarted:
    if request.slot == 45:
        raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.")
    if request.slot == 46:
        raise Refusal(ErrorCode.UNAVAILABLE, "What became of this command cannot be read now. Try again.")
    return CallStarted(call_id="c_1", slot=44, state=CallState.RING)


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {START_CALL: start}):
        yield broker


def dying(broker: MemoryBroker, at: str) -> MemoryBus:
    """The bus of a gateway that is gone as soon as it comes to a step."""

    async def step(name: str) -> None:
        if name.startswith(at):
            bus.kill()

    bus = MemoryBus(broker, step=step)
    return bus


def entries(broker: MemoryBroker) -> list[AuditEntry]:
    chain = [msgspec.json.decode(one.data, type=AuditRecorded) for one in broker.entries(SCOPE)]
    assert check(chain).problems == []
    return [entry for recorded in chain for entry in recorded.entries]


async def some(broker: MemoryBroker, wanted: Callable[[list[AuditEntry]], bool] = bool) -> list[AuditEntry]:
    async def look() -> list[AuditEntry]:
        return entries(broker)

    found = await until(look, wanted)
    assert isinstance(found, list)
    return found


async def test_a_deed_is_on_the_audit_although_its_gateway_died(broker: MemoryBroker) -> None:
    async with audit_on(MemoryBus(broker)), gateway_on(dying(broker, f"after request {START_CALL.subject}")) as gateway:
        gateway.begin("/api/call/start", BODY, **{"X-Request-ID": "r1"})
        (entry,) = await some(broker)
        assert (entry.user, entry.door, entry.action) == (USER, "http", "POST /api/call/start")
        assert (entry.result, entry.request_id) == ("UNKNOWN", "r1")
        assert entry.credential is not None and entry.address == "127.0.0.1" and entry.trace_id is not None
        await asyncio.sleep(2 * GRACE)
        assert len(entries(broker)) == 1


async def test_a_deed_over_the_bus_too(broker: MemoryBroker) -> None:
    bus = dying(broker, f"after request {START_CALL.subject}")
    door = bus_door_on(bus)
    subject = f"ottb.v1.own.{USER}.cmd.call.start"
    message = Message(subject=subject, data=msgspec.json.encode(BODY), headers={}, reply_to=f"_INBOX.u.{USER}.1")
    async with audit_on(MemoryBus(broker)):
        await door._receive(message)
        (entry,) = await some(broker)
        assert (entry.user, entry.door, entry.action, entry.result) == (USER, "bus", START_CALL.subject, "UNKNOWN")
        bus.bury()
        await door.stop()


@pytest.mark.parametrize(("slot", "result"), [("AUTO", "OK"), (45, "SLOT_BUSY"), (46, "UNAVAILABLE")])
async def test_what_has_its_outcome_has_one_entry(
    broker: MemoryBroker, slot: object, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.wire.RETRY_FIRST", START_CALL.timeout)  # each is asked once
    async with audit_on(MemoryBus(broker)), audit_on(MemoryBus(broker)), gateway_on(MemoryBus(broker)) as gateway:
        for _ in range(4):  # two hosts take turns, and each has heard of all
            await gateway.post("/api/call/start", BODY | {"slot": slot})
        await gateway.auditor.stop()
        await asyncio.sleep(3 * GRACE)
    assert {entry.result for entry in entries(broker)} == {result}
    assert [times(entry) for entry in entries(broker)] == ([1, 3] if result == "SLOT_BUSY" else [1] * 4)


async def test_the_second_host_writes_what_the_first_did_not_live_to_write(
    broker: MemoryBroker,
) -> None:
    first = MemoryBus(broker)
    async with (
        audit_on(MemoryBus(broker)), audit_on(first),
        gateway_on(dying(broker, f"after request {START_CALL.subject}")) as gateway,
    ):
        gateway.begin("/api/call/start", BODY)
        await asyncio.sleep(0.1)
        first.kill()
        assert [entry.result for entry in await some(broker)] == ["UNKNOWN"]
        first.bury()


async def test_two_hosts_complete_it_once(broker: MemoryBroker) -> None:
    async with (
        audit_on(MemoryBus(broker)),
        audit_on(MemoryBus(broker)),
        gateway_on(dying(broker, f"after request {START_CALL.subject}")) as gateway,
    ):
        gateway.begin("/api/call/start", BODY)
        await some(broker)
        await asyncio.sleep(2 * GRACE)
        assert len(entries(broker)) == 1


async def test_a_host_that_leaves_writes_what_is_open(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "GRACE", 3600.0)
    async with gateway_on(dying(broker, f"after request {START_CALL.subject}")) as gateway:
        async with audit_on(MemoryBus(broker)):
            gateway.begin("/api/call/start", BODY)
            await asyncio.sleep(0.2)
            assert entries(broker) == []
        assert [entry.result for entry in entries(broker)] == ["UNKNOWN"]


async def test_an_audit_that_was_away_gets_the_outcome_later(broker: MemoryBroker) -> None:
    async with gateway_on(MemoryBus(broker)) as gateway:
        status, answer = await gateway.post("/api/call/start", BODY, **{"X-Request-ID": "r1"})
        assert status == 503 and "audit could not be written" in answer["message"]
        async with audit_on(MemoryBus(broker)):
            (entry,) = await some(broker)
            assert (entry.result, entry.request_id, entry.subject) == ("OK", "r1", {"call_id": "c_1", "slot": 44})
            await asyncio.sleep(2 * GRACE)
    assert len(entries(broker)) == 1


async def test_a_refusal_is_told_as_it_is_while_the_audit_is_away(broker: MemoryBroker) -> None:
    async with gateway_on(MemoryBus(broker)) as gateway:
        status, answer = await gateway.post("/api/call/start", BODY | {"slot": 45}, **{"X-Request-ID": "r1"})
        assert (status, answer["code"]) == (409, "SLOT_BUSY")
        async with audit_on(MemoryBus(broker)):
            (entry,) = await some(broker)
            assert (entry.result, entry.request_id) == ("SLOT_BUSY", "r1")
            await asyncio.sleep(2 * GRACE)
    assert len(entries(broker)) == 1


async def test_a_strangers_request_is_not_put_on_the_audit_by_its_intent(broker: MemoryBroker) -> None:
    async with audit_on(MemoryBus(broker)), gateway_on(MemoryBus(broker)) as gateway:
        gateway.token = "ottb_st_x"
        assert (await gateway.post("/api/call/start", BODY))[0] == 401
        await asyncio.sleep(2 * GRACE)
    assert entries(broker) == []


async def test_a_read_that_was_asked_a_second_time_is_on_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "GRACE", 10 * READ_AGAIN)
    broker, asked = MemoryBroker(clock=SystemClock()), list[Context]()

    async def export(message: Message) -> None:
        """Who had the first one died with it."""
        asked.append(Context.from_headers(message.headers))
        if len(asked) > 1 and message.reply is not None:
            await message.reply(b"[]", {})

    await MemoryBus(broker).subscribe(EXPORT_LEADS.pattern, export)
    async with serving(broker, {}), audit_on(MemoryBus(broker)), gateway_on(MemoryBus(broker)) as gateway:
        assert await gateway.get("/api/autodialer/campaigns/c1/export?format=json&limit=10") == (200, [])
        assert [one.command_id for one in asked] == 2 * [asked[0].command_id]
        await asyncio.sleep(3 * READ_AGAIN)
        (entry,) = entries(broker)
        assert (entry.action, entry.result) == ("GET /api/autodialer/campaigns/{campaign_id}/export", "OK")


async def test_an_audit_that_dies_meanwhile_is_waited_for(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had taken the entry, written it or not; whoever asked has done nothing that nobody knows of."""
    patient = dataclasses.replace(RECORD_AUDIT, timeout=5.0, again=0.2)
    monkeypatch.setattr(auditor_module, "RECORD_AUDIT", patient)
    for number, step in enumerate(("before append", "after append"), 1):
        bus = dying(broker, step)
        async with audit_on(bus), gateway_on(MemoryBus(broker)) as gateway:
            asked = asyncio.create_task(gateway.post("/api/call/start", BODY))
            await asyncio.sleep(0.1)
            assert not asked.done()
            async with audit_on(MemoryBus(broker)):
                assert (await asked)[0] == 201
                await asyncio.sleep(2 * GRACE)
            bus.bury()
        assert [entry.result for entry in entries(broker)] == ["OK"] * number
