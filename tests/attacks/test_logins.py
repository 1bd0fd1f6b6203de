"""Attacks on the login: on what it costs, on its counts of wrong passwords, and with names that look like others."""

import asyncio
import json
from collections.abc import AsyncIterator

import jwt
import pytest

from actors.adapters.passwords import WAITING, Passwords
from actors.adapters.random_ids import RandomIds
from actors.point.credentials import LINE_OF_ADDRESS
from actors.point.machine import SESSIONS_EACH
from actors.point.settings import Auth
from actors.point.throttle import FREE_TRIES_OF_ACCOUNT, REMEMBERED, Throttle
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import (
    CHANGE_USER,
    CREATE_USER,
    LOGIN,
    SET_ROLE,
    ChangeUser,
    CreateUser,
    Login,
    SessionOpened,
    SetRole,
    UserStatus,
)
from gateway.routes import BODY_LIMIT
from tests.support.attacked import MAKER, PASSWORD, Attacked, attacked_point

ASK = "/api/point/rolecheck?action=call.view"
LATER = "2100-01-01T00:00:00Z"


class Counted(Passwords):
    """Counts what it hashes and checks."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[bool] = []  # whether it was somebody's

    async def check(self, stored: str | None, password: str) -> bool:
        self.work.append(stored is not None)
        return await super().check(stored, password)

    async def hash(self, password: str) -> str:
        self.work.append(True)
        return await super().hash(password)


@pytest.fixture
async def attacked() -> AsyncIterator[Attacked]:
    async with attacked_point(Counted()) as point:
        yield point


def work(attacked: Attacked) -> list[bool]:
    passwords = attacked.point.credentials._passwords
    assert isinstance(passwords, Counted)
    return passwords.work


async def try_login(attacked: Attacked, name: str, password: str, address: str) -> ErrorCode | None:
    """How a login is refused; None: it is not."""
    context = Context(command_id=RandomIds().new(), address=address)
    try:
        await ask(attacked.bus, LOGIN, Login(username=name, password=password), context)
    except Refusal as refusal:
        return refusal.code
    return None


async def test_a_long_password_costs_nothing(attacked: Attacked) -> None:
    admin = await attacked.login()
    before = len(work(attacked))
    asked = 0
    for length in (257, 20_000, 40_000):
        for text in ("x" * length, "é" * length, "\u0344" * length):  # the last one is two characters in NFC
            for path, token, body in (
                ("/api/auth/login", None, {"username": MAKER, "password": text}),
                ("/api/auth/password", admin, {"password": PASSWORD, "new_password": text}),
                ("/api/auth/password", admin, {"password": text, "new_password": PASSWORD}),
                ("/api/users", admin, {"username": "long", "password": text, "role": "operator"}),
            ):
                status, answer = await attacked.ask("POST", path, token, body)
                assert status == (413 if len(json.dumps(body)) > BODY_LIMIT else 400), answer
                asked += 1
    assert len(work(attacked)) == before
    print(f"{asked} passwords of up to 240 KB, 0 hashed")


async def test_no_name_is_refused_sooner_than_another(attacked: Attacked) -> None:
    """Counted, not timed: each refused login does the same work, whether the name is known, unknown or disabled."""
    for name in ("known", "gone"):
        order = CreateUser(username=name, password=PASSWORD, role="operator", must_change_password=False)
        await ask(attacked.bus, CREATE_USER, order, attacked.context)
    await ask(attacked.bus, CHANGE_USER, ChangeUser(user="gone", status=UserStatus.DISABLED), attacked.context)
    for password in ("wrong but long", "wrong with é in it", "e\u0301 in two", "\u00a0blank"):
        found = []
        for name, given in (("known", password), ("unknown", password), ("gone", password)):
            before = len(work(attacked))
            assert await try_login(attacked, name, given, "192.0.2.1") is ErrorCode.AUTH_FAIL
            found.append(len(work(attacked)) - before)
        assert len(set(found)) == 1, found
    before = len(work(attacked))
    assert await try_login(attacked, "gone", PASSWORD, "192.0.2.1") is ErrorCode.AUTH_FAIL  # the right one
    assert len(work(attacked)) == before + 1


async def test_one_address_does_not_fill_the_line_of_logins(attacked: Attacked) -> None:
    many = [try_login(attacked, f"stranger{number}", "a guess", "192.0.2.1") for number in range(2 * WAITING)]
    strangers = asyncio.gather(*many)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [try_login(attacked, MAKER, PASSWORD, f"198.51.100.{number}") for number in range(8)]
    assert await asyncio.gather(*others) == [None] * 8
    refused = await strangers
    assert refused.count(ErrorCode.AUTH_FAIL) <= LINE_OF_ADDRESS
    assert set(refused) == {ErrorCode.AUTH_FAIL, ErrorCode.RATE_LIMITED}
    print(f"{2 * WAITING} logins at once from one address, 0 of 8 others refused")


def test_wrong_passwords_of_many_names_make_nobody_forget_those_of_one() -> None:
    throttle = Throttle()
    for number in range(FREE_TRIES_OF_ACCOUNT + 6):
        throttle.failed("victim", f"192.0.2.{number}", 0.0)
    waits = throttle.wait("victim", "203.0.113.1", 0.0)
    assert waits > 0
    for number in range(REMEMBERED):
        throttle.failed(f"u{number}", f"2001:db8:{number // 30:x}::1", 0.0)
    assert throttle.wait("victim", "203.0.113.1", 0.0) == waits
    print(f"{REMEMBERED} wrong passwords of other names, 0 of one forgotten")


async def test_nobody_gets_a_name_that_differs_from_another_only_in_case(attacked: Attacked) -> None:
    for name in ("Root", "ROOT", "rooT"):
        order = CreateUser(username=name, password=PASSWORD, role="operator")
        with pytest.raises(Refusal) as refused:
            await ask(attacked.bus, CREATE_USER, order, attacked.context)
        assert refused.value.code is ErrorCode.CONFLICT
    for role in ("Admin", "OPERATOR"):
        with pytest.raises(Refusal) as refused:
            await ask(attacked.bus, SET_ROLE, SetRole(role=role, permissions={}), attacked.context)
        assert refused.value.code is ErrorCode.CONFLICT


async def test_one_user_does_not_fill_the_memory_with_sessions(attacked: Attacked) -> None:
    """A program that logs in for each request, or somebody who means it: each session is kept for a week."""
    book = attacked.point.journal.directory
    first = await attacked.login()
    oldest = list(book.sessions)[:-1]
    for number in range(SESSIONS_EACH - len(book.sessions)):
        book.apply(SessionOpened(session=f"s{number}", at=LATER, user=MAKER, address="", expires_at=LATER))
    for _ in range(len(oldest)):
        assert (await attacked.ask("GET", ASK, first))[0] == 200
        await attacked.login()
    assert not book.sessions.keys() & set(oldest)
    last = await attacked.login()
    assert (await attacked.ask("GET", ASK, first))[0] == 401
    assert (await attacked.ask("GET", ASK, last))[0] == 200
    assert len(book.sessions) == SESSIONS_EACH


async def test_no_access_token_outlives_its_session() -> None:
    """Another service that checks the signature alone would go on taking it."""
    async with attacked_point(auth=Auth(session_seconds=100)) as attacked:
        token = await attacked.login()
        session = next(reversed(attacked.point.journal.directory.sessions.values()))
        status, refreshed = await attacked.ask("POST", "/api/auth/refresh", token)
        assert status == 200 and refreshed["expires"] <= 100
        for one in (token, refreshed["token"]):
            expires = jwt.decode(one, options={"verify_signature": False})["exp"]
            assert expires <= parse_utc(session.expires_at).timestamp()
