"""Signatures: what was signed is verified, and nothing else is."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.signature import TOLERANCE, sign, verify

SECRETS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=60)
TIMES = st.integers(10**9, 10**10)


@given(SECRETS, st.binary(max_size=200), TIMES)
def test_what_was_signed_is_verified_for_a_while(secret: str, body: bytes, at: int) -> None:
    header = sign([secret], body, at)
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert header == f"t={at},v1={mac}"
    for now in (at - TOLERANCE, at, at + TOLERANCE):
        assert verify(header, secret, body, now)
    assert not verify(header, secret, body, at + TOLERANCE + 1)
    assert not verify(header, secret, body, at - TOLERANCE - 1)


@given(SECRETS, SECRETS, st.binary(max_size=50), st.binary(max_size=50), TIMES)
def test_another_secret_body_or_time_is_not(one: str, other: str, body: bytes, changed: bytes, at: int) -> None:
    header = sign([one], body, at)
    assert verify(header, other, body, at) is (one == other)
    assert verify(header, one, changed, at) is (body == changed)
    assert not verify(header.replace(f"t={at}", f"t={at + 1}"), one, body, at)


@given(SECRETS, SECRETS, st.binary(max_size=50), TIMES)
def test_while_a_secret_is_replaced_both_are_good(new: str, old: str, body: bytes, at: int) -> None:
    header = sign([new, old], body, at)
    assert verify(header, new, body, at) and verify(header, old, body, at)


@given(st.text(max_size=100), st.binary(max_size=20))
def test_what_is_no_signature_is_refused(header: str, body: bytes) -> None:
    assert not verify(header, "secret", body, 10**9)


def test_a_time_alone_or_twice_is_no_signature() -> None:
    good = sign(["s"], b"x", 10**9)
    for header in (f"t={10**9}", f"{good},t={10**9}", good.partition(",")[2], f"t=,{good.partition(',')[2]}"):
        assert not verify(header, "s", b"x", 10**9)
