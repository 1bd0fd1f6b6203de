"""The trace of a request: its client's, or one that begins here, and its span, where spans are wanted."""

import re
from collections.abc import Callable

from aiohttp import web

from actors.runtime.tracing import Attributes, of_request

TRACEPARENT: web.RequestKey[str] = web.RequestKey("traceparent", str)  # for what is done for it

_GIVEN = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


def begin(request: web.Request, path: str, command_id: str) -> Callable[[int], None]:
    """A request has come in. To be told the status of its answer. `path`: of its route; what is not of the interface
    (figures, pages, Socket.IO, which may last for hours) has no span."""
    header, made = request.headers.get("traceparent", ""), command_id.encode().hex()
    given = header if _GIVEN.match(header) else None
    span = of_request(f"{request.method} {path}", trace=made[:32], given=given) if path.startswith("/api/") else None
    if span is None:
        request[TRACEPARENT] = given or f"00-{made[:32]}-{made[32:48]}-01"
        return _not_told
    request[TRACEPARENT] = span.traceparent

    def over(status: int) -> None:
        told: Attributes = {
            "http.request.method": request.method, "http.route": path, "http.response.status_code": status
        }  # fmt: skip
        span.over(told, error=str(status) if status >= 500 else None)

    return over


def _not_told(status: int) -> None:
    """Nobody wants to know."""
