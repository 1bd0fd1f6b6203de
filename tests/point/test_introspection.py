"""What other services are told of a token: everything while it is good, and one word in every other case."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from actors.point import machine
from actors.point.directory import Directory
from actors.point.introspection import introspect
from actors.point.machine import Asker
from actors.point.tokens import (
    Claims,
    make_service_token,
    public_key,
    read_service_token,
    write_access,
    write_refresh,
)
from bus_schemas.introspection import Introspection
from bus_schemas.permissions import Action
from bus_schemas.user import (
    ChangeUser,
    CreateToken,
    RoleSet,
    SessionClosed,
    SessionOpened,
    TokenRevoked,
    UserCreated,
    UserStatus,
)

AT, LATER = "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"
NOW = datetime(2026, 6, 1, 1, tzinfo=UTC)
KEYS = {"0001": b"k" * 48}
PUBLIC = {name: public_key(secret) for name, secret in KEYS.items()}
CLAIMS = Claims(
    user="op1", session="s1", role="operator", token_id="j1", issued=int(NOW.timestamp()) - 60,
    expires=int(NOW.timestamp()) + 60,
)  # fmt: skip
ROOT = Asker(user="root", actions=frozenset(Action))


@pytest.fixture
def book() -> Directory:
    book = Directory()
    for name, role in (("root", "admin"), ("op1", "operator")):
        book.apply(UserCreated(user=name, at=AT, role=role, email=None, password_hash="h", by="root"))
    book.apply(RoleSet(role="admin", at=AT, permissions={"POINT": ["read", "write"]}, built_in=True, by="root"))
    book.apply(RoleSet(role="operator", at=AT, permissions={"OTTB": ["read"]}, built_in=True, by="root"))
    book.apply(SessionOpened(session="s1", at=AT, user="op1", address="", expires_at=LATER))
    return book


def ask(book: Directory, token: str, now: datetime = NOW) -> Introspection:
    return introspect(token, book=book, public=PUBLIC, now=now, longest=3600)


def test_a_good_access_token(book: Directory) -> None:
    told = ask(book, write_access(CLAIMS, KEYS))
    scope = "call.view campaign.view monitor.view operator.view script.view slot.view trunk.view"
    assert told == Introspection(
        active=True, scope=scope, sub="op1", username="op1", role="operator", token_type="Bearer", exp=CLAIMS.expires,
        iat=CLAIMS.issued, iss="ottb-point", aud="ottb", jti="j1", sid="s1",
    )  # fmt: skip


def test_a_good_service_token_and_its_end(book: Directory) -> None:
    id, token, proof = make_service_token()
    asker = Asker(user="op1", actions=book.actions_of("op1"))
    order = CreateToken(name="crm", actions=[Action.CALL_VIEW])
    book.apply(machine.create_token(book, asker, order, id, proof, AT, LATER))
    told = ask(book, token)
    assert (told.active, told.sub, told.scope, told.jti, told.sid) == (True, "op1", "call.view", id, None)
    assert read_service_token(token)[0] == id
    assert ask(book, token[:-1] + ("1" if token[-1] != "1" else "2")) == Introspection(active=False)
    assert ask(book, token, NOW + timedelta(days=2)) == Introspection(active=False)
    book.apply(TokenRevoked(token_id=id, at=AT, by="op1"))
    assert ask(book, token) == Introspection(active=False)


def change(**what: object) -> Callable[[Directory], None]:
    def apply(book: Directory) -> None:
        order = ChangeUser(user="op1", **what)  # type: ignore[arg-type]
        book.apply(machine.change_user(book, ROOT, order, None, AT, must_change=False))

    return apply


NOT_GOOD: dict[str, tuple[str, Callable[[Directory], None]]] = {
    "logged out": (
        write_access(CLAIMS, KEYS), lambda book: book.apply(SessionClosed(session="s1", at=AT, user="op1", by="op1"))
    ),
    "disabled": (write_access(CLAIMS, KEYS), change(status=UserStatus.DISABLED)),
    "must change the password": (write_access(CLAIMS, KEYS), change(must_change_password=True)),
    "a refresh token": (write_refresh(CLAIMS, KEYS), lambda book: None),
    "another key": (write_access(CLAIMS, {"0001": b"x" * 48}), lambda book: None),
    "another kid": (write_access(CLAIMS, {"0002": b"k" * 48}), lambda book: None),
    "of another user": (
        write_access(Claims(user="root", session="s1", role="", token_id="j", issued=1, expires=2**40), KEYS),
        lambda book: None,
    ),
    "nothing": ("x", lambda book: None),
    "no service token": ("ottb_st_x_" + "0" * 40, lambda book: None),
}  # fmt: skip


@pytest.mark.parametrize("why", NOT_GOOD)
def test_whatever_is_wrong_is_answered_alike(book: Directory, why: str) -> None:
    token, happens = NOT_GOOD[why]
    happens(book)
    assert ask(book, token) == Introspection(active=False)


def test_an_expired_token(book: Directory) -> None:
    token = write_access(CLAIMS, KEYS)
    assert ask(book, token, NOW + timedelta(seconds=59)).active
    assert ask(book, token, NOW + timedelta(seconds=60)) == Introspection(active=False)
