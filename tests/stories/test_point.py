"""Section 2 of the interface and what belongs to it: users, roles, tokens, the audit, and what everybody sees."""

import asyncio
import base64
import json
import os
import sys
import time

import aiohttp
import pytest

from tests.support.site import Client, Site, until

READY = {"must_change_password": False}


async def made(admin: Client, name: str, role: str, password: str = "secure123", **more: object) -> Client:
    """A new user, logged in."""
    body = {"username": name, "password": password, "role": role, **READY, **more}
    status, answer = await admin.post("/api/users", body, part="point")
    assert status == 201, answer
    client = Client(admin.site, admin.session)
    client.answer = await client.login(name, password)  # type: ignore[attr-defined]
    return client


async def test_a_user_is_created_changed_and_deleted(admin: Client) -> None:
    body = {"username": "op30", "password": "secure123", "email": "op30@example.com", "role": "operator"}
    status, user = await admin.post("/api/users", body, part="point")
    assert status == 201
    assert (user["username"], user["email"], user["role"], user["must_change_password"]) == (
        "op30", "op30@example.com", "operator", True,
    )  # fmt: skip
    assert "password" not in str(user).replace("must_change_password", "")
    assert (await admin.post("/api/users", body, part="point"))[1]["code"] == "CONFLICT"
    status, changed = await admin.call("PATCH", "/api/users/op30", {"email": None}, part="point")
    assert (status, changed["email"], changed["role"]) == (200, None, "operator")
    status, changed = await admin.call("PATCH", "/api/users/op30", {"extension": "630"}, part="point")
    assert (status, changed["extension"], changed["role"]) == (200, "630", "operator")
    more = {"username": "op31", "password": "secure123", "role": "operator", "extension": "630"}
    assert (await admin.post("/api/users", more, part="point"))[1]["code"] == "CONFLICT"
    for wrong in ({}, {"is_admin": True}, {"username": "x"}, {"role": "nobody"}, {"password": "short"}, {"email": "x"},
                  {"extension": "6,30"}):  # fmt: skip
        status, _ = await admin.call("PATCH", "/api/users/op30", wrong, part="point")
        assert status in (400, 404), wrong
    status, refused = await admin.call("PATCH", "/api/users/op30", {"extension": "alice"}, part="point")
    assert status == 400 and "of which the first is a digit" in refused["message"], refused
    assert "op30" in [user["id"] for user in (await admin.get("/api/users", part="point"))[1]]
    assert (await admin.call("DELETE", "/api/users/op30", part="point"))[1] == {"status": "deleted", "id": "op30"}
    assert (await admin.call("DELETE", "/api/users/op30", part="point"))[0] == 404


async def test_a_password_set_by_another_is_changed_first(admin: Client) -> None:
    new = await made(admin, "op31", "operator", must_change_password=True)
    assert new.answer["must_change_password"] is True and new.answer["permissions"] == {}  # type: ignore[attr-defined]
    assert (await new.get("/api/slots"))[0] == 403
    body = {"password": "secure123", "new_password": "much-better"}
    assert (await new.post("/api/auth/password", body | {"new_password": "short"}, part="point"))[0] == 400
    assert (await new.post("/api/auth/password", body, part="point"))[0] == 200
    assert (await new.get("/api/slots"))[0] == 200  # the same session
    assert (await new.login("op31", "much-better"))["must_change_password"] is False


