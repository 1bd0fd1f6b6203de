"""What leaves is overwritten where it says something of a person, which costs the server a block; else it only goes."""

import msgspec
import pytest

from actors.archive.leaving import _is_personal
from actors.runtime.bus import Recorded

CALL = "ottb.v1.evt.call.slot-1.c_1"
AUDIT = "ottb.v1.evt.audit.chain.recorded"


def recorded(subject: str, data: bytes) -> Recorded:
    return Recorded(subject=subject, data=data, headers={}, seq=1, at=1.0)


@pytest.mark.parametrize(
    ("subject", "data", "personal"),
    [
        (f"{CALL}.dialing", b'{"number":"+380501230001"}', True),
        (f"{CALL}.ended", b'{"number":"+380501230001","cause":"NORMAL"}', True),
        (f"{CALL}.alerting", b'{"call_id":"c_1"}', False),
        (AUDIT, b'{"entries":[{"subject":{"slot":1}},{"subject":{"filter":"{}"}}]}', True),
        (AUDIT, b'{"entries":[{"subject":{"slot":1}}]}', False),
        (f"{CALL}.alerting", b"no JSON +380501230001", True),
        ("ottb.v1.evt.thing.1.said", b'{"number":"+380501230001"}', True),
    ],
)
def test_what_is_overwritten(subject: str, data: bytes, personal: bool) -> None:
    assert _is_personal(recorded(subject, data)) is personal



def test_an_answer_beside_an_event_may_show_a_call() -> None:
    said = recorded(f"{CALL}.ending", b'{"call_id":"c_1"}')
    assert not _is_personal(said)
    assert _is_personal(msgspec.structs.replace(said, headers={"Ottb-Reply": '{"number":"+380501230001"}'}))
