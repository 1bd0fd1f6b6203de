"""A user without any right cannot fill the journal with what is right, and of a journal that is nearly full the rest is
for those who end something. A full one can still be read, also after a restart."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.runtime import storage as storage_module
from actors.runtime.alike import times
from actors.runtime.bus import BusUnavailable
from actors.settings import Http
from bus_schemas.audit import AuditRecorded
from bus_schemas.contract import kind_of
from bus_schemas.errors import ErrorCode, Refusal
from gateway import brake as brake_module
from gateway.auditor import SOON
from gateway.brake import LASTING_AT_ONCE, PATIENCE, Brake
from gateway.idempotency import Idempotency
from gateway.routes import BODY_LIMIT
from gateway.surface import ROUTES
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run
from tests.support.site import until
from tests.support.whole import PASSWORD, Whole, whole_site

LASTING = Http().lasting_changes_per_second
NAME = "nothing"
SECRET = "violet-Harbour-93"
CALL = {"number": "+380501230001", "slot": 11}


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    monkeypatch.setattr(storage_module, "LOOK", 0.05)
    monkeypatch.setattr("actors.runtime.activation.SPACE_PAUSE", 0.1)
    monkeypatch.setattr("actors.runtime.peers.SAID_EVERY", 0.05)
    async with whole_site(tmp_path) as site:
        await site.login()
        assert (await site.ask("POST", f"/api/roles/{NAME}", {"permissions": {}}))[0] == 200
        await _create(site, "nil")
        yield site


async def _create(site: Whole, name: str) -> None:
    status, answer = await site.ask("POST", "/api/users", {"username": name, "password": SECRET, "role": NAME})
    assert status == 201, answer


async def _token(site: Whole, user: str, password: str) -> dict[str, Any]:
    before = site.gateway.token
    site.gateway.token = ""
    status, answer = await site.ask("POST", "/api/auth/login", {"username": user, "password": password})
    site.gateway.token = before
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def _as(site: Whole, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    before, site.gateway.token = site.gateway.token, token
    try:
        return await site.ask(method, path, body)
    finally:
        site.gateway.token = before


async def _ended_call(site: Whole, token: str = "") -> str:
    """The id of a call that is over."""
    token = token or site.gateway.token
    status, call = await _as(site, token, "POST", "/api/call/start", CALL)
    assert status == 201, call

    async def look() -> Any:
        return (await _as(site, token, "POST", "/api/call/end", {"call_id": call["call_id"]}))[1]

    await until(look, lambda view: view["phase"] == "ended")
    return str(call["call_id"])


async def _at(site: Whole, percent: int) -> None:
    """Have the journal that full, and all who look at it see that."""

    async def seen() -> int:
        held = sum(len(entry.data) for entry in site.broker.journal)
        site.broker.limit = max(100 * held // percent, 1)
        streams = (await site.ask("GET", "/readyz?verbose"))[1]["streams"]
        return int(streams[0]["percent"]) if streams else 0

    await until(seen, lambda now: abs(now - percent) <= 1)
    await asyncio.sleep(0.2)


def _told(site: Whole, user: str) -> list[int]:
    """What the audit's entries of a user stand for."""
    chain = [msgspec.json.decode(one.data, type=AuditRecorded) for one in site.broker.entries("ottb.v1.evt.audit.>")]
    return [times(entry) for recorded in chain for entry in recorded.entries if entry.user == user]


# --- what is right and changes nothing


async def test_refreshes_with_the_access_token_are_counted(site: Whole) -> None:
    token = (await _token(site, "nil", SECRET))["token"]
    before = len(_told(site, "nil"))
    for _ in range(300):
        assert (await _as(site, token, "POST", "/api/auth/refresh", {}))[0] == 200
    written = _told(site, "nil")[before:]
    await site.gateway.auditor.stop()
    counted = sum(_told(site, "nil")[before:])
    print(f"300 refreshes: {len(written)} records at once, in the end they tell of {counted}")
    assert written == [1] and counted == 300


