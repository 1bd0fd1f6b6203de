"""What is sent is bounded and harmless before it is kept."""

import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.harmless import bounded, harmless
from actors.log.writer import written_of
from actors.runtime.context import Context
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.log import CONTEXT_BYTES, CONTEXT_DEPTH, CONTEXT_VALUES, LogEvent, log_subject

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _nested(depth: int) -> dict[str, Any]:
    return {"a": _nested(depth - 1)} if depth > 1 else {}


def _written(**context: Any) -> Any:
    event = LogEvent(module="OTTB", severity="info", message="m", context=context)
    return written_of(event, Context(command_id="c", user="op12"), host="h")


@given(st.text())
def test_what_is_kept_of_a_text_is_all_seen(text: str) -> None:
    kept = harmless(text)
    assert len(kept) == len(text)
    assert not [one for one in kept if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") and one.isprintable()]
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in kept)
    assert harmless(kept) == kept


def test_what_a_terminal_would_obey_is_shown_as_a_sign() -> None:
    assert harmless("\x1b[31mred\r\nforged\x7f\x9b2J\u202e") == "␛[31mred␍␊forged␡\ufffd2J\ufffd"
    assert harmless("Слот 44: «готово» — 🙂 naïve") == "Слот 44: «готово» — 🙂 naïve"


def test_names_and_texts_in_a_context_are_harmless_at_any_depth() -> None:
    assert bounded({"\x1bk": [{"a\n": "b\0", "n": 1.5, "f": None, "t": True}]}) == {
        "␛k": [{"a␊": "b␀", "n": 1.5, "f": None, "t": True}]
    }


@pytest.mark.parametrize(
    "context",
    [
        _nested(CONTEXT_DEPTH + 1),
        _nested(700),
        {"a": [[[[[]]]]]},
        {str(number): number for number in range(CONTEXT_VALUES + 1)},
        {"a": list(range(CONTEXT_VALUES))},
        {"a": "x" * CONTEXT_BYTES},
        {"a" * CONTEXT_BYTES: 1},
        {"a": "\x00" * (CONTEXT_BYTES // 3)},  # each sign has three bytes
    ],
)
def test_a_context_that_is_too_much_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        bounded(context)
    assert refused.value.code is ErrorCode.INVALID_PARAMS and "`context`" in refused.value.message


@pytest.mark.parametrize(
    "context",
    [
        {},
        _nested(CONTEXT_DEPTH),
        {"a": [[[[1, 2]]]]},
        {str(number): number for number in range(CONTEXT_VALUES)},
        {"a": "x" * (CONTEXT_BYTES - len(msgspec.json.encode({"a": ""})))},
    ],
)
def test_a_context_at_its_bounds_is_kept(context: dict[str, Any]) -> None:
    assert bounded(context) == context


def test_who_sent_it_stands_beside_who_it_is_said_to_be_of() -> None:
    event = LogEvent(module="CRM", severity="error", message="a\x07", user_id="admin\x1b")
    kept = written_of(event, Context(command_id="c", user="op12", traceparent=f"00-{TRACE}-{'1' * 16}-01"), host="h")
    assert (kept.sender, kept.user_id, kept.message, kept.trace_id) == ("op12", "admin␛", "a␇", TRACE)
    assert log_subject(kept) == "ottb.v1.log.CRM.error"


def test_what_a_context_names_can_be_asked_for() -> None:
    kept = _written(slot_id=44, call_id="c_882", trace_id=TRACE)
    assert (kept.slot, kept.call_id, kept.trace_id) == (44, "c_882", TRACE)
    assert _written(slot=7).slot == 7


@pytest.mark.parametrize("slot", [True, 0, -1, 10**30, "44", 4.0, None, [44]])
def test_what_is_no_slot_is_kept_as_it_is_and_names_none(slot: Any) -> None:
    kept = _written(slot_id=slot, call_id=["c"], trace_id="x")
    assert (kept.slot, kept.call_id, kept.trace_id) == (None, None, None) and kept.context["slot_id"] == slot