async def test_a_refresh_token_rotates_and_its_reuse_ends_the_session(admin: Client) -> None:
    user = await made(admin, "op32", "operator")
    first = user.answer["refresh_token"]  # type: ignore[attr-defined]
    anybody = Client(user.site, user.session)
    status, second = await anybody.post("/api/auth/refresh", {"refresh_token": first}, part="point")
    assert status == 200 and second["refresh_token"] != first
    assert (await Client(user.site, user.session, second["token"]).get("/api/slots"))[0] == 200
    again, third = await anybody.post("/api/auth/refresh", {"refresh_token": first}, part="point")
    assert again == 200  # within the grace: the first answer may have been lost
    status, third = await anybody.post("/api/auth/refresh", {"refresh_token": third["refresh_token"]}, part="point")
    assert status == 200
    for _ in range(3):  # noise, which is counted
        assert (await anybody.post("/api/auth/refresh", {"refresh_token": "x"}, part="point"))[0] == 401
    status, refused = await anybody.post("/api/auth/refresh", {"refresh_token": first}, part="point")  # stolen
    assert (status, refused["code"]) == (401, "AUTH_FAIL")
    session = json.loads(base64.urlsafe_b64decode(user.token.split(".")[1] + "=="))["sid"]
    _, audit = await admin.get("/api/audit?action=POST%20/api/auth/refresh", part="point")
    assert [one["result"] for one in audit if one["subject"] == {"ended_session": session}] == ["AUTH_FAIL"], audit
    for token in (user.token, third["token"]):
        assert (await Client(user.site, user.session, token).get("/api/slots"))[0] == 401
    assert (await anybody.post("/api/auth/refresh", {"refresh_token": third["refresh_token"]}, part="point"))[0] == 401


async def test_logging_out_everywhere_ends_every_session(admin: Client) -> None:
    one = await made(admin, "op33", "operator")
    other = Client(one.site, one.session)
    await other.login("op33", "secure123")
    assert (await one.post("/api/auth/logout", {"everywhere": True}, part="point"))[1]["sessions"] == 2
    assert [(await client.get("/api/slots"))[0] for client in (one, other)] == [401, 401]


async def test_a_changed_role_and_a_disabled_user_are_felt_at_once(admin: Client) -> None:
    user = await made(admin, "op34", "operator")
    assert (await user.get("/api/audit", part="point"))[0] == 403
    await admin.call("PATCH", "/api/users/op34", {"role": "auditor"}, part="point")
    began = time.monotonic()
    await until(lambda: user.get("/api/audit", part="point"), lambda seen: seen[0] == 200, 1.0)
    await until(lambda: user.post("/api/call/start", {"number": "1"}), lambda seen: seen[0] == 403, 1.0)
    print(f"a changed role was felt after {1000 * (time.monotonic() - began):.0f} ms")
    await admin.call("PATCH", "/api/users/op34", {"status": "disabled"}, part="point")
    await until(lambda: user.get("/api/slots"), lambda seen: seen[0] == 401, 1.0)
    status, _ = await user.post("/api/auth/login", {"username": "op34", "password": "secure123"}, part="point")
    assert status == 401


async def test_a_role_is_stored_as_documented_and_resolves(admin: Client) -> None:
    wanted = {"permissions": {"OTTB": ["read", "write"], "WORKSPACE": ["view", "call"]}}
    status, role = await admin.post("/api/roles/agent", wanted, part="point")
    assert (status, role["permissions"]) == (200, wanted["permissions"])
    assert {"call.start", "slot.view"} <= set(role["actions"]) and "slot.shell" not in role["actions"]
    for wrong in ({"NOWHERE": ["read"]}, {"OTTB": ["fly"]}, {"POINT": ["call.start"]}, {"OTTB": "read"}):
        status, refused = await admin.post("/api/roles/agent", {"permissions": wrong}, part="point")
        assert (status, refused["code"]) == (400, "INVALID_PARAMS"), wrong
    await made(admin, "op35", "agent")
    assert (await admin.call("DELETE", "/api/roles/agent", part="point"))[1]["code"] == "CONFLICT"
    await admin.call("DELETE", "/api/users/op35", part="point")
    assert (await admin.call("DELETE", "/api/roles/agent", part="point"))[0] == 200
    assert {"admin", "supervisor", "operator", "devops", "auditor"} <= {
        role["id"] for role in (await admin.get("/api/roles", part="point"))[1]
    }


