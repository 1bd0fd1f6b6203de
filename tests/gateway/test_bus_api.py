"""`Nats-Msg-Id` at the door on the bus: the same id is the same command, and its first answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.runtime.bus import Headers, Message
from actors.runtime.context import Context
from bus_schemas.call import START_CALL, CallStarted, CallState, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import LIST_SLOTS, ListSlots, SlotSummary
from bus_schemas.user import CREATE_TOKEN, CreateToken, LoginKind, TokenCreatedReply
from gateway.bus_api import AT_ONCE_EACH, LINES, REFUSED_EACH, BusApi, _read
from gateway.idempotency import BUCKET, Idempotency
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import EVERYTHING, USER, bus_door_on, serving
from tests.support.site import until

OTHER = "op13"
BUSY = Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=44)
NUMBER = "+380991234567"


class Standing(SystemClock):
    """A second that does not end."""

    def monotonic(self) -> float:
        return 1000.0


class Actors:
    """What the actors do. `refusals`: what they say to the first starts."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        self.tokens: list[str] = []

    async def start(self, request: StartCall, context: Context) -> CallStarted:
        self.starts.append((request.number, context.command_id))
        if self.refusals:
            raise self.refusals.pop(0)
        return CallStarted(call_id=f"c_{len(self.starts)}", slot=44, state=CallState.RING)

    async def token(self, request: CreateToken, context: Context) -> TokenCreatedReply:
        self.tokens.append(context.command_id)
        return TokenCreatedReply(id="t1", name=request.name, token="ottb_st_x", actions=[], expires_at="2027-01-01")


class Client:
    """Other systems, at the door of one gateway."""

    def __init__(self, door: BusApi) -> None:
        self._door = door

    async def ask(
        self, line: str, body: Any, id: str | None = None, user: str = USER, kind: LoginKind = LoginKind.PASSWORD
    ) -> tuple[str, Any]:
        """The error code, or nothing, and the answer. `user`: of a service token, its id."""
        answers: list[tuple[str, Any]] = []

        async def reply(data: bytes, headers: Headers) -> None:
            answers.append((headers.get("Ottb-Error", ""), msgspec.json.decode(data)))

        message = Message(
            subject=f"ottb.v1.own.{user}.{line}", data=msgspec.json.encode(body), reply=reply,
            headers={"Nats-Msg-Id": id} if id else {}, reply_to=f"_INBOX.u.{user}.1",
        )  # fmt: skip
        await self._door._answer(message, kind, user)
        (answer,) = answers
        return answer

    async def start(self, id: str | None, number: str = NUMBER, user: str = USER) -> tuple[str, Any]:
        return await self.ask("cmd.call.start", {"number": number}, id, user)


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
async def actors(broker: MemoryBroker) -> AsyncIterator[Actors]:
    actors = Actors()
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    users = dict.fromkeys((USER, OTHER, "t1", "t2"), EVERYTHING)
    async with serving(broker, {START_CALL: actors.start, CREATE_TOKEN: actors.token}, users):
        yield actors
    await audit.stop()


@pytest.fixture
async def clients(broker: MemoryBroker, actors: Actors) -> list[Client]:
    """At two gateways: any of them may get a repeat."""
    return [Client(bus_door_on(MemoryBus(broker))) for _ in range(2)]


async def test_a_repeat_gets_the_first_answer(clients: list[Client], actors: Actors) -> None:
    answers = [await client.start("z1") for client in clients]
    assert answers == [("", {"call_id": "c_1", "slot": 44, "state": "RING"})] * 2
    assert len(actors.starts) == 1


async def test_a_refused_command_that_comes_again_is_refused_and_not_run(clients: list[Client], actors: Actors) -> None:
    actors.refusals = [BUSY]
    answers = [await client.start("z2") for client in clients]
    assert [code for code, _ in answers] == ["SLOT_BUSY"] * 2
    assert answers[0] == answers[1]
    assert len(actors.starts) == 1


async def test_what_nobody_knows_is_asked_again_under_the_same_id(clients: list[Client], actors: Actors) -> None:
    actors.refusals = [Refusal(ErrorCode.TIMEOUT, "Nobody knows.")]
    assert [(await client.start("z3"))[0] for client in clients] == ["TIMEOUT", ""]
    (_, first), (_, second) = actors.starts
    assert first == second


async def test_an_id_is_good_for_one_command(clients: list[Client], actors: Actors) -> None:
    await clients[0].start("z4")
    for client in clients:
        assert (await client.start("z4", "+380991234568"))[0] == "IDEMPOTENCY_MISMATCH"
        other = await client.ask("cmd.pbx.dial", {"from": "slot_12", "to": NUMBER}, "z4")
        assert other[0] == "IDEMPOTENCY_MISMATCH"
    assert len(actors.starts) == 1


async def test_ids_are_their_users_and_nobody_must_send_one(clients: list[Client], actors: Actors) -> None:
    for id, user in (("z5", USER), ("z5", OTHER), (None, USER), (None, USER)):
        assert (await clients[0].start(id, user=user))[0] == ""
    assert len({command for _, command in actors.starts}) == 4


async def test_actors_know_a_command_by_whose_it_is_and_what_is_asked(clients: list[Client], actors: Actors) -> None:
    """Also where the door has no record, or none any more: else the one's answer would be given to the other."""
    actors.refusals = [Refusal(ErrorCode.TIMEOUT, "Nobody knows.")] * 3
    start = "cmd.call.start", {"number": NUMBER}, "z7"
    await clients[0].ask(*start, user="t1", kind=LoginKind.TOKEN)
    await clients[0].ask(*start, user="t2", kind=LoginKind.TOKEN)
    await clients[0].ask(*start)
    for name in ("crm", "crm2"):
        await clients[0].ask("cmd.token.create", {"name": name, "actions": ["call.view"]}, "z7")
    assert len({*(id for _, id in actors.starts), *actors.tokens}) == 5


