"""POINT as values: who may change what of its record (directory.py).

The rules, each in one place here. Nobody grants what they do not hold: a role or service token may hold only actions
of whoever makes it. Nobody manages somebody who may do more (a password set for another is that other's power, and
taking away is power too). Nobody changes their own role, neither which nor what is in it. And somebody who can
administer must remain after every change.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import UNSET, Struct
from msgspec.structs import replace

from actors.point.directory import ADMINISTRATION, Directory, Role, Session, User
from actors.runtime.clock import parse_utc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.names import SYSTEM, is_reserved
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.user import (
    ChangeUser,
    CreateToken,
    CreateUser,
    RoleDeleted,
    RoleSet,
    SessionClosed,
    SessionRefreshed,
    SetRole,
    TokenCreated,
    TokenRevoked,
    UserChanged,
    UserCreated,
    UserDeleted,
    UserStatus,
)

LIKE_A_TOKEN = re.compile(r"t[0-9a-f]{16}\Z")  # the id of a service token
TOKENS_EACH, SESSIONS_EACH = 50, 1_000
REFRESH_GRACE = 10.0  # seconds in which a refresh token may come twice: its answer may have been lost (RFC 9700)

NO_USER = RefusalTemplate(ErrorCode.NOT_FOUND, "No such user.")
NO_ROLE = RefusalTemplate(ErrorCode.NOT_FOUND, "No such role.")
NO_TOKEN = RefusalTemplate(ErrorCode.NOT_FOUND, "No such service token.")
REUSED = RefusalTemplate(
    ErrorCode.AUTH_FAIL, "This refresh token was used before, so the session was ended. Log in again."
)


class Asker(Struct, frozen=True, kw_only=True):
    """Who wants a change: the user and what they hold, by the record and by what they came with. `program`: that is a
    service token, which manages nothing that its scope does not say."""

    user: str
    actions: frozenset[str]
    program: bool = False


# --- decide -----------------------------------------------------------------------------------------------------


def create_user(
    book: Directory, asker: Asker, order: CreateUser, password_hash: str, at: str, *, must_change: bool
) -> UserCreated:
    if _twin(order.username, book.users) is not None:
        raise Refusal(ErrorCode.CONFLICT, "There is a user of this name, if upper and lower case are alike.")
    if is_reserved(order.username) or LIKE_A_TOKEN.match(order.username):  # at a login it could mean the token
        raise misfit("username", "this name is the platform's own.")
    _must_hold(asker, _role(book, order.role).actions)
    _must_be_free(book, order.username, order.extension)
    return UserCreated(
        user=order.username,
        at=at,
        role=order.role,
        email=order.email,
        password_hash=password_hash,
        by=asker.user,
        must_change_password=must_change,
        extension=order.extension,
    )


def first_user(book: Directory, name: str, role: str, password_hash: str, at: str, *, must_change: bool) -> UserCreated:
    """A user whom the product makes itself, once: who was deleted stays so. Only where nobody can administer, which
    takes entries that cannot be read, an administrator is made anew. CONFLICT."""
    known = book.roles.get(role)
    needed = known is not None and known.actions >= ADMINISTRATION and not book.administered
    if name in book.users or (name in book.predecessors and not needed):
        raise Refusal(ErrorCode.CONFLICT, "There is a user of this name, or there was one.")
    return UserCreated(
        user=name, at=at, role=role, email=None, password_hash=password_hash, by=SYSTEM,
        must_change_password=must_change,
    )  # fmt: skip


def change_user(
    book: Directory, asker: Asker, order: ChangeUser, password_hash: str | None, at: str, *, must_change: bool
) -> UserChanged:
    user = managed(book, asker, order.user)
    own = asker.user == order.user
    role = user.role if order.role is UNSET else order.role
    status = user.status if order.status is UNSET else order.status
    if role != user.role:
        if own:
            raise Refusal(ErrorCode.PERMISSION_DENIED, "Nobody changes their own role.")
        _must_hold(asker, _role(book, role).actions)
    if own and status is not user.status:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "Nobody disables themselves.")
    if own and order.password is not UNSET:  # or whoever finds a token of theirs could become them
        raise Refusal(ErrorCode.PERMISSION_DENIED, "The own password is changed with POST /api/auth/password.")
    flag = user.must_change_password
    if password_hash is not None:
        flag = must_change
    if order.must_change_password is not UNSET:
        flag = order.must_change_password
    event = UserChanged(
        user=order.user,
        at=at,
        role=role,
        email=user.email if order.email is UNSET else order.email,
        password_hash=password_hash or user.password_hash,
        status=status,
        must_change_password=flag,
        by=asker.user,
        ends_sessions=password_hash is not None or status is UserStatus.DISABLED,
        ends_tokens=order.end_tokens,
        extension=user.extension if order.extension is UNSET else order.extension,
    )
    _must_be_free(book, order.user, event.extension)
    _somebody_must_remain(book, event)
    return event


def delete_user(book: Directory, asker: Asker, name: str, at: str) -> UserDeleted:
    managed(book, asker, name)
    if name == asker.user:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "Nobody deletes themselves.")
    event = UserDeleted(user=name, at=at, by=asker.user)
    _somebody_must_remain(book, event)
    return event


def set_role(book: Directory, asker: Asker, order: SetRole, at: str) -> RoleSet:
    actions = resolve(order.permissions)
    known = book.roles.get(order.role)
    me = book.users.get(asker.user)
    if me is not None and me.role == order.role:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "Nobody changes their own role.")
    _must_hold(asker, actions)
    if known is not None:
        _must_hold(asker, known.actions)
    elif _twin(order.role, book.roles) is not None:
        raise Refusal(ErrorCode.CONFLICT, "There is a role of this name, if upper and lower case are alike.")
    built_in = order.role in BUILT_IN_ROLES
    event = RoleSet(role=order.role, at=at, permissions=order.permissions, built_in=built_in, by=asker.user)
    _somebody_must_remain(book, event)
    return event


def delete_role(book: Directory, asker: Asker, name: str, at: str) -> RoleDeleted:
    _must_hold(asker, _role(book, name).actions)
    users = sum(1 for user in book.users.values() if user.role == name)
    if users:
        raise Refusal(ErrorCode.CONFLICT, "The role is in use.", users=users)
    return RoleDeleted(role=name, at=at, by=asker.user)


def create_token(
    book: Directory, asker: Asker, order: CreateToken, id: str, proof: str, at: str, expires_at: str
) -> TokenCreated:
    _must_hold(asker, frozenset(order.actions))
    own = [token for token in book.tokens.values() if token.user == asker.user]
    if any(token.name == order.name for token in own):
        raise Refusal(ErrorCode.CONFLICT, "You have a service token of this name.")
    if len(own) >= TOKENS_EACH:
        raise Refusal(ErrorCode.CONFLICT, "You have too many service tokens. Revoke one.", limit=TOKENS_EACH)
    actions = sorted(set(order.actions))
    return TokenCreated(
        token_id=id, at=at, name=order.name, user=asker.user, actions=list(actions), proof=proof, expires_at=expires_at
    )


def revoke_token(book: Directory, asker: Asker, id: str, at: str) -> TokenRevoked:
    if asker.program:
        _scope_must_say(asker, Action.TOKEN_CREATE, Action.USER_EDIT)
    token = book.tokens.get(id)
    if token is None:
        raise NO_TOKEN()
    if token.user == asker.user and not asker.program:
        pass
    elif token.user == asker.user and Action.TOKEN_CREATE in asker.actions:
        _must_hold(asker, token.actions)
    elif Action.USER_EDIT in asker.actions:
        managed(book, asker, token.user)
    else:
        raise NO_TOKEN()
    return TokenRevoked(token_id=id, at=at, by=asker.user)


def too_many_sessions(book: Directory, user: str) -> list[str]:
    """The oldest sessions of a user, which end when another one is opened: each is kept until it has run out."""
    own = sorted((session.opened_at, id) for id, session in book.sessions.items() if session.user == user)
    return [id for _, id in own[: max(len(own) - SESSIONS_EACH + 1, 0)]]


def refresh(session: Session, generation: int, at: str, now: datetime) -> SessionRefreshed | SessionClosed | None:
    """What a refresh token of this generation does: it is replaced, answered again (None), or it ends the session."""
    if generation == session.generation:
        return SessionRefreshed(session=session.id, at=at, user=session.user, generation=generation + 1)
    again = generation == session.generation - 1 and session.refreshed_at is not None
    if again and (now - parse_utc(session.refreshed_at or at)).total_seconds() <= REFRESH_GRACE:
        return None
    return SessionClosed(session=session.id, at=at, user=session.user, by=SYSTEM, reason="refresh token reused")


def missing_roles(book: Directory, at: str) -> Iterator[RoleSet]:
    """The built-in roles that are not on record, or are as an earlier version of the product brought them."""
    for name, permissions in BUILT_IN_ROLES.items():
        stored = {module: list(verbs) for module, verbs in permissions.items()}
        known = book.roles.get(name)
        if name in book.dropped_roles or (known is not None and not known.by_system):
            continue
        if known is None or known.permissions != stored:
            yield RoleSet(role=name, at=at, permissions=stored, built_in=True, by=SYSTEM)


def changes(book: Directory, event: UserChanged | RoleSet) -> bool:
    """Whether anything is another one after it."""
    after = replace(book, users=dict(book.users), roles=dict(book.roles), dropped_roles=set(book.dropped_roles))
    after.apply(event)
    return after != book


# --- rules ------------------------------------------------------------------------------------------------------


def managed(book: Directory, asker: Asker, name: str) -> User:
    """A user whom the asker may manage. NOT_FOUND, PERMISSION_DENIED."""
    user = book.users.get(name)
    if user is None:
        raise NO_USER()
    if asker.program and name == asker.user:  # or whoever has stolen it locks its maker out, who could end it
        raise Refusal(ErrorCode.PERMISSION_DENIED, "A service token does not manage its maker.")
    _must_hold(asker, book.role_of(user).actions)
    return user


def _twin(name: str, others: Iterable[str]) -> str | None:
    """Another name, or the same, that people would take for this one."""
    return next((other for other in others if other.casefold() == name.casefold()), None)


def _role(book: Directory, name: str) -> Role:
    role = book.roles.get(name)
    if role is None:
        raise NO_ROLE()
    return role


def may_list_tokens(asker: Asker) -> None:
    """Raise Refusal(PERMISSION_DENIED) where a program wants to see what its scope does not say."""
    if asker.program:
        _scope_must_say(asker, Action.TOKEN_CREATE, Action.USER_VIEW)


def _scope_must_say(asker: Asker, *any_of: Action) -> None:
    if not asker.actions & set(any_of):
        raise Refusal(
            ErrorCode.PERMISSION_DENIED, "The scope of this service token does not include this.", permission=any_of[0]
        )


def _must_hold(asker: Asker, actions: frozenset[str]) -> None:
    missing = sorted(actions - asker.actions)
    if missing:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "This is about permissions that you do not hold.", missing=missing)


def _must_be_free(book: Directory, name: str, extension: str | None) -> None:
    """An extension is one user's: calls that are joined to another one would ring there."""
    others = (user for user in book.users.values() if user.name != name)
    if extension is not None and any(user.extension == extension for user in others):
        raise Refusal(ErrorCode.CONFLICT, "This extension is another user's.")


def _somebody_must_remain(book: Directory, event: UserChanged | UserDeleted | RoleSet) -> None:
    after = Directory(users=dict(book.users), roles=dict(book.roles))
    after.apply(event)
    if not after.administered:
        raise Refusal(ErrorCode.CONFLICT, "Nobody would be left who can administer users and roles.")
