"""Two leads that are one person: what becomes of them, that it can be undone, and that calls stay what they were."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.campaign import editing, machine, merging
from actors.campaign.editing import MERGED
from actors.campaign.figures import Figures
from actors.campaign.places import at, changed, each
from actors.campaign.record import CALLABLE, all_numbers, attempts_of, evolve_all, stays
from actors.campaign.selection import Selection
from actors.campaign.standing import standing
from actors.leads.lead import id_of
from actors.runtime.clock import utc
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignAttemptClaimed, StopMode
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadMerged, CampaignLeadUnmerged, Lead, LeadStatus, MarkLead, changes_in
from tests.campaign.edited import Edited, as_kept
from tests.campaign.played import BY, lead_at, number_at

S = LeadStatus
LEADS = 5


class Merging(Edited):
    """Leads that are merged too. `known`: as the records have them."""

    def merge(self, place: int = 0, other: int = 1) -> CampaignLeadMerged | None:
        known, duplicate = self.known[place], self.known[other]
        decision = merging.merge(self.state, place, other, known, duplicate, BY, self.moment())
        if not (events := self.record(decision)):
            return None
        [event] = events
        assert isinstance(event, CampaignLeadMerged)
        self.known[place] = _after(known, event)
        return event

    def unmerge(self, other: int = 1) -> CampaignLeadUnmerged | None:
        merged = self.state.merged.get(other)
        into = merged.into if merged is not None else other
        decision = merging.unmerge(self.state, other, self.known[into], self.known[other], BY, self.moment())
        if not (events := self.record(decision)):
            return None
        [event] = events
        assert isinstance(event, CampaignLeadUnmerged)
        self.known[into] = _after(self.known[into], event)
        return event

    def status(self, place: int) -> LeadStatus:
        return at(self.state.leads, place).status

    def may_not(self, place: int = 0, other: int = 1) -> Refusal:
        with pytest.raises(Refusal) as refusal:
            self.merge(place, other)
        assert refusal.value.code is ErrorCode.CONFLICT
        return refusal.value

    def say(self, place: int, status: LeadStatus) -> None:
        wish = utc(self.now.replace(hour=20)) if status is S.CALLBACK else None
        self.record(machine.mark(self.state, place, status, BY, self.moment(), callback=wish))


def _after(known: Lead, event: Any) -> Lead:
    changes = changes_in(event)
    custom = {**known.custom, **changes.pop("custom", {})}
    plain = {name: value for name, value in changes.items() if hasattr(known, name)}
    return replace(known, custom={name: text for name, text in custom.items() if text is not None}, **plain)


def test_what_one_lacks_it_gets_and_the_other_is_called_no_more() -> None:
    played = Merging(leads=2)
    played.edit(0, name="Olena", custom={"city": "Lviv"})
    played.edit(1, name="O. Koval", source="fair", custom={"city": "Kyiv", "plan": "a"}, assigned_seller="op12")
    event = played.merge()
    assert event is not None
    assert changes_in(event) == {
        "numbers": (number_at(0), number_at(1)), "source": "fair", "custom": {"plan": "a"}, "assigned_seller": "op12",
    }  # fmt: skip
    assert played.status(1) is S.INVALID and stays(played.state, 1) == 0
    assert [claim.place for claim in played.claim(5)] == [0]


def test_merged_again_changes_nothing() -> None:
    played = Merging(leads=2)
    assert played.merge() is not None and played.merge() is None
    assert played.unmerge() is not None and played.unmerge() is None


def test_undone_both_are_what_they_were() -> None:
    played = Merging(leads=2)
    played.edit(1, name="O. Koval", source="fair", custom={"city": "Kyiv"}, timezone="Europe/Kyiv")
    before, known = list(each(played.state.leads)), [*played.known]
    played.merge()
    played.unmerge()
    assert [*each(played.state.leads)] == [before[0], replace(before[1], said=True)]
    assert played.known == known and not played.state.merged
    assert sorted(claim.place for claim in played.claim(5)) == [0, 1]


def test_what_was_changed_since_stays_when_it_is_undone() -> None:
    played = Merging(leads=2)
    played.edit(1, name="O. Koval", source="fair", custom={"city": "Kyiv", "plan": "a"})
    played.merge()
    played.edit(0, name="Olena", custom={"city": "Lviv", "plan": "a"})
    event = played.unmerge()
    assert event is not None and changes_in(event) == {
        "numbers": (number_at(0),), "source": "", "custom": {"plan": None}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (S.NEW, S.NEW, S.NEW), (S.NEW, S.DONE, S.DONE), (S.DONE, S.NEW, S.DONE), (S.NEW, S.INVALID, S.NEW),
        (S.INVALID, S.NEW, S.NEW), (S.INVALID, S.INVALID, S.INVALID), (S.INVALID, S.DONE, S.DONE),
        (S.NEW, S.DO_NOT_CALL, S.DO_NOT_CALL), (S.DO_NOT_CALL, S.NEW, S.DO_NOT_CALL),
        (S.DONE, S.DO_NOT_CALL, S.DO_NOT_CALL), (S.CALLBACK, S.DO_NOT_CALL, S.DO_NOT_CALL),
        (S.DO_NOT_CALL, S.CALLBACK, S.DO_NOT_CALL), (S.CALLBACK, S.NEW, S.CALLBACK), (S.CALLBACK, S.DONE, S.CALLBACK),
    ],
)  # fmt: skip
def test_the_person_is_what_both_say(one: S, other: S, both: S) -> None:
    played = Merging(leads=2)
    for place, status in enumerate((one, other)):
        if status is not S.NEW:
            played.say(place, status)
    callback = at(played.state.leads, 0).callback
    played.merge()
    assert (played.status(0), played.status(1)) == (both, S.INVALID)
    assert at(played.state.leads, 0).callback == (callback if both is S.CALLBACK else 0)
    played.unmerge()
    assert played.status(1) is (S.NEW if other is S.CALLBACK else other)  # of a wish the time is gone
    if S.DO_NOT_CALL in (one, other):
        assert played.status(0) is S.DO_NOT_CALL  # nobody says whose it was
    elif one is not S.CALLBACK:
        assert played.status(0) is one


def test_of_two_wishes_to_be_called_back_none_is_lost() -> None:
    played = Merging(leads=2)
    for place in (0, 1):
        played.say(place, S.CALLBACK)
    assert "settle" in played.may_not().message and "settle" in played.may_not(1, 0).message


@pytest.mark.parametrize("status", [S.DONE, S.INVALID, S.DO_NOT_CALL])
def test_what_somebody_says_after_a_merge_stays_when_it_is_undone(status: S) -> None:
    played = Merging(leads=2)
    played.say(1, S.DONE)
    played.merge()
    played.edit(0, status=status)
    assert played.edit(0, status=status) is None
    played.unmerge()
    assert played.status(0) is status


def test_a_duplicate_is_assigned_to_nobody_else() -> None:
    played = Merging(leads=2)
    played.edit(1, assigned_seller="op1")
    played.merge()
    played.record(editing.assign(played.state, [0, 1], "op2", BY, played.moment()))
    played.unmerge()
    assert [entry.seller for entry in each(played.state.leads)] == ["op2", "op1"]


@pytest.mark.parametrize("one", [S.NEW, S.DONE, S.INVALID])
def test_nobodys_wish_to_be_called_back_is_lost(one: S) -> None:
    played = Merging(leads=2)
    if one is not S.NEW:
        played.say(0, one)
    played.say(1, S.CALLBACK)
    assert "merge this one into that one" in played.may_not().message
    assert played.merge(1, 0) is not None and at(played.state.leads, 1).callback


def test_who_says_no_after_the_merge_is_called_as_neither() -> None:
    played = Merging(leads=2)
    played.merge()
    played.say(0, S.DO_NOT_CALL)
    played.unmerge()
    assert [played.status(place) for place in (0, 1)] == [S.DO_NOT_CALL] * 2


@pytest.mark.parametrize("before", [None, True])
def test_a_no_to_be_called_holds_for_both(before: bool | None) -> None:
    played = Merging(leads=2)
    if before is not None:
        played.edit(0, consent=before)
    played.edit(1, consent=False)
    played.merge()
    assert at(played.state.leads, 0).consent is False
    played.unmerge()
    assert at(played.state.leads, 0).consent is False  # nobody says whose it was


def test_calls_count_for_the_one_that_stays_and_undone_for_its_own() -> None:
    played = Merging(leads=2)
    for claim in played.claim(2):
        played.over(claim, EndReason.BUSY)
        played.later(minutes=1)
    event = played.merge()
    assert event is not None and (event.attempts, event.last_outcome) == (2, "busy")
    both = [(number_at(0), "busy"), (number_at(1), "busy")]
    assert sorted(played.called(0)) == both and played.status(0) is S.IN_PROGRESS
    played.later(days=1)
    [claim] = played.claim(5)
    assert claim.attempt == 3
    played.over(claim, EndReason.NO_ANSWER)
    undone = played.unmerge()
    assert undone is not None
    calls = [*both, (claim.number, "no_answer")]
    for place in (0, 1):
        assert played.called(place) == [one for one in calls if one[0] == number_at(place)]
    assert (undone.attempts, undone.left) == (len(played.called(1)), len(played.called(0)))
    played.later(days=1)
    assert {claim.place: claim.attempt for claim in played.claim(5)} == {0: 4, 1: undone.attempts + 1}


def test_nobody_is_merged_during_a_call_to_either() -> None:
    played = Merging(leads=3)
    [claim] = played.claim()
    for place, other in ((0, 1), (1, 0)):
        assert "under way" in played.may_not(place, other).message
    played.merge(1, 2)
    played.over(claim)
    [claim] = played.claim(1)
    assert claim.place == 1
    with pytest.raises(Refusal, match="under way"):
        played.unmerge(2)


def test_one_that_was_merged_is_neither_changed_nor_merged_on() -> None:
    played = Merging(leads=3)
    played.merge(0, 1)
    details = {"lead": id_of(number_at(1)), "merged_into": id_of(number_at(0))}
    assert played.refused(1, name="Olena") == details
    for place, other in ((1, 2), (2, 1)):
        assert played.may_not(place, other).details == details
    request = MarkLead(campaign_id="c1", lead=id_of(number_at(1)), status=S.DONE)
    with pytest.raises(Refusal) as refusal:
        editing.mark(played.state, 1, request, BY, played.moment())
    assert MERGED.made(refusal.value)


def test_one_into_another_and_that_into_a_third_come_back_in_turn() -> None:
    played = Merging(leads=3)
    played.merge(1, 2)
    played.merge(0, 1)
    assert stays(played.state, 2) == 0 and len(played.known[0].numbers) == 3
    with pytest.raises(Refusal) as refusal:
        played.unmerge(2)
    assert refusal.value.details == {"lead": id_of(number_at(1)), "merged_into": id_of(number_at(0))}
    played.unmerge(1)
    assert [played.status(place) for place in range(3)] == [S.NEW, S.NEW, S.INVALID]
    played.unmerge(2)
    assert [one.numbers for one in each(played.state.leads)] == [number_at(place) for place in range(3)]


def test_more_than_five_numbers_are_no_leads() -> None:
    played = Merging(leads=2)
    played.edit(0, numbers=tuple(map(number_at, (0, 6, 7))))
    played.edit(1, numbers=tuple(map(number_at, (1, 8, 9))))
    assert played.may_not().details == {"numbers": 6}
    with pytest.raises(Refusal, match="itself"):
        played.merge(1, 1)


def test_a_number_of_a_merged_lead_is_nobody_elses() -> None:
    played = Merging(leads=3)
    played.edit(1, numbers=(number_at(1), number_at(9)))
    played.merge()
    played.edit(0, numbers=(number_at(0), number_at(1)))
    assert played.refused(2, numbers=(number_at(2), number_at(9))) == {"lead": id_of(number_at(0))}
    played.edit(0, numbers=(number_at(0), number_at(9)))  # its own again
    assert played.unmerge() is not None
    assert at(played.state.leads, 1).numbers == f"{number_at(1)} {number_at(9)}"
    assert at(played.state.leads, 0).numbers == number_at(0)


def test_the_one_that_stays_keeps_a_number() -> None:
    played = Merging(leads=2)
    played.merge()
    played.edit(0, numbers=(number_at(1),))
    with pytest.raises(Refusal, match="no number"):
        played.unmerge()


def test_a_list_with_a_merged_number_brings_nobody_in() -> None:
    played = Merging(leads=2)
    played.edit(1, numbers=(number_at(1), number_at(9)))
    played.merge()
    assert played.run(lead_at(0), lead_at(1), lead_at(9)).duplicates == 3


def test_why_a_merged_lead_is_not_called_is_said() -> None:
    played = Merging(leads=2)
    played.merge()
    found = standing(played.state, 1, played.book, played.now)
    assert found.words == f"it was merged into {id_of(number_at(0))}" and found.number is None


def test_a_run_that_is_over_calls_nobody_by_a_merge() -> None:
    played = Merging(leads=2)
    played.say(0, S.INVALID)
    played.record(machine.stop(played.state, StopMode.DRAIN, BY, played.moment()))
    assert "run" in played.may_not().message
    assert played.merge(1, 0) is not None and played.status(1) is S.NEW


@given(st.lists(st.tuples(st.sampled_from("ccceeemmmuuns"), st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_calls_are_what_they_were_whoever_is_merged(steps: list[tuple[str, int, int]]) -> None:
    played = Merging(leads=LEADS)
    for what, first, second in steps:
        try:
            _step(played, what, first, second)
        except Refusal as refusal:
            assert refusal.code in (ErrorCode.CONFLICT, ErrorCode.INVALID_PARAMS), refusal
        played.later(minutes=61)
    _must_be_sound(played)


def _step(played: Merging, what: str, first: int, second: int) -> None:
    place, other = first % LEADS, second % LEADS
    match what:
        case "c":
            played.claim(1 + second % 3)
        case "e" if played.claims:
            played.over(played.claims[second % len(played.claims)], EndReason.BUSY)
        case "m":
            played.merge(place, other)
        case "u":
            played.unmerge(place)
        case "n":
            played.edit(place, numbers=tuple(dict.fromkeys((number_at(second), number_at(first)))))
        case "s":
            played.edit(place, status=[S.DONE, S.INVALID, S.NEW, S.IN_PROGRESS][second % 4])


def _must_be_sound(played: Merging) -> None:
    state = played.state
    assert evolve_all(None, played.events) == state and as_kept(state) == state
    made = [one for one in played.events if isinstance(one, CampaignAttemptClaimed)]
    assert len({(one.place, one.attempt) for one in made}) == len(made)  # so no call is asked for under another's id
    calls = Counter[tuple[str, str]]()
    for place, entry in enumerate(each(state.leads)):
        found = attempts_of(entry)
        assert {one.number for one in found} <= {*all_numbers(entry)}
        calls.update((one.number, utc(one.at)) for one in found)
        assert entry.numbers == " ".join(played.known[place].numbers)
        if place in state.merged:
            assert entry.status not in CALLABLE and not found
    assert calls == Counter((one.number, one.at) for one in made)  # each counts, and for one lead
    assert Figures(state).attempts == len(made)
    own = [entry for place, entry in enumerate(each(state.leads)) if place not in state.merged]
    numbers = [number for entry in own for number in entry.numbers.split(" ")]
    assert len(numbers) == len(set(numbers))
    anew = Selection(state)
    assert played.selection is not None
    for number in map(number_at, range(12)):
        places = [played.selection.whose(state, number), anew.whose(state, number)]
        assert places[0] == places[1] and (places[0] is not None or number not in numbers)
        assert places[0] not in state.merged
        if number in numbers:
            assert number in at(state.leads, places[0]).numbers.split(" ")
        assert played.selection.place_with(state, number) == anew.place_with(state, number)
    for selection in (played.selection, anew):
        assert [selection.place_of(state, entry.id) for entry in each(state.leads)] == list(range(LEADS))


@given(
    st.lists(st.sampled_from([S.NEW, S.DONE, S.INVALID, S.DO_NOT_CALL, S.CALLBACK]), min_size=LEADS, max_size=LEADS),
    st.lists(st.tuples(st.sampled_from("mmmu"), st.integers(0, LEADS - 1), st.integers(0, LEADS - 1)), max_size=20),
    st.permutations(range(LEADS)),
)
def test_whatever_is_merged_is_what_it_was_once_all_is_undone(
    were: list[S], steps: list[tuple[str, int, int]], order: list[int]
) -> None:
    played = Merging(leads=LEADS)
    for place, status in enumerate(were):
        if status is not S.NEW:
            played.say(place, status)
    before, known, expected = list(each(played.state.leads)), [*played.known], [*were]
    for what, place, other in steps:
        said = S.DO_NOT_CALL in (played.status(place), played.status(other))
        lost = played.status(other) is S.CALLBACK
        try:
            event = played.merge(place, other) if what == "m" else played.unmerge(other)
        except Refusal:
            continue
        if what == "m" and event is not None:
            expected[place] = S.DO_NOT_CALL if said else expected[place]
            expected[other] = S.NEW if lost and expected[other] is S.CALLBACK else expected[other]
    while played.state.merged:
        for other in order:
            if other in played.state.merged and played.state.merged[other].into not in played.state.merged:
                played.unmerge(other)
    after = [*each(played.state.leads)]
    assert [one.status for one in after] == expected
    for was, now, status in zip(before, after, expected, strict=True):
        wish = (was.callback, was.operator) if status is S.CALLBACK else (0, None)
        assert (now.callback, now.operator) == wish
        assert replace(now, status=was.status, callback=was.callback, operator=was.operator, said=was.said) == was
    assert played.known == known


def test_who_was_erased_is_merged_with_nobody_and_comes_back_as_nobody() -> None:
    mark = "+0123456789012345678"
    for erased in (0, 1):
        played = Merging(leads=2)
        entry = replace(at(played.state.leads, erased), numbers=mark)
        played.campaign = replace(played.state, leads=changed(played.state.leads, erased, entry))
        assert "erased" in played.may_not().message
    played = Merging(leads=2)
    played.merge()
    entry = replace(at(played.state.leads, 0), numbers=mark)
    played.campaign = replace(played.state, leads=changed(played.state.leads, 0, entry))
    with pytest.raises(Refusal, match="erased"):
        played.unmerge()


def test_each_of_a_chain_of_merged_leads_is_known_after_a_restart() -> None:
    played = Merging(leads=3)
    played.merge(1, 0)
    played.merge(2, 1)
    anew = Selection(played.state)
    assert [anew.place_of(played.state, one.id) for one in each(played.state.leads)] == [0, 1, 2]
    assert {anew.whose(played.state, number_at(place)) for place in range(3)} == {2}
