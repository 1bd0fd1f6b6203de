"""Users, roles, sessions and service tokens (POINT): who somebody is and what they may do."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import UNSEEN, Extension, GivenExtension, Id, Username, Utc, shaped
from bus_schemas.permissions import Access, Action

E = ErrorCode
A = Action

RoleName = Annotated[Id, Meta(examples=["operator"])]
TokenName = Annotated[
    str,
    shaped(
        r"^[A-Za-z0-9_. -]{1,64}$(?!\n)", "1 to 64 letters (A-Z, a-z), digits, blanks, `_`, `.` or `-`",
        examples=["crm-sync"],
    ),
]  # fmt: skip
Password = Annotated[str, Meta(min_length=1, max_length=256, examples=["secure123"])]
Email = Annotated[
    str,
    shaped(
        # What begins as a formula does is none, wherever it is pasted.
        rf"^(?![=+'-])[^@\s<>,;{UNSEEN}]{{1,64}}@[^@\s<>,;{UNSEEN}]{{1,189}}$(?!\n)",
        "a mail address like `op21@example.com`",
        max_length=254, examples=["op21@example.com"],
    ),
]  # fmt: skip
Verb = Annotated[str, Meta(min_length=1, max_length=64)]
Verbs = Annotated[list[Verb], Meta(max_length=64)]
Permissions = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Verbs],
    Meta(max_length=16, examples=[{"OTTB": ["read", "write"], "WORKSPACE": ["view", "call"]}]),
]


# --- logging in and out ---------------------------------------------------------------------------------------


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log in. Unknown user and wrong password are answered alike."""

    username: Annotated[
        str, Meta(min_length=1, max_length=64, examples=["op12"], extra_json_schema={"pattern": "^[A-Za-z0-9_-]+$"})
    ]  # the pattern is for the document: what does not fit is refused by POINT, in plainer words
    password: Annotated[str, Meta(min_length=1, max_length=256, examples=["1234"])]


class Token(Struct, frozen=True, kw_only=True):
    """An access token for `expires` seconds (no longer than the session) and a refresh token for `refresh_expires`,
    which is good for one use.

    `permissions`: verbs by module, as the role stores them. `must_change_password`: nothing else is allowed first.
    """

    token: str
    role: str
    expires: int
    permissions: Permissions
    refresh_token: str | None = None
    refresh_expires: int | None = None
    must_change_password: bool = False


class Refresh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fresh token in the same session: for the bearer of a valid access token, or for a refresh token, which is
    replaced. A refresh token used twice ends the session."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None


class RefreshedToken(Struct, frozen=True, kw_only=True):
    """`refresh_token`: the next one, where one was given."""

    token: str
    expires: int
    refresh_token: str | None = None
    refresh_expires: int | None = None


class Logout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End the session: every token of it stops working everywhere. `everywhere`: all sessions of the user, and with
    `end_tokens` the user's service tokens too, which otherwise go on working."""

    everywhere: bool = False
    end_tokens: bool = False


class LoggedOut(Struct, frozen=True, kw_only=True):
    """`sessions`, `tokens_ended`: how many sessions and service tokens ended. `tokens_left`: how many service tokens of
    the user go on working."""

    status: str
    sessions: int = 1
    tokens_ended: int = 0
    tokens_left: int = 0


