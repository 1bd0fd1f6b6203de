"""The one vocabulary of refusals: what may go wrong, whoever says it.

The first eight codes are documented and keep their meaning. The domain never names an HTTP status:
`gateway/errors.py` does, in one table.
"""

import math
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct


class ErrorCode(StrEnum):
    """Why a request was not carried out."""

    AUTH_FAIL = "AUTH_FAIL"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    SLOT_BUSY = "SLOT_BUSY"
    SLOT_OFFLINE = "SLOT_OFFLINE"
    CALL_FAILED = "CALL_FAILED"
    PIPELINE_ERROR = "PIPELINE_ERROR"
    INVALID_PARAMS = "INVALID_PARAMS"
    NOT_FOUND = "NOT_FOUND"

    CONFLICT = "CONFLICT"  # the thing is in a state that does not allow it, or a key was used for something else
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"  # the same Idempotency-Key with another body
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"  # nobody is there to do it, or its queue is full: try again
    TIMEOUT = "TIMEOUT"  # it was sent and no answer came: it may have happened, ask before repeating
    INTERNAL = "INTERNAL"


class Refused(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A refusal as it travels, on the bus and over HTTP. `details` says more for programs."""

    error: Literal[True] = True
    code: ErrorCode
    message: str
    details: dict[str, Any] | None = None
    request_id: str | None = None


class Refusal(Exception):
    """Raised by whoever refuses; becomes one `Refused`."""

    def __init__(self, code: ErrorCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: dict[str, Any] | None = details or None

    def as_refused(self, request_id: str | None = None) -> Refused:
        return Refused(code=self.code, message=self.message, details=self.details, request_id=request_id)

    def __repr__(self) -> str:
        return f"Refusal({self.code}, {self.message!r})"


def misfit(field: str, why: str, **details: Any) -> Refusal:
    """A field of a request that cannot be what was sent."""
    return Refusal(ErrorCode.INVALID_PARAMS, f"`{field}`: {why}", field=field, **details)


def retry_after(wait: float) -> float:
    """A wait as refusals tell it: seconds, in tenths, never less than it is (0 would say: at once)."""
    return math.ceil(10 * wait) / 10


class RefusalTemplate:
    """A refusal that is said in the same words again and again: `raise NO_SLOT()`.

    Not an exception itself. One that is raised again and again gets longer with each raise, and keeps alive what stood
    in the frames it went through: requests, passwords.
    """

    def __init__(self, code: ErrorCode, message: str, **details: Any) -> None:
        self._code = code
        self._message = message
        self._details = details

    def __call__(self, **details: Any) -> Refusal:
        """A fresh one. `details` are added to the template's own."""
        return Refusal(self._code, self._message, **self._details, **details)

    def made(self, refusal: Refusal) -> bool:
        """Whether a refusal says this."""
        return (refusal.code, refusal.message) == (self._code, self._message)


JOURNAL_FULL = RefusalTemplate(
    ErrorCode.RATE_LIMITED,
    "The journal is nearly full: nothing new is begun, so that what is under way gets its end. See [journal] limit.",
    rule="journal_full",
)
