"""What a program is told of an answer that is no success."""

import pytest

from ottb_client.errors import ApiError, refusal

REFUSED = b'{"error": true, "code": "RATE_LIMITED", "message": "Too much at once.", "details": {"rule": "changes"}}'
OTHERS = (b"<html>Bad Gateway</html>", b"[]", b"{}", b'"RATE_LIMITED"', b"\xff", b"")


def refused(status: int, headers: dict[str, str], body: bytes = REFUSED) -> ApiError:
    return refusal(status, "Not Now", body, headers)


def test_a_refusal_is_told_as_it_was_said() -> None:
    error = refused(429, {})
    assert (str(error), error.code, error.status) == ("Too much at once.", "RATE_LIMITED", 429)
    assert error.details == {"rule": "changes"} and error.request_id is None


@pytest.mark.parametrize(("said", "again"), [("7", 7.0), ("", None), ("soon", None), ("86400", 60.0)])
def test_what_can_be_waited_out_says_for_how_long(said: str, again: float | None) -> None:
    error = refused(429, {"Retry-After": said} if said else {})
    assert error.passing and error.retry_after == again


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("body", [*OTHERS, REFUSED])
def test_what_is_in_the_way_can_be_waited_out(status: int, body: bytes) -> None:
    """Also where a proxy says it, in its own words."""
    error = refused(status, {}, body)
    assert error.passing and (body == REFUSED or str(error) == f"{status} Not Now")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
@pytest.mark.parametrize("body", [*OTHERS, REFUSED])
def test_what_is_refused_is_not_waited_out(status: int, body: bytes) -> None:
    assert not refused(status, {"Retry-After": "5"}, body).passing


def test_who_asks_too_much_does_not_ask_again_at_once() -> None:
    assert not refused(429, {"Retry-After": "1"}).repeatable
    assert refused(409, {"Retry-After": "1"}, b"").repeatable and not refused(409, {}, b"").repeatable
