"""The one place where a refusal gets its HTTP status."""

import math
from collections.abc import Mapping

import msgspec
from aiohttp import web

from bus_schemas.errors import ErrorCode, Refusal

REPLAYED = "Idempotent-Replayed"

HTTP_STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.AUTH_FAIL: 401,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.SLOT_BUSY: 409,
    ErrorCode.SLOT_OFFLINE: 409,
    ErrorCode.CALL_FAILED: 422,
    ErrorCode.PIPELINE_ERROR: 422,
    ErrorCode.INVALID_PARAMS: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.IDEMPOTENCY_MISMATCH: 422,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.INTERNAL: 500,
}

# Whoever hears one of these, of what was sent, does not know whether it was done.
MAYBE_DONE = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.INTERNAL})

# What aiohttp itself raises, in our words.
_OF_STATUS: Mapping[int, tuple[ErrorCode, str]] = {
    404: (ErrorCode.NOT_FOUND, "No such path."),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "This path does not take that method."),
    413: (ErrorCode.PAYLOAD_TOO_LARGE, "The body is too large."),
    415: (ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send application/json."),
}


class Replayed(Refusal):
    """A refusal that was given before, to the first request with the same Idempotency-Key."""


def of_http(error: web.HTTPException, path: str) -> Refusal:
    """aiohttp's own refusal in the vocabulary."""
    default = ErrorCode.INTERNAL if error.status >= 500 else ErrorCode.INVALID_PARAMS
    code, message = _OF_STATUS.get(error.status, (default, error.reason))
    return Refusal(code, message + _near(path) if code is ErrorCode.NOT_FOUND else message)


def _near(path: str) -> str:
    """What is odd in a path that there is not."""
    if "//" in path:
        return " Between names there is one `/` here."
    if path.rstrip("/") and path.endswith("/"):
        return " Paths end without `/` here."
    area = "/".join(path.split("/")[:3])  # behind it there may be names that have capitals
    return " Paths are in small letters here." if area != area.lower() else ""


def response(refusal: Refusal, *, request_id: str | None = None, status: int | None = None) -> web.Response:
    """A refusal in the documented format. `status` where HTTP knows a better one than the table (417, 405)."""
    answer = web.Response(
        body=msgspec.json.encode(refusal.as_refused(request_id)),
        status=status or HTTP_STATUS[refusal.code],
        content_type="application/json",
    )
    if refusal.code is ErrorCode.AUTH_FAIL:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="ottb"'
    if isinstance(refusal, Replayed):
        answer.headers[REPLAYED] = "true"
    wait = (refusal.details or {}).get("retry_after")
    if wait is not None:
        answer.headers["Retry-After"] = str(max(math.ceil(wait), 1))
    return answer
