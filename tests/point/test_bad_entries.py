"""One bad entry of the directory costs that entry, and fails closed for whom it names."""

from typing import Any

import msgspec
import pytest

from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.point import Point
from actors.point.settings import Auth
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import (
    CHANGE_USER,
    IDENTIFY,
    LOGIN,
    ChangeUser,
    Identify,
    Identity,
    Login,
    LoginKind,
    TokenCreated,
    UserStatus,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

PASSWORDS = {"admin": "secret-of-admin", "op12": "secret-of-op12", "op13": "secret-of-op13"}
DIRECTORY = "ottb.v1.evt.point.directory"


@pytest.fixture
async def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


async def _point(bus: MemoryBus) -> Point:
    keys = {"0001": b"k" * 48}
    point = Point(bus=bus, clock=SystemClock(), ids=RandomIds(), passwords=Passwords(), keys=keys, auth=Auth())
    await point.start()
    for name, password in PASSWORDS.items() if await bus.last(f"{DIRECTORY}.user_created") is None else ():
        await point.seed(name, password, "admin" if name == "admin" else "operator")
    return point


async def _put(bus: MemoryBus, subject: str, data: bytes) -> int:
    seq = await bus.last_seq()
    return await bus.append(subject, data, {"Nats-Msg-Id": f"put{seq}"}, scope="ottb.v1.evt.>", expect=seq)


async def _login(bus: MemoryBus, name: str) -> str:
    """The session of a fresh login. Raises Refusal."""
    await ask(bus, LOGIN, Login(username=name, password=PASSWORDS[name]), _context())
    last = await bus.last("ottb.v1.evt.point.*.session_opened")
    assert last is not None
    return last.subject.split(".")[4]


async def _identity(bus: MemoryBus, kind: LoginKind, id: str) -> Identity:
    return await ask(bus, IDENTIFY, Identify(kind=kind, id=id), _context(after=await bus.last_seq()))


def _context(**more: Any) -> Context:
    return Context(command_id=RandomIds().new(), address="127.0.0.1", **more)


async def _refused(bus: MemoryBus, kind: LoginKind, id: str) -> bool:
    try:
        await _identity(bus, kind, id)
    except Refusal as refusal:
        assert refusal.code is ErrorCode.AUTH_FAIL
        return True
    return False


NOBODY = [
    (f"{DIRECTORY}.user_changed", b"not JSON"),
    (f"{DIRECTORY}.user_changed", b""),
    (f"{DIRECTORY}.user_changed", b"[" * 100_000),
    (f"{DIRECTORY}.user_changed", b'{"user": "nobody", "status": "FLYING"}'),
    (f"{DIRECTORY}.user_changed", b'{"user": 5}'),
    (f"{DIRECTORY}.role_set", b'{"role": "new", "permissions": 5}'),
    (f"{DIRECTORY}.token_revoked", b"\xff\xfe"),
    (f"{DIRECTORY}.token_created", b'{"token_id": "t1", "at": "", "name": "n", "user": "op12", "actions": [], "proof": '
                                   b'"", "expires_at": "never"}'),
    (f"{DIRECTORY}.user_flew", b"{}"),
    ("ottb.v1.evt.point.s1.session_opened", b'{"session": "s1", "at": "", "user": "op12", "address": "", '
                                            b'"expires_at": "2099-01-01"}'),
    ("ottb.v1.evt.point.s1.session_opened", b"!"),
    ("ottb.v1.evt.point.user_changed", b"{}"),
    ("ottb.v1.evt.point.directory.x.y.user_changed", b"{}"),
    (f"{DIRECTORY}.user_changed", msgspec.json.encode(dict.fromkeys(
        ("user", "at", "role", "email", "password_hash", "by"), "ghost") | {"status": "active",
                                                                            "must_change_password": False})),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "data"), NOBODY)
