"""What may be changed of a lead by hand, and that calls to it stay what they were."""


import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign import editing, machine
from actors.campaign.editing import MAY_BECOME
from actors.campaign.places import at, each
from actors.campaign.record import all_numbers, attempts_of, evolve_all, under_way
from actors.campaign.selection import Selection
from actors.leads.lead import id_of
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignStatus, StopMode
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadsAssigned, LeadStatus
from tests.campaign.edited import Edited, as_kept
from tests.campaign.played import BY, lead_at, number_at

S = LeadStatus
STATUSES = [status for status in S if status is not S.CALLBACK]


def test_what_is_named_and_other_goes_on_record_and_nothing_twice() -> None:
    played = Edited()
    wanted = {"name": "Olena", "timezone": "Europe/Kyiv", "priority": 5, "consent": True, "assigned_seller": "op12"}
    assert played.edit(**wanted) == wanted
    assert played.edit(**wanted) is None
    assert played.edit(**wanted | {"name": "Ola"}) == {"name": "Ola"}
    entry = at(played.state.leads, 0)
    assert (entry.timezone, entry.priority, entry.consent, entry.seller) == ("Europe/Kyiv", 5, True, "op12")
    assert played.edit(assigned_seller=None) == {"assigned_seller": None}


def test_of_the_fields_of_its_own_those_that_are_other_are_named() -> None:
    played = Edited()
    assert played.edit(custom={"city": "Lviv", "plan": "a"}) == {"custom": {"city": "Lviv", "plan": "a"}}
    assert played.edit(custom={"city": "Kyiv"}) == {"custom": {"city": "Kyiv", "plan": None}}


def test_a_lead_gets_a_priority_and_is_called_before_others() -> None:
    played = Edited(leads=3)
    played.edit(2, priority=9)
    assert [claim.place for claim in played.claim(2)] == [2, 0]


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("tried", [False, True])
def test_a_status_becomes_what_the_table_says(before: S, tried: bool) -> None:
    again = S.IN_PROGRESS if tried else S.NEW
    for wanted in S:
        if (before is S.NEW and tried) or (before is S.IN_PROGRESS and not tried) or wanted in (before, S.CALLBACK):
            continue
        played = Edited(leads=2)
        if tried:
            [claim] = played.claim()
            played.over(claim)
        callback = utc(played.now.replace(hour=20)) if before is S.CALLBACK else None
        if at(played.state.leads, 0).status is not before:
            played.record(machine.mark(played.state, 0, before, BY, played.moment(), callback=callback, operator=None))
        if wanted in MAY_BECOME[before] and (wanted is again or wanted not in (S.NEW, S.IN_PROGRESS)):
            assert played.edit(status=wanted) == {"status": wanted}
            entry = at(played.state.leads, 0)
            assert (entry.status, entry.callback) == (wanted, 0)
        else:
            assert played.refused(status=wanted)["status"] == before


def test_who_does_not_want_to_be_called_is_brought_back_by_nobody() -> None:
    assert MAY_BECOME[S.DO_NOT_CALL] == frozenset() and MAY_BECOME.keys() == set(S)
    assert all(S.CALLBACK not in may for may in MAY_BECOME.values())  # which needs a time
    played = Edited()
    with pytest.raises(Refusal, match="mark"):
        played.edit(status=S.CALLBACK)


def test_who_is_of_a_run_that_is_over_is_not_to_be_called_again() -> None:
    played = Edited()
    played.edit(status=S.DONE)
    played.record(machine.stop(played.state, StopMode.DRAIN, BY, played.moment()))
    assert played.status is CampaignStatus.STOPPED
    assert played.refused(status=S.NEW) == {}
    played.run(lead_at(7))
    assert played.refused(status=S.NEW) == {}  # of an earlier run
    assert played.edit(status=S.INVALID) == {"status": S.INVALID}


def test_a_lead_of_an_archived_campaign_stays_as_it_is() -> None:
    played = Edited()
    played.record(machine.stop(played.state, StopMode.DRAIN, BY, played.moment()))
    played.record(machine.archive(played.state, BY, played.moment()))
    assert played.refused(name="Olena") == {}
    with pytest.raises(Refusal, match="archived"):
        editing.assign(played.state, [0], "op12", BY, played.moment())


def test_numbers_stay_while_the_lead_is_called_and_all_else_changes() -> None:
    played = Edited()
    [claim] = played.claim()
    played.refused(numbers=(number_at(9),))
    assert played.edit(name="Olena", status=S.DONE) == {"name": "Olena", "status": S.DONE}
    assert played.claim(5) == [] and played.state.open == 1  # nobody is called twice
    played.over(claim, EndReason.BUSY)
    entry = at(played.state.leads, 0)
    assert entry.status is S.DONE and played.called() == [(number_at(0), "busy")]
    assert played.edit(numbers=(number_at(9),)) == {"numbers": (number_at(9),)}


def test_calls_to_a_number_that_is_gone_stay_calls_to_it() -> None:
    played = Edited()
    [claim] = played.claim()
    played.over(claim, EndReason.BUSY)
    played.edit(numbers=(number_at(8), number_at(9)))
    assert played.called() == [(number_at(0), "busy")]
    assert all_numbers(at(played.state.leads, 0)) == [number_at(8), number_at(9), number_at(0)]
    played.later(days=1)
    [again] = played.claim()
    assert again.number == number_at(8) and again.attempt == 2
    played.over(again)
    played.edit(numbers=(number_at(0), number_at(9)))
    assert played.called() == [(number_at(0), "busy"), (number_at(8), "no_answer")]
    assert at(played.state.leads, 0).former == number_at(8)


