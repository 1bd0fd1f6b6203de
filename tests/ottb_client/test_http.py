"""What the client does by itself: tokens, keys, deadlines; against a server that answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bus_schemas.note import NoteView
from ottb_client import ApiError, Client, SnapshotNeeded
from tests.support.site import PATIENCE

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALL = {"call_id": "c_1", "slot": 44, "state": "RING"}
BUSY = web.HTTPServiceUnavailable
RECORD = (
    '{"id": %d, "at": "2026-11-27T10:00:00Z", "module": "CRM", "severity": "info", "message": "m", "context": {},'
    ' "user_id": null, "sender": "a", "host": "h", "slot": null, "call_id": null, "trace_id": null}'
)


@asynccontextmanager
async def answered(answer: Answer, seconds: float = 30.0) -> AsyncIterator[Client]:
    """A client of a server that answers everything so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, port = runner.addresses[0]
    async with Client(f"http://127.0.0.1:{port}", token="first", seconds=seconds) as client:
        yield client
    await runner.cleanup()


def in_turn(*answers: web.Response | type[web.HTTPException], keys: list[str | None]) -> Answer:
    """One answer after the other; the keys of the requests are noted."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("Idempotency-Key"))
        next_one = left.pop(0)
        if isinstance(next_one, web.Response):
            return next_one
        raise next_one()

    return answer


async def test_what_has_a_key_is_asked_again_with_it() -> None:
    keys = list[str | None]()
    async with answered(in_turn(BUSY, web.HTTPBadGateway, web.json_response(CALL), keys=keys)) as client:
        assert (await client.start_call(number="+380991230006")).call_id == "c_1"
    assert len(keys) == 3 and len({*keys}) == 1 and keys[0]


async def test_what_has_none_is_not_asked_again() -> None:
    keys = list[str | None]()
    async with answered(in_turn(BUSY, BUSY, keys=keys)) as client:
        for asked in (client.get_slot(44), client.create_user(username="a", password="b", role="c")):
            with pytest.raises(ApiError) as refused:
                await asked
            assert refused.value.status == 503
    assert keys == [None, None]


async def test_a_key_of_ones_own_is_kept_and_the_end_comes() -> None:
    keys = list[str | None]()
    async with answered(in_turn(*[BUSY] * 9, keys=keys)) as client:
        with pytest.raises(ApiError):
            await client.start_call(number="+380991230006", key="mine")
    assert keys == ["mine"] * 4


async def test_what_is_refused_for_good_is_not_asked_again() -> None:
    keys = list[str | None]()
    async with answered(in_turn(web.HTTPConflict, keys=keys)) as client:
        with pytest.raises(ApiError) as refused:
            await client.start_call(number="+380991230006")
    assert refused.value.status == 409 and len(keys) == 1


async def test_an_answer_has_a_deadline() -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with answered(never) as client, asyncio.timeout(PATIENCE / 3):
        for asked in (client.within(0.1).get_slot(44), client.within(0.1).start_call(number="+380991230006")):
            with pytest.raises(ApiError) as late:
                await asked
            assert (late.value.code, late.value.status) == ("TIMEOUT", 0)


async def test_nobody_there_is_told() -> None:
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ApiError) as error:
            await client.get_slot(44)
    assert error.value.passing and "127.0.0.1:1" in str(error.value)


async def test_what_the_client_does_not_know_is_told() -> None:
    async with answered(in_turn(web.json_response({"odd": 1}), keys=[])) as client:
        with pytest.raises(ApiError, match="not what this version of the client knows"):
            await client.get_slot(44)


# --- tokens


class Tokens:
    """A server whose access tokens are good until the next one, and refresh tokens once. `refreshed`: how often."""

    def __init__(self) -> None:
        self.refreshed = 0
        self.slow = 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/auth/login":
            more = {"role": "r", "permissions": {}, "must_change_password": False}
            return web.json_response(self._now() | more)
        if request.path == "/api/auth/refresh":
            if (await request.json()) != {"refresh_token": f"r{self.refreshed}"}:
                raise web.HTTPUnauthorized
            self.refreshed += 1
            await asyncio.sleep(self.slow)
            return web.json_response(self._now())
        if request.headers["Authorization"] != f"Bearer t{self.refreshed}":
            raise web.HTTPUnauthorized
        return web.json_response([])

    def _now(self) -> dict[str, object]:
        return {
            "token": f"t{self.refreshed}", "expires": 3600, "refresh_token": f"r{self.refreshed}",
            "refresh_expires": 7200,
        }  # fmt: skip


async def test_a_token_that_is_over_is_replaced_once_for_all() -> None:
    tokens = Tokens()
    async with answered(tokens.answer) as client:
        await client.login("op12", "1234")
        client._login.token = "over"
        assert await asyncio.gather(*(client.list_roles() for _ in range(20))) == [[]] * 20
        assert tokens.refreshed == 1
        await client.refresh()
        assert await client.list_roles() == [] and tokens.refreshed == 2


async def test_who_gives_up_does_not_lose_the_session() -> None:
    tokens = Tokens()
    async with answered(tokens.answer) as client:
        await client.login("op12", "1234")
        tokens.slow, client._login.token = 0.3, "over"
        with pytest.raises(ApiError):
            await client.within(0.1).list_roles()
        assert await client.list_roles() == [] and tokens.refreshed == 1


async def test_who_may_not_be_renewed_is_logged_out() -> None:
    async with answered(Tokens().answer) as client:
        with pytest.raises(ApiError) as refused:
            await client.list_roles()
        assert refused.value.code == "AUTH_FAIL"
        await client.login("op12", "1234")
        client._login.token, client._login.refresh_token = "over", "used"
        with pytest.raises(ApiError) as refused:
            await client.list_roles()
        assert refused.value.code == "AUTH_FAIL"


async def test_what_is_in_a_path_stays_in_its_place() -> None:
    seen = list[str]()

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.json_response([], headers={"X-Total-Count": "7", "X-Total-Count-Exact": "false"})

    async with answered(answer) as client:
        page = await client.list_leads("a/b?c", number="+38099", status=None, limit=5)
    assert seen == ["/api/autodialer/campaigns/a%2Fb%3Fc/leads?number=%2B38099&limit=5&format=json"]
    assert (page.total, page.exact, page.next_cursor) == (7, False, None)


@pytest.mark.parametrize("id", [".", "..", ""])
async def test_what_would_change_the_path_is_refused(id: str) -> None:
    paths = list[str]()

    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return web.json_response({})

    async with answered(answer) as client:
        for asked in (client.get_call(call_id=id), client.get_crm_lead("c1", id), client.delete_user(id)):
            with pytest.raises(ApiError) as refused:
                await asked
            assert refused.value.code == "INVALID_PARAMS" and not refused.value.passing
    assert paths == []


async def test_a_list_that_stands_in_something_is_read() -> None:
    note = {"note": "n_1", "text": "t", "author": "a", "version": 1, "timestamp": "2026-11-27T10:00:00Z"}

    async def answer(request: web.Request) -> web.StreamResponse:
        first = "cursor" not in request.query
        return web.json_response({"notes": [note]}, headers={"X-Next-Cursor": "c"} if first else {})

    async with answered(answer) as client:
        found = [one async for one in client.list_call_notes("c_1")]
    assert len(found) == 2 and all(isinstance(one, NoteView) for one in found)


# --- streams


async def test_a_stream_goes_on_behind_the_last_event() -> None:
    asked = list[str | None]()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Last-Event-ID"))
        if len(asked) == 2:
            raise BUSY
        response = web.StreamResponse()
        await response.prepare(request)
        first = 10 * len(asked)
        for id in (first, first + 1):
            await response.write(b":\n\nid: %d\nevent: log\ndata: %s\n\n" % (id, (RECORD % id).encode()))
        await response.write(b'event: end\ndata: {"message": "This gateway stops."}\n\nid: 99\nevent: lo')
        return response

    async with answered(answer) as client, asyncio.timeout(PATIENCE):
        follow = client.follow_logs()
        assert [(await anext(follow)).id for _ in range(4)] == [10, 11, 30, 31]
    assert asked == [None, "11", "11"]


async def test_a_gap_in_a_stream_is_told() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'event: gap\ndata: {"message": "More was missed."}\n\n')

    async with answered(answer) as client:
        with pytest.raises(SnapshotNeeded):
            await anext(client.follow_logs())
