"""A campaign that is read back is what it was, however many events are read at once."""

from datetime import timedelta

import msgspec
import pytest

from actors.campaign import machine
from actors.campaign.record import READ_BACK
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.lead import LeadStatus
from tests.campaign.played import NOON, Played, lead_at

LEADS = [lead_at(place) for place in range(6)]


def eventful() -> Played:
    """Attempts that end on two days, while the clock is set back; a wish that is met, and one that is not."""
    played = Played()
    played.run(*LEADS)
    for place, seconds in ((0, 1), (1, 1), (2, 9e6)):
        callback = utc(NOON + timedelta(seconds=seconds))
        played.do(machine.mark, place, LeadStatus.CALLBACK, callback=callback, operator="op7")
    played.later(seconds=2)
    first, *others, busy = played.claim(9, ready={"op7"}, lines=["op7"] * 5)
    for claim, days in zip(others, (0, 1, -1), strict=True):
        played.now = NOON + timedelta(days=days)
        played.over(claim, EndReason.HANGUP_REMOTE, answered=True, talk_seconds=3)
    played.not_begun(busy)
    played.later(days=1, hours=1)
    played.claim(1, ready={"op7"}, lines=["op7"])
    played.over(first)
    return played


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
def test_what_is_read_at_once_says_the_same(at_once: int) -> None:
    played = eventful()
    assert played.replayed(at_once=at_once) == played.state
    assert len(played.state.tally.days) == 2 and played.state.crew and played.state.in_progress


@pytest.mark.parametrize(("event", "part"), READ_BACK.items(), ids=lambda one: one.__name__)
def test_what_is_read_is_part_of_what_is_written(event: type, part: type) -> None:
    written = {field.name: field for field in msgspec.structs.fields(event)}
    for field in msgspec.structs.fields(part):
        assert field.default == written[field.name].default
