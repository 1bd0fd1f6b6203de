"""Attacks on POINT: passwords that anybody guesses, and names and passwords whose spelling locks their owner out."""

import unicodedata
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import (
    CHANGE_PASSWORD,
    CHANGE_USER,
    CREATE_USER,
    ChangePassword,
    ChangeUser,
    CreateUser,
)
from tests.support.attacked import PASSWORD, Attacked, attacked_point


@pytest.fixture
async def attacked() -> AsyncIterator[Attacked]:
    async with attacked_point() as point:
        yield point


def wide(text: str) -> str:
    """In full width, as an East Asian keyboard writes it."""
    return "".join(chr(ord(one) + 0xFEE0) for one in text)


GUESSED = ["password", "Password1", "PASSWORD123", "12345678", "iloveyou", "qwertyuiop", "aaaaaaaa", "        ",
           "11111111", "trustno1", "football", "password ", "  Password", "123456789 ", "\u3000qwertyuiop\u00a0",
           wide("password"), wide("PASSWORD1"), wide("12345678"), f"pass{wide('WORD')}", "pass\u200dword",
           "\u24dfassword", f"aaaa{wide('aaaa')}", " a       "]  # fmt: skip


async def test_passwords_that_are_tried_first_are_refused_clearly(attacked: Attacked) -> None:
    for number, password in enumerate(GUESSED):
        order = CreateUser(username=f"guessed{number}", password=password, role="operator")
        with pytest.raises(Refusal) as refused:
            await ask(attacked.bus, CREATE_USER, order, attacked.context)
        assert refused.value.code is ErrorCode.INVALID_PARAMS, password
        assert "password" in refused.value.message.lower()
        with pytest.raises(Refusal):
            change = ChangePassword(password=PASSWORD, new_password=password)
            await ask(attacked.bus, CHANGE_PASSWORD, change, attacked.context)
    for number, password in enumerate(("secure123", "much-better", "correct horse", "пароль-2026")):
        order = CreateUser(username=f"fine{number}", password=password, role="operator")
        await ask(attacked.bus, CREATE_USER, order, attacked.context)
    print(f"{len(GUESSED)} passwords that are tried first, 0 taken")


SPELLINGS = {
    "NFC": unicodedata.normalize("NFC", PASSWORD),
    "NFD": unicodedata.normalize("NFD", PASSWORD),
    "another blank": PASSWORD.replace(" ", "\u00a0"),
}


@pytest.mark.parametrize("set_as", SPELLINGS)
async def test_a_password_is_the_same_from_every_keyboard(attacked: Attacked, set_as: str) -> None:
    order = CreateUser(username="zoe", password=SPELLINGS[set_as], role="operator", must_change_password=False)
    await ask(attacked.bus, CREATE_USER, order, attacked.context)
    for spelling in SPELLINGS.values():
        await attacked.login("zoe", spelling)
    for wrong in ("a long one, Zoe", "A long one, Zoé", " a long one, Zoé", "a long one, Zoé "):
        with pytest.raises(Refusal) as refused:
            await attacked.login("zoe", wrong)
        assert refused.value.code is ErrorCode.AUTH_FAIL
    same = ChangePassword(password=SPELLINGS["NFC"], new_password=SPELLINGS["NFD"])
    await attacked.login("zoe")
    with pytest.raises(Refusal, match="is the old one"):
        await ask(attacked.bus, CHANGE_PASSWORD, same, attacked.context)


@pytest.mark.parametrize("set_as", SPELLINGS)
async def test_a_hash_from_before_passwords_were_prepared_still_logs_in(attacked: Attacked, set_as: str) -> None:
    await attacked.point.seed("old", "placeholder one", "operator")
    book = attacked.point.journal.directory
    stored = await attacked.point.credentials._passwords.hash(SPELLINGS[set_as])  # as it was made then
    change = ChangeUser(user="old", must_change_password=False)
    await ask(attacked.bus, CHANGE_USER, change, attacked.context)
    book.users["old"] = replace(book.users["old"], password_hash=stored)
    await attacked.login("old", SPELLINGS[set_as])


@pytest.mark.parametrize("password", ["ends in a line\n", "has a \x00 inside", "\u200binvisible", "\ue000private-use"])
async def test_a_password_that_cannot_be_typed_again_is_refused(attacked: Attacked, password: str) -> None:
    order = CreateUser(username="typed", password=password, role="operator")
    with pytest.raises(Refusal, match="cannot be seen") as refused:
        await ask(attacked.bus, CREATE_USER, order, attacked.context)
    assert refused.value.code is ErrorCode.INVALID_PARAMS


@pytest.mark.parametrize("name", ["root ", " root", "ro ot", "root\n", "root\u200b", "rооt", "a.b", "*"])
async def test_a_name_that_nobody_can_have_is_said_to_be_one(attacked: Attacked, name: str) -> None:
    status, answer = await attacked.ask("POST", "/api/auth/login", None, {"username": name, "password": PASSWORD})
    assert (status, answer["code"]) == (400, "INVALID_PARAMS")
    assert "user name" in answer["message"] and "blank" in answer["message"]
    assert not attacked.point.credentials._throttle._first_tries  # nor does it fill anything


async def test_a_blank_that_nobody_sees_is_named(attacked: Attacked) -> None:
    admin = await attacked.login()
    user = {"username": "op1 ", "password": "long enough", "role": "operator"}
    for method, path, body, field in (
        ("POST", "/api/users", user, "username"),
        ("POST", "/api/users", user | {"username": "op1", "role": "\u00a0operator"}, "role"),
        ("PATCH", "/api/users/op1%20", {"status": "disabled"}, "user"),
        ("GET", "/api/users?role=operator%20", None, "role"),
        ("POST", "/api/call/start", {"number": "1", "slot": "AUTO "}, "slot"),
    ):
        status, answer = await attacked.ask(method, path, admin, body)
        said = answer["message"]
        assert status == 400 and said.startswith(f"`{field}`: ") and "begins or ends with a blank" in said, answer
    _, answer = await attacked.ask("POST", "/api/users", admin, user | {"username": "op1", " a" * 40: "b "})
    assert "blank" not in answer["message"]  # a name of the client's own is not said again
