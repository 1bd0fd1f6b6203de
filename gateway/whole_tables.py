"""A list of many pages as one table, which a spreadsheet opens.

Where rows have fields of their own, which are columns of the whole table, the pages are read twice; so nobody holds
more than a page.
"""

import asyncio
import codecs
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from contextlib import aclosing
from typing import Any

import msgspec
from aiohttp import web

from actors.runtime.bus import Message
from actors.runtime.patience import until_sent
from actors.runtime.wire import CURSOR_HEADER
from bus_schemas.errors import Refusal
from gateway import pace
from gateway.table import columns_of, in_pieces, must_be_a_table, rows_of

PAGE = 1_000  # rows that are asked for at once
Ask = Callable[[str | None], Awaitable[Message]]  # for the page behind a cursor; None: the first
Still = Callable[[str | None], Awaitable[object]]  # raises Refusal where that page may not be seen any more
Pages = AsyncGenerator[tuple[str | None, list[dict[str, Any]]], None]  # each with the cursor that it was asked for by
_rows = msgspec.json.Decoder(list[dict[str, Any]]).decode


def is_whole(request: web.Request, wanted: Any) -> bool:  # any: a request of a route with a table
    """Whether all of a list is wanted, and as a table."""
    return bool(wanted.format == "csv") and not {"cursor", "limit"} & request.query.keys()


async def send(
    request: web.Request, page: Ask, still: Still, headers: dict[str, str], known: Iterable[str], *, more: bool
) -> web.StreamResponse:
    """All pages as one table. `known`: columns that it has also without rows; `more`: rows may have others. Raises
    Refusal before anything is sent; afterwards the client sees that it is not whole. A page is asked for ahead, and
    whoever reads slowly has it written minutes later."""
    # Such rows are of people: without a mark at the beginning Excel takes their names for those of a code page.
    mark = codecs.BOM_UTF8 if more else b""
    columns, pages = dict.fromkeys(known), _pages(page)
    if more:
        cursors = list[str | None]()
        async for cursor, rows in pages:
            columns.update(dict.fromkeys(columns_of(rows)))
            must_be_a_table(columns)
            cursors.append(cursor)
        pages = _again(page, cursors)
    async with aclosing(pages):
        _, rows = await anext(pages)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        try:
            await pace.write(response, mark + rows_of([dict(zip(columns, columns, strict=True))], columns))
            await _write(response, rows, columns)
            async for cursor, rows in pages:
                await still(cursor)
                await _write(response, rows, columns)
            await response.write_eof()
        except (Refusal, TimeoutError):  # what is out cannot be taken back
            if request.transport is not None:
                request.transport.abort()
    return response


async def _write(response: web.StreamResponse, rows: list[dict[str, Any]], columns: Collection[str]) -> None:
    for piece in in_pieces(rows, columns):
        await pace.write(response, piece)
        await asyncio.sleep(0)  # others' turn


async def _again(page: Ask, cursors: Iterable[str | None]) -> Pages:
    for cursor in cursors:
        yield cursor, _rows((await page(cursor)).data)


async def _pages(page: Ask) -> Pages:
    """Each is asked for while the one before it is written."""
    cursor: str | None = None
    coming = _asked(page, cursor)
    try:
        while True:
            answered, here = await coming, cursor
            cursor = answered.headers.get(CURSOR_HEADER)
            if cursor is not None:
                coming = _asked(page, cursor)
                await until_sent()
            yield here, _rows(answered.data)
            if cursor is None:
                return
    finally:
        coming.cancel()


def _asked(page: Ask, cursor: str | None) -> "asyncio.Future[Message]":
    coming = asyncio.ensure_future(page(cursor))
    coming.add_done_callback(lambda done: done.cancelled() or done.exception())  # where nobody waits for it any more
    return coming
