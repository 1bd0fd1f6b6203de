"""Which host's key a virtual phone takes, as adbd does: it signs a token with it (AOSP, `adb/protocol.txt`, `AUTH`).

The public key is a file of adb's own, in base64: the number of words, n0inv, the modulus, R^2 and the exponent, all
little-endian (AOSP, `libcrypto_utils/android_pubkey.cpp`). The token is signed as if it were a SHA-1 digest.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from pathlib import Path

MODULUS_BYTES = 256
_KEY = struct.Struct(f"<II{MODULUS_BYTES}s{MODULUS_BYTES}sI")
_SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")  # what stands before a digest in a signature (RFC 8017, 9.2)


def any_host(token: bytes, signature: bytes) -> bool:
    """A phone that takes every host, as one whose owner has nodded at each."""
    return True


def host_of(file: Path) -> Callable[[bytes, bytes], bool]:
    """A phone that takes the host whose public key is in a file alone."""

    def known(token: bytes, signature: bytes) -> bool:
        try:
            return is_signed(token, signature, file.read_bytes())
        except (OSError, ValueError, struct.error, binascii.Error):
            return False

    return known


def is_signed(token: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether who has the private half of a key has signed a token."""
    _, _, modulus, _, exponent = _KEY.unpack(base64.b64decode(public_key.split()[0], validate=True))
    if len(signature) != MODULUS_BYTES:
        return False
    found = pow(int.from_bytes(signature, "big"), exponent, int.from_bytes(modulus, "little"))
    digest = _SHA1 + token
    padding = b"\xff" * (MODULUS_BYTES - len(digest) - 3)
    return found == int.from_bytes(b"\0\1" + padding + b"\0" + digest, "big")
