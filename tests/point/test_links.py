"""A link is no access token, and no access token is a link, however alike they are signed."""

import base64

import msgspec
import pytest

from actors.point import tokens
from actors.point.tokens import Claims, TokenRefused
from bus_schemas.link import opened, url_of

KEYS = {"k1": b"s" * 32}
PUBLIC = {name: tokens.public_key(secret) for name, secret in KEYS.items()}
CLAIMS = Claims(
    user="ann", session="session:s1", role="", token_id="t1", issued=100, expires=160, path="/api/dci/logs?limit=1"
)


def test_what_is_written_is_read_until_its_time() -> None:
    link = tokens.write_link(CLAIMS, KEYS)
    read = tokens.read_link(link, PUBLIC, 159.0, longest=3600)
    assert (read.user, read.session, read.path, read.expires) == ("ann", "session:s1", CLAIMS.path, 160)
    for now, longest in ((160.0, 3600.0), (131.0, 30.0)):
        with pytest.raises(TokenRefused):
            tokens.read_link(link, PUBLIC, now, longest=longest)


def test_neither_kind_is_taken_for_the_other() -> None:
    link, access = tokens.write_link(CLAIMS, KEYS), tokens.write_access(CLAIMS, KEYS)
    _, said, _ = link.split(".")
    assert msgspec.json.decode(base64.urlsafe_b64decode(said + "=="))["aud"] == "ottb-link"  # nor by other services
    with pytest.raises(TokenRefused):
        tokens.read_access(link, PUBLIC, 110.0)
    with pytest.raises(TokenRefused):
        tokens.read_link(access, PUBLIC, 110.0, longest=3600)


@pytest.mark.parametrize("path", ["/api/x", "/api/x?a=1", "/api/x?", "/api/x?a=1&b=2&"])
def test_a_link_says_what_it_is_for(path: str) -> None:
    assert opened(url_of(path, "a.b.c")) == (path, "a.b.c")


@pytest.mark.parametrize("url", ["/api/x", "/api/x?a=1", "/api/x&link=t", "/api/x?link=t&a=1", "/api/x?%6Cink=t"])
def test_what_does_not_end_with_one_is_none(url: str) -> None:
    assert opened(url) is None
