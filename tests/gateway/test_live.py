"""The live feed on a bus in memory: slots follow from calls, nothing leaks, nothing bad stops it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import BusUnavailable, Message, Recorded
from actors.runtime.context import Context
from bus_schemas.call import (
    CALL_ALERTING,
    CALL_DIALING,
    CALL_ENDED,
    CallAlerting,
    CallDialing,
    CallEnded,
    CallState,
    EndReason,
    line_name,
)
from bus_schemas.contract import Topic
from bus_schemas.kinds import Owners, owners_header
from bus_schemas.operator import RENEW_PRESENCE
from bus_schemas.permissions import Action
from bus_schemas.script import RUN_ENDED, RunEnded, RunState
from bus_schemas.slot import (
    LIST_SLOTS,
    SLOT_CONFIGURED,
    SLOT_LINKED,
    SLOT_TELEMETRY,
    Metrics,
    Network,
    SlotConfig,
    SlotConfigured,
    SlotLinked,
    SlotStatus,
    SlotTelemetry,
)
from bus_schemas.trunk import TRUNK_CONFIGURED, TrunkConfig, TrunkConfigured
from bus_schemas.user import SESSION_CLOSED
from gateway import server
from gateway.live import feed, history, transports
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, LiveClient, Point, gateway_on, serving
from tests.support.site import PATIENCE, until

AT = "2026-01-01T00:00:00.000Z"
NUMBER = "+380991234567"
NOBODY: Owners = {}
OWN = frozenset({Action.SLOT_VIEW, Action.CALL_VIEW, Action.OPERATOR_VIEW})


class Journal:
    """Writes events as the actors do."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.bus = MemoryBus(broker)
        self.owner_of: dict[int, tuple[str | None, ...]] = {}
        self.point: Point

    async def write(self, subject: str, data: bytes, owners: Owners = NOBODY) -> int:
        last = self.broker.last(subject)
        headers = {"Nats-Msg-Id": str(len(self.broker.journal)), **owners_header(owners)}
        return await self.bus.append(subject, data, headers, scope=subject, expect=last.seq if last else 0)

    async def say(self, topic: Topic[Any], event: Any) -> int:
        """Write an event with the owners that its actor knows."""
        slot, user = getattr(event, "slot", 0), getattr(event, "user", None)
        before = self.owner_of.get(slot, ())
        if isinstance(event, SlotConfigured):
            self.owner_of[slot] = (event.config.user,)
        owners = {"slot": (*before, *self.owner_of.get(slot, ()))}
        if topic.kind == "call":
            owners["call"] = (user,)
        return await self.write(topic.subject_for(event), msgspec.json.encode(event), owners)

    async def configured(self, slot: int, user: str | None) -> int:
        config = SlotConfig(id=slot, user=user)
        return await self.say(SLOT_CONFIGURED, SlotConfigured(slot=slot, at=AT, config=config, by="admin"))

    async def dialing(self, call: str, slot: int, user: str, trunk: str | None = None) -> int:
        event = CallDialing(
            line=line_name(slot, trunk), call_id=call, slot=slot, user=user, number=NUMBER, at=AT, mono=1.0, boot="b",
            command_id="k", ring_timeout=60.0, max_duration=60.0, trunk=trunk,
        )  # fmt: skip
        return await self.say(CALL_DIALING, event)

    async def alerting(self, call: str, slot: int, user: str) -> int:
        line = line_name(slot, None)
        event = CallAlerting(line=line, call_id=call, slot=slot, user=user, at=AT, mono=1.0, boot="b", ref="TC@1")
        return await self.say(CALL_ALERTING, event)

    async def ended(self, call: str, slot: int, user: str, trunk: str | None = None) -> int:
        event = CallEnded(
            line=line_name(slot, trunk), call_id=call, slot=slot, user=user, number=NUMBER, at=AT,
            state=CallState.ENDED, reason=EndReason.HANGUP_LOCAL, cause="LOCAL", duration=3, ring_seconds=1,
            start_time=AT, ring_time=None, answer_time=None, trunk=trunk,
        )  # fmt: skip
        return await self.say(CALL_ENDED, event)


async def no_slots(request: Any, context: Context) -> list[Any]:
    return []


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    journal = Journal(MemoryBroker(clock=SystemClock()))
    callers = {"op12": OWN, "op21": OWN, "boss": frozenset(Action)}
    async with serving(journal.broker, {LIST_SLOTS: no_slots}, callers) as journal.point:
        await journal.configured(44, "op12")
        await journal.configured(11, None)
        yield journal