async def test_repeats_under_one_key_are_counted(site: Whole) -> None:
    headers = {"Idempotency-Key": "again"}
    before = len(_told(site, "root"))
    for _ in range(100):
        status, begun = await site.gateway.post("/api/call/start", CALL, **headers)
        assert status == 201, begun
    assert _told(site, "root")[before:] == [1, 1]  # the call, and the first repeat of it


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/call/end", {"call_id": "of this test"}),
        ("PATCH", "/api/users/nil", {"email": "nil@example.org"}),
        ("PATCH", "/api/users/nil", {"status": "disabled", "end_tokens": True}),
        ("POST", f"/api/roles/{NAME}", {"permissions": {"OTTB": ["read"]}}),
        ("POST", "/api/slots", {"slot": 11, "serial": "p11", "region": "UA", "user": "nil"}),
    ],
)  # fmt: skip
async def test_what_is_so_already_is_counted(site: Whole, method: str, path: str, body: dict[str, Any]) -> None:
    if "call_id" in body:
        body = {"call_id": await _ended_call(site)}
    assert (await site.ask(method, path, body))[0] == 200
    before, held = len(_told(site, "root")), sum(len(entry.data) for entry in site.broker.journal)
    for _ in range(300):
        assert (await site.ask(method, path, body))[0] == 200
    written = _told(site, "root")[before:]
    more = sum(len(entry.data) for entry in site.broker.journal) - held
    await site.gateway.auditor.stop()
    counted = sum(_told(site, "root")[before:])
    print(f"300 times {method} {path}: {len(written)} records at once, {more} bytes, in the end they tell of {counted}")
    assert len(written) <= 1 and more < 1500 and counted in (300, 301)  # with the one that did it


async def test_a_refresh_token_that_comes_again_at_once_is_counted(site: Whole) -> None:
    body = {"refresh_token": (await _token(site, "nil", SECRET))["refresh_token"]}
    assert (await _as(site, "", "POST", "/api/auth/refresh", body))[0] == 200
    before = _by_people(site)
    for _ in range(100):
        assert (await _as(site, "", "POST", "/api/auth/refresh", body))[0] == 200
    print(f"100 refresh tokens that had just been used: {_by_people(site) - before} entries")
    assert _by_people(site) == before + 1


def _by_people(site: Whole) -> int:
    """How many entries there are but for those by which alerts begin, a moment after the site."""
    return sum(kind_of(entry.subject) not in ("alert", "shard") for entry in site.broker.journal)


# --- nearly full


async def test_nobody_fills_what_is_left_with_what_changes_nothing(site: Whole) -> None:
    status, made = await site.ask("POST", "/api/users", {"username": "op", "password": SECRET, "role": "operator"})
    assert status == 201, made
    token = (await _token(site, "op", SECRET))["token"]
    ended = [await _ended_call(site, token) for _ in range(3)]
    await _at(site, 97)
    held = sum(len(entry.data) for entry in site.broker.journal)
    for number in range(200):
        status, answer = await _as(site, token, "POST", "/api/call/end", {"call_id": ended[number % 3]})
        assert status == 200, answer
        status, answer = await _as(site, token, "POST", "/api/call/end", {"call_id": f"c_{number}"})
        assert status == 404, answer
        status, answer = await _as(site, token, "POST", f"/api/slots/{number}/restart", {})
        assert status == 403, answer
    await site.gateway.auditor.stop()
    more = sum(len(entry.data) for entry in site.broker.journal) - held
    print(f"600 requests that change nothing, of a user, in the reserve of the journal: {more} bytes for a minute")
    assert more < 10 * 700


