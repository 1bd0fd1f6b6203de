"""POINT as values: the users, roles and sessions that the events tell, and what they allow."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct, field

from actors.runtime.clock import parse_utc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.user import (
    Permissions,
    RoleSet,
    SessionClosed,
    SessionOpened,
    SessionView,
    UserCreated,
)

ENDED = Refusal(ErrorCode.AUTH_FAIL, "The session has ended. Log in again.")


class User(Struct, frozen=True, kw_only=True):
    name: str
    role: str
    email: str | None
    password_hash: str


class Role(Struct, frozen=True, kw_only=True):
    name: str
    permissions: Permissions
    built_in: bool
    actions: frozenset[Action]


class Session(Struct, frozen=True, kw_only=True):
    id: str
    user: str
    expires_at: str


class Directory(Struct):
    """Everything that is on record. Changed by `apply` alone, in the journal's order."""

    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)  # the last of each user or role, for the next write

    def apply(self, event: UserCreated | RoleSet | SessionOpened | SessionClosed) -> None:
        match event:
            case UserCreated():
                self.users[event.user] = User(
                    name=event.user, role=event.role, email=event.email, password_hash=event.password_hash
                )
            case RoleSet():
                self.roles[event.role] = Role(
                    name=event.role,
                    permissions=event.permissions,
                    built_in=event.built_in,
                    actions=resolve(event.permissions),
                )
            case SessionOpened():
                self.sessions[event.session] = Session(id=event.session, user=event.user, expires_at=event.expires_at)
            case SessionClosed():
                self.sessions.pop(event.session, None)

    def role_of(self, user: User) -> Role:
        """The user's role. One that is gone grants nothing."""
        return self.roles.get(user.role) or Role(name=user.role, permissions={}, built_in=False, actions=frozenset())

    def session(self, id: str, now: datetime) -> SessionView:
        """A live session with what its user may do now. Raises Refusal(AUTH_FAIL)."""
        session = self.sessions.get(id)
        user = self.users.get(session.user) if session is not None else None
        if session is None or user is None or parse_utc(session.expires_at) <= now:
            raise ENDED
        return SessionView(
            session=id,
            user=user.name,
            role=user.role,
            actions=sorted(self.role_of(user).actions),
            expires_at=session.expires_at,
        )

    def forget_expired(self, now: datetime) -> None:
        """Sessions that ran out need no event: everybody can see it."""
        for id in [id for id, session in self.sessions.items() if parse_utc(session.expires_at) <= now]:
            del self.sessions[id]


def missing_roles(directory: Directory, at: str) -> Iterator[RoleSet]:
    """The built-in roles that are not on record yet."""
    for name, permissions in BUILT_IN_ROLES.items():
        if name not in directory.roles:
            stored = {module: list(verbs) for module, verbs in permissions.items()}
            yield RoleSet(role=name, at=at, permissions=stored, built_in=True, by="system")