@pytest.fixture
async def gateway(journal: Journal) -> AsyncIterator[InProcess]:
    async with gateway_on(MemoryBus(journal.broker)) as running:
        yield running


async def heard(client: LiveClient, count: int) -> list[dict[str, Any]]:
    """What a client has heard, once it is so much."""

    async def look() -> int:
        return len(client.heard)

    await until(look, lambda seen: seen >= count)
    return client.heard


async def test_runs_of_scripts_are_counted_by_script_and_state(gateway: InProcess, journal: Journal) -> None:
    for number, (script, state) in enumerate([("wifi_on", RunState.FAILED)] * 2 + [("go_home", RunState.STOPPED)]):
        over = RunEnded(
            line="slot-44", script_id=f"gacs_{number}", slot=44, user="op12", script=script, version=1, at=AT,
            state=state, seconds=1.0,
        )  # fmt: skip
        await journal.say(RUN_ENDED, over)
    stopped = 'ottb_script_runs_total{script="go_home",state="stopped"}'
    await until(lambda: gateway.figure(stopped), lambda seen: seen == 1.0)
    assert await gateway.figure('ottb_script_runs_total{script="wifi_on",state="failed"}') == 2.0


async def test_a_slot_is_in_a_call_while_its_phones_call_is(gateway: InProcess, journal: Journal) -> None:
    async with gateway.live("op12", "slots") as client:
        began = await journal.dialing("c_1", 44, "op12")
        await journal.alerting("c_1", 44, "op12")
        over = await journal.ended("c_1", 44, "op12")
        first, second = await heard(client, 2)
    assert first == {
        "event": "slot.update",
        "data": {"slot": 44, "at": AT, "call_id": "c_1", "user": "op12", "change": "booked"},
        "seq": began,
    }
    assert second == {
        "event": "slot.update",
        "data": {"slot": 44, "at": AT, "call_id": None, "change": "released"},
        "seq": over,
    }


async def test_a_trunks_call_says_nothing_of_its_slot(gateway: InProcess, journal: Journal) -> None:
    async with gateway.live("boss", "slots") as slots, gateway.live("boss", "calls") as calls:
        await journal.dialing("c_1", 44, "op12", trunk="main")
        await journal.ended("c_1", 44, "op12", trunk="main")
        await journal.dialing("c_2", 11, "op12")
        assert [said["data"]["call_id"] for said in await heard(calls, 3)] == ["c_1", "c_1", "c_2"]
        assert [said["data"]["call_id"] for said in await heard(slots, 1)] == ["c_2"]


async def test_who_sees_the_slot_and_not_the_call_hears_no_number(gateway: InProcess, journal: Journal) -> None:
    async with (
        gateway.live("op12", "slots", "calls") as owner,
        gateway.live("op21", "slots", "calls") as caller,
        gateway.live("boss", "slots", "calls") as boss,
    ):
        await journal.dialing("c_1", 44, "op21")
        await journal.ended("c_1", 44, "op21")
        await heard(boss, 4)
        await asyncio.sleep(0.05)
    assert [(said["event"], said["data"]["change"]) for said in owner.heard] == [
        ("slot.update", "booked"),
        ("slot.update", "released"),
    ]
    assert NUMBER not in str(owner.heard)
    assert [said["event"] for said in caller.heard] == ["call.update", "call.update"]  # the slot is not theirs
    assert len(boss.heard) == 4


