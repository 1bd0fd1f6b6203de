"""Attacks on POINT: a service token that does more than its scope says, and tokens that outlive what should have ended
them."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.runtime.wire import ask
from bus_schemas.permissions import Access, Action
from bus_schemas.user import (
    CHANGE_USER,
    CREATE_USER,
    IDENTIFY,
    LOGOUT,
    REVOKE_TOKEN,
    ChangeUser,
    CreateUser,
    Identify,
    LoginKind,
    Logout,
    RevokeToken,
)
from gateway.routes import Part
from gateway.surface import ROUTES
from tests.support.attacked import MAKER, PASSWORD, Attacked, attacked_point

A = Action


@pytest.fixture
async def attacked() -> AsyncIterator[Attacked]:
    async with attacked_point() as point:
        yield point


# What each action allows a service token to do to its maker; with any other one alone it can do nothing of it.
SAYS = {
    "list the maker's tokens": {A.TOKEN_CREATE, A.USER_VIEW},
    "ask what a token is worth": {A.TOKEN_INTROSPECT},
    "list users": {A.USER_VIEW},
    "list roles": {A.ROLE_VIEW},
}


async def test_a_service_token_manages_nothing_that_its_scope_does_not_say(attacked: Attacked) -> None:
    victim, stolen = await attacked.program("victim", A.CALL_VIEW, A.SLOT_VIEW)
    deeds: dict[str, tuple[str, str, Any]] = {
        "revoke the maker's other token": ("DELETE", f"/api/tokens/{victim}", None),
        "list the maker's tokens": ("GET", "/api/tokens", None),
        "make a token": ("POST", "/api/tokens", {"name": "more", "actions": ["call.view"]}),
        "change the maker's password": (
            "POST", "/api/auth/password", {"password": PASSWORD, "new_password": "taken over"},
        ),
        "set the maker's password": ("PATCH", f"/api/users/{MAKER}", {"password": "taken over"}),
        "log the maker out": ("POST", "/api/auth/logout", {}),
        "log the maker out everywhere": ("POST", "/api/auth/logout", {"everywhere": True}),
        "end the maker's sessions": ("POST", f"/api/users/{MAKER}/logout", {}),
        "get an access token": ("POST", "/api/auth/refresh", {}),
        "make a user": ("POST", "/api/users", {"username": "mole", "password": "a long one", "role": "operator"}),
        "list users": ("GET", "/api/users", None),
        "list roles": ("GET", "/api/roles", None),
        "change a role": ("POST", "/api/roles/mole", {"permissions": {"OTTB": ["read"]}}),
        "ask what a token is worth": ("POST", "/api/auth/introspect", {"token": stolen}),
    }  # fmt: skip
    tried, wrong = 0, []
    for action in Action:
        id, token = await attacked.program(f"only {action}", action)
        before = attacked.decided()
        for deed, (method, path, body) in deeds.items():
            status, answer = await attacked.ask(method, path, token, body)
            allowed = action in SAYS.get(deed, set())
            if (status < 300) != allowed or status == 401 or status >= 500 or attacked.decided() != before:
                wrong.append((action, deed, status, answer))
                before = attacked.decided()
            tried += 1
        await ask(attacked.bus, REVOKE_TOKEN, RevokeToken(token_id=id), attacked.context)
    assert not wrong
    assert (await attacked.ask("GET", "/api/tokens", stolen))[0] == 403
    print(f"{tried} deeds of service tokens with one action each, 0 beyond their scope")


async def test_what_the_scope_says_a_service_token_may_do_within_its_own_rights(attacked: Attacked) -> None:
    small, _ = await attacked.program("small", A.CALL_VIEW)
    large, _ = await attacked.program("large", A.CALL_VIEW, A.SLOT_SHELL)
    _, token = await attacked.program("keeper", A.TOKEN_CREATE, A.CALL_VIEW)
    assert (await attacked.ask("DELETE", f"/api/tokens/{large}", token))[0] == 403  # it may do more than its keeper
    assert (await attacked.ask("DELETE", f"/api/tokens/{small}", token))[0] == 200
    assert (await attacked.ask("DELETE", "/api/tokens/absent", token))[0] == 404


async def test_a_token_that_manages_users_does_not_manage_its_maker(attacked: Attacked) -> None:
    """With everything that its maker holds it may manage others, and neither becomes its maker nor locks them out."""
    ready = CreateUser(username="other", password=PASSWORD, role="operator", must_change_password=False)
    await ask(attacked.bus, CREATE_USER, ready, attacked.context)
    small, _ = await attacked.program("small", A.CALL_VIEW)
    _, everything = await attacked.program("everything", *Action)
    _, editor = await attacked.program("editor", *(set(Action) - {A.TOKEN_CREATE}))
    changes: list[dict[str, Any]] = [
        {"password": "taken over"}, {"must_change_password": True}, {"email": "mole@example.com"}, {"end_tokens": True},
    ]  # fmt: skip
    deeds: list[tuple[str, str, Any]] = [
        *(("PATCH", f"/api/users/{MAKER}", body) for body in changes),
        ("POST", f"/api/users/{MAKER}/logout", {}),
        ("POST", f"/api/users/{MAKER}/logout", {"end_tokens": True}),
        ("DELETE", f"/api/users/{MAKER}", None),
    ]
    own, before = await attacked.login(), attacked.decided()
    heard = [(await attacked.ask(*deed[:2], everything, deed[2]))[0] for deed in deeds]
    heard.append((await attacked.ask("DELETE", f"/api/tokens/{small}", editor))[0])
    print(f"{len(heard)} deeds of service tokens on their maker: {heard}")
    assert heard == [403] * len(heard) and attacked.decided() == before
    made = await attacked.ask("POST", "/api/tokens", everything, {"name": "x", "actions": ["call.view"]})
    assert made[0] == 409
    assert (await attacked.ask("GET", "/api/point/rolecheck?action=call.view", own))[0] == 200
    for method, path, body in (
        ("POST", "/api/users/other/logout", {}),
        ("PATCH", "/api/users/other", {"password": "another one"}),
        ("DELETE", "/api/users/other", None),
    ):
        assert (await attacked.ask(method, path, everything, body))[0] == 200


async def test_every_route_for_who_is_logged_in_is_tried_above(attacked: Attacked) -> None:
    """Those that ask for no action are where a service token's scope is not looked at by the door."""
    tried = {"/api/auth/refresh", "/api/auth/logout", "/api/auth/password", "/api/tokens", "/api/tokens/{token_id}"}
    # Says what the token may do; makes a link, which does what the token may when it is opened (stories/test_links.py).
    # Takes no token, but what is signed with the pipeline's own secret (test_pipeline_webhooks.py).
    harmless = {"/api/point/rolecheck", "/api/auth/links", "/api/dci/pipeline/{pipeline}/webhook"}
    unasked = {route.path for route in ROUTES if isinstance(route.permission, Access)} - {"/api/auth/login"}
    assert unasked == tried | harmless
    assert {route.part for route in ROUTES if route.path in tried} == {Part.POINT}