class ChangePassword(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change the own password. All other sessions of the user end, and with `end_tokens` the user's service tokens,
    which otherwise go on working."""

    password: Annotated[str, Meta(min_length=1, max_length=256)]
    new_password: Password
    end_tokens: bool = False


class PasswordChanged(Struct, frozen=True, kw_only=True):
    """`tokens_ended`: how many service tokens ended. `tokens_left`: how many go on working."""

    status: str
    tokens_ended: int = 0
    tokens_left: int = 0


class RoleCheck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the caller may do `action`, and all that they may do."""

    action: Annotated[str, Meta(min_length=1, max_length=64, examples=["call.start"])]


class RoleCheckReply(Struct, frozen=True, kw_only=True):
    allowed: bool
    permissions: list[Action]


class LoginKind(StrEnum):
    """How somebody has shown who they are."""

    SESSION = "session"  # an access token of a session
    TOKEN = "token"  # a service token
    PASSWORD = "password"  # name and password, at a login on the bus
    CONNECTION = "connection"  # a connection to the bus, with whatever the user has logged in there


class Identity(Struct, frozen=True, kw_only=True):
    """What a door needs to know of one caller. `id`: of the session or service token, or the user's name. `mark`: of a
    bus connection, what it was let in by (`actors/point/marks.py`). `predecessors`: users of this name who were
    deleted before this one came."""

    kind: LoginKind
    id: str
    user: str
    role: str
    actions: list[Action]
    expires_at: Utc | None
    mark: str = ""
    predecessors: int = 0


class Identify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose session or service token this is and what they may do now. `proof`: SHA-256 of a service token's secret,
    hexadecimal. Refused with AUTH_FAIL when it has ended."""

    kind: LoginKind
    id: Id
    proof: str = ""


class TokenUsed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service token was used; said at most once a minute by each door."""

    token_id: Id


class Noted(Struct, frozen=True, kw_only=True):
    status: str = "noted"


# --- users ----------------------------------------------------------------------------------------------------


class UserStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class UserView(Struct, frozen=True, kw_only=True):
    """One user. `id` is the user name. `tokens`: service tokens that have not run out. They work while the user is
    active and need not change the password first. `extension`: where the PBX reaches them for calls that are joined to
    them: a SIP endpoint or a number of its dialplan."""

    id: Username
    username: Username
    email: str | None
    role: str
    status: UserStatus
    must_change_password: bool
    created_at: Utc
    sessions: int
    tokens: int
    extension: str | None = None


class ListUsers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Users by name. `cursor` continues where the last page ended."""

    role: RoleName | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class CreateUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a user. The role may hold nothing that the caller does not hold."""

    username: Username
    password: Password
    role: RoleName
    email: Email | None = None
    must_change_password: bool | None = None
    extension: GivenExtension | None = None


class ChangeUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change what is named, and nothing else. `email` or `extension` null removes it. A new password or a disabled
    account ends all sessions of the user; the service tokens go on working (a disabled user's when the user is active
    again), unless `end_tokens` ends them for good. The own password is changed with the old one, by
    `POST /api/auth/password`."""

    user: Username
    email: Email | UnsetType | None = UNSET
    role: RoleName | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    status: UserStatus | UnsetType = UNSET
    must_change_password: bool | UnsetType = UNSET
    extension: GivenExtension | UnsetType | None = UNSET
    end_tokens: bool = False


class DeleteUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delete a user: sessions and service tokens end, calls and audit records stay."""

    user: Username


class Deleted(Struct, frozen=True, kw_only=True):
    status: Literal["deleted"] = "deleted"
    id: str


class FindExtension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the PBX reaches a user."""

    user: Username


class ExtensionFound(Struct, frozen=True, kw_only=True):
    """`extension` null: the user has none, or is not `active`."""

    user: Username
    extension: Extension | None
    active: bool = True


class EndSessions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End all sessions of somebody else, and with `end_tokens` the service tokens, which otherwise go on working."""

    user: Username
    end_tokens: bool = False


# --- roles ----------------------------------------------------------------------------------------------------


class RoleView(Struct, frozen=True, kw_only=True):
    """One role: what it stores, what that resolves to, and how many users have it."""

    id: RoleName
    permissions: Permissions
    actions: list[Action]
    built_in: bool
    users: int


class ListRoles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All roles by name."""


class SetRole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a role or replace its permissions: verbs by module, single actions may stand beside them."""

    role: RoleName
    permissions: Permissions


class DeleteRole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delete a role that no user has."""

    role: RoleName


# --- service tokens -------------------------------------------------------------------------------------------


class CreateToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token for a program that acts as the caller, with these actions at most, until it expires (seconds)."""

    name: TokenName
    actions: Annotated[list[Action], Meta(min_length=1, max_length=len(Action))]
    expires_in: Annotated[int, Meta(ge=60, le=366 * 24 * 3600)] = 90 * 24 * 3600


class TokenView(Struct, frozen=True, kw_only=True):
    """A service token, without its secret. `last_used`: to the minute, null when never."""

    id: str
    name: str
    user: str
    actions: list[Action]
    created_at: Utc
    expires_at: Utc
    last_used: Utc | None = None


class TokenCreatedReply(Struct, frozen=True, kw_only=True):
    """The one time that `token` is shown."""

    id: str
    name: str
    token: str
    actions: list[Action]
    expires_at: Utc


class ListTokens(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's service tokens; everybody's for who may view users. A service token lists them only with
    `token.create`."""

    user: Username | None = None


class RevokeToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a service token: the own, or anybody's for who may edit that user. A service token ends others of its maker
    only with `token.create`, and only such as may do no more than it may itself."""

    token_id: Id


TOKENS = ("tokens_ended", "tokens_left")  # what an answer says of service tokens
GRANT = frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED})