async def test_what_is_left_is_for_who_ends_something(site: Whole) -> None:
    status, begun = await site.ask("POST", "/api/call/start", CALL)
    assert status == 201, begun
    for name in ("first", "second", "third"):
        await _create(site, name)
    status, made = await site.ask("POST", "/api/tokens", {"name": "crm", "actions": ["call.view"]})
    assert status == 201, made
    nil = await _token(site, "nil", SECRET)
    await _at(site, 97)
    refused = [
        await site.ask("POST", "/api/call/start", CALL | {"slot": 44}),
        await site.ask("POST", "/api/users", {"username": "more", "password": SECRET, "role": NAME}),
        await site.ask("POST", "/api/tokens", {"name": "more", "actions": ["call.view"]}),
        await site.ask("POST", "/api/roles/more", {"permissions": {}}),
        await _as(site, "", "POST", "/api/auth/login", {"username": "nil", "password": SECRET}),
        await _as(site, "", "POST", "/api/auth/refresh", {"refresh_token": nil["refresh_token"]}),
    ]
    for status, answer in refused:
        assert status == 429 and answer["details"]["rule"] == "journal_full", answer
    ended = [
        await _as(site, nil["token"], "POST", "/api/auth/refresh", {}),  # which writes nothing but a count
        await site.ask("POST", "/api/call/end", {"call_id": begun["call_id"]}),
        await site.ask("PATCH", "/api/users/nil", {"status": "disabled"}),
        await site.ask("DELETE", "/api/users/first"),
        await site.ask("POST", "/api/users/second/logout", {}),
        await site.ask("DELETE", f"/api/tokens/{made['id']}"),
        await _as(site, (await _token(site, "root", PASSWORD))["token"], "POST", "/api/auth/logout", {}),
    ]
    assert [status for status, _ in ended] == [200] * len(ended), ended
    await _at(site, 60)
    assert (await site.ask("POST", "/api/roles/more", {"permissions": {}}))[0] == 200


def test_each_change_that_is_done_in_a_full_journal_is_named() -> None:
    done = {f"{route.method} {route.path}" for route in ROUTES if route.audited and route.rpc.when_full}
    assert done == {
        "POST /api/auth/login", "POST /api/auth/refresh", "POST /api/auth/logout", "POST /api/call/end",
        "PATCH /api/users/{user}", "DELETE /api/users/{user}", "POST /api/users/{user}/logout",
        "DELETE /api/tokens/{token_id}", "POST /api/autodialer/campaigns/{campaign_id}/pause",
        "POST /api/autodialer/stop-campaign", "POST /api/autodialer/imports/{import_id}/cancel",
        "DELETE /api/webhooks/{webhook}", "DELETE /api/slots/{slot}/reservation",
        "POST /api/gacs/stop/{script_id}", "POST /api/dci/pipeline/{pipeline}/stop",
        "DELETE /api/dci/pipeline/{pipeline}",
    }  # fmt: skip


# --- full


async def test_a_full_journal_is_read_after_a_restart_and_works_again_with_space(site: Whole) -> None:
    site.broker.journal_full, token = True, site.gateway.token
    await site.again()
    site.gateway.token = token
    for path in ("/api/users", "/api/slots", "/api/calls/feed", "/api/audit"):
        status, answer = await site.ask("GET", path)
        assert status == 200, (path, answer)
    status, ready = await site.ask("GET", "/readyz?verbose")
    assert status == 503 and "at its limit" in ready["checks"]["journal"], ready
    assert {name for name, found in ready["checks"].items() if found != "ok"} == {"journal"}
    assert any("slot 44: The journal is at its limit" in problem for problem in site.problems), site.problems
    site.broker.journal_full = False

    async def begin() -> int:
        return (await site.ask("POST", "/api/call/start", CALL))[0]

    assert await until(begin, lambda status: status == 201) == 201
    assert not any("at its limit" in problem for problem in site.problems)