async def test_nobody_climbs(admin: Client) -> None:
    grants = {"permissions": {"OTTB": ["read"], "POINT": ["read", "write"]}}
    await admin.post("/api/roles/clerk", grants, part="point")
    clerk = await made(admin, "clerk1", "clerk")
    for method, path, body in (
        ("POST", "/api/users", {"username": "x1", "password": "secure123", "role": "admin"}),
        ("PATCH", "/api/users/clerk1", {"role": "admin"}),
        ("PATCH", "/api/users/admin", {"password": "stolen-123"}),
        ("DELETE", "/api/users/admin", None),
        ("POST", "/api/users/admin/logout", None),
        ("POST", "/api/roles/clerk", {"permissions": {"OTTB": ["shell"]}}),
        ("POST", "/api/roles/new", {"permissions": {"OTTB": ["shell"]}}),
        ("POST", "/api/roles/operator", {"permissions": {"OTTB": ["read"]}}),
    ):
        status, refused = await clerk.call(method, path, body, part="point")
        assert (status, refused["code"]) == (403, "PERMISSION_DENIED"), (method, path)
    for method, path, body in (
        ("DELETE", "/api/users/admin", None),
        ("PATCH", "/api/users/admin", {"role": "operator"}),
        ("PATCH", "/api/users/admin", {"status": "disabled"}),
        ("POST", "/api/roles/admin", {"permissions": {"OTTB": ["read"]}}),
    ):
        assert (await admin.call(method, path, body, part="point"))[0] == 403, (method, path)


async def test_a_service_token_is_scoped_seen_and_revoked(admin: Client) -> None:
    body = {"name": "crm-sync", "actions": ["call.view", "call.view_any"], "expires_in": 3600}
    status, created = await admin.post("/api/tokens", body, part="point")
    assert status == 201 and created["token"].startswith("ottb_st_")
    program = Client(admin.site, admin.session, created["token"])
    assert (await program.get("/api/calls/feed"))[0] == 200
    assert (await program.get("/api/slots"))[0] == 403
    assert (await program.post("/api/tokens", body, part="point"))[0] == 403
    assert (await program.post("/api/auth/logout", part="point"))[1]["code"] == "CONFLICT"

    async def shown() -> dict[str, object]:
        tokens = (await admin.get("/api/tokens", part="point"))[1]
        return next(token for token in tokens if token["id"] == created["id"])

    seen = await until(shown, lambda token: token["last_used"] is not None)
    assert "token" not in seen and seen["name"] == "crm-sync"
    assert (await admin.call("DELETE", f"/api/tokens/{created['id']}", part="point"))[0] == 200
    await until(lambda: program.get("/api/calls/feed"), lambda seen: seen[0] == 401, 1.0)
    assert (await admin.post("/api/tokens", body | {"actions": ["fly"]}, part="point"))[0] == 400


