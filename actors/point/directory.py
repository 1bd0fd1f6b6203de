"""POINT's record as a value: the users, roles, sessions and service tokens that the events tell, and who is who."""

import hashlib
import hmac
from datetime import datetime
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from actors.runtime.clock import parse_utc
from actors.runtime.folds import fold, folds
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import SYSTEM
from bus_schemas.permissions import Action, resolve
from bus_schemas.user import (
    DirectoryEvent,
    Identity,
    LoginKind,
    Permissions,
    RoleDeleted,
    RoleSet,
    RoleView,
    SessionClosed,
    SessionEvent,
    SessionOpened,
    SessionRefreshed,
    SessionsEnded,
    TokenCreated,
    TokenRevoked,
    TokenView,
    UserChanged,
    UserCreated,
    UserDeleted,
    UserStatus,
    UserView,
)

ADMINISTRATION = frozenset({Action.USER_EDIT, Action.ROLE_EDIT})

ENDED = RefusalTemplate(ErrorCode.AUTH_FAIL, "The session has ended. Log in again.")


class User(Struct, frozen=True, kw_only=True):
    name: str
    role: str
    email: str | None
    password_hash: str
    status: UserStatus
    must_change_password: bool
    created_at: str
    extension: str | None = None

    @property
    def active(self) -> bool:
        return self.status is UserStatus.ACTIVE

    @property
    def password_mark(self) -> str:
        """What no other password has, also the same one set anew. It tells nothing of it."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]


class Role(Struct, frozen=True, kw_only=True):
    """`by_system`: as it comes with the product, so that a later version may bring a better one."""

    name: str
    permissions: Permissions
    built_in: bool
    by_system: bool
    actions: frozenset[Action]


class Session(Struct, frozen=True, kw_only=True):
    id: str
    user: str
    opened_at: str
    expires_at: str
    generation: int = 0
    refreshed_at: str | None = None


class ServiceToken(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    user: str
    actions: frozenset[str]
    proof: str
    created_at: str
    expires_at: str


class Directory(Struct):
    """Everything that is on record. Changed by `apply` alone, in the journal's order."""

    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    dropped_roles: set[str] = field(default_factory=set)
    sessions: dict[str, Session] = field(default_factory=dict)
    tokens: dict[str, ServiceToken] = field(default_factory=dict)
    predecessors: dict[str, int] = field(default_factory=dict)  # how many were deleted, by name

    def apply(self, event: DirectoryEvent | SessionEvent) -> None:
        _AFTER[type(event)](self, event)

    def take(self, other: "Directory") -> None:
        """Be as another one is."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(other, name))

    def end_sessions(self, user: str, but: str | None = None) -> None:
        self.sessions = {id: one for id, one in self.sessions.items() if one.user != user or id == but}

    def end_tokens(self, user: str) -> None:
        self.tokens = {id: token for id, token in self.tokens.items() if token.user != user}

    # --- who is who

    def still_lets_in(self, name: str, mark: str) -> bool:
        """Whether a password that was right is the user's now, by its mark. It is checked for so long that it may be
        changed meanwhile, or the user be gone. An empty mark is of any password."""
        user = self.users.get(name)
        return user is not None and user.active and mark in ("", user.password_mark)

    def role_of(self, user: User) -> Role:
        """The user's role. One that is gone grants nothing."""
        gone = Role(name=user.role, permissions={}, built_in=False, by_system=False, actions=frozenset())
        return self.roles.get(user.role, gone)

    def actions_of(self, name: str) -> frozenset[Action]:
        """What a user may do now; nothing for one who is unknown, disabled, or must change the password first."""
        user = self.users.get(name)
        if user is None or not user.active or user.must_change_password:
            return frozenset()
        return self.role_of(user).actions

    def identify(self, kind: LoginKind, id: str, proof: str, now: datetime) -> Identity:
        """Who is behind a session, service token or bus connection, with what they may do now. AUTH_FAIL."""
        expires_at: str | None = None
        limit: frozenset[str] | None = None
        name = id
        if kind is LoginKind.SESSION:
            session = self.sessions.get(id)
            if session is None:
                raise ENDED()
            name, expires_at = session.user, session.expires_at
        elif kind is LoginKind.TOKEN:
            token = self.tokens.get(id)
            if token is None or (proof and not hmac.compare_digest(token.proof, proof)):
                raise ENDED()
            name, expires_at, limit = token.user, token.expires_at, token.actions
        user = self.users.get(name)
        if user is None or not user.active or (expires_at is not None and parse_utc(expires_at) <= now):
            raise ENDED()
        actions = self.actions_of(name)
        return Identity(
            kind=kind,
            id=id,
            user=name,
            role=user.role,
            actions=sorted(actions if limit is None else {action for action in actions if action in limit}),
            expires_at=expires_at,
            predecessors=self.predecessors.get(name, 0),
        )

    def forget_expired(self, now: datetime) -> None:
        """Sessions that ran out need no event: everybody can see it."""
        for id in [id for id, session in self.sessions.items() if parse_utc(session.expires_at) <= now]:
            del self.sessions[id]

    @property
    def administered(self) -> bool:
        """Whether somebody can administer users and roles."""
        return any(user.active and self.role_of(user).actions >= ADMINISTRATION for user in self.users.values())

    # --- views

    def tokens_left(self, user: str, now: datetime) -> int:
        """How many service tokens of a user have not run out."""
        return sum(1 for token in self.tokens.values() if token.user == user and parse_utc(token.expires_at) > now)

    def user_view(self, name: str, now: datetime) -> UserView:
        user = self.users[name]
        return UserView(
            id=name,
            username=name,
            email=user.email,
            role=user.role,
            status=user.status,
            must_change_password=user.must_change_password,
            created_at=user.created_at,
            extension=user.extension,
            sessions=sum(1 for session in self.sessions.values() if session.user == name),
            tokens=self.tokens_left(name, now),
        )

    def role_view(self, name: str) -> RoleView:
        role = self.roles[name]
        return RoleView(
            id=name,
            permissions=role.permissions,
            actions=sorted(role.actions),
            built_in=role.built_in,
            users=sum(1 for user in self.users.values() if user.role == name),
        )

    def token_view(self, id: str, last_used: str | None) -> TokenView:
        token = self.tokens[id]
        return TokenView(
            id=id,
            name=token.name,
            user=token.user,
            actions=sorted(Action(action) for action in token.actions),
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used=last_used,
        )