def test_another_leads_number_is_no_leads_and_one_that_is_gone_is() -> None:
    played = Edited(leads=2)
    assert played.refused(numbers=(number_at(1),)) == {"lead": id_of(number_at(1))}
    played.edit(1, numbers=(number_at(8), number_at(9)))
    played.edit(1, numbers=(number_at(8),))
    assert played.refused(numbers=(number_at(1),)) == {"lead": id_of(number_at(1))}  # its id is of it
    assert played.edit(numbers=(number_at(9),)) == {"numbers": (number_at(9),)}
    found = played.run(lead_at(0), lead_at(1), lead_at(8), lead_at(9), lead_at(7))
    assert (found.accepted, found.duplicates) == (1, 4)


def test_a_number_that_a_lead_was_called_on_stays_its_own() -> None:
    played = Edited(leads=2)
    played.edit(numbers=(number_at(8),))
    [claim] = played.claim()
    played.over(claim, EndReason.BUSY)
    played.edit(numbers=(number_at(9),))
    assert played.refused(1, numbers=(number_at(8),)) == {"lead": id_of(number_at(0))}
    assert (played.run(lead_at(8)).duplicates, played.state.open) == (1, 0)
    assert played.edit(numbers=(number_at(8),)) == {"numbers": (number_at(8),)}
    assert played.called() == [(number_at(8), "busy")]


def test_who_does_not_want_to_be_called_keeps_the_numbers() -> None:
    played = Edited(leads=2)
    played.edit(numbers=(number_at(7),))
    played.edit(status=S.DO_NOT_CALL)
    for numbers in ((number_at(8),), (number_at(7), number_at(8)), (number_at(0), number_at(7))):
        assert played.refused(numbers=numbers) == {"status": S.DO_NOT_CALL}
    assert played.edit(name="Olena", numbers=(number_at(7),)) == {"name": "Olena"}
    assert played.run(lead_at(7)).duplicates == 1 and [claim.place for claim in played.claim(5)] == [1]
    played.edit(1, name="Ola")  # a wish of their own brings one back
    wish = utc(played.now.replace(hour=20))
    played.record(machine.mark(played.state, 0, S.CALLBACK, BY, played.moment(), callback=wish, operator=None))
    assert played.edit(numbers=(number_at(8),)) == {"numbers": (number_at(8),)}


def test_a_lead_whose_numbers_were_none_is_called_on_another() -> None:
    played = Edited()
    [claim] = played.claim()
    played.not_begun(claim, never=True)
    assert at(played.state.leads, 0).status is S.INVALID
    assert played.edit(numbers=(number_at(9),)) == {"numbers": (number_at(9),), "status": S.IN_PROGRESS}


@given(st.lists(st.tuples(st.sampled_from("ccceeennnsstop"), st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_calls_are_what_they_were_whatever_is_changed(steps: list[tuple[str, int, int]]) -> None:
    played = Edited(leads=4)
    for what, first, second in steps:
        place = first % 4
        try:
            _step(played, what, place, first, second)
        except Refusal as refusal:
            assert refusal.code is ErrorCode.CONFLICT
        played.later(minutes=61)
    _must_be_sound(played)


def _step(played: Edited, what: str, place: int, first: int, second: int) -> None:
    match what:
        case "c":
            played.claim(1 + second % 3)
        case "e" if played.claims:
            played.over(played.claims[second % len(played.claims)], EndReason.BUSY)
        case "n":
            played.edit(place, numbers=tuple(dict.fromkeys((number_at(second), number_at(first)))))
        case "s":
            played.edit(place, status=STATUSES[second % len(STATUSES)])
        case "p":
            played.edit(place, priority=second, assigned_seller=f"op{second}")
        case "t":
            played.edit(place, timezone="Europe/Kyiv" if second % 2 else None, name=f"N{second}")


def _must_be_sound(played: Edited) -> None:
    state = played.state
    assert evolve_all(None, played.events) == state and as_kept(state) == state
    for place, entry in enumerate(each(state.leads)):
        mine = [one for one in played.events if isinstance(one, CampaignAttemptClaimed) and one.place == place]
        assert [one.attempt for one in mine] == list(range(1, len(mine) + 1))
        assert [(one.number, utc(one.at)) for one in attempts_of(entry)] == [(one.number, one.at) for one in mine]
        assert entry.numbers == " ".join(played.known[place].numbers)
        if under_way(entry):
            assert mine[-1].number in entry.numbers.split(" ")
    numbers = [number for entry in each(state.leads) for number in all_numbers(entry)]
    assert len(numbers) == len(set(numbers))  # so caps of a number are of one lead
    anew = Selection(state)
    assert played.selection is not None
    for number in map(number_at, range(12)):
        places = [played.selection.whose(state, number), anew.whose(state, number)]
        assert places[0] == places[1] and (places[0] is not None or number not in numbers)
        assert played.selection.place_with(state, number) == anew.place_with(state, number)
    assert [played.selection.place_of(state, entry.id) for entry in each(state.leads)] == [0, 1, 2, 3]


def test_leads_are_assigned_together_and_each_once() -> None:
    played = Edited(leads=4)
    played.edit(1, assigned_seller="op12")
    decision = editing.assign(played.state, [0, 1, 3], "op12", BY, played.moment())
    [event] = played.record(decision)
    assert isinstance(event, CampaignLeadsAssigned) and event.places == (0, 3)
    assert editing.assigned(decision.events) == 2
    assert event.leads == tuple(at(played.state.leads, place).id for place in event.places)
    assert [entry.seller for entry in each(played.state.leads)] == ["op12", "op12", None, "op12"]
    assert editing.assign(played.state, [0, 1, 3], "op12", BY, played.moment()).events == ()
    played.record(editing.assign(played.state, [0], None, BY, played.moment()))
    assert at(played.state.leads, 0).seller is None
    assert len(played.claim(5)) == 4  # it says nothing of who calls whom