# --- what should have ended


@pytest.mark.parametrize("how", ["log out everywhere", "end sessions", "own password", "set password"])
@pytest.mark.parametrize("end_tokens", [False, True])
async def test_it_is_said_whether_service_tokens_outlive_it(attacked: Attacked, how: str, end_tokens: bool) -> None:
    ready = CreateUser(username="op1", password=PASSWORD, role="supervisor", must_change_password=False)
    await ask(attacked.bus, CREATE_USER, ready, attacked.context)
    admin = await attacked.login()
    administrator = attacked.context
    own = await attacked.login("op1")
    programs = [(await attacked.program(name, A.CALL_VIEW))[1] for name in ("crm", "wall")]
    method, path, token, body = {
        "log out everywhere": ("POST", "/api/auth/logout", own, {"everywhere": True}),
        "end sessions": ("POST", "/api/users/op1/logout", admin, {}),
        "own password": ("POST", "/api/auth/password", own, {"password": PASSWORD, "new_password": "another one"}),
        "set password": ("PATCH", "/api/users/op1", admin, {"password": "another one"}),
    }[how]
    status, answer = await attacked.ask(method, path, token, {**body, "end_tokens": end_tokens})
    assert status == 200, answer
    left = answer["tokens"] if how == "set password" else answer["tokens_left"]
    assert left == (0 if end_tokens else 2)
    assert answer.get("tokens_ended", 2 - left) == 2 - left
    await ask(attacked.bus, CHANGE_USER, ChangeUser(user="op1", must_change_password=False), administrator)
    found = [(await attacked.ask("GET", "/api/point/rolecheck?action=call.view", one))[0] for one in programs]
    assert found == ([401, 401] if end_tokens else [200, 200])
    status, answer = await attacked.ask("POST", "/api/auth/logout", admin, {"end_tokens": True})
    assert (status, answer["code"]) == (400, "INVALID_PARAMS")  # it would have promised what one session cannot do


# --- what others are told


async def test_logging_out_ends_a_session_also_for_others_who_ask(attacked: Attacked) -> None:
    admin = await attacked.login()
    asker = attacked.context
    token = await attacked.login()
    _, before = await attacked.ask("POST", "/api/auth/introspect", admin, {"token": token})
    assert before["active"] is True and before["exp"] > time.time()
    await ask(attacked.bus, LOGOUT, Logout(), attacked.context)
    assert (await attacked.ask("POST", "/api/auth/introspect", admin, {"token": token})) == (200, {"active": False})
    session = asker.session
    assert session is not None
    await ask(attacked.bus, IDENTIFY, Identify(kind=LoginKind.SESSION, id=session), asker)  # the other one goes on
