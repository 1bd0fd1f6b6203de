"""`ottb user passwd`: set a password over the HTTP API, as anybody would."""

import json
import urllib.error
import urllib.request
from typing import Any

from actors.adapters.tls import BadCertificate, trusting
from actors.settings import Http


class NotDone(Exception):
    """The API refused, or is not there. The message says why."""


def set_password(http: Http, *, user: str, new: str, admin: str, password: str, end_tokens: bool) -> int:
    """Log in as `admin` and set the password of `user`; the own one with the old one. Returns how many service tokens
    of the user go on working. Raises NotDone."""
    token = _call(http, "POST", "/api/auth/login", {"username": admin, "password": password})["token"]
    try:
        if user == admin:
            body = {"password": password, "new_password": new, "end_tokens": end_tokens}
            return int(_call(http, "POST", "/api/auth/password", body, token)["tokens_left"])
        changed = _call(http, "PATCH", f"/api/users/{user}", {"password": new, "end_tokens": end_tokens}, token)
        return int(changed["tokens"])
    finally:
        _call(http, "POST", "/api/auth/logout", {}, token)


def _call(http: Http, method: str, path: str, body: Any, token: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    url = f"{http.url(http.point_port)}{path}"
    request = urllib.request.Request(url, method=method, data=json.dumps(body).encode(), headers=headers)
    try:
        tls = trusting(http.certificate) if http.certificate else None
        with urllib.request.urlopen(request, timeout=15, context=tls) as answer:  # an address of our own settings
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise NotDone(json.loads(error.read())["message"]) from None
    except BadCertificate as error:
        raise NotDone(str(error)) from None
    except OSError as error:
        raise NotDone(f"no gateway at {url}: {error}. Start it with `make run`.") from None
