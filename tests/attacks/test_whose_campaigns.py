"""A campaign of somebody's does not exist for who sees only their own, by whichever line they ask."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus_schemas.campaign import CAMPAIGN
from bus_schemas.kinds import owners_in
from gateway.surface import ROUTES
from tests.support.site import until
from tests.support.whole import PASSWORD, Whole, whole_site

CAMPAIGNS = "/api/autodialer/campaigns"
MANAGES = {"OTTB": ["read", "campaign"]}  # and sees no others
ROWS = [route for route in ROUTES if route.path.startswith(CAMPAIGNS + "/{")]
BODIES: dict[str, Any] = {
    "mark": {"status": "do_not_call"}, "c1": {"ratio": 2.0}, "begin": {"lead": "l1"}, "skip": {"lead": "l1"},
}  # fmt: skip
NUMBER = "+380991230006"
ROUNDS = 10


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    """A campaign of root's, and `ann`, who manages campaigns, `ben`, who operates, and `eve`, who sees all."""
    async with whole_site(tmp_path) as site:
        await site.login()
        assert (await site.ask("POST", "/api/roles/manager", {"permissions": MANAGES}))[0] in (200, 201)
        for name, role in (("ann", "manager"), ("ben", "operator"), ("eve", "auditor")):
            user = {"username": name, "password": PASSWORD, "role": role, "must_change_password": False}
            assert (await site.ask("POST", "/api/users", user))[0] == 201
        run = {"campaign_id": "c1", "leads": [{"number": NUMBER, "lead_id": "l1"}]}
        status, said = await site.ask("POST", "/api/autodialer/run-campaign", run)
        assert status == 200, said
        yield site


async def answers(site: Whole) -> dict[str, tuple[int, str]]:
    """What is said to each request about the campaign."""
    found: dict[str, tuple[int, str]] = {}
    for route in ROWS:
        path = route.path.replace("{campaign_id}", "c1").replace("{lead}", "l1")
        path += "?day=2026-11-26" if path.endswith("/report") else ""
        body = None if route.method == "GET" else BODIES.get(path.rsplit("/", 1)[1], {})
        status, said = await site.ask(route.method, path, body)
        found[f"{route.method} {route.path}"] = status, said.get("code", "") if isinstance(said, dict) else ""
    for line, body in (("run", {"leads": [{"number": NUMBER}]}), ("stop", {})):
        status, said = await site.ask("POST", f"/api/autodialer/{line}-campaign", {"campaign_id": "c1", **body})
        found[line] = status, said.get("code", "")
    status, said = await site.ask(
        "POST", "/api/autodialer/imports?campaign_id=c1&name=a.csv", b"phone\n", **{"Content-Type": "text/csv"}
    )
    found["import"] = status, said.get("code", "")
    return found


@pytest.mark.parametrize("user", ["ann", "ben"])
async def test_a_campaign_of_others_does_not_exist(whole: Whole, user: str) -> None:
    await whole.login(user)
    found = await answers(whole)
    expected = {(404, "NOT_FOUND"), (403, "PERMISSION_DENIED")}
    told = {line: said for line, said in found.items() if said not in expected}
    _, listed = await whole.ask("GET", CAMPAIGNS)
    print(f"{len(found)} requests of a campaign of somebody else's: {len(told)} say something of it")
    assert not told and listed == []


async def test_its_events_are_told_to_who_sees_it(whole: Whole) -> None:
    told = [entry for entry in whole.broker.journal if entry.subject.startswith("ottb.v1.evt.campaign.c1.")]
    told = [entry for entry in told if not entry.subject.endswith(".activated")]  # before there is one
    nobodys = [entry.subject for entry in told if owners_in(entry.headers, CAMPAIGN) != ("root",)]
    print(f"{len(told)} events of a campaign of somebody's: {len(nobodys)} do not say whose")
    assert told and not nobodys


