"""What becomes of a request that is not answered well: one exception, in the API's words."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bus_schemas.errors import ErrorCode

NOBODY = 0  # the status where there is no answer
IN_THE_WAY = frozenset({429, 502, 503, 504})
LONGEST = 60.0  # seconds that somebody is told to wait, at most


class ApiError(Exception):
    """`code`: one of `ErrorCode`, or one that only a newer site knows. `status`: of HTTP; 0: nobody answered, or not in
    time. `details`: more for programs. `retry_after`: seconds, where the site says them."""

    def __init__(
        self, code: str, message: str, *, status: int = NOBODY, details: Mapping[str, Any] | None = None,
        request_id: str | None = None, retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details: Mapping[str, Any] = details or {}
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether the same may be answered well a little later."""
        return self.status == NOBODY or self.status in IN_THE_WAY

    @property
    def repeatable(self) -> bool:
        """Whether it is asked again at once where a key keeps it from being done twice. Who asks too much is not."""
        still_running = self.status == 409 and self.retry_after is not None
        return still_running or (self.passing and self.code != ErrorCode.RATE_LIMITED)


class SnapshotNeeded(Exception):
    """More was missed than is told again: read the list anew, then go on with the same subscription."""


def unreached(message: str) -> ApiError:
    """Nobody answered."""
    return ApiError(ErrorCode.UNAVAILABLE, message)


def refusal(status: int, reason: str, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """What an answer means that is no success, in whosever words: a proxy before the site has its own."""
    said = headers.get("Retry-After", "")
    after = min(float(said), LONGEST) if said.isascii() and said.isdigit() else None
    try:
        return of_refused(msgspec.json.decode(body), status=status, retry_after=after)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        code = {401: ErrorCode.AUTH_FAIL, 429: ErrorCode.RATE_LIMITED}.get(status)
        code = code or (ErrorCode.UNAVAILABLE if status in IN_THE_WAY else ErrorCode.INTERNAL)
        return ApiError(code, f"{status} {reason}", status=status, retry_after=after)


def of_refused(said: Any, *, status: int = NOBODY, retry_after: float | None = None) -> ApiError:
    """A refusal as it travels. Raises LookupError, TypeError for what is none."""
    message, code = str(said["message"]), str(said["code"])
    return ApiError(
        code, message, status=status, details=said.get("details"), request_id=said.get("request_id"),
        retry_after=retry_after,
    )  # fmt: skip
