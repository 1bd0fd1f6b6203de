"""Tokens: how they are written and what is asked of one before it is believed. Pure but for PyJWT.

Access and refresh tokens are HS256 JWTs with named keys, told apart by the header's `typ` (RFC 8725 3.11), so that
neither is taken for the other. A service token is `ottb_st_<id>_<secret>`: the secret is random and long, so its
SHA-256 is proof enough and all that is kept.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping

import jwt
from msgspec import Struct

ALGORITHM = "HS256"
ACCESS, REFRESH = "at+jwt", "rt+jwt"
ISSUER = "ottb-point"
AUDIENCE = "ottb"
SHORTEST_KEY = 32  # bytes
REQUIRED = ["exp", "iat", "sub", "jti", "sid", "iss", "aud"]

SERVICE = "ottb_st_"
_SERVICE = re.compile(r"ottb_st_([A-Za-z0-9-]{1,64})_([A-Za-z0-9]{40})\Z")


class TokenRefused(Exception):
    """Not a token of ours, or no longer. The message is for logs, not for whoever sent it."""


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says. Times in epoch seconds. `generation`: of a refresh token, in its session."""

    user: str
    session: str
    role: str
    token_id: str
    issued: int
    expires: int
    generation: int = 0


def encode(claims: Claims, keys: Mapping[str, bytes], kind: str = ACCESS) -> str:
    """A token signed with the newest key (the last by name)."""
    name = max(keys)
    payload: dict[str, object] = {
        "sub": claims.user,
        "sid": claims.session,
        "role": claims.role,
        "jti": claims.token_id,
        "iat": claims.issued,
        "exp": claims.expires,
        "iss": ISSUER,
        "aud": AUDIENCE,
    }
    if kind == REFRESH:
        payload["gen"] = claims.generation
    return jwt.encode(payload, keys[name], algorithm=ALGORITHM, headers={"typ": kind, "kid": name})


def decode(token: str, keys: Mapping[str, bytes], kind: str = ACCESS) -> Claims:
    """The claims of a valid token of this kind. Raises TokenRefused."""
    try:
        header = jwt.get_unverified_header(token)
        name = header.get("kid", "")
        key = keys.get(name) if isinstance(name, str) else None
        if header.get("typ") != kind or key is None or len(key) < SHORTEST_KEY:
            raise TokenRefused("not a token of this kind and site")
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
            generation=int(payload.get("gen", 0)),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused(repr(error)) from None


def make_service_token() -> tuple[str, str, str]:
    """A new service token: its id, the token itself, and the proof that is kept of it."""
    id, secret = f"t{secrets.token_hex(8)}", secrets.token_hex(20)
    return id, f"{SERVICE}{id}_{secret}", proof_of(secret)


def read_service_token(token: str) -> tuple[str, str]:
    """Id and proof of a service token. Raises TokenRefused."""
    match = _SERVICE.match(token)
    if match is None:
        raise TokenRefused("not a service token")
    return match[1], proof_of(match[2])


def proof_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
