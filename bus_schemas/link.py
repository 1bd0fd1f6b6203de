"""Links for what a browser opens without a header: a player of recordings, a page that follows the log, a download."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import Utc, shaped
from bus_schemas.permissions import Access
from bus_schemas.user import LoginKind

PARAMETER = "link"  # of the address, the last one
MAKERS = (LoginKind.SESSION, LoginKind.TOKEN)  # with what somebody came who has one made
SECONDS, LONGEST = 60, 3600  # for which a link may be opened, unless asked for otherwise; and at most


# Characters that no browser writes otherwise; others are written as %XX.
Path = Annotated[str, shaped(
    r"^/[A-Za-z0-9._~:/?@!$&()*+,;=%-]{1,1023}$(?!\n)",
    "a path like `/api/dci/logs/follow?severity=error`, at most 1,024 characters, with others as %XX",
)]  # fmt: skip


class MakeLink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link to what a GET of this path and query says, in the asker's name. `seconds`: for which it may be opened."""

    path: Path
    seconds: Annotated[int, Meta(ge=1, le=LONGEST)] = SECONDS


class SignedLink(Struct, frozen=True, kw_only=True):
    """`url`: path and query, to be opened at the port that serves the path, with nothing added; not after
    `expires_at`."""

    url: str
    expires_at: Utc


MAKE_LINK = Rpc(
    "ottb.v1.qry.user.link", MakeLink, SignedLink, frozenset({ErrorCode.AUTH_FAIL, ErrorCode.CONFLICT}),
    summary="A link that a browser can open", permission=Access.LOGGED_IN,
)  # fmt: skip


def url_of(path: str, token: str) -> str:
    """Where a link is opened."""
    return f"{path}{'&' if '?' in path else '?'}{PARAMETER}={token}"


def opened(url: str) -> tuple[str, str] | None:
    """The path and query that a link is said to be for, and its token, of what was asked for. None: it is no link."""
    for mark in "?", "&":
        path, found, token = url.rpartition(f"{mark}{PARAMETER}=")
        if found and "&" not in token and ("?" in path) is (mark == "&"):
            return path, token
    return None
