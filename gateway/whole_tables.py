"""A list of many pages as one table, which a spreadsheet opens: UTF-8 with a mark at its beginning, without which Excel
takes it for a code page.

The pages are read twice, since fields of their own that some rows have are columns of the whole table; so nobody holds
more than a page.
"""

import asyncio
import codecs
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from actors.runtime.bus import Message
from actors.runtime.wire import CURSOR_HEADER
from bus_schemas.errors import Refusal
from gateway import pace
from gateway.table import columns_of, in_pieces, must_be_a_table, rows_of

Ask = Callable[[str | None], Awaitable[Message]]  # for the page behind a cursor; None: the first
_rows = msgspec.json.Decoder(list[dict[str, Any]]).decode


def is_whole(request: web.Request) -> bool:
    """Whether all of a list is wanted, and as a table."""
    return request.query.get("format", "csv") == "csv" and not {"cursor", "limit"} & request.query.keys()


async def send(request: web.Request, page: Ask, headers: dict[str, str], known: Iterable[str]) -> web.StreamResponse:
    """All pages as one table. `known`: columns that it has also without rows. Raises Refusal before anything is sent;
    afterwards the client sees that it is not whole."""
    columns, cursors = dict.fromkeys(known), list[str | None]()
    async for cursor, rows in _pages(page):
        columns.update(dict.fromkeys(columns_of(rows)))
        must_be_a_table(columns)
        cursors.append(cursor)
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await pace.write(response, codecs.BOM_UTF8 + rows_of([dict(zip(columns, columns, strict=True))], columns))
        for cursor in cursors:
            for piece in in_pieces(_rows((await page(cursor)).data), columns):
                await pace.write(response, piece)
                await asyncio.sleep(0)  # others' turn
        await response.write_eof()
    except (Refusal, TimeoutError):  # what is out cannot be taken back
        if request.transport is not None:
            request.transport.abort()
    return response


async def _pages(page: Ask) -> AsyncIterator[tuple[str | None, list[dict[str, Any]]]]:
    cursor: str | None = None
    while True:
        answered = await page(cursor)
        yield cursor, _rows(answered.data)
        await asyncio.sleep(0)  # others' turn
        cursor = answered.headers.get(CURSOR_HEADER)
        if cursor is None:
            return
