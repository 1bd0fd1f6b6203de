"""Two leads are merged and undone, to be called in spite of what was said, or until nobody can read what is left."""

import pytest

from actors.campaign.places import at
from actors.campaign.record import tries_of
from bus_schemas.call import EndReason
from bus_schemas.errors import Refusal
from bus_schemas.lead import LeadStatus
from tests.campaign.played import number_at
from tests.campaign.test_merging import Merging

S = LeadStatus
CYCLES = 500


def test_what_was_refused_is_not_undone_with_a_merge() -> None:
    played = Merging(leads=3)
    played.say(2, S.DO_NOT_CALL)
    played.say(1, S.DO_NOT_CALL)
    played.merge(0, 1)
    played.merge(0, 2)
    played.unmerge(1)
    numbers = at(played.state.leads, 0).numbers.split(" ")
    print(f"3 leads, 2 that want no calls: 0 of {len(numbers)} numbers are called after a merge is undone")
    assert number_at(2) in numbers and played.status(0) is S.DO_NOT_CALL and not played.claim(9)


def test_a_wish_after_a_merge_is_not_undone_with_it() -> None:
    played = Merging(leads=2)
    played.say(1, S.DO_NOT_CALL)
    played.merge()
    played.say(0, S.DO_NOT_CALL)
    played.unmerge()
    print("2 leads that want no calls, one of them since they were merged, 0 called")
    assert not played.claim(9)


def test_a_consent_that_others_refused_stays_refused() -> None:
    played = Merging(leads=3)
    for place in (1, 2):
        played.edit(place, consent=False)
        played.merge(0, place)
    played.unmerge(1)
    print("3 leads, 2 refused consents: 0 undone")
    assert at(played.state.leads, 0).consent is False


def test_what_a_merge_leaves_behind_does_not_grow() -> None:
    played = Merging(leads=2)
    for _ in range(3):
        for claim in played.claim(2):
            played.over(claim, EndReason.BUSY)
        played.later(days=1)
    largest = 0
    for _ in range(CYCLES):
        played.merge()
        played.unmerge()
        largest = max(largest, *(len(at(played.state.leads, place).tries) for place in (0, 1)))
    print(f"{2 * CYCLES} merges and their undoing: {largest} bytes of attempts of a lead at most")
    assert largest <= 20 * 18
    assert [len(tries_of(at(played.state.leads, place))) for place in (0, 1)] == [3, 3]
    [first, *_] = played.claim(2)
    assert first.attempt > 3  # no attempt gets the number of one before


def test_so_many_leads_are_one_person_and_no_more() -> None:
    played = Merging(leads=60)
    merged = 0
    for place in range(1, 60):
        try:
            played.merge(0, place)
        except Refusal:
            played.edit(0, numbers=(number_at(0),))
            try:
                played.merge(0, place)
            except Refusal as refusal:
                assert "20 leads" in refusal.message
                continue
        merged += 1
    print(f"59 leads into one, its numbers taken away each time: {merged} merged")
    assert merged == 19
    with pytest.raises(Refusal, match="20 leads"):
        played.merge(50, 0)