async def test_whoever_made_it_and_who_sees_all_see_it(whole: Whole) -> None:
    await whole.login("eve")
    assert [one["campaign_id"] for one in (await whole.ask("GET", CAMPAIGNS))[1]] == ["c1"]
    assert [one["lead"]["id"] for one in (await whole.ask("GET", f"{CAMPAIGNS}/c1/leads"))[1]] == ["l1"]
    await whole.login("ann")
    assert (await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201
    assert [one["campaign_id"] for one in (await whole.ask("GET", CAMPAIGNS))[1]] == ["c2"]
    assert (await whole.ask("GET", f"{CAMPAIGNS}/c2/explain"))[0] == 200
    assert (await whole.ask("POST", f"{CAMPAIGNS}/c2/archive", {}))[0] == 200
    status, said = await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c3", "like": "c1"})
    assert (status, said["code"]) == (404, "NOT_FOUND")


async def test_who_makes_one_of_a_name_that_is_taken_is_not_told_of_it(whole: Whole) -> None:
    await whole.login("ann")
    _, own = await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"})
    found = [await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c1", **more}) for more in ({}, {"like": "c2"})]
    told = [said for _, said in found if said.get("code") != "CONFLICT" or "settings" in said]
    print(f"{len(found)} campaigns made under a name of somebody else's: {len(told)} told of it")
    assert not told and own["settings"] and (await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201


async def test_a_team_is_known_to_its_operators_alone(whole: Whole) -> None:
    for mode in ("preview", "progressive"):
        team = {"campaign_id": f"team_{mode}", "settings": {"operators": "team", "mode": mode}}
        assert (await whole.ask("POST", CAMPAIGNS, team))[0] == 201
    await whole.login("ben")
    ids = ("team_preview", "team_progressive")
    found = [(await whole.ask("POST", f"{CAMPAIGNS}/{id}/preview", {}))[0] for id in ids]
    told = len(found) - found.count(404)
    print(f"{len(found)} campaigns of a team asked for a lead by who is no operator: {told} told of it")
    assert found == [404, 404]
    assert (await whole.ask("POST", "/api/operators/me/status", {"status": "ready"}))[0] == 200
    await until(lambda: is_operator(whole), bool)


async def is_operator(site: Whole) -> bool:
    """Whether who asks is known as one of its operators: it does not run, which they are told."""
    return (await site.ask("POST", f"{CAMPAIGNS}/team_preview/preview", {}))[0] == 409


IMPORTS = "/api/autodialer/imports"
PEOPLE = b"phone\n+380991230078\n"


async def with_verbs(site: Whole, name: str, verbs: list[str]) -> None:
    """A user of that name, and of a role of that name which has these."""
    assert (await site.ask("POST", f"/api/roles/{name}", {"permissions": {"OTTB": verbs}}))[0] in (200, 201)
    user = {"username": name, "password": PASSWORD, "role": name, "must_change_password": False}
    assert (await site.ask("POST", "/api/users", user))[0] == 201


async def test_nobody_starts_an_import_into_a_campaign_that_is_not_theirs_to_run(whole: Whole) -> None:
    """Imports are shared by who may import; that the campaign dials is another right."""
    roles = {
        "importer": ["read", "campaign.import"], "reader": ["read", "read_all", "campaign.import"],
        "runner": ["read", "read_all", "campaign"],
    }  # fmt: skip
    for role, verbs in roles.items():
        await with_verbs(whole, role, verbs)
    await whole.login("ann")
    made = {"campaign_id": "c2", "settings": {"carriers": {"slots": {"of": "own"}}}}
    assert (await whole.ask("POST", CAMPAIGNS, made))[0] == 201
    csv = {"Content-Type": "text/csv"}
    _, sent = await whole.ask("POST", f"{IMPORTS}?campaign_id=c2&name=a.csv&run=true", PEOPLE, **csv)
    start = f"{IMPORTS}/{sent['import_id']}/start"
    await until(lambda: is_ready(whole, sent["import_id"]), bool)
    found = {}
    for role in roles:
        await whole.login(role)
        found[role] = [(await whole.ask("POST", start, {"run": run}))[0] for run in (True, False, None)]
    let_in = sum(codes.count(200) for codes in found.values())
    print(f"an import started {3 * len(roles)} times by who may not have its campaign dial: {let_in} let in")
    assert found == {"importer": [403, 404, 403], "reader": [403, 403, 403], "runner": [403, 403, 403]}
    await whole.login("ann")
    assert (await whole.ask("GET", f"{CAMPAIGNS}/c2"))[1]["status"] == "draft"
    assert (await whole.ask("POST", start, {}))[0] == 200


async def test_no_import_is_started_unchecked_as_it_becomes_ready(whole: Whole) -> None:
    """Who says anew what is in the columns has the file looked at, and asks for the start all the while."""
    await with_verbs(whole, "imp", ["read", "read_all", "campaign.import"])
    await whole.login("ann")
    assert (await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201
    many = PEOPLE + b"".join(b"+38099124%04d\n" % number for number in range(2_000))  # that is looked at for a while
    _, sent = await whole.ask("POST", f"{IMPORTS}?campaign_id=c2&name=a.csv", many, **{"Content-Type": "text/csv"})
    path = f"{IMPORTS}/{sent['import_id']}"
    await until(lambda: is_ready(whole, sent["import_id"]), bool)
    await whole.login("imp")
    codes: Counter[int] = Counter()
    rounds = 0
    while rounds < ROUNDS or (not codes[409] and rounds < 10 * ROUNDS):  # some are to come while it is looked at
        rounds += 1
        columns = whole.ask("POST", f"{path}/columns", {"fields": ["number"], "header": True})
        starts = [_later(number / 500, whole, f"{path}/start") for number in range(12)]
        _, *said = await asyncio.gather(columns, *starts)
        codes.update(status for status, _ in said)
    print(f"{codes.total()} starts of an import while it was looked at, by who may not have it run: {codes[200]} done")
    assert codes.keys() <= {403, 409} and codes[409] > 0
    await whole.login("ann")
    assert (await whole.ask("GET", f"{CAMPAIGNS}/c2"))[1]["status"] == "draft"


async def _later(seconds: float, site: Whole, path: str) -> tuple[int, Any]:
    await asyncio.sleep(seconds)
    return await site.ask("POST", path, {"run": True})


async def test_who_does_not_see_a_campaign_says_not_what_is_in_a_list_for_it(whole: Whole) -> None:
    """Else they decide which numbers it calls."""
    await with_verbs(whole, "imp", ["read", "campaign.import"])
    await whole.login("ann")
    assert (await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201
    two = b"phone,fax\n+380991230078,+380991230079\n"
    _, sent = await whole.ask("POST", f"{IMPORTS}?campaign_id=c2&name=a.csv", two, **{"Content-Type": "text/csv"})
    path, columns = f"{IMPORTS}/{sent['import_id']}", {"fields": ["", "number"], "header": True}
    await until(lambda: is_ready(whole, sent["import_id"]), bool)
    await whole.login("imp")
    found = await whole.ask("POST", f"{path}/columns", columns)
    print(f"columns of a list for a campaign that is not seen: {found[0]}")
    assert found[0] == 404
    await whole.login("ann")
    assert (await whole.ask("POST", f"{path}/columns", columns))[0] == 200


async def test_who_may_import_alone_has_no_campaign_run(whole: Whole) -> None:
    await with_verbs(whole, "imp", ["read", "campaign.import", "campaign.edit"])
    await whole.login("imp")
    assert (await whole.ask("POST", CAMPAIGNS, {"campaign_id": "c2"}))[0] == 201
    path, csv = f"{IMPORTS}?campaign_id=c2&name=a.csv", {"Content-Type": "text/csv"}
    found = [(await whole.ask("POST", f"{path}&run={run}", PEOPLE, **csv))[0] for run in ("true", "false")]
    print(f"a list sent with `run` by who may not run: {found[0]}; without: {found[1]}")
    assert found == [403, 201]


async def is_ready(site: Whole, id: str) -> bool:
    return bool((await site.ask("GET", f"{IMPORTS}/{id}"))[1]["status"] == "ready")


DIALLING: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/api/autodialer/run-campaign", {"campaign_id": "c2", "leads": [{"number": "+380991230077"}]}),
    ("POST", f"{CAMPAIGNS}/c2/resume", {}),
    ("PATCH", f"{CAMPAIGNS}/c2", {"weight": 20}),
    ("PATCH", f"{CAMPAIGNS}/c2", {"carriers": {"slots": {"of": "own"}}}),
    ("POST", "/api/autodialer/imports?campaign_id=c2&name=a.csv&begin=true&run=true", b"phone\n+380991230078\n"),
)
OWN: tuple[Any, ...] = (
    {"slots": {"of": "own"}}, {"slots": {"of": "both"}}, {"slots": None, "trunks": {"extensions": [44]}},
)  # fmt: skip


async def _dialling(site: Whole) -> list[int]:
    """What is answered to who has a campaign dial."""
    return [
        (await site.ask(method, path, body, **{"Content-Type": "text/csv"} if isinstance(body, bytes) else {}))[0]
        for method, path, body in DIALLING
    ]


@pytest.mark.parametrize("carriers", OWN)
async def test_nobody_dials_on_slots_of_others_in_their_name(whole: Whole, carriers: Any) -> None:
    sees = {"permissions": {"OTTB": ["read", "read_all", "campaign"]}}
    assert (await whole.ask("POST", "/api/roles/camper", sees))[0] in (200, 201)
    for name, role in (("cam", "camper"), ("sue", "supervisor")):
        user = {"username": name, "password": PASSWORD, "role": role, "must_change_password": False}
        assert (await whole.ask("POST", "/api/users", user))[0] == 201
    await whole.login("ann")
    made = {"campaign_id": "c2", "settings": {"carriers": carriers}}
    assert (await whole.ask("POST", CAMPAIGNS, made))[0] == 201
    assert (await whole.ask("POST", *DIALLING[0][1:]))[0] == 200
    await whole.ask("POST", f"{CAMPAIGNS}/c2/pause", {})
    await whole.login("cam")
    said = await _dialling(whole)
    print(f"{len(said)} ways to have a campaign of others dial on their slots: {said.count(200)} let in")
    assert said == 5 * [403]
    assert (await whole.ask("POST", "/api/autodialer/stop-campaign", {"campaign_id": "c2"}))[0] == 200
    await whole.login("sue")  # who may use others' slots
    assert 403 not in await _dialling(whole)


async def test_a_campaign_of_the_pool_is_run_by_whoever_may(whole: Whole) -> None:
    sees = {"permissions": {"OTTB": ["read", "read_all", "campaign"]}}
    assert (await whole.ask("POST", "/api/roles/camper", sees))[0] in (200, 201)
    user = {"username": "cam", "password": PASSWORD, "role": "camper", "must_change_password": False}
    assert (await whole.ask("POST", "/api/users", user))[0] == 201
    pool = {"campaign_id": "c2", "settings": {"carriers": {"slots": {"of": "pool"}}}}
    assert (await whole.ask("POST", CAMPAIGNS, pool))[0] == 201
    await whole.login("cam")
    assert [code == 403 for code in await _dialling(whole)] == [False, False, False, True, False]
