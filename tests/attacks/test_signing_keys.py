"""Attacks with a signing key that is believed no more, not yet, or by accident, and on the folder of keys."""

import os
import string
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from actors.point import keys as folder_of_keys
from actors.point.keys import KeyRing, PublicKeys, drop_others, ensure_keys, rotate
from actors.point.tokens import Claims, TokenRefused, public_key, read_access, write_access
from tests.support.attacked import KEYS, MAKER, Attacked, attacked_point

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
ASK = "/api/point/rolecheck?action=call.view"
LEAKED = {"0002": b"leaked" * 8}
CLAIMS = Claims(user=MAKER, session="s", role="admin", token_id="x", issued=1, expires=2**40)


def session_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


async def believed(attacked: Attacked, token: str) -> bool:
    return (await attacked.ask("GET", ASK, token))[0] == 200


async def test_a_key_that_was_dropped_opens_nothing_also_for_tokens_seen_before() -> None:
    async with attacked_point() as attacked:
        token = await attacked.login()
        forged = write_access(
            Claims(
                user=MAKER, session=session_of(token), role="admin", token_id="x", issued=int(time.time()),
                expires=2**40,
            ),
            LEAKED,
        )  # fmt: skip
        assert not await believed(attacked, forged)
        attacked.public["0002"] = public_key(LEAKED["0002"])
        assert await believed(attacked, forged)  # as the site's own
        del attacked.public["0002"]
        assert not await believed(attacked, forged)
        assert await believed(attacked, token)
        status, key_set = await attacked.ask("GET", "/.well-known/jwks.json", None)
        assert (status, [key["kid"] for key in key_set["keys"]]) == (200, list(KEYS))
        assert all(set(key) == {"kty", "crv", "x", "kid", "use", "alg"} for key in key_set["keys"])  # nothing secret


async def test_a_key_whose_name_another_one_took_is_believed_no_more() -> None:
    """Whoever empties the folder after a theft gets the first name again."""
    async with attacked_point() as attacked:
        token = await attacked.login()
        attacked.public["0001"] = public_key(b"another" * 8)
        assert not await believed(attacked, token)


async def test_a_token_has_one_spelling() -> None:
    """Else one token fills the memory of those that were checked: 10,000 of 8 KB each."""
    async with attacked_point() as attacked:
        token = await attacked.login()
        head, body, signature = token.split(".")
        others = [token + "=" * n for n in (1, 2, 4, 400, 6000)]
        others += [f"{head}.{body}.{junk}{signature}" for junk in ("!!!!", "!" * 400, "é" * 4, "    ")]
        same = ALPHABET.index(signature[-1]) // 16 * 16  # of the last character four bits say nothing
        others += [f"{head}.{body}.{signature[:-1]}{last}" for last in ALPHABET[same + 1 : same + 16]]
        others += [f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}"]
        for other in others:
            with pytest.raises(TokenRefused):
                read_access(other, attacked.public, time.time())
        assert read_access(token, attacked.public, time.time()).session == session_of(token)
        print(f"{len(others)} other spellings of a good token, 0 taken")


@pytest.mark.parametrize("content", [b"", b"short", b"\0" * 48], ids=["empty", "short", "zeros"])
def test_a_key_that_everybody_can_guess_signs_nothing(tmp_path: Path, content: bytes) -> None:
    """A machine that lost its power may leave a file empty or of zeros."""
    ensure_keys(tmp_path)
    (tmp_path / "keys" / "0002.key").write_bytes(content)
    (tmp_path / "keys" / "0001-copy.key").write_bytes(b"somebody's" * 5)
    keys, public = ensure_keys(tmp_path), PublicKeys(tmp_path)
    assert write_access(CLAIMS, keys).split(".")[0] == write_access(CLAIMS, {"0001": keys["0001"]}).split(".")[0]
    with pytest.raises(TokenRefused):
        read_access(write_access(CLAIMS, {"0002": content}), public, 2.0)
    assert list(public) == ["0001"]
    (tmp_path / "keys" / "0001.key").write_bytes(content)
    fresh = ensure_keys(tmp_path)  # no key is left that could sign: a new one does
    assert read_access(write_access(CLAIMS, fresh), PublicKeys(tmp_path), 2.0).key == "0003"


def test_a_folder_that_cannot_be_read_leaves_the_known_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system that hangs, or a file of another user's, must not answer everybody with 500."""
    now = 0.0
    signer = ensure_keys(tmp_path)
    ring, public = KeyRing(tmp_path, lambda: now), PublicKeys(tmp_path, lambda: now)
    token = write_access(CLAIMS, signer)
    assert read_access(token, public, 2.0).key == max(ring) == "0001"
    unreadable = rotate(tmp_path)
    opened = os.open

    def not_that_file(path: str | Path, *arguments: Any, **options: Any) -> int:
        if Path(path).stem == unreadable:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    def stale(path: str | Path, *arguments: Any, **options: Any) -> int:
        if Path(path).name == folder_of_keys.FOLDER:
            raise OSError(116, "Stale file handle")
        return opened(path, *arguments, **options)

    now = 1.0
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", not_that_file)
        assert read_access(token, public, 2.0).user == MAKER
        assert read_access(write_access(CLAIMS, ring), public, 2.0).key == "0001"  # no other can be read
    now = 2.0
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", stale)
        assert read_access(token, public, 2.0).user == MAKER
    now = 3.0
    assert list(public) == ["0001", unreadable]


def test_dropping_old_keys_leaves_one_that_comes_meanwhile_whole(tmp_path: Path) -> None:
    """Another host may be half done with a newer one: without its public half it would sign what nobody believes."""
    ensure_keys(tmp_path)
    name = rotate(tmp_path)
    newer = rotate(tmp_path)
    (tmp_path / "keys" / f"{newer}.key").rename(tmp_path / "elsewhere")  # as far as the other host is
    assert drop_others(tmp_path, name) == ["0001"]
    (tmp_path / "elsewhere").rename(tmp_path / "keys" / f"{newer}.key")
    assert read_access(write_access(CLAIMS, KeyRing(tmp_path)), PublicKeys(tmp_path), 2.0).key == newer
