"""Who gets which call that waits: on record before they are asked, one operator at a time, and nobody for too long."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from actors.campaign import machine
from actors.campaign.answered import Answered, GiveUp, TakeCall
from actors.campaign.claims import Claim, Joined, claims_of
from actors.campaign.lines import Held, HeldLines
from actors.campaign.seats import Seats
from actors.runtime.clock import utc
from bus_schemas.call import CallConnected, EndReason
from bus_schemas.campaign import CampaignAttemptOffered
from bus_schemas.host import Line
from bus_schemas.lead import LeadStatus
from tests.campaign.played import NOON, Played, lead_at, number_at
from tests.campaign.test_machine import running


def claims(played: Played, dials: int, free: Sequence[str] = (), **seats: Any) -> list[Claim]:
    """Dials on channels whose calls wait."""
    lines, before = HeldLines(), len(played.claims)
    lines.add(
        Held("h", Line(slot=None, trunk="t", countries=("UA",), offer=str(each)), 1e9) for each in range(dials)
    )
    assert played.selection is not None
    decision = machine.claim(
        played.state, played.selection, played.book, dials, played.moment(), ready=set(free), lines=lines,
        seats=Seats(free, **{"kept": False, **seats}),
    )  # fmt: skip
    played.record(decision)
    return played.claims[before:]


def answered(played: Played, claim: Claim) -> CallConnected:
    return CallConnected(
        line="trunk-t", call_id=f"c_{claim.place}", slot=None, user="op", at=utc(played.now), mono=0.0, boot="b", ref=""
    )


def chosen(played: Played, waiting: Answered, *free: str) -> tuple[list[tuple[int, str | None]], list[int]]:
    """Which places are offered to whom now, and which are given up."""
    decision = waiting.next(played.state, free, played.moment())
    played.record(decision)
    takes = [effect.claim for effect in decision.effects if isinstance(effect, TakeCall)]
    ups = [effect.claim.place for effect in decision.effects if isinstance(effect, GiveUp)]
    return [(claim.place, claim.operator) for claim in takes], ups


def test_who_is_ready_longest_gets_who_waits_longest_on_record_first() -> None:
    played, waiting = running(lead_at(1), lead_at(2), lead_at(3)), Answered()
    for claim in claims(played, 3, ["ann", "bob"]):
        assert (claim.operator, claim.joins) == (None, True)
        played.later(seconds=0.1)
        waiting.add(claim, answered(played, claim))
    assert chosen(played, waiting, "ann", "bob") == ([(0, "ann"), (1, "bob")], [])
    offered = [event for event in played.events if isinstance(event, CampaignAttemptOffered)]
    assert [(event.place, event.operator) for event in offered] == [(0, "ann"), (1, "bob")]
    assert chosen(played, waiting, "cid") == ([(2, "cid")], [])
    assert played.replayed() == played.state


def test_whoever_takes_over_asks_the_operator_on_record_and_nobody_else() -> None:
    played, waiting = running(lead_at(1)), Answered()
    [claim] = claims(played, 1)
    waiting.add(claim, answered(played, claim))
    chosen(played, waiting, "ann")
    [found] = claims_of(played.state)
    assert (found.operator, found.joins) == ("ann", True)
    new = Answered()
    new.add(found, answered(played, found))
    new.add(found, answered(played, found))  # it may be heard twice
    events = len(played.events)
    assert chosen(played, new, "bob", "cid") == ([(0, "ann")], []) and len(played.events) == events
    assert chosen(played, new, "bob") == ([], [])  # as long as ann may have taken it


def test_who_surely_refused_is_not_asked_again_and_the_next_one_is() -> None:
    played, waiting = running(lead_at(1)), Answered()
    [claim] = claims(played, 1)
    waiting.add(claim, answered(played, claim))
    chosen(played, waiting, "ann")
    waiting.refused(claim.to("ann"))
    assert chosen(played, waiting) == ([], [])
    assert chosen(played, waiting, "ann", "bob") == ([(0, "bob")], [])
    waiting.refused(claim.to("bob"))
    assert chosen(played, waiting, "ann", "bob") == ([], [])


def test_one_that_was_taken_is_waited_for_no_more() -> None:
    played, waiting = running(lead_at(1)), Answered()
    [claim] = claims(played, 1)
    waiting.add(claim, answered(played, claim))
    taken = Joined(place=0, attempt=1, user="ann", call_id="c_0")
    played.record(machine.joined(played.state, taken, played.moment()))
    assert not waiting.next(played.state, ["bob"], played.moment()).effects
    played.later(seconds=5)
    assert not waiting.next(played.state, ["bob"], played.moment()).effects  # and no timer fires on end


def test_after_two_seconds_who_waits_is_let_go_once() -> None:
    played, waiting = running(lead_at(1), lead_at(2)), Answered()
    for claim in claims(played, 2):
        waiting.add(claim, answered(played, claim))
    played.later(seconds=1.9)
    assert chosen(played, waiting) == ([], [])
    played.later(seconds=0.1)
    assert chosen(played, waiting, "ann") == ([], [0, 1])
    assert chosen(played, waiting, "ann") == ([], [])


def test_a_call_that_waited_for_nobody_was_abandoned_and_counts() -> None:
    played, waiting = running(lead_at(1), lead_at(2)), Answered()
    one, other = claims(played, 2)
    waiting.add(one, answered(played, one))
    chosen(played, waiting, "ann")
    taken = Joined(place=0, attempt=1, user="ann", call_id="c_0")
    played.record(machine.joined(played.state, taken, played.moment()))
    ended: list[Any] = [
        played.over(claim, EndReason.HANGUP_LOCAL, answered=True, talk_seconds=9)[0] for claim in (one, other)
    ]
    assert [(event.outcome, event.status) for event in ended] == [
        ("answered", LeadStatus.DONE), ("abandoned", LeadStatus.IN_PROGRESS)
    ]  # fmt: skip
    [day] = played.state.tally.days
    assert (day.answered, day.abandoned) == (2, 1) and not played.state.crew


def test_kept_dials_are_for_one_each_and_a_callback_for_the_one_it_is_to() -> None:
    played = running(lead_at(1), lead_at(2), lead_at(3))
    kept = claims(played, 3, ["ann", "bob"], kept=True)
    assert [claim.operator for claim in kept] == ["ann", "bob"]  # and nobody is left for the third
    again = running(lead_at(1), lead_at(2))
    again.do(machine.mark, 0, LeadStatus.CALLBACK, callback=utc(NOON + timedelta(seconds=1)), operator="bob")
    again.later(seconds=1)
    assert {claim.place: claim.operator for claim in claims(again, 2, ["ann", "bob"])} == {0: "bob", 1: None}


def test_who_may_be_dialled_under_a_lower_cap_alone_waits_for_the_next_turn() -> None:
    """Also as one of several of a turn, and all after it: how many dials there are was told by the higher cap."""
    played = running(*(lead_at(place) for place in range(4)))
    caps, in_force = {number_at(1): 0.01}, [0.03]

    def bears(number: str) -> bool:
        in_force[0] = min(in_force[0], caps.get(number, 0.03))
        return in_force[0] == 0.03

    assert [claim.place for claim in claims(played, 4, bears=bears)] == [0]
    assert [claim.place for claim in claims(played, 4)] == [1, 2, 3]
