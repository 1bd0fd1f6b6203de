"""What a token that was shown to another service is worth now. Pure."""

from collections.abc import Mapping
from datetime import datetime

from nacl.signing import VerifyKey

from actors.point.directory import Directory
from actors.point.tokens import ACCESS, AUDIENCE, ISSUER, SERVICE, TokenRefused, read_access, read_service_token
from actors.runtime.clock import parse_utc
from bus_schemas.errors import Refusal
from bus_schemas.introspection import Introspection
from bus_schemas.user import Identity, LoginKind

NOT_ACTIVE = Introspection(active=False)  # one answer, whatever is wrong


def introspect(
    token: str, *, book: Directory, public: Mapping[str, VerifyKey], now: datetime, longest: float
) -> Introspection:
    """Whose token this is and what its holder may do, if it is good now. `longest`: see `read_access`."""
    try:
        if token.startswith(SERVICE):
            return _of_service_token(token, book, now)
        claims = read_access(token, public, now.timestamp(), longest=longest)
        identity = book.identify(LoginKind.SESSION, claims.session, "", now)
    except (TokenRefused, Refusal):
        return NOT_ACTIVE
    if identity.user != claims.user:
        return NOT_ACTIVE
    return _active(book, identity, exp=claims.expires, iat=claims.issued, jti=claims.token_id, sid=claims.session)


def _of_service_token(token: str, book: Directory, now: datetime) -> Introspection:
    """Raises TokenRefused, Refusal."""
    id, proof = read_service_token(token)
    identity = book.identify(LoginKind.TOKEN, id, proof, now)
    created, ends = (int(parse_utc(at).timestamp()) for at in (book.tokens[id].created_at, book.tokens[id].expires_at))
    return _active(book, identity, exp=ends, iat=created, jti=id)


def _active(
    book: Directory, identity: Identity, *, exp: int, iat: int, jti: str, sid: str | None = None
) -> Introspection:
    if book.users[identity.user].must_change_password:
        return NOT_ACTIVE  # with us nothing is allowed before that, so nobody else should let them in
    return Introspection(
        active=True,
        scope=" ".join(identity.actions),
        sub=identity.user,
        username=identity.user,
        role=identity.role,
        token_type="Bearer",
        exp=exp,
        iat=iat,
        iss=ISSUER,
        aud=AUDIENCE[ACCESS],
        jti=jti,
        sid=sid,
    )
