"""`ottb user passwd`: set a password over the HTTP API, as anybody would."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from actors.adapters.peer import keep_from_strangers
from actors.adapters.tls import BadCertificate, trusting
from actors.settings import Http

SECONDS = 15.0


class NotDone(Exception):
    """The API refused, or is not there. The message says why."""


def set_password(gateway: "Gateway", *, user: str, new: str, admin: str, password: str, end_tokens: bool) -> int:
    """Log in as `admin` and set the password of `user`; the own one with the old one. Returns how many service tokens
    of the user go on working. Raises NotDone."""
    token = gateway.call("POST", "/api/auth/login", {"username": admin, "password": password})["token"]
    try:
        if user == admin:
            body = {"password": password, "new_password": new, "end_tokens": end_tokens}
            return int(gateway.call("POST", "/api/auth/password", body, token)["tokens_left"])
        changed = gateway.call("PATCH", f"/api/users/{user}", {"password": new, "end_tokens": end_tokens}, token)
        return int(changed["tokens"])
    finally:
        gateway.call("POST", "/api/auth/logout", {}, token)


class Gateway:
    """POINT's port on this machine, where the user `owner` must be who answers: known by the certificate, or from the
    kernel."""

    def __init__(self, given: Http, owner: int) -> None:
        """Raises NotDone."""
        self._url = given.url(given.point_port)
        try:
            tls = trusting(given.certificate) if given.certificate else None
        except BadCertificate as error:
            raise NotDone(str(error)) from None
        no_proxy = urllib.request.ProxyHandler({})  # what the environment names is somebody else
        self._opener = urllib.request.build_opener(
            no_proxy, urllib.request.HTTPSHandler(context=tls) if tls else _OwnHandler(owner)
        )

    def call(self, method: str, path: str, body: Any, token: str | None = None) -> Any:
        """The answer. Raises NotDone."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{self._url}{path}"
        request = urllib.request.Request(url, method=method, data=json.dumps(body).encode(), headers=headers)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:  # an address of our own settings
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise NotDone(json.loads(error.read())["message"]) from None
        except OSError as error:
            raise NotDone(f"no gateway at {url}: {_why(error)}. Start it with `make run`.") from None


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


def _why(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return str(reason.strerror if isinstance(reason, PermissionError) else error)
