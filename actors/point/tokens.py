"""Access tokens: how they are written and what is asked of one before it is believed. Pure but for PyJWT.

HS256 with named keys. The header's `typ` must be `at+jwt` (RFC 9068, RFC 8725 3.11), so that no other token of ours
is taken for an access token; `exp iat sub jti sid`, issuer and audience are required.
"""

from collections.abc import Mapping

import jwt
from msgspec import Struct

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER = "ottb-point"
AUDIENCE = "ottb"
SHORTEST_KEY = 32  # bytes
REQUIRED = ["exp", "iat", "sub", "jti", "sid", "iss", "aud"]


class TokenRefused(Exception):
    """Not a token of ours, or no longer. The message is for logs, not for whoever sent it."""


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says. Times in epoch seconds."""

    user: str
    session: str
    role: str
    token_id: str
    issued: int
    expires: int


def encode(claims: Claims, keys: Mapping[str, bytes]) -> str:
    """A token signed with the newest key (the last by name)."""
    name = max(keys)
    payload = {
        "sub": claims.user,
        "sid": claims.session,
        "role": claims.role,
        "jti": claims.token_id,
        "iat": claims.issued,
        "exp": claims.expires,
        "iss": ISSUER,
        "aud": AUDIENCE,
    }
    return jwt.encode(payload, keys[name], algorithm=ALGORITHM, headers={"typ": TYPE, "kid": name})


def decode(token: str, keys: Mapping[str, bytes]) -> Claims:
    """The claims of a valid token. Raises TokenRefused."""
    try:
        header = jwt.get_unverified_header(token)
        key = keys.get(header.get("kid", ""))
        if header.get("typ") != TYPE or key is None or len(key) < SHORTEST_KEY:
            raise TokenRefused("not an access token of this site")
        payload = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options={"require": REQUIRED}
        )
        return Claims(
            user=payload["sub"],
            session=str(payload["sid"]),
            role=str(payload.get("role", "")),
            token_id=str(payload["jti"]),
            issued=int(payload["iat"]),
            expires=int(payload["exp"]),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused(repr(error)) from None
