"""What an entry that nobody can read takes away: it may have been meant to, so it counts as if it was.

It fails closed for whom it names: that user is disabled, that role grants nothing, that token or session is over, until
a readable entry about them says otherwise. Bytes that name nobody were no decision of this product: they are skipped.
"""

import msgspec
from msgspec import Struct

from actors.point.directory import Directory
from bus_schemas.contract import UNDECODABLE
from bus_schemas.names import SYSTEM
from bus_schemas.user import (
    DirectoryEvent,
    RoleDeleted,
    RoleSet,
    SessionClosed,
    SessionEvent,
    SessionsEnded,
    TokenRevoked,
    UserChanged,
    UserDeleted,
    UserStatus,
)


class Named(Struct, frozen=True, kw_only=True):
    """Whom an entry of the directory is about, and who made it, as far as that can be read."""

    user: str = ""
    role: str = ""
    token_id: str = ""
    by: str = ""


def named_in(data: bytes) -> Named:
    """Whom an entry names, each field for itself: another one of a wrong type hides nobody."""
    found: dict[str, str] = {}
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except UNDECODABLE:
        return Named()
    for name in Named.__struct_fields__:
        try:
            found[name] = msgspec.json.decode(raw.get(name, b'""'), type=str)
        except UNDECODABLE:
            continue
    return Named(**found)


def closing(book: Directory, id: str, past: str, data: bytes) -> DirectoryEvent | SessionEvent | None:
    """The event that takes away what the unreadable entry `past` of `id` might have; None when it could not have."""
    if past in ("session_refreshed", "session_closed"):
        if id not in book.sessions:
            return None
        user = book.sessions[id].user
        return SessionClosed(session=id, at="", user=user, by=SYSTEM, reason="unreadable entry")
    named = named_in(data)
    if past == "token_revoked":
        return TokenRevoked(token_id=named.token_id, at="", by=SYSTEM) if named.token_id in book.tokens else None
    if past in ("role_set", "role_deleted"):
        return _role_closed(book, past, named)
    return _user_closed(book, past, named.user)


def _role_closed(book: Directory, past: str, named: Named) -> RoleSet | RoleDeleted | None:
    role = book.roles.get(named.role)
    if role is None:
        return None
    if past == "role_deleted":
        return RoleDeleted(role=role.name, at="", by=named.by)
    # As the product itself wrote it, the product writes it anew at the next start; a person's is for a person to mend.
    return RoleSet(role=role.name, at="", permissions={}, built_in=role.built_in, by=named.by)


def _user_closed(book: Directory, past: str, name: str) -> UserChanged | UserDeleted | SessionsEnded | None:
    user = book.users.get(name)
    if user is None:
        return None
    if past == "user_deleted":
        return UserDeleted(user=name, at="", by=SYSTEM)
    if past == "sessions_ended":
        return SessionsEnded(user=name, at="", by=SYSTEM, ends_tokens=True)
    if past != "user_changed":
        return None
    return UserChanged(
        user=name,
        at="",
        role=user.role,
        email=user.email,
        password_hash=user.password_hash,
        status=UserStatus.DISABLED,
        must_change_password=user.must_change_password,
        by=SYSTEM,
        ends_sessions=True,
        ends_tokens=True,
        extension=user.extension,
    )
