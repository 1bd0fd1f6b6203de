"""How a refusal is told over HTTP."""

import pytest

from bus_schemas.errors import ErrorCode, RefusalTemplate, retry_after
from gateway.errors import response

BUSY = RefusalTemplate(ErrorCode.RATE_LIMITED, "Wait.")


@pytest.mark.parametrize(("wait", "told", "header"), [(0.004, 0.1, "1"), (1.04, 1.1, "2"), (3, 3, "3")])
def test_nobody_is_told_to_come_back_too_early(wait: float, told: float, header: str) -> None:
    refusal = BUSY(retry_after=retry_after(wait))
    assert (refusal.details or {})["retry_after"] == told
    assert response(refusal).headers["Retry-After"] == header
