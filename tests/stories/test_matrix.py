"""Every route with every role and every state of a token, generated from the route table; and the audit of them all."""

import re

import pytest

from bus_schemas.permissions import BUILT_IN_ROLES, Access, resolve
from gateway.routes import Part, Route
from gateway.surface import ROUTES
from tests.stories.test_auth import forgeries
from tests.stories.test_point import made
from tests.support.site import Client, Site

ABSENT = {"slot": "999", "call_id": "c_absent", "user": "absent", "role": "absent", "token_id": "absent"}
OPEN = {"/api/auth/login"}


def path_of(route: Route) -> str:
    path = re.sub(r"\{(\w+)\}", lambda match: ABSENT.get(match[1], "absent"), route.path)
    if route.followed:  # whoever may would hear of it without end
        return path + "?until=2030-01-01"
    return path + ("?action=call.start" if path.endswith("rolecheck") else "")


async def ask(client: Client, route: Route, **more: object) -> tuple[int, str]:
    body = None if route.method in ("GET", "DELETE") else {}
    status, answer = await client.call(route.method, path_of(route), body, part="workspace", **more)  # type: ignore[arg-type]
    return status, answer.get("code", "") if isinstance(answer, dict) else ""


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
async def test_a_role_opens_its_own_routes_and_no_other(admin: Client, role: str) -> None:
    actions = resolve(BUILT_IN_ROLES[role])
    client = await made(admin, f"m_{role}", role)
    wrong = []
    for route in ROUTES:
        if route.path == "/api/auth/logout":  # it would end the session that is tried with; see below
            continue
        status, code = await ask(client, route)
        allowed = isinstance(route.permission, Access) or route.permission in actions
        denied = (status, code) == (403, "PERMISSION_DENIED")
        if denied == allowed or status == 401 or status >= 500:
            wrong.append((route.method, route.path, status, code))
    assert not wrong
    assert (await client.post("/api/auth/logout", part="point"))[0] == 200
    print(f"{role}: {len(ROUTES)} routes, 0 wrong answers")


async def test_a_bad_token_opens_nothing(admin: Client, site: Site) -> None:
    user = await made(admin, "m_forged", "admin")
    refresh = user.answer["refresh_token"]  # type: ignore[attr-defined]
    bad = forgeries(site, user.token, refresh)  # type: ignore[arg-type]
    assert len(bad) >= 40
    revoked = Client(site, admin.session)
    await revoked.login("m_forged", "secure123")
    await revoked.post("/api/auth/logout", part="point")
    tokens = {**bad, "revoked": revoked.token, "none": None}
    asked = 0
    for name, token in tokens.items():
        client = Client(site, admin.session, token)
        for route in ROUTES:
            if route.path in OPEN or route.permission is Access.SIGNED:
                continue
            if token is None and route.permission is Access.OPTIONAL:
                continue
            status, code = await ask(client, route)
            assert (status, code) == (401, "AUTH_FAIL"), (name, route.method, route.path, status, code)
            asked += 1
    print(f"{len(tokens)} bad tokens on every route: {asked} requests, 0 let in")


async def test_every_change_is_on_the_audit(admin: Client, site: Site) -> None:
    # What strangers post and nobody has signed is nowhere; a run that is begun so is on record itself.
    changing = [route for route in ROUTES if route.changes and route.permission is not Access.SIGNED]
    actor = await made(admin, "m_audited", "admin")
    for number, route in enumerate(sorted(changing, key=lambda route: route.path == "/api/auth/logout")):
        id = f"audited-{number}"
        if route.path == "/api/auth/login":
            login = {"username": "m_audited", "password": "secure123"}
            await Client(site, admin.session).post(route.path, login, part="point", headers={"X-Request-ID": id})
        else:
            await ask(actor, route, headers={"X-Request-ID": id})
        records = await admin.audit(f"request_id={id}")
        assert [record["action"] for record in records] == [f"{route.method} {route.path}"], route.path
    print(f"{len(changing)} of {len(changing)} state-changing routes are on the audit")


def test_every_route_belongs_to_a_documented_port() -> None:
    assert {route.part for route in ROUTES} <= set(Part)