async def test_a_key_that_is_shown_once_is_not_kept(
    clients: list[Client], actors: Actors, broker: MemoryBroker
) -> None:
    wanted = {"name": "crm", "actions": ["call.view"]}
    for client in clients:
        assert (await client.ask("cmd.token.create", wanted, "z6"))[0] == ""
    assert len(set(actors.tokens)) == 1
    assert await MemoryBus(broker).get(BUCKET, Idempotency.record_of(USER, "bus", "z6")) is None


async def test_service_tokens_give_a_user_no_more_requests_at_once(broker: MemoryBroker) -> None:
    names, free = [f"t{number}" for number in range(4)], asyncio.Event()
    at_work: list[str] = []

    async def start(request: ListSlots, context: Context) -> list[SlotSummary]:
        at_work.append(context.user)
        await free.wait()
        return []

    users = dict.fromkeys(names, EVERYTHING)
    async with serving(broker, {LIST_SLOTS: start}, users, dict.fromkeys(names, USER)):
        client = Client(bus_door_on(MemoryBus(broker)))
        each = AT_ONCE_EACH // 2
        asked = [
            asyncio.create_task(client.ask("qry.slot.list", {}, user=name, kind=LoginKind.TOKEN))
            for name in names for _ in range(each)
        ]  # fmt: skip
        await until(lambda: asyncio.sleep(0, sum(task.done() for task in asked)), lambda done: done == 2 * each)
        free.set()
        answers = [code for code, _ in await asyncio.gather(*asked)]
        assert answers.count("RATE_LIMITED") == 2 * each and at_work == [USER] * AT_ONCE_EACH
        assert (await client.ask("qry.slot.list", {}, user=names[0], kind=LoginKind.TOKEN))[0] == ""


async def test_requests_of_a_service_token_do_not_keep_its_user_out(broker: MemoryBroker) -> None:
    door, free, answers = bus_door_on(MemoryBus(broker)), asyncio.Event(), list[str]()

    async def listed(request: ListSlots, context: Context) -> list[SlotSummary]:
        await free.wait()
        return []

    async def reply(data: bytes, headers: Headers) -> None:
        answers.append(headers.get("Ottb-Error", ""))

    async def ask(kind: str, name: str, inbox: str) -> None:
        subject, inbox = f"ottb.v1.{kind}.{name}.qry.slot.list", f"{inbox}.{name}.1"
        await door._receive(Message(subject=subject, data=b"{}", reply=reply, reply_to=inbox, headers={}))

    async with serving(broker, {LIST_SLOTS: listed}, {"t1": EVERYTHING, USER: EVERYTHING}, {"t1": USER}):
        for _ in range(AT_ONCE_EACH):
            await ask("token", "t1", "_INBOX.t")
        await until(lambda: asyncio.sleep(0, door._running.total()), lambda running: running == 2 * AT_ONCE_EACH)
        await ask("own", USER, "_INBOX.u")
        await asyncio.sleep(0)
        free.set()
        await door.stop()
    assert answers == [""] * (AT_ONCE_EACH + 1)


async def test_a_digit_that_is_no_number_is_refused(clients: list[Client]) -> None:
    for token in ("\u00b2", "\u0663", "9" * 30, "-1"):
        assert (await clients[0].ask(f"cmd.slot.{token}.restart", {}))[0] == "INVALID_PARAMS", token


async def test_a_name_that_a_body_has_twice_is_refused(clients: list[Client]) -> None:
    body = msgspec.Raw(b'{"number": "+380991230006", "number": "112"}')
    code, refused = await clients[0].ask("cmd.call.start", body)
    assert code == "INVALID_PARAMS" and refused["details"]["field"] == "number"


async def test_a_flood_is_answered_no_faster_than_one_may_ask(broker: MemoryBroker) -> None:
    door, free, refused = bus_door_on(MemoryBus(broker)), asyncio.Event(), 0

    async def listed(request: ListSlots, context: Context) -> list[SlotSummary]:
        await free.wait()
        return []

    async def reply(data: bytes, headers: Headers) -> None:
        nonlocal refused
        refused += headers.get("Ottb-Error") == "RATE_LIMITED"

    async with serving(broker, {LIST_SLOTS: listed}, {USER: EVERYTHING}):
        door._clock = Standing()
        for _ in range(AT_ONCE_EACH + 10 * REFUSED_EACH):
            await door._receive(
                Message(subject=f"ottb.v1.own.{USER}.qry.slot.list", data=b"{}", reply=reply,
                        reply_to=f"_INBOX.u.{USER}.1", headers={})
            )  # fmt: skip
        assert refused == REFUSED_EACH
        free.set()
        await door.stop()


def test_names_of_digits_are_names() -> None:
    """What stands in a subject is read as what it is to be, as in a path."""
    named = [(route.rpc, pattern.groupindex) for pattern, route in LINES if pattern.groupindex]
    wrong = []
    for rpc, fields in named:
        given = dict.fromkeys(fields, "123")
        try:
            request = _read(rpc, given, b"{}")
        except Refusal as refusal:
            wrong += [(rpc.subject, refusal.message)] if any(f"`{name}`" in refusal.message for name in fields) else []
        else:
            wrong += [(rpc.subject, name) for name in fields if str(getattr(request, name)) != "123"]
    print(f"{len(named)} lines with 123 in the subject tried, {len(wrong)} refused for it")
    assert not wrong and any("campaign" in rpc.subject for rpc, _ in named)
