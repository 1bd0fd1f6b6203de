"""The folder of signing keys: followed by who checks, renewed in time, and readable by its owner alone."""

import os
from pathlib import Path

from actors.point.keys import KeyRing, ensure_keys, renew, rotate
from actors.point.tokens import REFRESH, Claims, TokenRefused, decode, encode

CLAIMS = Claims(user="a", session="s", role="r", token_id="t", issued=1, expires=2**40)


def test_a_new_key_signs_and_the_old_one_is_believed(tmp_path: Path) -> None:
    now = 0.0
    signer, checker = ensure_keys(tmp_path), KeyRing(tmp_path, lambda: now)
    old = encode(CLAIMS, signer)
    assert decode(old, checker).user == "a"
    assert rotate(tmp_path) == "0002"
    now = 1.0
    new = encode(CLAIMS, KeyRing(tmp_path))
    assert new.split(".")[0] != old.split(".")[0]
    assert decode(old, checker) == decode(new, checker)
    for key in (tmp_path / "keys").glob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_a_key_goes_when_nothing_that_it_signed_can_be_good(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    first = tmp_path / "keys" / "0001.key"
    began = first.stat().st_mtime
    renew(tmp_path, after=100, keep=50, now=began + 99)
    assert list(KeyRing(tmp_path)) == ["0001"]
    renew(tmp_path, after=100, keep=50, now=began + 101)
    assert list(KeyRing(tmp_path)) == ["0001", "0002"]
    os.utime(tmp_path / "keys" / "0002.key", (began + 101, began + 101))
    renew(tmp_path, after=100, keep=50, now=began + 140)
    assert list(KeyRing(tmp_path)) == ["0001", "0002"]
    renew(tmp_path, after=100, keep=50, now=began + 160)
    assert list(KeyRing(tmp_path)) == ["0002"]


def test_access_and_refresh_tokens_are_told_apart(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    for kind, other in ((REFRESH, "at+jwt"), ("at+jwt", REFRESH)):
        token = encode(CLAIMS, keys, kind)
        assert decode(token, keys, kind).user == "a"
        try:
            decode(token, keys, other)
        except TokenRefused:
            continue
        raise AssertionError(f"{kind} was taken for {other}")
