"""Users, roles and sessions (POINT): who somebody is and what they may do."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.call import Utc
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.permissions import Action

E = ErrorCode

Username = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", examples=["op12"])]
RoleName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", examples=["operator"])]
Permissions = dict[str, list[str]]


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log in. Unknown user and wrong password are answered alike."""

    username: Annotated[str, Meta(min_length=1, max_length=64, examples=["op12"])]
    password: Annotated[str, Meta(min_length=1, max_length=256, examples=["1234"])]


class Token(Struct, frozen=True, kw_only=True):
    """An access token for `expires` seconds. `permissions`: verbs by module, as the role stores them."""

    token: str
    role: str
    expires: int
    permissions: Permissions


class Refresh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fresh token for the bearer of a valid one, in the same session."""


class RefreshedToken(Struct, frozen=True, kw_only=True):
    token: str
    expires: int


class Logout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End the session: every token of it stops working everywhere."""


class LoggedOut(Struct, frozen=True, kw_only=True):
    status: str


class RoleCheck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the caller may do `action`, and all that they may do."""

    action: Annotated[str, Meta(min_length=1, max_length=64, examples=["call.start"])]


class RoleCheckReply(Struct, frozen=True, kw_only=True):
    allowed: bool
    permissions: list[Action]


class SessionView(Struct, frozen=True, kw_only=True):
    """What a door needs to know of one live session."""

    session: str
    user: str
    role: str
    actions: list[Action]
    expires_at: Utc


class GetSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The live session behind a verified token. Refused with AUTH_FAIL when it has ended."""

    session: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]


# fmt: off
#                subject                          request     reply           may be refused with
LOGIN      = Rpc("ottb.v1.cmd.user.login",        Login,      Token,          frozenset({E.AUTH_FAIL, E.RATE_LIMITED}),
                 summary="Log in", queue=True, timeout=10.0)
REFRESH    = Rpc("ottb.v1.cmd.user.refresh",      Refresh,    RefreshedToken, frozenset({E.AUTH_FAIL}),
                 summary="Refresh the token", queue=True)
LOGOUT     = Rpc("ottb.v1.cmd.user.logout",       Logout,     LoggedOut,      frozenset({E.AUTH_FAIL}),
                 summary="Log out", queue=True)
ROLE_CHECK = Rpc("ottb.v1.qry.user.rolecheck",    RoleCheck,  RoleCheckReply, frozenset({E.AUTH_FAIL}),
                 summary="May I?", queue=True)
GET_SESSION = Rpc("ottb.v1.qry.user.session",     GetSession, SessionView,    frozenset({E.AUTH_FAIL}),
                  summary="The session behind a token", queue=True)
# fmt: on


class UserCreated(Struct, frozen=True, kw_only=True):
    """A user exists. `password_hash` is Argon2id (PHC string) and never leaves the platform's own subjects."""

    user: str
    at: Utc
    role: str
    email: str | None
    password_hash: str
    by: str


class RoleSet(Struct, frozen=True, kw_only=True):
    """A role has these permissions from now on."""

    role: str
    at: Utc
    permissions: Permissions
    built_in: bool
    by: str


class SessionOpened(Struct, frozen=True, kw_only=True):
    user: str
    at: Utc
    session: str
    address: str
    expires_at: Utc


class SessionClosed(Struct, frozen=True, kw_only=True):
    user: str
    at: Utc
    session: str
    by: str


UserEvent = UserCreated | SessionOpened | SessionClosed

# fmt: off
USER_CREATED   = Topic("ottb.v1.evt.user.{user}.created",        UserCreated,   "A user was created")
SESSION_OPENED = Topic("ottb.v1.evt.user.{user}.session_opened", SessionOpened, "Somebody logged in")
SESSION_CLOSED = Topic("ottb.v1.evt.user.{user}.session_closed", SessionClosed, "A session ended before its time")
ROLE_SET       = Topic("ottb.v1.evt.role.{role}.set",            RoleSet,       "A role was created or changed")
# fmt: on

COMMANDS = (LOGIN, REFRESH, LOGOUT, ROLE_CHECK, GET_SESSION)
TOPICS = (USER_CREATED, SESSION_OPENED, SESSION_CLOSED, ROLE_SET)
