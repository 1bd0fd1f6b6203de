"""Times in queries as programs and people send them: the moment that was meant, or a refusal that names the field."""

import pytest

from actors.ledger.page import moment
from bus_schemas.errors import ErrorCode, Refusal
from tests.field.tables import cases


@pytest.mark.parametrize(("text", "right"), cases("times.toml", "times"))
def test_a_time_is_the_moment_that_was_meant(text: str, right: str) -> None:
    assert moment(text, "since") == right


@pytest.mark.parametrize(("text", "what"), cases("times.toml", "none"))
def test_what_is_no_moment_is_refused_with_its_field(text: str, what: str) -> None:
    with pytest.raises(Refusal) as refused:
        moment(text, "since")
    assert refused.value.code is ErrorCode.INVALID_PARAMS, what
    assert refused.value.message.startswith("`since`: ") and refused.value.details == {"field": "since", "given": text}


def test_no_time_is_no_moment() -> None:
    assert moment(None, "since") is None
