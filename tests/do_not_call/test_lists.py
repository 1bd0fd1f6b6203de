"""The lists in memory, and what changes one: pure."""

import random
import tracemalloc

import pytest

from actors.do_not_call import machine
from actors.do_not_call.lists import NumberList, covering
from actors.do_not_call.machine import evolve
from bus_schemas.do_not_call import (
    ChangeDoNotCall,
    DoNotCallActivated,
    DoNotCallAdded,
    DoNotCallChanged,
    DoNotCallEvent,
    DoNotCallRemoved,
    Listed,
)
from bus_schemas.errors import ErrorCode, Refusal

AT = "2026-01-01T12:00:00.000Z"
NOW = 1767268800.0  # the same
SOON, LATER, OVER = "2026-01-01T13:00:00.000Z", "2026-06-01T00:00:00.000Z", "2026-01-01T11:00:00.000Z"
OLENA, PETRO = "+380991230006", "+380991230007"
MOST_BYTES = 100  # of memory for an entry


class Kept:
    """A list with its events."""

    def __init__(self) -> None:
        self.list = NumberList()
        self.events: list[DoNotCallEvent] = []

    def change(self, *add: Listed | str, remove: tuple[str, ...] = ()) -> DoNotCallChanged:
        entries = tuple(Listed(entry=one) if isinstance(one, str) else one for one in add)
        wanted = ChangeDoNotCall(shard=1, list="global", source="api", add=entries, remove=remove)
        decision, said = machine.change(self.list, wanted, by="op1", at=AT, now=NOW)
        for event in decision.events:
            self.events.append(event)
            self.list.take(event, len(self.events))
        return said

    def has(self, number: str, now: float = NOW) -> bool:
        return self.list.held_until(number) > now


def told(added: int = 0, removed: int = 0, unchanged: int = 0) -> DoNotCallChanged:
    return DoNotCallChanged(list="global", added=added, removed=removed, unchanged=unchanged)


def test_a_number_is_on_the_list_from_its_addition_to_its_removal() -> None:
    kept = Kept()
    assert not kept.has(OLENA)
    assert kept.change(OLENA, PETRO) == told(added=2)
    assert kept.has(OLENA) and kept.has(PETRO) and not kept.has("+380991230008")
    assert kept.change(remove=(OLENA, OLENA, "+380991230008")) == told(removed=1, unchanged=2)
    assert not kept.has(OLENA) and kept.has(PETRO)


def test_the_same_again_is_no_event() -> None:
    kept = Kept()
    kept.change(OLENA, "+44843*")
    before = len(kept.events)
    assert kept.change(OLENA, OLENA, "+44843*") == told(unchanged=3)
    assert kept.change(remove=(PETRO,)) == told(unchanged=1)
    assert len(kept.events) == before


def test_one_event_has_each_entry_once() -> None:
    kept = Kept()
    assert kept.change(OLENA, PETRO, OLENA) == told(added=2, unchanged=1)
    assert isinstance(kept.events[0], DoNotCallAdded) and len(kept.events[0].entries) == 2


def test_a_beginning_holds_for_all_numbers_that_have_it() -> None:
    kept = Kept()
    kept.change("+38099123*")
    assert kept.has(OLENA) and kept.has("+380991239999") and not kept.has("+380991240000")
    kept.change(remove=("+38099123*",))
    assert not kept.has(OLENA)


def test_a_number_and_a_beginning_of_the_same_digits_are_two_entries() -> None:
    kept = Kept()
    kept.change(OLENA, f"{OLENA}*")
    kept.change(remove=(OLENA,))
    assert kept.has(OLENA) and kept.has(f"{OLENA}1")


def test_an_entry_holds_until_it_expires() -> None:
    kept = Kept()
    kept.change(Listed(entry=OLENA, expires=SOON), Listed(entry="+48*", expires=SOON))
    assert kept.has(OLENA, NOW + 3599) and kept.has("+48601123456", NOW + 3599)
    assert not kept.has(OLENA, NOW + 3600) and not kept.has("+48601123456", NOW + 3600)
    assert kept.change(Listed(entry=PETRO, expires=OVER)) == told(unchanged=1)


