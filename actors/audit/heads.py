"""Ends of the audit's chain, signed, to be kept where nobody who can change the journal can write.

The chain shows a change of what is in it, not that its end was cut off, or that all of it was written anew. A head that
was noted elsewhere shows both. Its signature (Ed25519) says that the site has written it: neither can somebody else
have a whole chain called broken with a head of their own making, nor the site deny one.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from actors.runtime.secret_files import claim_secret
from bus_schemas.fields import Utc

FILE = "audit-head.key"
SEED_BYTES, KEY_BYTES, SIGNATURE_BYTES = 32, 32, 64
MEANT_FOR = "ottb audit head 1"  # so that the signature is good for nothing else

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class BadHead(Exception):
    """Not a head, or one that nobody has signed with the key that is believed."""


class SignedHead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest entry's number and its record's hash at a time, with the public key and the signature (base64url)."""

    number: Annotated[int, Meta(ge=1, lt=10**18)]
    hash: Hash
    at: Utc
    key: str
    signature: str


def sign(key: SigningKey, *, number: int, hash: str, at: str) -> SignedHead:
    """The head, signed."""
    signature = key.sign(_said(number, hash, at)).signature
    return SignedHead(number=number, hash=hash, at=at, key=public(key), signature=_text(signature))


def read(line: str | bytes, believed: str) -> SignedHead:
    """The head in a line of JSON, when it is signed with the key that is believed. Raises BadHead."""
    try:
        head = msgspec.json.decode(line, type=SignedHead)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadHead(f"is no head: {error}") from None
    if head.key != believed:
        raise BadHead(f"is signed with another key ({head.key[:64]!r})")
    try:
        key = VerifyKey(_bytes(believed, KEY_BYTES))
        key.verify(_said(head.number, head.hash, head.at), _bytes(head.signature, SIGNATURE_BYTES))
    except BadSignatureError:
        raise BadHead("was changed (its signature is broken)") from None
    return head


def public(key: SigningKey) -> str:
    """The public half, as heads and the command line have it."""
    return _text(bytes(key.verify_key))


def key_of(state: Path) -> SigningKey:
    """The site's key for heads, which only its owner can read; made at the first use. Raises BadHead."""
    file = state / FILE
    if not file.exists():
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            claim_secret(file, os.urandom(SEED_BYTES))  # the first one stays, whoever else makes one at the same time
        except OSError as error:
            raise BadHead(f"cannot be signed: {state} is not ours to write in: {error.strerror}") from None
    seed = file.read_bytes()
    if len(seed) != SEED_BYTES:
        raise BadHead(f"cannot be signed: {file} is no key")
    return SigningKey(seed)


def _said(number: int, hash: str, at: str) -> bytes:
    return msgspec.json.encode([MEANT_FOR, number, hash, at])


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str, length: int) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if len(data) != length:
        raise BadHead(f"has a key or a signature that is not {length} bytes")
    return data