# --- what events change ----------------------------------------------------------------------------------------------


def _user_created(book: Directory, event: UserCreated) -> None:
    book.users[event.user] = User(
        name=event.user, role=event.role, email=event.email, password_hash=event.password_hash,
        status=UserStatus.ACTIVE, must_change_password=event.must_change_password, created_at=event.at,
        extension=event.extension,
    )  # fmt: skip


def _user_changed(book: Directory, event: UserChanged) -> None:
    book.users[event.user] = replace(
        book.users[event.user], role=event.role, email=event.email, password_hash=event.password_hash,
        status=event.status, must_change_password=event.must_change_password, extension=event.extension,
    )  # fmt: skip
    if event.ends_sessions:
        book.end_sessions(event.user, but=event.but_session)
    if event.ends_tokens:
        book.end_tokens(event.user)


def _user_deleted(book: Directory, event: UserDeleted) -> None:
    if book.users.pop(event.user, None) is not None:
        book.predecessors[event.user] = book.predecessors.get(event.user, 0) + 1
    book.end_sessions(event.user)
    book.end_tokens(event.user)


def _role_set(book: Directory, event: RoleSet) -> None:
    book.dropped_roles.discard(event.role)
    book.roles[event.role] = Role(
        name=event.role, permissions=event.permissions, built_in=event.built_in, by_system=event.by == SYSTEM,
        actions=resolve_known(event.permissions),
    )  # fmt: skip


def _role_deleted(book: Directory, event: RoleDeleted) -> None:
    book.roles.pop(event.role, None)
    book.dropped_roles.add(event.role)


def _token_created(book: Directory, event: TokenCreated) -> None:
    book.tokens[event.token_id] = ServiceToken(
        id=event.token_id, name=event.name, user=event.user, actions=frozenset(event.actions), proof=event.proof,
        created_at=event.at, expires_at=event.expires_at,
    )  # fmt: skip


def _token_revoked(book: Directory, event: TokenRevoked) -> None:
    book.tokens.pop(event.token_id, None)


def _sessions_ended(book: Directory, event: SessionsEnded) -> None:
    book.end_sessions(event.user)
    if event.ends_tokens:
        book.end_tokens(event.user)


def _session_opened(book: Directory, event: SessionOpened) -> None:
    if book.still_lets_in(event.user, event.password):
        book.sessions[event.session] = Session(
            id=event.session, user=event.user, opened_at=event.at, expires_at=event.expires_at
        )


def _session_refreshed(book: Directory, event: SessionRefreshed) -> None:
    if (session := book.sessions.get(event.session)) is not None:
        book.sessions[event.session] = replace(session, generation=event.generation, refreshed_at=event.at)


def _session_closed(book: Directory, event: SessionClosed) -> None:
    book.sessions.pop(event.session, None)


_AFTER: Final = folds(
    fold(UserCreated, _user_created),
    fold(UserChanged, _user_changed),
    fold(UserDeleted, _user_deleted),
    fold(RoleSet, _role_set),
    fold(RoleDeleted, _role_deleted),
    fold(TokenCreated, _token_created),
    fold(TokenRevoked, _token_revoked),
    fold(SessionsEnded, _sessions_ended),
    fold(SessionOpened, _session_opened),
    fold(SessionRefreshed, _session_refreshed),
    fold(SessionClosed, _session_closed),
)


def resolve_known(permissions: Permissions) -> frozenset[Action]:
    """What is understood of a stored role: a later version of the product may know more verbs, or fewer."""
    actions: frozenset[Action] = frozenset()
    for module, verbs in permissions.items():
        for verb in verbs:
            try:
                actions |= resolve({module: [verb]})
            except Refusal:
                continue
    return actions
