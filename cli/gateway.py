"""The gateway of the site on this machine, as commands ask it: over the HTTP API, as anybody would."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from actors.adapters.peer import keep_from_strangers
from actors.adapters.tls import BadCertificate, trusting
from actors.settings import Http

SECONDS = 15.0
AGAIN, LONGEST = 1.0, 60.0  # seconds until something is asked again: where nobody says it, and at most
IN_THE_WAY = frozenset({
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
})  # fmt: skip


class NotDone(Exception):
    """The API refused, or is not there. The message says why."""


class LoggedOut(NotDone):
    """The token is not good any more."""


class NotNow(NotDone):
    """It can be asked again: in `again` seconds."""

    def __init__(self, message: str, again: float = AGAIN) -> None:
        super().__init__(message)
        self.again = again


class NotThere(NotNow):
    """Nobody answers."""


class Gateway:
    """One port on this machine, where the user `owner` must be who answers: known by the certificate, or from the
    kernel."""

    def __init__(self, given: Http, port: int, owner: int) -> None:
        """Raises NotDone."""
        self._url = given.url(port)
        try:
            tls = trusting(given.certificate) if given.certificate else None
        except BadCertificate as error:
            raise NotDone(str(error)) from None
        no_proxy = urllib.request.ProxyHandler({})  # what the environment names is somebody else
        self._opener = urllib.request.build_opener(
            no_proxy, urllib.request.HTTPSHandler(context=tls) if tls else _OwnHandler(owner)
        )

    @contextmanager
    def session(self, user: str, password: str) -> Iterator["Session"]:
        """A login for as long as the block lasts. Raises NotDone."""
        session = Session(self, self.call("POST", "/api/auth/login", {"username": user, "password": password}))
        try:
            yield session
        finally:
            with suppress(NotDone):  # it ends by itself
                session.call("POST", "/api/auth/logout", {})

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The answer. Raises NotDone."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{self._url}{path}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, method=method, data=data, headers=headers)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:  # an address of our own settings
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise NotThere(f"no gateway at {url}: {_why(error)}. Start it with `make run`.") from None


class Session:
    """Somebody who has logged in. A token that runs out is replaced."""

    def __init__(self, gateway: Gateway, login: Any) -> None:  # any: the API's answer
        self._gateway = gateway
        self._login = login

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer. Raises NotDone."""
        try:
            return self._gateway.call(method, path, body, self._login["token"])
        except LoggedOut:
            given = {"refresh_token": self._login["refresh_token"]}
            self._login = self._login | self._gateway.call("POST", "/api/auth/refresh", given)
            return self._gateway.call(method, path, body, self._login["token"])


class _OwnHandler(urllib.request.HTTPHandler):
    """Speaks to one user of this machine alone."""

    def __init__(self, owner: int) -> None:
        super().__init__()
        self._owner = owner

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        owner = self._owner

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                keep_from_strangers(self.sock, owner, SECONDS)

        return self.do_open(Connection, req)


def _refusal(error: urllib.error.HTTPError) -> NotDone:
    """What an answer means that is no success."""
    said = _message(error)
    if error.code in IN_THE_WAY:
        again = error.headers.get("Retry-After", "")
        return NotNow(said, min(float(again), LONGEST) if again.isdecimal() else AGAIN)
    return (LoggedOut if error.code == HTTPStatus.UNAUTHORIZED else NotDone)(said)


def _message(error: urllib.error.HTTPError) -> str:
    """In the API's words, or, where something before it answers, by its status."""
    try:
        return str(json.loads(error.read())["message"])
    except (OSError, http.client.HTTPException, ValueError, TypeError, LookupError):
        return f"{error.code} {error.reason}"


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(reason.strerror if isinstance(reason, PermissionError) else error)