# fmt: off
#                subject                          request     reply           may be refused with
LOGIN      = Rpc("ottb.v1.cmd.user.login",        Login,      Token,          frozenset({E.AUTH_FAIL, E.RATE_LIMITED}),
                 summary="Log in", timeout=10.0, permission=Access.PUBLIC, audit_fields=("username",),
                 when_full=True)
REFRESH    = Rpc("ottb.v1.cmd.user.refresh",      Refresh,    RefreshedToken, frozenset({E.AUTH_FAIL, E.RATE_LIMITED}),
                 summary="Refresh the token", permission=Access.OPTIONAL, when_full=True)
LOGOUT     = Rpc("ottb.v1.cmd.user.logout",       Logout,     LoggedOut,      frozenset({E.AUTH_FAIL, E.CONFLICT}),
                 summary="Log out", permission=Access.LOGGED_IN, audit_fields=TOKENS, when_full=True)
CHANGE_PASSWORD = Rpc("ottb.v1.cmd.user.password", ChangePassword, PasswordChanged,
                      frozenset({E.AUTH_FAIL, E.RATE_LIMITED, E.CONFLICT, E.PERMISSION_DENIED}),
                      summary="Change the own password", timeout=10.0, permission=Access.LOGGED_IN, audit_fields=TOKENS)
ROLE_CHECK = Rpc("ottb.v1.qry.user.rolecheck",    RoleCheck,  RoleCheckReply, frozenset({E.AUTH_FAIL}),
                 summary="May I?", permission=Access.LOGGED_IN)
IDENTIFY   = Rpc("ottb.v1.qry.user.identify",     Identify,   Identity,       frozenset({E.AUTH_FAIL}),
                 summary="Who is behind a token")
TOKEN_USED = Rpc("ottb.v1.cmd.user.token_used",   TokenUsed,  Noted,          frozenset(),
                 summary="A service token was used")

FIND_EXTENSION = Rpc("ottb.v1.qry.user.extension", FindExtension, ExtensionFound, frozenset({E.NOT_FOUND}),
                     summary="Where the PBX reaches a user")
LIST_USERS   = Rpc("ottb.v1.qry.user.list",       ListUsers,  list[UserView], frozenset(),
                   summary="All users", permission=A.USER_VIEW)
CREATE_USER  = Rpc("ottb.v1.cmd.user.create",     CreateUser, UserView,       GRANT,
                   summary="Create a user", timeout=10.0,
                   permission=A.USER_EDIT, audit_fields=("username", "role"))
CHANGE_USER  = Rpc("ottb.v1.cmd.user.change",     ChangeUser, UserView,       GRANT,
                   summary="Change a user", timeout=10.0,
                   permission=A.USER_EDIT, audit_fields=("user", "role", "status", "tokens"), audit_changes=True,
                   when_full=True)
DELETE_USER  = Rpc("ottb.v1.cmd.user.delete",     DeleteUser, Deleted,        GRANT,
                   summary="Delete a user", permission=A.USER_EDIT, audit_fields=("user",), when_full=True)
END_SESSIONS = Rpc("ottb.v1.cmd.user.end_sessions", EndSessions, LoggedOut,   GRANT,
                   summary="End all sessions of a user", permission=A.USER_EDIT, audit_fields=("user", *TOKENS),
                   when_full=True)

LIST_ROLES   = Rpc("ottb.v1.qry.role.list",       ListRoles,  list[RoleView], frozenset(),
                   summary="All roles", permission=A.ROLE_VIEW)
SET_ROLE     = Rpc("ottb.v1.cmd.role.set",        SetRole,    RoleView,       GRANT,
                   summary="Create or change a role", permission=A.ROLE_EDIT, audit_fields=("role", "permissions"))
DELETE_ROLE  = Rpc("ottb.v1.cmd.role.delete",     DeleteRole, Deleted,        GRANT,
                   summary="Delete a role", permission=A.ROLE_EDIT, audit_fields=("role",))

LIST_TOKENS  = Rpc("ottb.v1.qry.token.list",      ListTokens, list[TokenView], frozenset({E.PERMISSION_DENIED}),
                   summary="Service tokens", permission=Access.LOGGED_IN, asks=frozenset({A.USER_VIEW}))
CREATE_TOKEN = Rpc("ottb.v1.cmd.token.create",    CreateToken, TokenCreatedReply, GRANT,
                   summary="Create a service token", permission=A.TOKEN_CREATE,
                   audit_fields=("id", "name", "actions"))
REVOKE_TOKEN = Rpc("ottb.v1.cmd.token.revoke",    RevokeToken, Deleted,       GRANT,
                   summary="Revoke a service token", permission=Access.LOGGED_IN,
                   asks=frozenset({A.USER_EDIT}), audit_fields=("token_id",), when_full=True)