async def test_who_is_refused_in_a_full_journal_is_told_so_and_soon(site: Whole) -> None:
    """Nothing of it is in doubt, whether it can be put on record or not. It is, later."""
    token = (await _token(site, "nil", SECRET))["token"]
    status, made = await site.ask("POST", "/api/call/start", CALL)
    assert status == 201, made
    site.broker.journal_full = True
    tries: list[tuple[int, str, str, str, Any]] = [
        (401, "", "POST", "/api/auth/login", {"username": "root", "password": "wrong"}),
        (401, "", "POST", "/api/auth/refresh", {"refresh_token": "none of ours"}),
        (404, site.gateway.token, "DELETE", "/api/tokens/absent", None),
        (409, site.gateway.token, "POST", "/api/call/start", CALL),
        (403, token, "POST", "/api/users", {"username": "more", "password": SECRET, "role": NAME}),
        (400, token, "POST", "/api/auth/password", {}),
        (200, token, "POST", "/api/auth/refresh", {}),
    ]
    heard, longest = [], 0.0
    for _, *asked in tries:
        began = time.monotonic()
        heard.append((await _as(site, *asked))[0])
        longest = max(longest, time.monotonic() - began)
    print(f"{len(heard)} requests that change nothing, in a full journal: {heard}, after {longest:.1f} s at most")
    assert heard == [status for status, *_ in tries] and longest < SOON + 1
    site.broker.journal_full = False

    async def told() -> int:
        return len(_told(site, "nil")) + len(_told(site, ""))

    await until(told, lambda count: count >= 5)


# --- a user's share of the long run


def test_a_user_has_so_many_changes_on_the_long_run() -> None:
    start = next(route.rpc for route in ROUTES if route.path == "/api/call/start")
    end = next(route.rpc for route in ROUTES if route.path == "/api/call/end")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        brake, done, refused = Brake(clock=SimClock(loop), per_second=1e6, lasting=LASTING), 0, 0
        hours = 1

        async def ask() -> None:
            nonlocal done, refused
            while loop.time() < hours * 3600:
                try:
                    await brake.admit(start, ("user", "nil"))
                except Refusal as refusal:
                    assert refusal.code is ErrorCode.RATE_LIMITED and refusal.details is not None
                    assert refusal.details["rule"] == "lasting_changes_per_second"
                    refused += 1
                    await asyncio.sleep(100)
                else:
                    done += 1

        await asyncio.gather(*(ask() for _ in range(200)))
        print(f"{done} changes in {hours} h, {refused} refused")
        assert refused and done <= LASTING_AT_ONCE + LASTING * (hours * 3600 + PATIENCE) + 1
        began = loop.time()
        await brake.admit(end, ("user", "nil"))  # who has had the share ends what was begun
        await brake.before_login(("user", "nil"))
        await brake.admit(start, ("user", "op12"))
        assert loop.time() == began

    run(main, 1)


@pytest.mark.parametrize("path", ["/api/call/start", "/api/call/end"])
def test_nobody_owes_more_of_the_long_run_than_a_change_waits_for(path: str) -> None:
    """However many wait at once: after a pause of so many seconds there is room again, and for a login at once."""
    rpc = next(route.rpc for route in ROUTES if route.path == path)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        brake = Brake(clock=SimClock(loop), per_second=1e6, lasting=LASTING)
        asked = [brake.admit(rpc, ("user", "nil")) for _ in range(2 * LASTING_AT_ONCE)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        done = sum(not isinstance(one, Refusal) for one in ended)
        print(f"{done} of {len(ended)} at once in {loop.time()} s")
        assert done <= LASTING_AT_ONCE + LASTING * PATIENCE + 1
        began = loop.time()
        await brake.before_login(("user", "nil"))
        await brake.admit(rpc, ("user", "nil"))
        assert loop.time() - began <= PATIENCE

    run(main, 1)


def test_what_came_to_nothing_takes_nothing_of_the_long_run() -> None:
    end = next(route.rpc for route in ROUTES if route.path == "/api/call/end")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        brake, began = Brake(clock=SimClock(loop), per_second=1e6, lasting=LASTING), loop.time()
        for _ in range(5 * LASTING_AT_ONCE):
            give_back = await brake.admit(end, ("user", "nil"))
            give_back()
        for _ in range(LASTING_AT_ONCE):
            await brake.admit(end, ("user", "nil"))
        assert loop.time() == began

    run(main, 1)


async def test_who_holds_a_stolen_session_does_not_keep_its_owner_from_logging_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake_module, "LASTING_AT_ONCE", 50)
    monkeypatch.setattr(brake_module, "PATIENCE", 0.5)
    async with whole_site(tmp_path) as site:
        await site.login()
        ended = await _ended_call(site)
        for _ in range(300):
            assert (await site.ask("POST", "/api/call/end", {"call_id": ended}))[0] == 200
        made: list[int] = []
        while 429 not in made:
            roles = (f"/api/roles/x{len(made) + at}" for at in range(20))
            asked = await asyncio.gather(*(site.ask("POST", role, {"permissions": {}}) for role in roles))
            made += [status for status, _ in asked]
        own = (await _token(site, "root", PASSWORD))["token"]
        status, answer = await _as(site, own, "POST", "/api/auth/logout", {"everywhere": True})
        assert status == 200, answer
        await _token(site, "root", PASSWORD)


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        ("/api/auth/refresh", {"refresh_token": "garbage"}, 401),
        ("/api/auth/logout", b"{", 400),
        ("/api/call/end", b" " * (BODY_LIMIT + 1), 413),
        ("/api/call/end", {"call_id": "c_absent"}, 404),
    ],
)  # fmt: skip
async def test_what_is_refused_leaves_the_ends_to_who_ends_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, refused: int
) -> None:
    monkeypatch.setattr(brake_module, "LASTING_AT_ONCE", 20)
    monkeypatch.setattr(brake_module, "PATIENCE", 0.1)
    async with whole_site(tmp_path) as site:
        await site.login()
        own = (await _token(site, "root", PASSWORD))["token"]
        for _ in range(6):
            answers = await asyncio.gather(*(_as(site, own, "POST", path, body) for _ in range(10)))
            assert {status for status, _ in answers} == {refused}
        status, answer = await _as(site, own, "POST", "/api/auth/logout", {"everywhere": True})
        assert status == 200, answer
        print(f"60 requests to {path}, refused with {refused}: 0 turns of the ends taken")


