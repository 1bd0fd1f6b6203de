"""What an answer says of its list in headers: how many there are, and where the next page begins."""

from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import web

from actors.runtime.wire import CURSOR_HEADER, INEXACT_HEADER, TOTAL_HEADER


def page_headers(said: Mapping[str, str], request: web.BaseRequest, *, by_link: bool) -> dict[str, str]:
    """HTTP's, by what the bus's say. `by_link`: the page's URL is not to be said again."""
    headers: dict[str, str] = {}
    if (total := said.get(TOTAL_HEADER)) is not None:
        headers["X-Total-Count"] = total
    if INEXACT_HEADER in said:
        headers["X-Total-Count-Exact"] = "false"
    if (cursor := said.get(CURSOR_HEADER)) is not None:
        headers["X-Next-Cursor"] = cursor
        if not by_link:
            following = request.rel_url.update_query(cursor=cursor)
            headers["Link"] = f'<{quote(str(following), safe="/?=&%")}>; rel="next"'
    return headers
