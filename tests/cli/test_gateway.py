"""A command's session at the gateway of this machine."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from actors.settings import Http
from cli.gateway import in_words, session
from ottb_client import ApiError

LOGIN = {
    "token": "t", "role": "admin", "expires": 3600, "permissions": {}, "refresh_token": "r", "refresh_expires": 7200,
    "must_change_password": False,
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/api/auth/login": LOGIN, "/api/auth/logout": {"status": "ok"}, "/api/roles": [],
}  # fmt: skip
REFUSED = {"error": True, "code": "AUTH_FAIL", "message": "Wrong user or password."}


@contextmanager
def answering(answers: dict[str, Any], asked: list[str]) -> Iterator[int]:
    """A gateway on a port; what it has no answer for it refuses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(answers.get(self.path, REFUSED)).encode()
            self.send_response(200 if self.path in answers else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_a_session_lasts_as_long_as_its_block() -> None:
    asked = list[str]()
    with answering(ANSWERS, asked) as port:
        with session(Http(), port, os.geteuid(), "admin", "secret") as begun:
            assert begun.done(begun.api.list_roles()) == []
        with pytest.raises(KeyError), session(Http(), port, os.geteuid(), "admin", "secret"):
            raise KeyError
    assert asked == ["/api/auth/login", "/api/roles", "/api/auth/logout", "/api/auth/login", "/api/auth/logout"]


def test_who_may_not_log_in_is_told_and_is_not_logged_out() -> None:
    asked = list[str]()
    with (
        answering({}, asked) as port, pytest.raises(ApiError, match="Wrong user"),
        session(Http(), port, os.geteuid(), "admin", "secret"),
    ):  # fmt: skip
        raise AssertionError
    assert asked == ["/api/auth/login"]


def test_where_nobody_answers_the_command_says_what_to_do() -> None:
    with answering({}, []) as port:
        pass
    with pytest.raises(ApiError) as error, session(Http(), port, os.geteuid(), "admin", "secret"):
        raise AssertionError
    assert in_words(error.value).startswith(f"no gateway at http://127.0.0.1:{port}: ")
    assert "make run" in in_words(error.value) and "make run" not in in_words(ApiError("CONFLICT", "no", status=409))