async def test_what_was_not_sent_takes_no_turn_of_the_long_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the bus is away: whoever tries again and again can end things once it is back."""

    async def away(*_: Any) -> None:
        raise BusUnavailable

    monkeypatch.setattr(brake_module, "LASTING_AT_ONCE", 20)
    monkeypatch.setattr(brake_module, "PATIENCE", 0.1)
    monkeypatch.setattr(Idempotency, "_claim", away)
    async with whole_site(tmp_path) as site:
        await site.login()
        post = partial(site.gateway.post, "/api/call/end", {"call_id": "c_absent"})
        for number in range(6):
            answers = await asyncio.gather(*(post(**{"Idempotency-Key": f"{number}-{key}"}) for key in range(10)))
            assert {status for status, _ in answers} == {503}
        assert (await site.ask("POST", "/api/auth/logout", {"everywhere": True}))[0] == 200
        print("60 requests that were not sent: 0 turns of the ends taken")


async def test_rotations_count_for_their_user_and_hold_up_nobody_else(
    site: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    brake = site.gateway.brake
    monkeypatch.setattr(brake_module, "PATIENCE", 0.1)
    given = await _token(site, "nil", SECRET)
    for _ in range(LASTING_AT_ONCE + 10):
        await brake.logged_in(("user", "nil"))
    status, answer = await _as(site, "", "POST", "/api/auth/refresh", {"refresh_token": given["refresh_token"]})
    assert status == 429 and answer["details"]["rule"] == "lasting_changes_per_second", answer
    status, answer = await _as(site, "", "POST", "/api/auth/login", {"username": "nil", "password": SECRET})
    assert status == 429, answer
    await _token(site, "root", PASSWORD)  # from the same address


async def test_a_rotation_takes_of_its_users_share(site: Whole) -> None:
    given = await _token(site, "nil", SECRET)
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            url = site.gateway._url("/api/auth/refresh")
            async with session.post(url, json={"refresh_token": given["refresh_token"]}) as answer:
                assert answer.status == 200
                given = await answer.json()
    holders = {name: turn for (_, name), turn in site.gateway.brake._logins._next.items()}
    credit = LASTING_AT_ONCE / LASTING
    assert holders.keys() == {"root", "nil"}
    used = (holders["nil"] - asyncio.get_running_loop().time() + credit) * LASTING
    print(f"a login and 5 rotations took about {used:.0f} of the share")
    assert used > 0
