"""Links that a browser opens without a header, on a whole site: what they open, and nothing else."""

import asyncio
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from yarl import URL

from tests.stories.test_point import made
from tests.support.events import Events
from tests.support.site import Client, until

LINKS, LOGS, EVENT = "/api/auth/links", "/api/dci/logs", "/api/dci/log-event"


async def made_link(client: Client, path: str, **more: object) -> str:
    status, link = await client.post(LINKS, {"path": path, **more}, part="point")
    assert status == 200, link
    return str(link["url"])


async def opened(client: Client, url: str, *, method: str = "GET", part: str = "dci") -> tuple[int, Any, Any]:
    """Status, answer and headers of what a browser gets there, which changes nothing of the address."""
    where = URL(client.site.url(part, url), encoded=True)
    async with client.session.request(method, where, allow_redirects=False) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def test_a_link_opens_what_it_is_for_without_a_header(admin: Client) -> None:
    module = f"links-{uuid4().hex[:6]}"
    body = {"module": module, "severity": "warning", "message": "seen & heard"}
    assert (await admin.post(EVENT, body, part="dci"))[0] == 201
    query = f"?module={module}&text={quote('seen & heard')}"
    for path in (f"{LOGS}{query}", f"{LOGS}?limit=1", LOGS):
        url = await made_link(admin, path)
        for part in ("dci", "workspace"):
            status, found, headers = await opened(admin, url, part=part)
            assert status == 200 and module in {one["module"] for one in found}, found
            assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "private, no-store")
            assert "link=" not in headers.get("Link", "")


async def test_the_log_is_followed_by_a_link_that_is_over_meanwhile(admin: Client) -> None:
    module = f"links-{uuid4().hex[:6]}"
    body = {"module": module, "severity": "warning", "message": "first"}
    url, other = [await made_link(admin, f"{LOGS}{path}", seconds=4) for path in (f"/follow?module={module}", "")]
    async with admin.session.get(URL(admin.site.url("workspace", url), encoded=True)) as answer:
        assert answer.status == 200 and answer.headers["Referrer-Policy"] == "no-referrer"
        await until(lambda: opened(admin, other), lambda seen: seen[0] == 401)
        assert (await opened(admin, url))[0] == 401
        assert (await admin.post(EVENT, body, part="dci"))[0] == 201
        assert await Events(answer).messages(1) == ["first"]


async def test_a_table_is_opened_by_a_link_to_itself(admin: Client) -> None:
    campaign = f"links-{uuid4().hex[:6]}"
    assert (await admin.post("/api/autodialer/campaigns", {"campaign_id": campaign}))[0] == 201
    here = f"/api/autodialer/campaigns/{campaign}"
    url = await made_link(admin, f"{here}/leads?format=csv")
    status, said, headers = await opened(admin, url, part="ottb")
    assert status == 400 and f"{here}/export" in said["message"] and "Location" not in headers
    url = await made_link(admin, f"{here}/export")
    async with admin.session.get(URL(admin.site.url("ottb", url), encoded=True)) as answer:
        assert answer.status == 200 and "lead_id,number" in await answer.text()
        said = answer.headers
        assert (said["Referrer-Policy"], said["Cache-Control"]) == ("no-referrer", "private, no-store")


async def test_a_link_is_good_for_one_path_one_user_and_a_time(admin: Client, operator: Client) -> None:
    url = await made_link(operator, f"{LOGS}?limit=1")
    path, token = url.split("&link=")
    others = [
        f"{path}0&link={token}", f"{LOGS}?limit=2&link={token}", f"{LOGS}?link={token}", f"/api/calls?link={token}",
        f"{path}&link={token}&limit=2", f"{path}&link={token}&link={token}", f"{path}&link={token[:-2]}",
        f"{path}&link=", f"{path}&link=x", f"{path}&%6Cink={token}", f"{LOGS}?link={token}&limit=1",
        f"{path}&link={operator.token}",
    ]  # fmt: skip
    for other in others:
        status, said, _ = await opened(operator, other)
        assert (status, said["code"]) in ((401, "AUTH_FAIL"), (404, "NOT_FOUND")), other
    event = await made_link(operator, EVENT)
    assert (await opened(operator, event, method="POST"))[0] == 401
    users = await made_link(operator, "/api/users")  # a link lets nobody do more than a token
    assert (await opened(operator, users, part="point"))[0] == 403
    thief = Client(operator.site, operator.session, token)
    assert (await thief.get(LOGS, part="dci"))[0] == 401
    assert (await thief.post("/api/auth/refresh", {"refresh_token": token}, part="point"))[0] == 401
    status, said = await admin.post("/api/auth/introspect", {"token": token}, part="point")
    assert said == {"active": False}
    short = await made_link(operator, LOGS, seconds=1)
    await asyncio.sleep(1.2)
    assert (await opened(operator, short))[0] == 401
    assert (await opened(operator, url))[0] == 200


async def test_a_link_ends_with_what_made_it(admin: Client) -> None:
    person = await made(admin, f"u{uuid4().hex[:8]}", "admin")
    status, program = await person.post("/api/tokens", {"name": "viewer", "actions": ["log.view"]}, part="point")
    assert status == 201, program
    links = [await made_link(person, LOGS), await made_link(Client(admin.site, admin.session, program["token"]), LOGS)]
    assert [(await opened(admin, url))[0] for url in links] == [200, 200]
    assert (await person.call("DELETE", f"/api/tokens/{program['id']}", part="point"))[0] == 200
    await until(lambda: opened(admin, links[1]), lambda seen: seen[0] == 401)
    assert (await opened(admin, links[0]))[0] == 200
    assert (await person.post("/api/auth/logout", {}, part="point"))[0] == 200
    await until(lambda: opened(admin, links[0]), lambda seen: seen[0] == 401)


async def test_what_makes_no_link_is_refused_with_the_field(admin: Client) -> None:
    for path in ("", "/", "api", "//elsewhere/x", "/api/../x", "/a b", "/a#b", "/a\"b", "/a?link=x", "/" + "a" * 1024):
        status, said = await admin.post(LINKS, {"path": path}, part="point")
        assert (status, said["code"]) == (400, "INVALID_PARAMS") and "path" in said["message"], path
    for seconds in (0, 3601, "x"):
        assert (await admin.post(LINKS, {"path": LOGS, "seconds": seconds}, part="point"))[0] == 400
    nobody = Client(admin.site, admin.session)
    assert (await nobody.post(LINKS, {"path": LOGS}, part="point"))[0] == 401
