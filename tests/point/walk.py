"""How the states of users are walked through, for docs/states.md."""

from copy import deepcopy
from typing import Any

from actors.point import machine
from actors.point.directory import Directory
from actors.point.machine import Asker, missing_roles
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision
from bus_schemas.permissions import Action
from bus_schemas.user import ChangeUser, CreateUser, DirectoryEvent, UserCreated, UserStatus
from tests.support.states import Input, Stand, Walk, at, verb

USER = "op"
ADMIN = Asker(user="admin", actions=frozenset(Action))
CREATE = CreateUser(username=USER, password="long enough", role="operator")


def _first() -> Directory:
    """A directory with its built-in roles and whoever manages users."""
    made, begun = Directory(), at(0).at
    for event in list(missing_roles(made, begun)):
        made.apply(event)
    made.apply(UserCreated(user=ADMIN.user, at=begun, role="admin", email=None, password_hash="h", by="system"))
    return made


def _decided(event: DirectoryEvent) -> Decision[Any, Any]:
    return Decision(events=(event,))


def _create(book: Directory, now: Moment) -> Decision[Any, Any]:
    return _decided(machine.create_user(book, ADMIN, CREATE, "h", now.at, must_change=True))


def _change(password_hash: str | None = None, **to: Any) -> Input:
    order = ChangeUser(user=USER, **to)
    return lambda stand, now: _decided(
        machine.change_user(stand[0], ADMIN, order, password_hash, now.at, must_change=True)
    )


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    book = deepcopy(stand[0]) if stand[0] is not None else _first()
    for event in decision.events:
        book.apply(event)
    return book, None


def _name(stand: Stand) -> str:
    user = stand[0].users.get(USER)
    if user is None:
        return "deleted"
    return "must_change_password" if user.active and user.must_change_password else str(user.status)


def _key(stand: Stand) -> object:
    user = stand[0].users.get(USER)
    return user and (user.status, user.must_change_password)


WALK = Walk(
    title="A user",
    text="""`status` of a user. `must_change_password`: who is active and may do nothing else before; whoever manages
users may ask for it and take it back. The name of a user who was deleted may be given to another one.""",
    start=lambda now: _create(_first(), now),
    inputs=(
        lambda stand, now: _create(stand[0], now),
        _change(status=UserStatus.DISABLED),
        _change(status=UserStatus.ACTIVE),
        _change("another", password="another one"),
        _change(must_change_password=False),
        lambda stand, now: _decided(machine.delete_user(stand[0], ADMIN, USER, now.at)),
    ),
    after=_after,
    name=_name,
    key=_key,
    why=verb,
)