# fmt: on


# --- events: the directory of users and roles has one fence, so that its rules hold over all of it; a session has
# its own. Both are of one kind, so that whoever reads them back has them in one order.


class UserCreated(Struct, frozen=True, kw_only=True):
    """A user exists. `password_hash` is Argon2id (PHC string) and never leaves the platform's own subjects."""

    user: str
    at: Utc
    role: str
    email: str | None
    password_hash: str
    by: str
    must_change_password: bool = False
    extension: str | None = None


class UserChanged(Struct, frozen=True, kw_only=True):
    """What a user is from now on, whole. `ends_sessions`: what was open is void. `ends_tokens`: service tokens too."""

    user: str
    at: Utc
    role: str
    email: str | None
    password_hash: str
    status: UserStatus
    must_change_password: bool
    by: str
    ends_sessions: bool = False
    but_session: str | None = None
    ends_tokens: bool = False
    extension: str | None = None


class UserDeleted(Struct, frozen=True, kw_only=True):
    user: str
    at: Utc
    by: str


class RoleSet(Struct, frozen=True, kw_only=True):
    """A role has these permissions from now on."""

    role: str
    at: Utc
    permissions: Permissions
    built_in: bool
    by: str


class RoleDeleted(Struct, frozen=True, kw_only=True):
    role: str
    at: Utc
    by: str


class TokenCreated(Struct, frozen=True, kw_only=True):
    """A service token exists. `proof`: SHA-256 of its secret, hexadecimal."""

    token_id: str
    at: Utc
    name: str
    user: str
    actions: list[str]
    proof: str
    expires_at: Utc


class TokenRevoked(Struct, frozen=True, kw_only=True):
    token_id: str
    at: Utc
    by: str


class SessionsEnded(Struct, frozen=True, kw_only=True):
    """Every session of the user that is open now is void, and with `ends_tokens` every service token."""

    user: str
    at: Utc
    by: str
    ends_tokens: bool = False


class SessionOpened(Struct, frozen=True, kw_only=True):
    """Somebody logged in. `password`: a mark of the password that it was with, empty in what an earlier version wrote.
    Where the user's is another one by the time that this is on record, it opens nothing."""

    session: Id
    at: Utc
    user: str
    address: str
    expires_at: Utc
    password: str = ""


class SessionRefreshed(Struct, frozen=True, kw_only=True):
    """The refresh token was replaced: `generation` is the one that is good now."""

    session: Id
    at: Utc
    user: str
    generation: int


class SessionClosed(Struct, frozen=True, kw_only=True):
    """`reason`: logout, reuse of a refresh token, or too many sessions of the user."""

    session: Id
    at: Utc
    user: str
    by: str
    reason: str = "logout"


DirectoryEvent = (
    UserCreated | UserChanged | UserDeleted | RoleSet | RoleDeleted | TokenCreated | TokenRevoked | SessionsEnded
)
SessionEvent = SessionOpened | SessionRefreshed | SessionClosed

# fmt: off
USER_CREATED   = Topic("ottb.v1.evt.point.directory.user_created",   UserCreated,   "A user was created")
USER_CHANGED   = Topic("ottb.v1.evt.point.directory.user_changed",   UserChanged,   "A user was changed")
USER_DELETED   = Topic("ottb.v1.evt.point.directory.user_deleted",   UserDeleted,   "A user was deleted")
ROLE_SET       = Topic("ottb.v1.evt.point.directory.role_set",       RoleSet,       "A role was created or changed")
ROLE_DELETED   = Topic("ottb.v1.evt.point.directory.role_deleted",   RoleDeleted,   "A role was deleted")
TOKEN_CREATED  = Topic("ottb.v1.evt.point.directory.token_created",  TokenCreated,  "A service token was created")
TOKEN_REVOKED  = Topic("ottb.v1.evt.point.directory.token_revoked",  TokenRevoked,  "A service token was revoked")
SESSIONS_ENDED = Topic("ottb.v1.evt.point.directory.sessions_ended", SessionsEnded, "All sessions of a user ended")
SESSION_OPENED = Topic("ottb.v1.evt.point.{session}.session_opened",  SessionOpened, "Somebody logged in")
SESSION_REFRESHED = Topic("ottb.v1.evt.point.{session}.session_refreshed", SessionRefreshed, "A session goes on")
SESSION_CLOSED = Topic("ottb.v1.evt.point.{session}.session_closed",  SessionClosed, "A session ended before its time")
# fmt: on
