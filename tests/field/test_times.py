"""Times in queries as programs and people send them: the moment that was meant, or a refusal that names the field."""

from typing import Any

import pytest

from actors.ledger.page import with_span
from actors.runtime.moments import moment
from bus_schemas.audit import ListAudit
from bus_schemas.call import ListCdrs
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


@pytest.mark.parametrize(("span", "field"), cases("times.toml", "nothing"))
@pytest.mark.parametrize("request_type", [ListCdrs, ListAudit])
def test_a_span_in_which_nothing_can_be_is_refused(request_type: Any, span: list[str], field: str) -> None:
    since, until = span
    with pytest.raises(Refusal) as refused:
        with_span(request_type(since=since, until=until))
    assert refused.value.code is ErrorCode.INVALID_PARAMS and refused.value.details == {"field": field}
    assert with_span(request_type(since=since)).until is None and with_span(request_type(until=until)).since is None


@pytest.mark.parametrize(("span", "_"), cases("times.toml", "some"))
def test_a_span_in_which_something_can_be_is_asked_for(span: list[str], _: str) -> None:
    wanted = with_span(ListCdrs(since=span[0], until=span[1]))
    assert wanted.since is not None and wanted.until is not None and wanted.since < wanted.until
