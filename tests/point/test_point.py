import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from msgspec import structs

from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.point import Point
from actors.point.settings import Auth
from actors.point.throttle import FREE_TRIES, LONGEST, REMEMBERED, Throttle
from actors.point.tokens import LEEWAY, Claims, TokenRefused, public_key, read_access, write_access
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import (
    CHANGE_PASSWORD,
    CREATE_USER,
    IDENTIFY,
    LOGIN,
    LOGOUT,
    REFRESH,
    ChangePassword,
    CreateUser,
    Identify,
    Login,
    LoginKind,
    Logout,
    Refresh,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

ALL = frozenset(map(str, Action))
KEYS = {"0001": b"k" * 48}
PUBLIC = {name: public_key(secret) for name, secret in KEYS.items()}


@pytest.fixture
async def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


async def _point(bus: MemoryBus) -> Point:
    point = Point(bus=bus, clock=SystemClock(), ids=RandomIds(), passwords=Passwords(), keys=KEYS, auth=Auth())
    await point.start()
    return point


@pytest.fixture
async def point(bus: MemoryBus) -> AsyncIterator[Point]:
    point = await _point(bus)
    assert await point.seed("op12", "1234", "operator")
    assert not await point.seed("op12", "other", "admin")
    yield point
    await point.stop()


def _context(**more: Any) -> Context:
    return Context(command_id=RandomIds().new(), address="127.0.0.1", **more)


async def test_a_host_knows_whether_it_has_read_all_that_is_on_record() -> None:
    broker, go = MemoryBroker(clock=SystemClock()), asyncio.Event()

    async def step(name: str) -> None:
        if name.startswith("before hearing"):
            await go.wait()

    slow = MemoryBus(broker, step=step)
    point, other = await _point(MemoryBus(broker)), await _point(slow)
    assert await other.journal.is_current(0.0)
    await point.seed("op13", "1234", "operator")
    assert await point.journal.is_current(0.0) and not await other.journal.is_current(0.1)
    asyncio.get_running_loop().call_later(0.1, go.set)
    assert await other.journal.is_current(5.0) and "op13" in other.journal.directory.users
    broker.cut(slow, notice=0.0)
    assert not await other.journal.is_current(0.1)  # nobody says so
    await point.stop()
    await other.stop()


async def test_a_session_lives_from_login_to_logout(bus: MemoryBus, point: Point) -> None:
    token = await ask(bus, LOGIN, Login(username="op12", password="1234"), _context())
    claims = read_access(token.token, PUBLIC, time.time())
    assert (claims.user, claims.role, claims.expires - claims.issued) == ("op12", "operator", 3600)
    session = await ask(bus, IDENTIFY, Identify(kind=LoginKind.SESSION, id=claims.session), _context())
    assert "call.start" in session.actions and "slot.shell" not in session.actions
    inside = _context(user="op12", credential=f"session:{claims.session}")
    refreshed = await ask(bus, REFRESH, Refresh(), inside)
    assert read_access(refreshed.token, PUBLIC, time.time()).session == claims.session
    await ask(bus, LOGOUT, Logout(), inside)
    for rpc, request in ((IDENTIFY, Identify(kind=LoginKind.SESSION, id=claims.session)), (REFRESH, Refresh())):
        with pytest.raises(Refusal) as refused:
            await ask(bus, rpc, request, inside)  # type: ignore[arg-type]
        assert refused.value.code is ErrorCode.AUTH_FAIL


async def test_two_hosts_agree_and_a_restart_forgets_nothing(bus: MemoryBus, point: Point) -> None:
    token = await ask(bus, LOGIN, Login(username="op12", password="1234"), _context())
    await point.stop()
    second = await _point(bus)
    claims = read_access(token.token, PUBLIC, time.time())
    session = await ask(bus, IDENTIFY, Identify(kind=LoginKind.SESSION, id=claims.session), _context())
    assert session.user == "op12"
    await second.stop()


async def test_no_password_is_in_the_journal(bus: MemoryBus, point: Point) -> None:
    await ask(bus, LOGIN, Login(username="op12", password="1234"), _context())
    assert all(b'"1234"' not in entry.data for entry in bus._broker.journal)


async def test_what_may_be_done_is_not_told_as_refused(bus: MemoryBus, point: Point) -> None:
    """A change whose acknowledgement was lost stands. Asked again on its own it would be told as a conflict, or as a
    wrong password, and be one more refusal on the audit."""
    assert await point.seed("boss", "1234", "admin")
    boss = await ask(bus, LOGIN, Login(username="boss", password="1234"), _context())
    session = read_access(boss.token, PUBLIC, time.time()).session
    admin = _context(user="boss", actions=ALL, credential=f"session:{session}")
    new = CreateUser(username="op13", password="a long one 12", role="operator", must_change_password=False)
    login = Login(username="op13", password="a long one 12")
    lost = iter([True])
    bus._broker.lose_ack = lambda: next(lost, False)
    with pytest.raises(Refusal) as refused:
        await ask(bus, CREATE_USER, new, admin)
    assert refused.value.code is ErrorCode.TIMEOUT, refused.value
    token = await ask(bus, LOGIN, login, _context())
    session = read_access(token.token, PUBLIC, time.time()).session
    own = _context(user="op13", credential=f"session:{session}")
    lost = iter([True])
    with pytest.raises(Refusal) as refused:
        await ask(bus, CHANGE_PASSWORD, ChangePassword(password="a long one 12", new_password="a long one 13"), own)
    assert refused.value.code is ErrorCode.TIMEOUT, refused.value
    await ask(bus, LOGIN, Login(username="op13", password="a long one 13"), _context())


def test_waiting_grows_for_the_guesser_and_not_for_the_owner_elsewhere() -> None:
    throttle = Throttle()
    for _ in range(FREE_TRIES):
        assert throttle.wait("op12", "evil", 0.0) == 0
        throttle.failed("op12", "evil", 0.0)
    waits = []
    now = 0.0
    for _ in range(10):
        waits.append(throttle.wait("op12", "evil", now))
        now += waits[-1]
        throttle.failed("op12", "evil", now)
    assert waits == sorted(waits) and waits[-1] == LONGEST
    assert throttle.wait("op12", "home", now) == 0
    throttle.succeeded("op12", "evil")
    for number in range(2 * REMEMBERED):
        throttle.failed(f"u{number}", "flood", now)
    assert len(throttle._first_tries) <= REMEMBERED


def test_a_token_is_for_one_key_and_one_type() -> None:
    claims = Claims(user="a", session="s", role="r", token_id="t", issued=1, expires=2**31)
    token = write_access(claims, KEYS)
    assert read_access(token, PUBLIC, 2.0) == structs.replace(claims, key="0001")
    for keys in ({}, {"0001": public_key(b"x" * 48)}, {"0002": PUBLIC["0001"]}):
        with pytest.raises(TokenRefused):
            read_access(token, keys, 2.0)


@pytest.mark.parametrize(
    ("issued", "expires", "good"),
    [(0, 1, True), (0, 0, False), (0, -1, False), (1, 60, True), (LEEWAY, 60, True), (LEEWAY + 1, 60, False)],
)
def test_another_clock_may_be_ahead_in_saying_since_when_but_not_until_when(
    issued: float, expires: float, good: bool
) -> None:
    now = 1_000_000
    claims = Claims(user="a", session="s", role="r", token_id="t", issued=int(now + issued), expires=int(now + expires))
    token = write_access(claims, KEYS)
    with nullcontext() if good else pytest.raises(TokenRefused):
        assert read_access(token, PUBLIC, now).user == "a"
