"""How what webhooks post is signed, by us and by others who post to us, and how a receiver checks it. Pure.

`OTTB-Signature: t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>" by the secret, hexadecimal>`. While a secret is
replaced there is one `v1` for each that is good. The time is signed with the body, so that nobody repeats an old one.
"""

import hashlib
import hmac
from collections.abc import Iterable

SIGNATURE, EVENT_ID = "OTTB-Signature", "OTTB-Event-Id"
MOST_PARTS = 20  # of a header that are looked at
TOLERANCE = 300.0  # seconds by which a receiver's clock may differ


def sign(secrets: Iterable[str], body: bytes, at: int) -> str:
    """The header's value. `at`: seconds since 1970."""
    return ",".join([f"t={at}", *(f"v1={_mac(secret, body, at)}" for secret in secrets)])


def verify(header: str, secret: str, body: bytes, now: float, *, tolerance: float = TOLERANCE) -> bool:
    """Whether a body was signed with this secret, within `tolerance` seconds of `now`."""
    return signed_at(header, secret, body, now, tolerance=tolerance) is not None


def signed_at(header: str, secret: str, body: bytes, now: float, *, tolerance: float = TOLERANCE) -> int | None:
    """When a body was signed with this secret, seconds since 1970. None: it was not, or not within `tolerance`."""
    given = [part.strip().partition("=") for part in header.split(",")[:MOST_PARTS]]
    times = [value for name, _, value in given if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        return None
    at = int(times[0])
    wanted = _mac(secret, body, at).encode()
    right = [hmac.compare_digest(value.encode(), wanted) for name, _, value in given if name == "v1"]
    return at if any(right) and abs(now - at) <= tolerance else None


def _mac(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
