"""What a command is told of an answer of the gateway that is no success."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from actors.settings import Http
from cli.gateway import Gateway, LoggedOut, NotDone, NotNow

REFUSED = b'{"error": "RATE_LIMITED", "message": "Too much at once."}'


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[Gateway]:
    """A gateway that gives one answer to whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Gateway(Http(), server.server_port, os.geteuid())
        finally:
            server.shutdown()
            thread.join()


def refused(status: int, headers: dict[str, str], body: bytes = REFUSED) -> NotDone:
    with answering(status, headers, body) as gateway, pytest.raises(NotDone) as error:
        gateway.call("GET", "/api/autodialer/campaigns/spring")
    return error.value


@pytest.mark.parametrize(("said", "again"), [("7", 7.0), ("", 1.0), ("soon", 1.0), ("86400", 60.0)])
def test_what_can_be_waited_out_says_for_how_long(said: str, again: float) -> None:
    error = refused(429, {"Retry-After": said} if said else {})
    assert isinstance(error, NotNow) and str(error) == "Too much at once." and error.again == again


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"[]", b"\xff", REFUSED])
def test_what_is_in_the_way_can_be_waited_out(status: int, body: bytes) -> None:
    """Also where a proxy says it, in its own words."""
    error = refused(status, {}, body)
    assert isinstance(error, NotNow) and (body == REFUSED or str(status) in str(error))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_what_is_refused_is_not_waited_out(status: int) -> None:
    error = refused(status, {"Retry-After": "5"})
    assert not isinstance(error, NotNow) and isinstance(error, LoggedOut) is (status == 401)
