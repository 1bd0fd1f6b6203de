"""Lines that others can cause at will."""

import pytest
import structlog
from structlog.testing import LogCapture

from actors.runtime import sparing
from actors.runtime.sparing import MINUTE, SparingLog


def test_failures_are_told_so_often_a_minute_and_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = 0.0, LogCapture()
    monkeypatch.setattr(sparing, "log", structlog.wrap_logger(None, [told], structlog.stdlib.BoundLogger))
    log = SparingLog(per_minute=3, now=lambda: now)
    for _ in range(100):
        try:
            raise ValueError("inside")
        except ValueError:
            log.exception("request failed", path="/x")
    now = MINUTE
    log.warning("other")
    assert [line["event"] for line in told.entries] == ["request failed"] * 3 + ["other"]
    assert told.entries[0]["exc_info"] and told.entries[3]["left_out"] == 97
