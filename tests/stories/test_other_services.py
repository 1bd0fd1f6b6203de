"""The service that docs/users.md shows, as it stands there: it takes our tokens, and no others."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from actors.point.keys import KeyRing, rotate
from actors.point.tokens import Claims, public_key, write_access
from tests.stories.test_auth import forgeries
from tests.stories.test_point import made
from tests.support.site import Client, Site, until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "users.md"
INTROSPECT = "/api/auth/introspect"


class Service:
    """The service, listening. `who` gives the status and what it has answered."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def who(self, authorization: str | None, method: str = "GET") -> tuple[int, Any]:
        headers = {} if authorization is None else {"Authorization": authorization}
        async with self.http.request(method, f"{self.url}/who", headers=headers) as answer:
            return answer.status, await answer.json() if answer.status == 200 else await answer.text()


@pytest.fixture
async def service(site: Site, admin: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    order = {"name": f"service-{secrets.token_hex(4)}", "actions": ["token.introspect"], "expires_in": 3600}
    status, token = await admin.post("/api/tokens", order, part="point")
    assert status == 201, token
    monkeypatch.setenv("OTTB_SITE", site.url("point", ""))
    monkeypatch.setenv("OTTB_TOKEN", token["token"])
    logging.getLogger("aiohttp_jwt").setLevel(logging.CRITICAL)
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shown: dict[str, Any] = {"__name__": "shown"}
    exec(compile(text, str(PAGE), "exec"), shown)  # the page is ours
    runner = web.AppRunner(shown["make_app"]())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Service(f"http://127.0.0.1:{runner.addresses[0][1]}", admin.session)
    await runner.cleanup()
    await admin.call("DELETE", f"/api/tokens/{token['id']}", part="point")


async def test_a_good_token_is_taken_until_it_is_revoked(service: Service, admin: Client) -> None:
    user = await made(admin, "guest1", "operator")
    status, told = await service.who(f"Bearer {user.token}")
    assert (status, told["user"]) == (200, "guest1") and "call.start" in told["may"]
    await admin.call("PATCH", "/api/users/guest1", {"role": "auditor"}, part="point")  # felt there as well

    async def may() -> Any:
        return (await service.who(f"Bearer {user.token}"))[1]["may"]

    await until(may, lambda seen: "call.start" not in seen and "audit.view" in seen, 1.0)
    assert (await user.post("/api/auth/logout", part="point"))[0] == 200
    assert (await service.who(f"Bearer {user.token}"))[0] == 403


async def test_many_at_once_wait_for_the_first_key_set(service: Service, operator: Client) -> None:
    stranger = jwt.encode({}, "x" * 32, headers={"kid": "unknown"})
    found = await asyncio.gather(*(service.who(f"Bearer {token}") for token in [stranger] + 20 * [operator.token]))
    assert [status for status, _ in found] == [401] + 20 * [200]


async def test_no_other_token_is_taken(service: Service, site: Site, admin: Client) -> None:
    user = await made(admin, "guest2", "operator")
    assert user.token is not None
    bad = forgeries(site, user.token, user.answer["refresh_token"])  # type: ignore[attr-defined]
    assert {"algorithm none", "the public key as a secret", "the public key as a secret, as PEM", "unknown kid",
            "another key", "expired", "the refresh token", "without exp"} <= bad.keys()  # fmt: skip
    _, service_token = await admin.post("/api/tokens", {"name": "guest2", "actions": ["call.view"]}, part="point")
    bad["a service token"] = service_token["token"]
    taken = {why: seen for why, token in bad.items() if (seen := await service.who(f"Bearer {token}"))[0] < 400}
    for why, header, method in (
        ("no token", None, "GET"),
        ("no token with OPTIONS", None, "OPTIONS"),
        ("BearerX", f"BearerX {user.token}", "GET"),
        ("two tokens", f"Bearer {user.token} {user.token}", "GET"),
    ):
        seen = await service.who(header, method)
        if seen[0] < 400:
            taken[why] = seen
    assert not taken
    assert (await service.who(f"Bearer {user.token}"))[0] == 200  # they have not shut out anybody
    await admin.call("DELETE", f"/api/tokens/{service_token['id']}", part="point")
    print(f"{len(bad) + 4} foreign tokens at another service, 0 taken")


async def test_a_new_key_is_learnt_while_the_old_one_is_believed(service: Service, site: Site, admin: Client) -> None:
    old = await made(admin, "guest3", "operator")
    assert (await service.who(f"Bearer {old.token}"))[0] == 200
    name = rotate(site.state)
    fresh = Client(site, admin.session)

    async def signed_by() -> Any:
        answer = await fresh.login("guest3", "secure123")
        return (await admin.post(INTROSPECT, {"token": answer["token"]}, part="point"))[1], answer["token"]

    _, keys = await admin.get("/.well-known/jwks.json", part="ottb")
    assert name in [key["kid"] for key in keys["keys"]]
    await until(signed_by, lambda seen: seen[0]["active"] and _kid(seen[1]) == name, 3.0)
    await until(lambda: service.who(f"Bearer {fresh.token}"), lambda seen: seen[0] == 200, 3.0)
    assert (await service.who(f"Bearer {old.token}"))[0] == 200


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_who_may_ask_and_what_is_told(site: Site, admin: Client, operator: Client) -> None:
    status, refused = await operator.post(INTROSPECT, {"token": operator.token}, part="point")
    assert (status, refused["code"]) == (403, "PERMISSION_DENIED")
    assert (await Client(site, admin.session).post(INTROSPECT, {"token": "x"}, part="point"))[0] == 401
    name, secret = max(KeyRing(site.state).items())
    _, told = await admin.post(INTROSPECT, {"token": operator.token}, part="point")
    assert told["sub"] == "op12" and told["active"] is True and told["exp"] > time.time()
    claims = Claims(user="op12", session=told["sid"], role="operator", token_id="j", issued=1, expires=2)
    expired = write_access(claims, {name: secret})
    for token in (expired, "x", "ottb_st_t0_" + "0" * 40, operator.token + "x"):  # type: ignore[operator]
        assert await admin.post(INTROSPECT, {"token": token}, part="point") == (200, {"active": False})
    for body, headers, status in (
        (f"token={operator.token}&token_type_hint=access_token", {}, 200),
        ("token=a&token=b", {}, 400), ("token=%ff", {}, 400), ("nonsense", {}, 400), ("", {}, 400),
        ("token=a", {"Content-Type": "text/plain"}, 415),
    ):  # fmt: skip
        form = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/x-www-form-urlencoded"}
        async with admin.session.post(site.url("point", INTROSPECT), data=body, headers=form | headers) as answer:
            assert answer.status == status, body
            assert status != 200 or (await answer.json())["sub"] == "op12"
    assert not [record for record in await admin.audit("limit=500") if "introspect" in record["action"]]
    public = {key["kid"]: key["x"] for key in (await admin.get("/.well-known/jwks.json"))[1]["keys"]}
    assert set(public) == set(KeyRing(site.state)) and len(public_key(secret).encode()) == 32
