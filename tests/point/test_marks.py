"""By what a bus connection was let in: its name no longer fits when that has changed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.point import marks
from actors.point.tokens import mark_of, public_key
from actors.runtime.wire import ask
from bus_schemas.permissions import Action
from bus_schemas.user import (
    CHANGE_USER,
    CREATE_USER,
    DELETE_USER,
    END_SESSIONS,
    REVOKE_TOKEN,
    SET_ROLE,
    ChangeUser,
    CreateUser,
    DeleteUser,
    EndSessions,
    RevokeToken,
    SetRole,
    UserStatus,
)
from tests.support.attacked import KEYS, MAKER, PASSWORD, Attacked, attacked_point

OTHER = "another long one"
NAME = "zoe"
NEW = {"0002": b"n" * 48}

Work = Callable[[Attacked], Awaitable[object]]


def change(**fields: Any) -> Work:
    return lambda attacked: ask(attacked.bus, CHANGE_USER, ChangeUser(user=NAME, **fields), attacked.context)


async def end_sessions(attacked: Attacked) -> None:
    await ask(attacked.bus, END_SESSIONS, EndSessions(user=NAME), attacked.context)


async def set_role(attacked: Attacked) -> None:
    order = SetRole(role="listener", permissions={"OTTB": ["call.view"]})
    await ask(attacked.bus, SET_ROLE, order, attacked.context)


async def recreate(attacked: Attacked) -> None:
    await ask(attacked.bus, DELETE_USER, DeleteUser(user=NAME), attacked.context)
    await create(attacked)


async def drop_key(attacked: Attacked) -> None:
    attacked.point.sessions._keys = NEW


async def create(attacked: Attacked) -> None:
    order = CreateUser(username=NAME, password=PASSWORD, role="listener", must_change_password=False)
    await ask(attacked.bus, CREATE_USER, order, attacked.context)


@pytest.mark.parametrize(
    ("work", "outdated"),
    [
        (change(email="a@example.com"), ""),
        (change(password=OTHER, must_change_password=False), "password session"),
        (change(role="operator"), "password session"),
        (change(must_change_password=True), "password session"),
        (change(status=UserStatus.DISABLED), "password session"),
        (end_sessions, "session"),
        (set_role, "password session"),
        (recreate, "password session"),
        (drop_key, "session"),
    ],
)
async def test_a_connection_is_outdated_when_what_let_it_in_has_changed(work: Work, outdated: str) -> None:
    async with attacked_point() as attacked:
        order = SetRole(role="listener", permissions={"OTTB": ["call.view", "slot.view"]})
        await ask(attacked.bus, SET_ROLE, order, attacked.context)
        await create(attacked)
        context = attacked.context
        token = await attacked.login(NAME)
        attacked.context = context
        point = attacked.point
        names = {
            kind: marks.name_of(await point.sessions.admit_on_bus(NAME, secret, "10.0.0.1"))
            for kind, secret in (("password", PASSWORD), ("session", token))
        }
        assert not point.sessions.outdated(names.values())
        await work(attacked)
        found = point.sessions.outdated(names.values())
        assert sorted(kind for kind, name in names.items() if name in found) == outdated.split()


async def test_a_service_token_that_was_revoked_is_found_by_its_name() -> None:
    async with attacked_point() as attacked:
        id, token = await attacked.program("p", Action.CALL_VIEW)
        name = marks.name_of(await attacked.point.sessions.admit_on_bus("", token, "10.0.0.1"))
        await drop_key(attacked)
        assert not attacked.point.sessions.outdated([name])  # no key has signed it
        await ask(attacked.bus, REVOKE_TOKEN, RevokeToken(token_id=id), attacked.context)
        assert attacked.point.sessions.outdated([name]) == {name}


async def test_a_name_that_does_not_say_by_what_it_was_let_in_is_outdated() -> None:
    async with attacked_point() as attacked:
        session = next(iter(attacked.point.journal.directory.sessions))
        names = [f"{MAKER}/password/{MAKER}", f"{MAKER}/session/{session}", f"{MAKER}/session/{session}/", "x/y/z/"]
        names += [f"{MAKER}/session/{session}/0.{mark_of(public_key(KEYS['0001']))}", f"{MAKER}//{MAKER}/"]
        assert attacked.point.sessions.outdated(names) == set(names)


async def test_the_key_of_another_with_the_same_name_is_another() -> None:
    """Whoever empties the folder after a theft gets the first name again."""
    async with attacked_point() as attacked:
        token = await attacked.login()
        name = marks.name_of(await attacked.point.sessions.admit_on_bus("", token, "10.0.0.1"))
        attacked.point.sessions._keys = {"0001": b"another" * 8}
        assert attacked.point.sessions.outdated([name]) == {name}
