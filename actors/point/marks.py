"""What a bus connection was let in by, as a mark in its name: where that is on record no more as it was, or its key is
believed no more, the connection must go, whatever should have cut it before.

The mark is made of what is on record, not of what a version makes of it, so that hosts of two versions agree.
"""

import hashlib
from collections.abc import Collection
from typing import Any

import msgspec

from actors.point.directory import Directory
from bus_schemas.names import Share, share_of
from bus_schemas.user import Identity, LoginKind

LENGTH = 16  # hexadecimal digits


def name_of(identity: Identity) -> str:
    """What the server calls a connection; by it connections are found again."""
    return f"{identity.user}/{identity.kind}/{identity.id}/{identity.mark}"


def parts_of(name: str) -> tuple[str, str, str, str]:
    """User, kind, id and mark of a connection's name; empty where there is none."""
    user, kind, id, mark, *_ = (*name.split("/"), "", "", "", "")
    return user, kind, id, mark


def share_in(name: str) -> Share | None:
    """Whose share a connection takes. None: it is not somebody's whom POINT has let in."""
    user, kind, _, _ = parts_of(name)
    return share_of(kind, user) if kind else None


def mark_of(book: Directory, user: str, kind: str, id: str, key: str = "") -> str:
    """The mark of a login as things are now. `key`: the mark of the key that signed its access token. Empty: nothing
    on record lets it in."""
    known = book.users.get(user)
    if known is None or not known.active:
        return ""
    shown: Any = None  # what it was let in by
    if kind == LoginKind.SESSION:
        shown = (session := book.sessions.get(id)) and (session.user, session.opened_at, key)
    elif kind == LoginKind.TOKEN:
        shown = (token := book.tokens.get(id)) and (token.user, token.proof, sorted(token.actions))
    elif kind == LoginKind.PASSWORD:
        shown = (user, known.password_hash)
    if not shown or shown[0] != user:
        return ""
    role = book.role_of(known)
    about = (shown, known.created_at, known.must_change_password, role.name, role.permissions)
    digest = hashlib.sha256(msgspec.json.encode(about, order="sorted")).hexdigest()[:LENGTH]
    return f"{digest}.{key}" if key else digest


def is_still_good(book: Directory, name: str, keys: Collection[str]) -> bool:
    """Whether a connection of this name would be let in now, with the same rights. `keys`: the marks of those that are
    believed."""
    user, kind, id, mark = parts_of(name)
    key = mark.partition(".")[2]
    if kind == LoginKind.SESSION and key not in keys:
        return False
    return mark != "" and mark == mark_of(book, user, kind, id, key)
