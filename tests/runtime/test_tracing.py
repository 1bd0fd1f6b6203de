"""Spans are made where they are wanted, with the right parents; where they are not, nothing is."""

import time
from collections.abc import Iterator

import pytest

from actors.adapters.otlp import Otlp
from actors.call.spans import spans
from actors.runtime import tracing
from actors.runtime.context import Context
from actors.runtime.settings import Traces
from actors.runtime.tracing import Span, of_request, send_to, span, wanted, was, within_call
from bus_schemas.call import CallEnded, CallState, EndReason
from bus_schemas.errors import ErrorCode, Refusal
from tests.support.collector import collecting

TRACE, ABOVE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
COLLECTED = Context(command_id="k", traceparent=f"00-{TRACE}-{ABOVE}-01")


@pytest.fixture
def sent() -> Iterator[list[Span]]:
    sent: list[Span] = []
    stop = send_to(sent.append)
    yield sent
    stop()


def test_work_inside_work_has_it_above(sent: list[Span]) -> None:
    with span("outer", COLLECTED, about="44") as outer, span("inner", outer, kind="client", id="1" * 16) as inner:
        assert inner.traceparent == f"00-{TRACE}-{'1' * 16}-01" and inner.command_id == "k"
    assert [(one.name, one.trace, one.kind) for one in sent] == [
        ("inner", TRACE, "client"), ("outer", TRACE, "internal")
    ]  # fmt: skip
    assert [one.parent for one in sent] == [sent[1].id, ABOVE] and sent[1].attributes == {"ottb.id": "44"}
    assert sent[1].begun <= sent[0].begun <= sent[0].ended <= sent[1].ended


def test_what_goes_wrong_is_on_the_span(sent: list[Span]) -> None:
    for error in (Refusal(ErrorCode.SLOT_BUSY, "no"), ValueError()):
        with pytest.raises(type(error)), span("work", COLLECTED):
            raise error
    assert [one.error for one in sent] == ["SLOT_BUSY", "ValueError"]


@pytest.mark.parametrize(
    "traceparent",
    [None, "", f"00-{TRACE}-{ABOVE}-00", f"00-{'0' * 32}-{ABOVE}-01", f"00-{TRACE}-{'0' * 16}-01", "x" * 55],
)
def test_of_what_is_not_collected_there_is_no_span(traceparent: str | None, sent: list[Span]) -> None:
    context = Context(command_id="k", traceparent=traceparent)
    with span("work", context) as inside:
        assert inside is context
    was("work", context, begun=0, ended=1)
    assert not sent and not wanted(context) and wanted(COLLECTED)


def test_nothing_is_made_where_nobody_wants_it() -> None:
    with span("work", COLLECTED) as inside:
        assert inside is COLLECTED
    assert of_request("GET /", trace=TRACE, given=None) is None and not wanted(COLLECTED)


def test_a_share_of_the_traces_that_begin_here() -> None:
    sent: list[Span] = []
    stop = send_to(sent.append, share=0.25)
    asked = [of_request("GET /", trace=f"{number:032x}", given=None) for number in range(1, 2001)]
    given = of_request("GET /", trace=TRACE, given=f"00-{TRACE}-{ABOVE}-01")
    for one in (*asked, given):
        assert one is not None
        one.over({})
    stop()
    assert 400 < len(sent) - 1 < 600 and sent[-1].parent == ABOVE  # who has begun one says whether it is collected
    flags = [one.traceparent.endswith("-01") for one in asked if one is not None]
    assert sum(flags) == len(sent) - 1


def test_a_call_has_its_span_above_whoever_has_it(sent: list[Span]) -> None:
    here, there = within_call("c_1", TRACE), within_call("c_1", TRACE)
    assert here == there and here.trace_id == TRACE and here.traceparent != within_call("c_2", TRACE).traceparent
    was("ringing", here, begun=5, ended=9)
    [ringing] = sent
    assert (ringing.parent, ringing.begun, ringing.ended) == (tracing.call_span("c_1"), 5, 9)
    with span("dial", within_call("c_1", None)):
        pass
    assert len(sent) == 1


def test_what_there_was_of_a_call() -> None:
    def ended(ring: str | None, answer: str | None) -> CallEnded:
        return CallEnded(
            line="slot-44", call_id="c_1", slot=44, user="op12", number="+380991234567", at="2026-01-31T10:00:09.000Z",
            state=CallState.ENDED, reason=EndReason.HANGUP_LOCAL, cause="x", duration=0, ring_seconds=0,
            start_time="2026-01-31T10:00:00.000Z", ring_time=ring, answer_time=answer,
        )  # fmt: skip

    rang, taken = "2026-01-31T10:00:01.500Z", "2026-01-31T10:00:04.000Z"
    second = 10**9
    assert [*spans(ended(None, None))] == []
    [(name, begun, over)] = spans(ended(rang, None))
    assert (name, over - begun) == ("ringing", int(7.5 * second))
    assert [(name, over - begun) for name, begun, over in spans(ended(rang, taken))] == [
        ("ringing", int(2.5 * second)), ("talking", 5 * second)
    ]  # fmt: skip


async def test_a_collector_gets_them_and_one_that_is_away_costs_nothing() -> None:
    with collecting() as collector:
        otlp = Otlp(Traces(endpoint=f"{collector.url}/"), service="ottb-test", host="a")
        otlp.take(Span(
            trace=TRACE, id="1" * 16, parent=ABOVE, name="n", kind="server", begun=5, ended=9, error="no",
            attributes={"ottb.id": "44"},
        ))  # fmt: skip
        await otlp.close()
        [seen] = collector.spans
        assert (seen.service, seen.name, seen.trace, seen.id, seen.parent) == ("ottb-test", "n", TRACE, "1" * 16, ABOVE)
        assert (seen.begun, seen.ended, seen.error, seen.attributes) == (5, 9, "no", {"ottb.id": "44"})
    gone = Otlp(Traces(endpoint=collector.url), service="ottb-test", host="a")
    began = time.monotonic()
    for _ in range(10_000):
        gone.take(Span(trace=TRACE, id="1" * 16, parent=None, name="n", kind="server", begun=5, ended=9))
    assert time.monotonic() - began < 5
    await gone.close()
    assert time.monotonic() - began < 15  # the SDK alone would go on for 40
