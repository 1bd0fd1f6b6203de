"""What is told of a phone's calls from the lines of its log."""

from actors.adapters.phone_calls import PhoneCalls
from actors.telephony.reports import CallPhase, CallSeen

DIALLED = "01-01 10:00:00.000  1000  1000 I Telecom : Event: RecordEntry TC@1: SET_DIALING, null"


def test_lines_of_a_boot_before_tell_nothing_of_the_calls_of_this_one() -> None:
    """A host that stood still while the phone was started anew finds them in the old stream, and the new boot begins to
    count its calls afresh."""
    told: list[CallSeen] = []
    calls = PhoneCalls(told.append)
    calls.begin_boot("before")
    stream = calls.boot
    calls.begin_boot("now")
    calls.read_line(DIALLED, stream)
    assert not told
    calls.read_line(DIALLED, calls.boot)
    assert [(seen.ref, seen.phase) for seen in told] == [("now/TC@1", CallPhase.DIALING)]
