"""Tokens: how they are written and what is asked of one before it is believed. Pure but for PyJWT.

Access tokens are signed with Ed25519 (`EdDSA`), so that other services can check them with our key set and make none.
Refresh tokens are for POINT alone and stay HS256. Both name their key, and the header's `typ` tells them apart
(RFC 8725 3.11); each kind has one algorithm and keys of a type of its own, so that neither is taken for the other and
no public key for a secret. A service token is `ottb_st_<id>_<secret>`: the secret is random and long, so its SHA-256 is
proof enough and all that is kept.
"""

import base64
import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import jwt
import msgspec
from jwt.algorithms import Algorithm
from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from bus_schemas.contract import UNDECODABLE

ACCESS, REFRESH, LINK = "at+jwt", "rt+jwt", "link+jwt"
EDDSA, HMAC = "EdDSA", "HS256"
ISSUER: Literal["ottb-point"] = "ottb-point"
# A link has one of its own: services that do not look at `typ` take whatever is signed for theirs for an access token.
AUDIENCE = {ACCESS: "ottb", REFRESH: "ottb", LINK: "ottb-link"}
SHORTEST_KEY = 32  # bytes
LEEWAY = 30.0  # seconds that another host's clock may be ahead when it says since when a token is good

LONGEST = 4096  # characters of a token

SERVICE = "ottb_st_"
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\Z")
_SERVICE = re.compile(r"ottb_st_([A-Za-z0-9-]{1,64})_([A-Za-z0-9]{40})\Z")


class TokenRefused(Exception):
    """Not a token of ours, or no longer. The message is for logs, not for whoever sent it."""


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says. Times in epoch seconds. `generation`: of a refresh token, in its session. `path`: of a link,
    for which alone it is good; its `session` is `session:<id>` or `token:<id>`. `key`: the name of the key that signed
    it, once it was read."""

    user: str
    session: str
    role: str
    token_id: str
    issued: int
    expires: int
    generation: int = 0
    path: str = ""
    key: str = ""


class _Payload(Struct, frozen=True, kw_only=True):
    """The claims as they stand in a token, each of its type; what has no default is required."""

    sub: str
    sid: str
    jti: str
    iat: float
    exp: float
    iss: Literal["ottb-point"]
    aud: str
    role: str = ""
    gen: int = 0
    path: str = ""
    nbf: float = 0


OF_SOME = ("gen", "path", "nbf")  # claims that not every kind of token has


class _Subject(Struct, frozen=True):
    sub: str
    sid: str = ""


class _Ed25519(Algorithm):
    """EdDSA for PyJWT on PyNaCl; PyJWT's own needs a second library for the same curve."""

    def prepare_key(self, key: Any) -> Any:  # any: what PyJWT hands on as it was given
        return key

    def sign(self, msg: bytes, key: SigningKey) -> bytes:
        return key.sign(msg).signature

    def verify(self, msg: bytes, key: VerifyKey, sig: bytes) -> bool:
        try:
            key.verify(msg, sig)
        except (BadSignatureError, ValueError):  # ValueError: not as long as a signature
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: VerifyKey, as_dict: bool = False) -> Any:  # any: PyJWT's overloads
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(bytes(key_obj)).decode().rstrip("=")}
        return jwk if as_dict else msgspec.json.encode(jwk).decode()

    @staticmethod
    def from_jwk(jwk: Any) -> VerifyKey:
        raise NotImplementedError("keys come from the state folder")


_JWS = jwt.PyJWS(algorithms=[HMAC])
_JWS.register_algorithm(EDDSA, _Ed25519())


# --- keys: of each secret the HMAC key is the secret itself, the Ed25519 key a hash of it under a name of its own


@lru_cache(maxsize=32)  # as many keys as there may be at once, and more
def signing_key(secret: bytes) -> SigningKey:
    """The key with which access tokens are signed."""
    return SigningKey(hashlib.blake2b(secret, digest_size=32, person=b"ottb access jwt").digest())


def public_key(secret: bytes) -> VerifyKey:
    """Its public half, with which anybody may check them."""
    return signing_key(secret).verify_key


def mark_of(key: VerifyKey) -> str:
    """What no other key has, also one that took this one's name."""
    return hashlib.sha256(bytes(key)).hexdigest()[:16]


def key_set(public: Mapping[str, VerifyKey]) -> dict[str, Any]:
    """The public keys as a JWK set (RFC 7517)."""
    return {
        "keys": [
            {**_Ed25519.to_jwk(key, as_dict=True), "kid": name, "use": "sig", "alg": EDDSA}
            for name, key in public.items()
        ]
    }


