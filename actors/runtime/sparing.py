"""Lines of the log that others can cause at will."""

from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger()

MINUTE = 60.0
FAILED_LINES = 60  # of requests that went wrong inside: somebody may have found how


class SparingLog:
    """At most so many lines a minute. The first one of the next minute says how many were left out."""

    def __init__(self, *, per_minute: int, now: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._now = now
        self._began = float("-inf")
        self._written = 0
        self._left_out = 0

    def info(self, event: str, **fields: Any) -> None:  # any: fields as structlog takes them
        self._say(log.info, event, fields)

    def warning(self, event: str, **fields: Any) -> None:  # any: the same
        self._say(log.warning, event, fields)

    def exception(self, event: str, **fields: Any) -> None:  # any: the same
        """With the exception that is being handled."""
        self._say(log.exception, event, fields)

    def _say(self, write: Callable[..., object], event: str, fields: dict[str, Any]) -> None:  # any: the same
        now = self._now()
        if now - self._began >= MINUTE:
            self._began, self._written = now, 0
        if self._written >= self._per_minute:
            self._left_out += 1
            return
        self._written += 1
        if self._left_out:
            fields["left_out"], self._left_out = self._left_out, 0
        write(event, **fields)