@pytest.mark.parametrize(
    ("first", "second", "until"),
    [
        (None, SOON, None), (SOON, None, None), (LATER, SOON, LATER), (SOON, LATER, LATER), (SOON, SOON, SOON),
    ],
)  # fmt: skip
@pytest.mark.parametrize("together", [True, False])
def test_who_adds_again_never_shortens(first: str, second: str, until: str | None, together: bool) -> None:
    kept = Kept()
    entries = [Listed(entry=OLENA, expires=first), Listed(entry=OLENA, expires=second)]
    for each in [entries] if together else [[one] for one in entries]:
        kept.change(*each)
    for when, holds in ((NOW + 1, True), (NOW + 3601, until != SOON), (NOW + 10**9, until is None)):
        assert kept.has(OLENA, when) is holds


def test_an_event_that_is_in_already_changes_nothing() -> None:
    """The owner has its own events before its host hears them, so the older ones come a second time."""
    kept = Kept()
    kept.change(OLENA)
    kept.change(remove=(OLENA,))
    kept.change(OLENA)
    for seq, event in enumerate(kept.events, 1):
        kept.list.take(event, seq)
        assert kept.has(OLENA)


def test_a_list_has_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST", 2)
    kept = Kept()
    kept.change(OLENA, PETRO)
    with pytest.raises(Refusal) as refused:
        kept.change("+48*")
    assert refused.value.code is ErrorCode.CONFLICT and (refused.value.details or {})["rule"] == "list_full"
    assert kept.change(OLENA) == told(unchanged=1) and len(kept.list) == 2


def test_a_list_is_what_a_plain_set_says() -> None:
    drawn = random.Random(1)
    numbers = [f"+38099123{end:04}" for end in range(30)]
    entries = [*numbers, *(f"{number[:length]}*" for number in numbers[:5] for length in (9, 12))]
    kept, plain = Kept(), set[str]()
    for _ in range(500):
        some = tuple(drawn.sample(entries, 3))
        if drawn.random() < 0.5:
            kept.change(*some)
            plain |= set(some)
        else:
            kept.change(remove=some)
            plain -= set(some)
        for number in numbers:
            assert kept.has(number) is bool(plain.intersection(covering(number))), number
    again = NumberList()
    for seq, event in enumerate(kept.events, 1):
        again.take(event, seq)
    assert (again.numbers, again.beginnings) == (kept.list.numbers, kept.list.beginnings)


def test_what_an_owner_keeps_beside_the_list_is_small() -> None:
    state = None
    for event in (
        DoNotCallActivated(list="global", at=AT, host="a", epoch=1),
        DoNotCallAdded(list="global", at=AT, by="op1", source="api", entries=(Listed(entry=OLENA),)),
        DoNotCallRemoved(list="global", at=AT, by="op1", entries=(OLENA,)),
    ):
        state = evolve(state, event)
    assert state is not None and state.changes == 2


@pytest.mark.parametrize("entries", [200_000, 349_526, 450_000])  # the table grows at a third of a power of two
def test_an_entry_takes_at_most_100_bytes(entries: int) -> None:
    events = [
        DoNotCallAdded(
            list="global", at=AT, by="op1", source="file",
            entries=tuple(Listed(entry=f"+38099{end:07}") for end in range(first, min(first + 500, entries))),
        )
        for first in range(0, entries, 500)
    ]  # fmt: skip
    tracemalloc.start()
    kept = NumberList()
    for seq, event in enumerate(events, 1):
        kept.take(event, seq)
    each = tracemalloc.get_traced_memory()[0] / entries
    tracemalloc.stop()
    assert len(kept) == entries and each <= MOST_BYTES, each
