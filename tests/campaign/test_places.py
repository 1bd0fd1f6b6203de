"""Many things as one value are the list of them, and what was is not changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.places import SIZE, Changes, at, changed, count, each, extended

LENGTHS = st.sampled_from([0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE])


@given(st.lists(LENGTHS, max_size=4), st.data())
def test_places_are_the_list_of_their_things(lengths: list[int], data: st.DataObject) -> None:
    places, things = extended((), ()), list[int]()
    for length in lengths:
        more = range(len(things), len(things) + length)
        places, things = extended(places, more), [*things, *more]
        assert count(places) == len(things) and [*each(places)] == things
    if things:
        place = data.draw(st.integers(0, len(things) - 1))
        other = changed(places, place, -1)
        assert at(other, place) == -1 and at(places, place) == place
        assert [*each(other, place)] == [-1, *things[place + 1 :]] and [*each(places)] == things


@given(LENGTHS.filter(bool), st.data())
def test_changes_at_once_are_one_after_the_other(length: int, data: st.DataObject) -> None:
    places = extended((), range(length))
    changes, things = Changes(places), list(range(length))
    for place in data.draw(st.lists(st.integers(0, length - 1), max_size=9)):
        part, inside = changes.part(place)
        assert part[inside] == things[place]
        part[inside] = things[place] = things[place] - length
    assert [*each(changes.done())] == things and [*each(places)] == [*range(length)]


def test_a_place_beyond_the_last_is_none() -> None:
    with pytest.raises(IndexError):
        at(extended((), [1]), 1)
