"""The folder of signing keys: followed by who checks, renewed in time, and readable by its owner alone."""

import os
import threading
import time
from pathlib import Path

import pytest

from actors.point.keys import SHOWN, KeyRing, PublicKeys, drop_others, ensure_keys, renew, rotate
from actors.point.tokens import (
    Claims,
    TokenRefused,
    public_key,
    read_access,
    read_refresh,
    write_access,
    write_refresh,
)

CLAIMS = Claims(user="a", session="s", role="r", token_id="t", issued=1, expires=2**40)
NOW = 2.0


def test_a_new_key_signs_and_the_old_one_is_believed(tmp_path: Path) -> None:
    now = 0.0
    signer, checker = ensure_keys(tmp_path), PublicKeys(tmp_path, lambda: now)
    old = write_access(CLAIMS, signer)
    assert read_access(old, checker, NOW).user == "a"
    assert rotate(tmp_path) == "0002"
    new = write_access(CLAIMS, KeyRing(tmp_path))
    assert new.split(".")[0] != old.split(".")[0]
    assert [read_access(token, checker, NOW).key for token in (old, new)] == ["0001", "0002"]  # at once: no wait
    for key in (tmp_path / "keys").iterdir():
        assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(key.name for key in (tmp_path / "keys").iterdir()) == [
        "0001.key", "0001.pub", "0002.key", "0002.pub",
    ]  # fmt: skip


def test_a_key_is_shown_before_it_signs_and_goes_when_it_signed_nothing_good(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    folder = tmp_path / "keys"
    began = (folder / "0001.key").stat().st_mtime

    def renewed(after: float) -> tuple[list[str], list[str]]:
        renew(tmp_path, after=100_000, keep=50_000, now=began + after)
        return list(KeyRing(tmp_path)), list(PublicKeys(tmp_path))

    assert renewed(99_999) == (["0001"], ["0001"])
    assert renewed(100_001) == (["0001"], ["0001", "0002"])
    os.utime(folder / "0002.next", (began + 100_001, began + 100_001))
    assert renewed(100_001 + SHOWN - 1) == (["0001"], ["0001", "0002"])
    assert renewed(200_000) == (["0001", "0002"], ["0001", "0002"])  # late, for nobody was there
    assert renewed(250_000) == (["0001", "0002"], ["0001", "0002"])  # and the age of a key counts from its first use
    assert renewed(250_001) == (["0002"], ["0002"])


def test_a_key_that_is_only_shown_is_dropped_with_the_others(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    renew(tmp_path, after=-1, keep=50, now=time.time())
    assert list(PublicKeys(tmp_path)) == ["0001", "0002"]
    assert drop_others(tmp_path, rotate(tmp_path)) == ["0001", "0002"]
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["0003.key", "0003.pub"]


def test_access_and_refresh_tokens_are_told_apart(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    public = PublicKeys(tmp_path)
    assert read_access(write_access(CLAIMS, keys), public, NOW).user == "a"
    assert read_refresh(write_refresh(CLAIMS, keys), keys, NOW).user == "a"
    with pytest.raises(TokenRefused):
        read_access(write_refresh(CLAIMS, keys), public, NOW)
    with pytest.raises(TokenRefused):
        read_refresh(write_access(CLAIMS, keys), keys, NOW)


def test_keys_of_a_site_from_before_public_halves_get_theirs(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    (tmp_path / "keys" / "0001.pub").unlink()
    rotate(tmp_path)
    (tmp_path / "keys" / "0002.pub").write_bytes(b"damaged")
    assert not PublicKeys(tmp_path)  # a damaged one is nobody's
    ensure_keys(tmp_path)
    assert dict(PublicKeys(tmp_path)) == {name: public_key(secret) for name, secret in keys.items()}


def test_a_key_that_leaked_is_dropped(tmp_path: Path) -> None:
    now = 0.0
    ensure_keys(tmp_path)
    keys, checker = KeyRing(tmp_path, lambda: now), PublicKeys(tmp_path, lambda: now)
    access, refresh = write_access(CLAIMS, keys), write_refresh(CLAIMS, keys)
    assert read_access(access, checker, NOW).key == "0001"
    assert drop_others(tmp_path, rotate(tmp_path)) == ["0001"]
    now = 1.0
    with pytest.raises(TokenRefused):
        read_access(access, checker, NOW)
    with pytest.raises(TokenRefused):
        read_refresh(refresh, keys, NOW)
    assert read_access(write_access(CLAIMS, keys), checker, NOW).key == "0002"


def test_of_hosts_that_rotate_at_once_each_keeps_its_own_halves(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    hosts = [threading.Thread(target=rotate, args=(tmp_path,)) for _ in range(16)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    keys, public = KeyRing(tmp_path), PublicKeys(tmp_path)
    assert len(keys) == len(public) == 17
    assert dict(public) == {name: public_key(secret) for name, secret in keys.items()}