async def test_an_entry_that_names_nobody_costs_itself(bus: MemoryBus, subject: str, data: bytes) -> None:
    point = await _point(bus)
    session = await _login(bus, "op12")
    await _put(bus, subject, data)
    for _ in range(2):  # while it runs, and after a restart
        assert (await _identity(bus, LoginKind.SESSION, session)).user == "op12"
        await _login(bus, "op13")
        [problem] = point.problems()
        assert problem.kind == "point" and (subject in problem.reason or problem.id == "kind user_flew")
        await point.stop()
        point = await _point(bus)
    await point.stop()


async def _change(bus: MemoryBus, session: str, order: ChangeUser) -> None:
    context = _context(user="admin", credential=f"session:{session}", actions=frozenset(map(str, Action)))
    await ask(bus, CHANGE_USER, order, context)


@pytest.mark.parametrize("past", ["user_changed", "user_deleted", "sessions_ended"])
async def test_it_fails_closed_for_the_user_it_names(bus: MemoryBus, past: str) -> None:
    point = await _point(bus)
    admin, mine, others = [await _login(bus, name) for name in ("admin", "op12", "op13")]
    seq = await _put(bus, f"{DIRECTORY}.{past}", b'{"user": "op12", "at": 5}')
    for _ in range(2):
        assert await _refused(bus, LoginKind.SESSION, mine)
        if past != "sessions_ended":
            assert await _refused(bus, LoginKind.PASSWORD, "op12")
            with pytest.raises(Refusal):
                await _login(bus, "op12")
        assert (await _identity(bus, LoginKind.SESSION, others)).user == "op13"
        [problem] = point.problems()
        assert problem.id == f"entry {seq}" and "op12" in problem.reason
        assert "$argon2" not in problem.reason
        await point.stop()
        point = await _point(bus)
    if past == "user_changed":  # a readable entry sets it right
        await _change(bus, admin, ChangeUser(user="op12", status=UserStatus.ACTIVE))
        await _login(bus, "op12")
    await point.stop()


async def test_it_fails_closed_for_the_role_the_token_and_the_session_it_names(bus: MemoryBus) -> None:
    point = await _point(bus)
    session = await _login(bus, "op12")
    token = TokenCreated(
        token_id="t1", at="", name="n", user="admin", actions=["slot.view"], proof="", expires_at="2099-01-01T00:00:00Z"
    )
    await _put(bus, f"{DIRECTORY}.token_created", msgspec.json.encode(token))
    assert (await _identity(bus, LoginKind.TOKEN, "t1")).actions == ["slot.view"]
    await _put(bus, f"{DIRECTORY}.token_revoked", b'{"token_id": "t1"}')
    assert await _refused(bus, LoginKind.TOKEN, "t1")
    assert (await _identity(bus, LoginKind.SESSION, session)).actions
    await _put(bus, f"{DIRECTORY}.role_set", b'{"role": "operator", "by": "admin", "permissions": {"call": {}}}')
    assert (await _identity(bus, LoginKind.SESSION, session)).actions == []
    await _put(bus, f"ottb.v1.evt.point.{session}.session_refreshed", b"{}")
    assert await _refused(bus, LoginKind.SESSION, session)
    await point.stop()
    point = await _point(bus)  # nothing of it comes back with a restart
    assert await _refused(bus, LoginKind.TOKEN, "t1") and await _refused(bus, LoginKind.SESSION, session)
    assert (await _identity(bus, LoginKind.SESSION, await _login(bus, "op12"))).actions == []
    await point.stop()


async def test_a_built_in_role_as_the_product_wrote_it_is_written_anew(bus: MemoryBus) -> None:
    point = await _point(bus)
    before = (await _identity(bus, LoginKind.PASSWORD, "admin")).actions
    await _put(bus, f"{DIRECTORY}.role_set", b'{"role": "admin", "by": "system", "permissions": []}')
    assert (await _identity(bus, LoginKind.PASSWORD, "admin")).actions == []
    await point.stop()
    point = await _point(bus)
    assert (await _identity(bus, LoginKind.PASSWORD, "admin")).actions == before
    await point.stop()
