"""`Ottb-Fresh`: said of a command that nobody can have sent before, and never a second time."""

from collections.abc import AsyncIterator

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.runtime.bus import Headers, Message, NoResponders
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.call import END_CALL, START_CALL, CallStarted, CallState, CallView, EndCall, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import LoginKind
from gateway.idempotency import BUCKET, Idempotency
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, InProcess, bus_door_on, gateway_on, serving

HEADER = "Ottb-Fresh"
STARTED = CallStarted(call_id="c_1", slot=44, state=CallState.RING)


class Heard(list[Context]):
    """The contexts of the starts that an actor heard. `refusals`: what it says to the first ones."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    async def start(self, request: StartCall, context: Context) -> CallStarted:
        self.append(context)
        if self.refusals:
            raise self.refusals.pop(0)
        return STARTED


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
async def heard(broker: MemoryBroker) -> AsyncIterator[Heard]:
    heard = Heard()
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    async with serving(broker, {START_CALL: heard.start}):
        yield heard
    await audit.stop()


@pytest.fixture
async def gateway(broker: MemoryBroker, heard: Heard) -> AsyncIterator[InProcess]:
    async with gateway_on(MemoryBus(broker)) as running:
        yield running


@pytest.mark.parametrize("fresh", [True, False])
def test_it_travels_in_a_header(fresh: bool) -> None:
    headers = Context(command_id="a", fresh=fresh).headers()
    assert headers.get(HEADER) == ("1" if fresh else None)
    assert Context.from_headers(headers).fresh is fresh


async def test_a_request_without_a_key_is_fresh_once(gateway: InProcess, heard: Heard) -> None:
    heard.refusals = [Refusal(ErrorCode.UNAVAILABLE, "Not now.")]
    assert (await gateway.post("/api/call/start", {"number": "+380991234567"}))[0] == 201
    assert [context.fresh for context in heard] == [True, False]  # the second may find what the first did
    assert heard[0].command_id == heard[1].command_id


async def test_a_request_with_a_key_is_not(gateway: InProcess, heard: Heard) -> None:
    answer = await gateway.post("/api/call/start", {"number": "+380991234567"}, **{"Idempotency-Key": "k"})
    assert answer[0] == 201
    assert [context.fresh for context in heard] == [False]


async def test_a_command_of_the_bus_is_not(broker: MemoryBroker, heard: Heard) -> None:
    door = bus_door_on(MemoryBus(broker))
    message = Message(subject=f"ottb.v1.own.{USER}.cmd.call.start", data=b'{"number": "+380991234567"}', headers={})
    for headers in ({}, {"Nats-Msg-Id": "mine"}, {"Nats-Msg-Id": "next", HEADER: "1"}):
        message = Message(subject=message.subject, data=message.data, headers=headers, reply_to=f"_INBOX.u.{USER}.1")
        await door._carry_out(message, await door._authenticator.identify(LoginKind.PASSWORD, USER))
    assert [context.fresh for context in heard] == [False] * 3


async def test_who_stands_in_for_an_absent_owner_is_not_told_that_it_is_fresh() -> None:
    sent: list[tuple[str, bool]] = []

    class Absent(MemoryBus):
        async def request(
            self, subject: str, data: bytes, headers: Headers, *, timeout: float, again: float | None = None
        ) -> Message:
            sent.append((subject, HEADER in headers))
            if len(sent) < 4:
                raise NoResponders(subject)
            raise AssertionError("enough")

    bus = Absent(MemoryBroker(clock=SystemClock()))
    with pytest.raises(AssertionError, match="enough"):
        await ask(bus, END_CALL, EndCall(call_id="c1"), Context(command_id="a", fresh=True))
    assert END_CALL.reply is CallView
    assert [fresh for _, fresh in sent] == [True, False, False, False]


async def test_a_key_whose_record_is_gone_stands_for_its_body_all_the_same(
    gateway: InProcess, heard: Heard, broker: MemoryBroker
) -> None:
    """Actors remember ids for longer than the door does: another number must not get the old call's answer."""
    record = Idempotency.record_of(f"token:{USER}", "POST /api/call/start", "k")
    for number in ("+380991234567", "+380991234568", "+380991234567"):
        await gateway.post("/api/call/start", {"number": number}, **{"Idempotency-Key": "k"})
        del broker.values[f"{BUCKET}/{record}"]  # its day is over
    first, other, again = [context.command_id for context in heard]
    assert first == again != other
