"""A list of many pages is one table, of which nobody has to know how many pages there were."""

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestServer

from actors.runtime.bus import Message
from actors.runtime.wire import CURSOR_HEADER
from bus_schemas.errors import ErrorCode, Refusal
from gateway import errors, whole_tables
from tests.support.site import PATIENCE

PAGES: list[list[dict[str, Any]]] = [
    [{"number": "+380991230001", "name": "Їжак"}, {"number": "+380991230002", "name": "=1+1"}],
    [{"number": "+380991230003", "name": "", "custom:city": "Львів"}],
]


async def test_all_pages_are_one_table_that_a_spreadsheet_opens() -> None:
    body = await fetched(PAGES)
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert [row["name"] for row in rows] == ["Їжак", "'=1+1", ""]
    assert [row["custom:city"] for row in rows] == ["", "", "Львів"]


async def test_a_table_without_rows_has_its_columns() -> None:
    assert (await fetched([[]])).decode("utf-8-sig") == "number,name\r\n"


@pytest.mark.parametrize(("more", "broken"), [(True, 3), (False, 1)])
async def test_a_table_that_breaks_off_is_seen_not_to_be_whole(more: bool, broken: int) -> None:
    with pytest.raises((ClientError, ConnectionError)):
        await fetched(PAGES, broken=broken, more=more)


async def test_pages_whose_columns_are_known_are_read_once() -> None:
    pages = [[{"number": "1", "name": "a"}], [{"number": "2", "name": None}], [{"number": "3", "name": "c"}]]
    assert await fetched(pages, broken=3, more=False) == b"number,name\r\n1,a\r\n2,\r\n3,c\r\n"
    assert await fetched([[]], more=False) == b"number,name\r\n"


async def test_a_table_that_nobody_answers_for_is_refused() -> None:
    for more in (False, True):
        assert json.loads(await fetched(PAGES, broken=0, more=more))["code"] == "UNAVAILABLE"


@pytest.mark.parametrize("more", [True, False])
async def test_a_page_that_was_asked_for_ahead_is_for_who_may_still_see_it(more: bool) -> None:
    assert (await fetched(PAGES, lost="2", more=more)).endswith(b"\r\n")
    with pytest.raises((ClientError, ConnectionError)):
        await fetched(PAGES, lost="1", more=more)


async def fetched(
    pages: list[list[dict[str, Any]]], broken: int | None = None, *, lost: str | None = None, more: bool = True
) -> bytes:
    """`broken`: the question after which there is no answer; `lost`: the page that may not be seen when it comes."""
    asked = 0

    async def still(cursor: str | None) -> None:
        if cursor == lost:
            raise Refusal(ErrorCode.PERMISSION_DENIED, "not any more")

    async def page(cursor: str | None) -> Message:
        nonlocal asked
        asked += 1
        if broken is not None and asked > broken:
            raise Refusal(ErrorCode.UNAVAILABLE, "away")
        place = int(cursor or 0)
        headers = {CURSOR_HEADER: str(place + 1)} if place + 1 < len(pages) else {}
        return Message(subject="", data=json.dumps(pages[place]).encode(), headers=headers)

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            kind = {"Content-Type": "text/csv"}
            return await whole_tables.send(request, page, still, kind, ("number", "name"), more=more)
        except Refusal as refusal:
            return errors.response(refusal)

    app = web.Application()
    app.router.add_get("/", serve)
    async with (
        TestServer(app) as server, asyncio.timeout(PATIENCE), ClientSession() as session,
        session.get(server.make_url("/")) as answer,
    ):  # fmt: skip
        return await answer.read()
