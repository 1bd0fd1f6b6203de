"""What the answer of a row is on HTTP: JSON as it came from the bus, or a table of it."""

import asyncio
from typing import get_args
from urllib.parse import quote

from aiohttp import web

from gateway.reading import JSON
from gateway.routes import Route
from gateway.table import csv_pieces

CSV_HEADERS = {"Content-Type": "text/csv; charset=utf-8", "X-Content-Type-Options": "nosniff"}
JSON_HEADERS = {"Content-Type": JSON, "X-Content-Type-Options": "nosniff"}


async def presented(route: Route, request: web.Request, data: bytes) -> web.Response:
    """The answer to a request, as JSON or, where it wants a table, as CSV."""
    if route.table and request.query.get("format") == "csv":
        pieces = []
        for piece in csv_pieces(data, known_columns(route)):
            pieces.append(piece)
            await asyncio.sleep(0)  # others' turn
        return web.Response(body=b"".join(pieces), status=route.status, headers=csv_headers(route))
    return web.Response(body=data, status=route.status, headers=JSON_HEADERS)


def known_columns(route: Route) -> tuple[str, ...]:
    """The columns of a route's table that it has also without rows."""
    [of] = get_args(route.rpc.reply) or (None,)
    return route.columns or getattr(of, "__struct_encode_fields__", ())


def csv_headers(route: Route) -> dict[str, str]:
    """Of a table, which browsers keep under the name of its route."""
    return CSV_HEADERS | {"Content-Disposition": f'attachment; filename="{route.path.rsplit("/", 1)[1]}.csv"'}


def attachment(name: str) -> str:
    """`Content-Disposition` of a file that somebody else may have named (RFC 6266), all of which is a name."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "._- ") else "_" for one in name)
    more = f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}" if plain != name else ""
    return f'attachment; filename="{plain}"{more}'


def at_table(request: web.Request, path: str) -> str:
    """The same question at the route of a table, of the same fields in its path."""
    return str(request.rel_url.with_path(path.format(**request.match_info), keep_query=True))
