"""Which lines of a phone's log come late, whatever its clock does."""

from actors.adapters.log_clock import LogClock

EPOCH = 1_700_000_000.0  # the phone's clock at our moment 0


def clock() -> LogClock:
    """After a look that was asked at 1.0 and answered at 1.1."""
    made = LogClock()
    made.looked(1.0, 1.1, EPOCH + 1.05)
    return made


def test_lines_that_come_at_once_are_not_late() -> None:
    assert not LogClock().is_late(EPOCH, 5.0)
    assert not clock().is_late(None, 5.0)
    assert not clock().is_late(EPOCH + 5.0, 5.3)


def test_a_line_that_waited_is_late_until_a_look_has_told_it() -> None:
    late = clock()
    assert late.is_late(EPOCH + 5.0, 9.0) and late.is_late(EPOCH + 6.0, 9.0)
    late.looked(9.0, 9.2, EPOCH + 9.1)
    assert not late.is_late(EPOCH + 6.0, 9.2)
    assert late.is_late(EPOCH + 9.3, 11.0)


def test_a_look_whose_answer_waited_does_not_make_late_lines_seem_prompt() -> None:
    late = clock()
    late.looked(4.0, 9.0, EPOCH + 4.1)
    assert late.is_late(EPOCH + 5.0, 9.0)


def test_lines_stay_prompt_when_the_phone_s_clock_is_set() -> None:
    back = clock()
    assert not back.is_late(EPOCH + 5.0 - 3600, 5.0)
    back.looked(5.0, 5.1, EPOCH + 5.05 - 3600)
    assert not back.is_late(EPOCH + 6.0 - 3600, 6.0) and back.is_late(EPOCH + 7.0 - 3600, 9.0)
    ahead = clock()
    assert not ahead.is_late(EPOCH + 5.0 + 3600, 5.0)
    assert ahead.is_late(EPOCH + 6.0 + 3600, 9.0)
