"""A login on the bus while what its user may do changes: no connection keeps what it may do no more."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.point import bus_audience, bus_login, callout
from actors.point.bus_audience import BusAudienceTeller
from actors.point.bus_audit import BusAudit
from actors.point.bus_limits import Client, Meter
from actors.point.bus_login import CONNECTIONS, QUESTIONS, BusLogin
from actors.point.settings import BusLimits
from actors.runtime.audience import Audience
from actors.runtime.bus import Message, RequestTimeout
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import Identity, LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.site import until

SEED = callout.new_seed()
SERVER = "N1"


def identity(*actions: str) -> Identity:
    return Identity(kind=LoginKind.PASSWORD, id="op1", user="op1", role="r", actions=list(actions), expires_at=None)


def question() -> bytes:
    asked = {
        "connect_opts": {"user": "op1", "pass": "x"}, "client_info": {"host": "10.0.0.1"}, "user_nkey": "U1",
        "server_id": {"id": SERVER},
    }  # fmt: skip
    return callout._sign({"nats": asked}, SEED, 0)


def said(answer: bytes) -> Any:
    """The claims of a token."""
    return msgspec.json.decode(callout._bytes(answer.decode().split(".")[1]))["nats"]


async def nothing() -> dict[Client, int]:
    return {}


class Server:
    """What a nats-server says of itself: its connections, as the test has put them there, until they are kicked."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.bus = MemoryBus(broker)
        self.connections: dict[int, str] = {}
        self.kicked: list[int] = []
        self.cluster = ""

    async def start(self) -> None:
        await self.bus.subscribe(CONNECTIONS, self._list)
        await self.bus.subscribe(f"$SYS.REQ.SERVER.{SERVER}.KICK", self._kick)

    async def say(self, verb: str, account: str, cid: int, name: str) -> None:
        """A connection has come or gone."""
        event = {"server": {"id": SERVER}, "client": {"id": cid, "acc": account, "user": name}}
        await self.bus.publish(f"$SYS.ACCOUNT.{account}.{verb}", msgspec.json.encode(event), {})

    async def _list(self, message: Message) -> None:
        listed = [{"cid": cid, "authorized_user": name} for cid, name in self.connections.items()]
        assert message.reply is not None
        server = {"id": SERVER, "cluster": self.cluster}
        await message.reply(msgspec.json.encode({"server": server, "data": {"connections": listed}}), {})

    async def _kick(self, message: Message) -> None:
        cid = msgspec.json.decode(message.data)["cid"]
        self.kicked.append(cid)
        self.connections.pop(cid, None)
        assert message.reply is not None
        await message.reply(b"{}", {})