def claimed(token: str) -> tuple[str, str]:
    """Whose a token says to be, and of which session, which nobody has checked; empty if it says nothing."""
    try:
        payload = msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="), type=_Subject)
    except (*UNDECODABLE, IndexError, ValueError):
        return "", ""
    return payload.sub[:64], payload.sid[:64]


# --- writing and reading


def write_access(claims: Claims, keys: Mapping[str, bytes]) -> str:
    """An access token signed with the newest key (the last by name)."""
    name = max(keys)
    return _write(claims, signing_key(keys[name]), EDDSA, {"typ": ACCESS, "kid": name})


def write_refresh(claims: Claims, keys: Mapping[str, bytes]) -> str:
    """A refresh token signed with the newest key."""
    name = max(keys)
    return _write(claims, keys[name], HMAC, {"typ": REFRESH, "kid": name})


def write_link(claims: Claims, keys: Mapping[str, bytes]) -> str:
    """What makes a link one, signed with the newest key."""
    name = max(keys)
    return _write(claims, signing_key(keys[name]), EDDSA, {"typ": LINK, "kid": name})


def read_link(token: str, public: Mapping[str, VerifyKey], now: float, *, longest: float) -> Claims:
    """The claims of a link that is good. `longest`: see `read_access`. Raises TokenRefused."""
    return _read(token, public, LINK, EDDSA, now, longest)


def read_access(token: str, public: Mapping[str, VerifyKey], now: float, *, longest: float = math.inf) -> Claims:
    """The claims of a valid access token. `now`: epoch seconds; `longest`: seconds from its making for which one is
    believed, whatever it says itself. Raises TokenRefused."""
    return _read(token, public, ACCESS, EDDSA, now, longest)


def read_refresh(token: str, keys: Mapping[str, bytes], now: float) -> Claims:
    """The claims of a valid refresh token. `now`: epoch seconds. Raises TokenRefused."""
    return _read(token, keys, REFRESH, HMAC, now, math.inf)  # POINT knows when the session ends


def _write(claims: Claims, key: Any, algorithm: str, header: dict[str, str]) -> str:  # any: as the algorithm wants it
    payload = _Payload(
        sub=claims.user,
        sid=claims.session,
        role=claims.role,
        jti=claims.token_id,
        iat=claims.issued,
        exp=claims.expires,
        gen=claims.generation,
        path=claims.path,
        iss=ISSUER,
        aud=AUDIENCE[header["typ"]],
    )
    said = {name: value for name, value in msgspec.to_builtins(payload).items() if name not in OF_SOME or value}
    return _JWS.encode(msgspec.json.encode(said), key, algorithm=algorithm, headers=header)


def _read(  # any: see _write
    token: str, keys: Mapping[str, Any], kind: str, algorithm: str, now: float, longest: float
) -> Claims:
    if not _has_one_spelling(token):
        raise TokenRefused("not as we write them")
    try:
        header = _JWS.get_unverified_header(token)
        name = header.get("kid", "")
        key = keys.get(name) if isinstance(name, str) else None
        if header.get("typ") != kind or key is None or (isinstance(key, bytes) and len(key) < SHORTEST_KEY):
            raise TokenRefused("not a token of this kind and site")
        payload = msgspec.json.decode(_JWS.decode(token, key, algorithms=[algorithm]), type=_Payload)
    except (jwt.InvalidTokenError, *UNDECODABLE, ValueError, TypeError) as error:
        raise TokenRefused(repr(error)) from None
    if payload.aud != AUDIENCE[kind]:
        raise TokenRefused("for somebody else")
    expires = min(payload.exp, payload.iat + longest)
    if expires <= now:
        raise TokenRefused("expired")
    if max(payload.iat, payload.nbf) > now + LEEWAY:
        raise TokenRefused("not yet good")
    return Claims(
        user=payload.sub,
        session=payload.sid,
        role=payload.role,
        token_id=payload.jti,
        issued=int(payload.iat),
        expires=int(expires),
        generation=payload.gen,
        path=payload.path,
        key=name,
    )


def _has_one_spelling(token: str) -> bool:
    """Whether nothing can be added to a token without changing what is signed: PyJWT passes over what is no base64, so
    that one token could be sent, and remembered, in any number of spellings."""
    match = _COMPACT.match(token) if len(token) <= LONGEST else None
    if match is None or len(match[1]) % 4 == 1:
        return False
    signature = match[1].encode()
    decoded = base64.urlsafe_b64decode(signature + b"=" * (-len(signature) % 4))
    return base64.urlsafe_b64encode(decoded).rstrip(b"=") == signature


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