@pytest.mark.parametrize("kept", [10_000, 3, 1])
async def test_who_comes_back_gets_it_in_order_and_once(
    journal: Journal, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory, from the journal, and where one ends and the other begins; also from a gateway that is new."""
    monkeypatch.setattr(history, "KEPT", kept)
    async with gateway_on(MemoryBus(journal.broker)) as gateway:
        expected: dict[str, list[tuple[int, str]]] = {"slots": [], "calls": []}
        for number in range(5):
            seq = await journal.dialing(f"c_{number}", 44, "op12")
            expected["slots"].append((seq, "booked"))
            expected["calls"].append((seq, "dialing"))
            linked = SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE)
            expected["slots"].append((await journal.say(SLOT_LINKED, linked), "linked"))
            expected["calls"].append((await journal.alerting(f"c_{number}", 44, "op12"), "alerting"))
            seq = await journal.ended(f"c_{number}", 44, "op12")
            expected["slots"].append((seq, "released"))
            expected["calls"].append((seq, "ended"))
        async with gateway_on(MemoryBus(journal.broker)) as fresh:
            for door in (gateway, fresh):
                for room, wanted in expected.items():
                    for since in (2, wanted[0][0], wanted[3][0], wanted[-2][0], wanted[-1][0]):
                        left = [one for one in wanted if one[0] > since]
                        async with door.live("op12", room, since=since) as client:
                            said = [(one["seq"], one["data"]["change"]) for one in await heard(client, len(left))]
                            assert said == left, (room, since)


async def test_who_hears_of_operators_and_may_call_is_there(
    gateway: InProcess, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    async def hear(message: Message) -> None:
        said.append(message.subject)

    await journal.bus.subscribe(RENEW_PRESENCE.pattern, hear)
    monkeypatch.setattr(feed, "PRESENCE_PAUSE", 0.05)
    async with (
        gateway_on(MemoryBus(journal.broker)) as quick,
        quick.live("boss", "operators"),
        quick.live("op12", "operators"),  # who may not call
        quick.live("op21", "calls"),
    ):
        await asyncio.sleep(0.3)
    assert len(said) >= 2 and {*said} == {"ottb.v1.cmd.operator.boss.present"}
    before = len(said)
    await asyncio.sleep(0.2)
    assert len(said) == before  # the connection has gone, and nobody speaks for it


async def test_what_is_not_understood_is_skipped(gateway: InProcess, journal: Journal) -> None:
    async with gateway.live("boss", "slots", "calls") as client:
        for subject in (
            "ottb.v1.evt.call.slot-44.c_0.dialing",
            "ottb.v1.evt.call.slot-44.c_0.ended",
            "ottb.v1.evt.slot.44.linked",
            "ottb.v1.evt.slot.44.configured",
            "ottb.v1.evt.slot.x.configured",
        ):
            for data in (b"", b"[]", b'{"slot": "\xff"}', b'{"slot": 44}', b'{"slot": ' + b"[" * 100_000):
                await journal.write(subject, data)
        await journal.bus.publish("ottb.v1.tel.slot.44", b"nonsense", {})
        await journal.dialing("c_1", 11, "op12")
        assert [said["data"]["call_id"] for said in await heard(client, 2)] == ["c_1", "c_1"]
    assert await gateway.figure('ottb_not_understood_total{what="event"}') == 25
    assert await gateway.figure('ottb_not_understood_total{what="slot telemetry"}') == 1
    async with (
        gateway_on(MemoryBus(journal.broker)) as fresh,  # which reads all of it at its start
        fresh.live("op12", "slots", since=2) as client,
        fresh.live("op12", "calls", since=2) as calls,
    ):
        await heard(client, 1)
        await heard(calls, 1)


async def test_a_call_is_counted_when_it_is_heard_and_never_again(gateway: InProcess, journal: Journal) -> None:
    await journal.ended("c_1", 11, "op12")
    over = 'ottb_calls_total{kind="slot",outcome="unanswered",reason="hangup_local"}'
    await until(lambda: gateway.figure(over), lambda count: count == 1.0, 3)
    async with gateway_on(MemoryBus(journal.broker)) as fresh:  # which has heard of nothing
        for _ in range(2):
            async with fresh.live("boss", "calls", since=2) as client:  # and reads it in the journal
                await heard(client, 1)
        assert await fresh.figure(over) == 0.0


async def test_a_trunk_that_is_called_like_a_slot_takes_nothing_from_its_owner(
    gateway: InProcess, journal: Journal
) -> None:
    async with gateway.live("op12", "slots") as owner:
        trunk = TrunkConfig(name="44", endpoint="e", channels=1, calls_per_second=1)
        await journal.say(TRUNK_CONFIGURED, TrunkConfigured(trunk="44", at=AT, config=trunk))
        await journal.dialing("c_1", 44, "op12")
        await heard(owner, 1)


@pytest.mark.parametrize("header", [{}, {"Ottb-Owners": "nonsense"}, {"Ottb-Owners": '{"slot": "op12"}'}])
async def test_an_event_whose_owner_is_not_understood_is_for_who_sees_all(
    gateway: InProcess, journal: Journal, header: dict[str, str]
) -> None:
    linked = SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE)
    subject, data = SLOT_LINKED.subject_for(linked), msgspec.json.encode(linked)
    async with gateway.live("op12", "slots") as owner, gateway.live("boss", "slots") as boss:
        await journal.bus.append(subject, data, {"Nats-Msg-Id": "x", **header}, scope=subject, expect=0)
        await heard(boss, 1)
        await asyncio.sleep(0.05)
    assert owner.heard == []


async def test_a_slot_that_changes_hands_is_heard_of_by_both(
    gateway: InProcess, journal: Journal
) -> None:
    async with gateway.live("op12", "slots") as before, gateway.live("op21", "slots") as after:
        await journal.configured(44, "op21")
        await journal.say(SLOT_LINKED, SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE))
        await heard(after, 2)
        await asyncio.sleep(0.05)
    assert [said["data"]["change"] for said in before.heard] == ["configured"]
    assert [said["data"]["change"] for said in after.heard] == ["configured", "linked"]


async def test_an_end_of_a_session_that_is_not_understood_makes_the_door_ask_again(
    gateway: InProcess, journal: Journal
) -> None:
    assert (await gateway.get("/api/slots"))[0] != 401
    asked = journal.point.asked
    assert (await gateway.get("/api/slots"))[0] != 401
    assert journal.point.asked == asked  # remembered
    await journal.write(f"ottb.v1.evt.point.s1.{SESSION_CLOSED.verb}", b"nonsense")
    await asyncio.sleep(0.05)
    assert (await gateway.get("/api/slots"))[0] != 401
    assert journal.point.asked == asked + 1
    assert await gateway.figure('ottb_not_understood_total{what="change of users"}') == 1


async def test_a_subscription_is_answered_also_when_the_journal_is_away(gateway: InProcess, journal: Journal) -> None:
    async def away(scope: str, *, after: int = 0, gently: bool) -> AsyncIterator[Recorded]:
        raise BusUnavailable("away")
        yield  # makes it a generator

    async def broken(scope: str, *, after: int = 0, gently: bool) -> AsyncIterator[Recorded]:
        raise ValueError("a defect")
        yield

    async with gateway.live("op12") as client:
        for replay, code in ((away, "UNAVAILABLE"), (broken, "INTERNAL")):
            gateway.bus.replay = replay  # type: ignore[method-assign]
            ack = await client.socket.call("subscribe:slots", {"since": 0}, timeout=2)
            assert (ack["error"], ack["code"]) == (True, code)


async def test_a_gateway_stops_soon_although_clients_are_connected(gateway: InProcess) -> None:
    async with gateway.live("op12", "slots") as client, asyncio.timeout(PATIENCE):
        await gateway.listener.stop()
        await client.socket.wait()


async def test_a_client_that_does_not_read_is_cut_off(
    gateway: InProcess, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "SLOWEST", 20)
    monkeypatch.setattr(transports, "CLOSING", 0.1)
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.5)
    async with gateway.live("op12") as client:
        transport = client.socket.eio.ws._response.connection.transport
        await client.socket.call("subscribe:slots")
        transport.pause_reading()
        seen = gateway.feed.server.eio.sockets
        for _ in range(60):
            linked = SlotLinked(slot=44, at=AT, status=SlotStatus.ONLINE, detail="x" * 400_000)
            await journal.say(SLOT_LINKED, linked)
            await asyncio.sleep(0.01)

        async def connected() -> int:
            return len(seen)

        await until(connected, lambda count: count == 0)

        async def open_connections() -> int:
            listening = gateway.listener._runner.server
            assert listening is not None
            return len(listening.connections)

        await until(open_connections, lambda count: count == 0)  # the kernel has ended it
        transport.abort()


async def test_what_goes_wrong_in_a_round_does_not_end_the_rounds(
    gateway: InProcess, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway.live("boss", "slots") as client:
        gateway.feed._figures._waiting["x"] = None  # type: ignore[assignment]  # makes one round fail
        await asyncio.sleep(feed.TELEMETRY_PAUSE + 0.1)
        telemetry = SlotTelemetry(slot=44, at=AT, device=None, android=None, metrics=Metrics(), network=Network())
        await journal.bus.publish(SLOT_TELEMETRY.subject_for(telemetry), msgspec.json.encode(telemetry), {})
        assert (await heard(client, 1))[0]["data"]["change"] == "telemetry"