class Door:
    """POINT's door with an `admit` that a test replaces."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.server = Server(broker)
        self.admit: Callable[[], Any] = lambda: identity("call.view")
        self.asked = 0
        self.outdated: set[str] = set()
        self.behind = False
        self._bus = MemoryBus(broker)
        self.audience = Audience(bus=MemoryBus(broker), clock=SystemClock())
        audit = BusAudit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
        self.login = BusLogin(
            auth=self._bus, sys=self._bus, admit=self._admit, outdated=self.outdated.intersection,
            is_current=self._is_current, known=lambda name: True, seed=SEED, clock=SystemClock(), audit=audit,
            meter=Meter(BusLimits()), received=nothing,
            audience=BusAudienceTeller(bus=MemoryBus(broker), clock=SystemClock(), sender="p1"),
        )  # fmt: skip

    async def _admit(self, name: str, secret: str, address: str) -> Identity:
        self.asked += 1
        found = self.admit()
        return await found if asyncio.iscoroutine(found) else found  # type: ignore[no-any-return]

    async def _is_current(self, patience: float) -> bool:
        return not self.behind

    async def ask(self, patience: float = 5.0) -> Any:
        answered = await self._bus.request(QUESTIONS, question(), {}, timeout=patience)
        return said(answered.data)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    broker = MemoryBroker(clock=SystemClock())
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    door = Door(broker)
    await door.server.start()
    await door.audience.start()
    await door.login.start()
    yield door
    await door.login.stop()
    await audit.stop()


def granted(answer: Any) -> list[str]:
    return said(answer["jwt"].encode())["sub"]["allow"]  # type: ignore[no-any-return]


async def test_who_changes_while_the_password_is_checked_is_asked_again(door: Door) -> None:
    checking, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> Identity:
        before = identity("call.view", "call.view.any") if door.asked == 1 else identity("call.view")
        checking.set()
        await go.wait()
        return before

    door.admit = slowly
    asking = asyncio.get_running_loop().create_task(door.ask())
    await checking.wait()
    await door.login.void(user="op1", session=None, token=None)
    go.set()
    assert "ottb.v1.evt.call.>" not in granted(await asking) and door.asked == 2


async def test_who_may_no_more_while_the_login_is_put_on_the_audit_is_refused(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go = asyncio.Event(), asyncio.Event()
    write = BusAudit._write

    async def slowly(self: BusAudit, request: Any) -> None:
        writing.set()
        await go.wait()
        await write(self, request)

    def now_refused() -> Identity:
        raise Refusal(ErrorCode.AUTH_FAIL, "Not active.")

    monkeypatch.setattr(BusAudit, "_write", slowly)
    asking = asyncio.get_running_loop().create_task(door.ask())
    await writing.wait()
    door.admit = now_refused
    await door.login.void(user="op1", session=None, token=None)
    go.set()
    assert (await asking).get("error")


async def test_a_connection_that_is_listed_late_is_cut_all_the_same(door: Door) -> None:
    assert granted(await door.ask())
    await door.login.void(user="op1", session=None, token=None)
    assert not door.server.kicked
    door.server.connections = {7: "op1/password/op1/", 8: "op2/password/op2/"}
    await until(lambda: asyncio.sleep(0, door.server.kicked), bool)
    assert door.server.kicked == [7]


async def test_what_others_may_do_makes_nobody_ask_twice(door: Door) -> None:
    checking, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> Identity:
        checking.set()
        await go.wait()
        return identity("call.view")

    door.admit = slowly
    door.server.connections = {7: "op1/password/op1/"}
    asking = asyncio.get_running_loop().create_task(door.ask())
    await checking.wait()
    await door.login.void(user="op2", session="s9", token=None)
    go.set()
    assert granted(await asking)
    await door.login.void(user="op2", session="s9", token=None)
    await asyncio.sleep(0.8)  # longer than it takes to settle
    assert door.asked == 1 and not door.server.kicked


async def test_what_would_not_be_let_in_now_goes_in_a_second_after_a_failed_cut(door: Door) -> None:
    door.server.connections = {7: "op1/password/op1/old", 8: "op2/password/op2/new"}
    await asyncio.sleep(0.1)
    door.outdated.add("op1/password/op1/old")
    await until(lambda: asyncio.sleep(0, door.server.kicked), bool, 1.0)
    door.server.connections[9] = "op1/password/op1/old"
    await until(lambda: asyncio.sleep(0, door.server.kicked[1:]), bool, 1.0)
    assert door.server.kicked == [7, 9]


async def test_a_host_that_is_behind_cuts_nobody_whom_it_does_not_know_yet(door: Door) -> None:
    """It was away, and another one has let them in."""
    door.behind = True
    door.outdated.add("op1/password/op1/new")
    door.server.connections = {7: "op1/password/op1/new"}
    await asyncio.sleep(1.6)  # six looks
    door.outdated.clear()
    door.behind = False
    await asyncio.sleep(0.6)
    assert not door.server.kicked
    door.outdated.add("op1/password/op1/new")
    await until(lambda: asyncio.sleep(0, door.server.kicked), bool, 1.0)


async def test_a_host_that_is_behind_refuses_nobody(door: Door) -> None:
    def unknown() -> Identity:
        raise Refusal(ErrorCode.AUTH_FAIL, "Nobody of this name.")

    door.admit, door.behind = unknown, True
    with pytest.raises(RequestTimeout):
        await door.ask(0.5)
    door.behind = False
    assert (await door.ask()).get("error")


@pytest.mark.parametrize(
    ("account", "type", "reason", "uncounted"),
    [
        (callout.ACCOUNT, "nats", "Client Closed", 0), (callout.ACCOUNT, "nats", "Read Error", 0),
        (callout.ACCOUNT, "nats", "Protocol Violation", 1), (callout.ACCOUNT, "websocket", "Client Closed", 1),
        (callout.ACCOUNT, "websocket", "Kicked", 0), (callout.ACCOUNT, "websocket", "Server Shutdown", 0),
        ("$G", "nats", "Authentication Failure", math.inf),
    ],
)  # fmt: skip
def test_which_ends_may_hide_what_was_sent_last(account: str, type: str, reason: str, uncounted: float) -> None:
    said = {"server": {"id": SERVER}, "client": {"id": 1, "acc": account, "client_type": type}, "reason": reason}
    assert msgspec.convert(said, bus_login._Event).uncounted == uncounted


async def test_who_ends_a_connection_by_a_wrong_login_is_cut_and_nobody_else(door: Door) -> None:
    """The server says its end elsewhere, under the name that the client has claimed."""
    door.server.connections = {8: "op1/password/op1/a", 9: "op2/password/op2/b"}
    await door.server.say("CONNECT", "$G", 6, "op2/password/op2/b")
    await door.server.say("CONNECT", callout.ACCOUNT, 7, "op1/password/op1/a")
    for cid in (6, 7):
        await door.server.say("DISCONNECT", "$G", cid, "op2/password/op2/b")
    await until(lambda: asyncio.sleep(0, door.server.kicked), bool)
    await asyncio.sleep(0.6)  # two looks more
    assert door.server.kicked == [8]
    with pytest.raises(RequestTimeout):
        await door.ask(0.5)


async def test_hosts_know_of_a_login_before_it_is_answered(door: Door) -> None:
    door.server.connections = {8: "op2/password/op2/"}
    await until(lambda: asyncio.sleep(0, door.audience.may_hear("op1")), lambda heard: not heard)
    assert door.audience.may_hear("op2") and door.audience.may_hear(None)
    assert granted(await door.ask())
    assert door.audience.may_hear("op1")  # no list of the server's has it yet
    door.server.connections.clear()
    await until(lambda: asyncio.sleep(0, door.audience.may_hear("op2")), lambda heard: not heard)
    assert door.audience.may_hear("op1")  # let in a moment ago: it may be listed late


async def test_where_servers_are_several_everybody_is_told(door: Door) -> None:
    door.server.cluster = "site"
    await asyncio.sleep(3 * bus_login.LOOK)
    assert door.audience.may_hear("op1") and door.audience.may_hear(None)


async def test_who_is_let_in_while_hosts_cannot_be_told_is_refused(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_audience, "HEARD_WITHIN", 0.0)
    await until(lambda: asyncio.sleep(0, door.audience.may_hear("op1")), lambda heard: not heard)
    assert (await door.ask()).get("error")
