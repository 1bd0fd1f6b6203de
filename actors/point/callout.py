"""The words of nats-server's auth callout: its question and our signed answer, as NATS JWTs (ed25519-nkey).

Source: NATS ADR-26 (authorization callouts) and the JWT claims of its operator mode. Pure but for signatures.
"""

import base64
import binascii
import hashlib
import os
from typing import Any

import msgspec
from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from actors.point.grants import grants
from actors.point.marks import name_of
from actors.runtime.clock import parse_utc
from bus_schemas.user import Identity

ACCOUNT = "USERS"  # of nats.conf, with the limits there: a server that has its accounts from a file reads none here
NO_LIMIT = -1
SECRET = ["ottb.v1.evt.point.>"]  # password hashes; no template names it, and none shall by mistake
LONGEST_LIFE = 24 * 3600  # seconds; a connection is sent to log in again well before
SEED, ACCOUNT_KEY = 18 << 3, 0  # prefix bytes of nkeys
NOTHING = "_nothing"  # an empty allow list would allow everything


class BadQuestion(Exception):
    """Not a question of a nats-server."""


class BadSeed(Exception):
    """The issuer's seed is not one. The message says so and nothing of the seed."""


class Question(Struct, frozen=True, kw_only=True):
    """Who wants to log in. `secret`: password or token as given, `answer_to`: the server that asks."""

    name: str
    secret: str
    address: str
    user_key: str
    answer_to: str


def new_seed() -> str:
    """The seed of a new account key, to keep secret, as nkeys write it (`SA...`)."""
    return _nkey(bytes([SEED | ACCOUNT_KEY >> 5, (ACCOUNT_KEY & 31) << 3]) + os.urandom(32))


def public_of(seed: str) -> str:
    """The public key (`A...`) that nats.conf names as issuer. Raises BadSeed."""
    return _nkey(bytes([ACCOUNT_KEY]) + bytes(_pair(seed).verify_key))


def _nkey(data: bytes) -> str:
    """An nkey's text: base32 of prefix, key and CRC-16 (XMODEM, little-endian). Source: nats-io/nkeys, README."""
    return base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    """Prefix and key of an nkey's text. Raises ValueError."""
    data = base64.b32decode(text + "=" * (-len(text) % 8))
    if len(data) < 3 or binascii.crc_hqx(data[:-2], 0).to_bytes(2, "little") != data[-2:]:
        raise ValueError("not an nkey")
    return data[:-2]


def _pair(seed: str) -> SigningKey:
    try:
        data = _unpacked(seed)
    except ValueError:
        raise BadSeed("the issuer's seed is not an nkey") from None
    if data[0] & 0xF8 != SEED or len(data) != 34:
        raise BadSeed("the issuer's seed is not the seed of an account key (SA...)")
    return SigningKey(data[2:])


def read(token: bytes) -> Question:
    """The question in a request. Raises BadQuestion."""
    try:
        header, body, signature = token.decode("ascii").split(".")
        claims = msgspec.json.decode(_bytes(body))
        asked = claims["nats"]
        VerifyKey(_unpacked(claims["iss"])[1:]).verify(f"{header}.{body}".encode(), _bytes(signature))
        options = asked["connect_opts"]
        return Question(
            name=str(options.get("user", "")),
            secret=str(options.get("pass") or options.get("auth_token") or ""),
            address=str(asked["client_info"].get("host", "")),
            user_key=str(asked["user_nkey"]),
            answer_to=str(asked["server_id"]["id"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, BadSignatureError) as error:
        raise BadQuestion(repr(error)) from None


def admitted(question: Question, identity: Identity, seed: str, now: int) -> bytes:
    """The answer that lets somebody in with the subjects of their actions."""
    given = grants(identity)
    ends = now + LONGEST_LIFE
    if identity.expires_at is not None:
        ends = min(ends, int(parse_utc(identity.expires_at).timestamp()))
    rights = {
        "type": "user",
        "version": 2,
        "subs": NO_LIMIT,
        "data": NO_LIMIT,
        "payload": NO_LIMIT,
        "pub": {"allow": given.publish or [NOTHING]},
        "sub": {"allow": [*given.subscribe, *(f"{one} {given.groups}" for one in given.subscribe)], "deny": SECRET},
        "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
    }
    user = {"sub": question.user_key, "name": name_of(identity), "aud": ACCOUNT, "exp": ends, "nats": rights}
    return _answer(question, {"jwt": _sign(user, seed, now).decode()}, seed, now)


def refused(question: Question, seed: str, now: int) -> bytes:
    """The answer that keeps somebody out. It does not say why."""
    return _answer(question, {"error": "not admitted"}, seed, now)


def _answer(question: Question, said: dict[str, Any], seed: str, now: int) -> bytes:
    response = {"type": "authorization_response", "version": 2, **said}
    return _sign({"sub": question.user_key, "aud": question.answer_to, "nats": response}, seed, now)


def _sign(claims: dict[str, Any], seed: str, now: int) -> bytes:
    whole = {"iat": now, "iss": public_of(seed), **claims}
    id = base64.b32encode(hashlib.sha256(msgspec.json.encode(whole, order="sorted")).digest()).decode().rstrip("=")
    header = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = b".".join(_text(msgspec.json.encode(part)) for part in (header, {**whole, "jti": id}))
    return signed + b"." + _text(_pair(seed).sign(signed).signature)


def _text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