async def ottb(site: Site, *arguments: str, **more: str) -> tuple[int, str]:
    """The command line, with this site's settings. `more`: its environment's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", *arguments, env=os.environ | site.env | more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, said


async def test_the_command_line_sets_a_password_and_says_what_goes_on_working(admin: Client, site: Site) -> None:
    user = await made(admin, "op36", "supervisor")
    _, made_token = await user.post("/api/tokens", {"name": "crm", "actions": ["call.view"]}, part="point")
    program = Client(site, admin.session, made_token["token"])
    words, known = ("user", "passwd", "op36"), {"OTTB_PASSWORD": site.admin_password}
    assert await ottb(site, *words, **known, OTTB_NEW_PASSWORD="the-second-one") == (
        0, "password of op36 changed\nservice tokens of op36 that stay good: 1 (--end-tokens ends them)\n",
    )  # fmt: skip
    assert (await program.get("/api/calls/feed"))[0] == 403  # the user must change the password first
    await admin.call("PATCH", "/api/users/op36", READY, part="point")
    await until(lambda: program.get("/api/calls/feed"), lambda seen: seen[0] == 200, 1.0)
    assert (await user.get("/api/calls/feed"))[0] == 401
    status, said = await ottb(site, *words, **known, OTTB_NEW_PASSWORD="password1")
    assert status == 1 and "tried first" in said
    done = await ottb(site, *words, "--end-tokens", **known, OTTB_NEW_PASSWORD="the-third-one")
    assert done == (0, "password of op36 changed\n")
    await until(lambda: program.get("/api/calls/feed"), lambda seen: seen[0] == 401, 1.0)

    async def ended() -> list[int]:
        records = await admin.audit("action=PATCH&user=admin&result=OK")
        return [one["subject"]["tokens"] for one in records if one["subject"].get("user") == "op36"]

    assert await until(ended, lambda seen: len(seen) == 3) == [0, 1, 1]


async def test_signing_keys_rotate_without_logging_anybody_out(site: Site, operator: Client) -> None:
    from actors.point.keys import rotate

    old = operator.token
    rotate(site.state)
    await asyncio.sleep(0.6)
    fresh = Client(site, operator.session)
    await fresh.login("op12", "1234")
    assert old and fresh.token and old.split(".")[0] != fresh.token.split(".")[0]
    for token in (old, fresh.token):
        assert (await Client(site, operator.session, token).get("/api/slots"))[0] == 200


async def test_everybody_sees_their_own_and_the_pool(admin: Client, operator: Client) -> None:
    other = await made(admin, "op40", "operator")
    _, started = await admin.post("/api/call/start", {"number": "+380991234567", "slot": 45})
    call = started["call_id"]
    for path in (f"/api/call/{call}", "/api/slots/45"):
        assert (await other.get(path))[0] == 404 and (await admin.get(path))[0] == 200
    assert call not in [one["call_id"] for one in (await operator.get("/api/calls/feed?all=1&limit=500"))[1]]
    assert (await other.post("/api/slots/45/restart"))[0] == 403
    await admin.post("/api/call/end", {"call_id": call})
    await admin.call_until(call, lambda seen: seen["end_time"] is not None)
    await until(lambda: admin.get(f"/api/call/{call}/cdr"), lambda seen: seen[0] == 200)
    assert (await other.get(f"/api/call/{call}/cdr"))[0] == 404
    assert (await other.get(f"/api/call/{call}"))[0] == 404


async def test_the_audit_tells_who_did_what_and_is_safe_in_a_spreadsheet(admin: Client, site: Site) -> None:
    for _ in range(5):  # a site that was started just now has fewer entries than are asked for below
        await admin.post("/api/slots/999/restart")
    headers = {"X-Request-ID": "audit-me-1"}
    body = {"number": "+380991230001", "slot": 12}
    _, started = await admin.post("/api/call/start", body, headers=headers)
    await admin.call_until(started["call_id"], lambda seen: seen["end_time"] is not None)
    record, *others = await admin.audit("request_id=audit-me-1")
    assert not others
    assert (record["user"], record["door"], record["action"], record["result"]) == (
        "admin", "http", "POST /api/call/start", "OK",
    )  # fmt: skip
    assert record["subject"] == {"call_id": started["call_id"], "slot": 12}
    assert (await admin.get("/api/audit?limit=0", part="point"))[0] == 400
    _, page = await admin.get("/api/audit?limit=1", part="point")
    following = admin.last_headers["X-Next-Cursor"]
    _, rest = await admin.get(f"/api/audit?limit=1&cursor={following}", part="point")
    assert rest[0]["number"] == page[0]["number"] - 1
    async with admin.session.get(
        site.url("point", "/api/audit?format=csv&limit=5"), headers={"Authorization": f"Bearer {admin.token}"}
    ) as answer:
        assert answer.content_type == "text/csv"
        lines = (await answer.text()).splitlines()
    assert lines[0].startswith("number,at,user") and len(lines) == 6


@pytest.mark.parametrize("path", ["/api/users?limit=1", "/api/users?role=operator", "/api/tokens"])
async def test_lists_answer(admin: Client, path: str) -> None:
    status, found = await admin.get(path, part="point")
    assert status == 200 and isinstance(found, list)


async def test_known_and_unknown_names_wait_alike(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("op45", "op46"):
            codes = [
                (await Client(site, session).post(
                    "/api/auth/login", {"username": name, "password": "x"}, part="point"
                ))[1]["code"]
                for _ in range(7)
            ]  # fmt: skip
            assert codes.count("RATE_LIMITED") >= 1
