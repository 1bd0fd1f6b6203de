"""Calls in apps, of which their run tells."""

from msgspec.structs import replace

from actors.call import machine
from actors.telephony.reports import InApp
from bus_schemas.call import CallEnded
from tests.call.test_machine import ATTEMPT, TIMEOUTS, _moved, _now, _then


def test_a_call_is_over_when_its_screen_went_and_not_when_that_is_told() -> None:
    attempt = replace(ATTEMPT, app="org.telegram.messenger", run="gacs_1")
    call, _ = _then(_moved(None, machine.begin(attempt, (), TIMEOUTS)), InApp(state="answered"), 4.0)
    for told, age, talked in ((34.0, 3.0, 27), (34.0, 0.0, 30), (5.0, 60.0, 0)):  # never before it was answered
        [over] = machine.observe(call, InApp(state="over", age=age), _now(told), TIMEOUTS).events
        assert isinstance(over, CallEnded) and over.duration == talked, over
