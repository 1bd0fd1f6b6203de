"""A look that was at another phone than the one that has the call, and the time in which a phone says nothing."""

import pytest
from msgspec.structs import replace

from actors.call.machine import Call
from actors.telephony.reports import DialUncertain, Link, LinkChanged, Look, Noted
from bus_schemas.call import EndReason, Phase
from tests.call.test_machine import PHASES, REF, TIMEOUTS, _after, _looked, _then

UP = Look(live=(), past=(), boot="other", up=4000.0)  # it was up long before the call
IN_A_CALL = pytest.mark.parametrize("phase", [Phase.DIALING, Phase.ALERTING, Phase.CONNECTED])


def _end(call: Call, look: Look, at: float = 70.0) -> EndReason | None:
    seen, _ = _then(call, _looked(look, "link", at - 0.1), at)
    assert seen is not None
    return seen.ended.reason if seen.ended is not None else None


@IN_A_CALL
def test_the_phone_of_a_call_is_lost_where_another_one_is_in_its_place(phase: Phase) -> None:
    assert _end(PHASES[phase], UP) is EndReason.PHONE_LOST
    assert _end(PHASES[phase], replace(UP, order=Noted("c_9", 5.0))) is EndReason.PHONE_LOST


@IN_A_CALL
@pytest.mark.parametrize(
    "look",
    [
        replace(UP, up=20.0),  # it was restarted since the call was heard of
        replace(UP, up=75.0),  # it may have been: two clocks, and a restart takes its time
        replace(UP, up=None),
        replace(UP, boot="b"),
        replace(UP, order=Noted("c_1", 69.0)),  # it has noted our order
    ],
)
def test_a_phone_that_may_be_the_same_one_is_asked_again(phase: Phase, look: Look) -> None:
    assert _end(PHASES[phase], look) is None


def test_while_an_order_may_come_to_a_call_no_phone_is_lost() -> None:
    uncertain = _after((0.05, DialUncertain(cause="no answer")), accepted=False)
    assert _end(uncertain, UP, 5.0) is None
    assert _end(uncertain, UP, TIMEOUTS.created + 1.0) is EndReason.PHONE_LOST


def test_of_a_host_that_began_anew_the_events_on_record_tell_since_when() -> None:
    call = replace(PHASES[Phase.CONNECTED], heard=0.0, resumed=65.0, ref=REF)
    assert _end(call, UP) is EndReason.PHONE_LOST
    assert _end(call, replace(UP, up=60.0)) is None


# --- a phone that says nothing --------------------------------------------------------------------------------------


def test_a_phone_is_out_of_reach_since_it_was_heard_not_since_told() -> None:
    call, _ = _then(PHASES[Phase.CONNECTED], LinkChanged(link=Link.OFFLINE, silent=21.0), 60.0)
    assert call is not None and call.away is not None and call.away.since == 39.0
    call, _ = _then(call, LinkChanged(link=Link.ABSENT), 61.0)
    assert call is not None and call.away is not None and call.away.since == 39.0
