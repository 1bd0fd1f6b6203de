"""The chain shows every later change; only what was cut off at its end does not show in itself."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audit.chain import GENESIS, check, holds, link
from bus_schemas.audit import AuditEntry, AuditRecorded

_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_ENTRIES = st.builds(
    AuditEntry,
    at=st.just("2026-01-01T00:00:00.000Z"),
    user=_TEXT,
    door=st.sampled_from(["http", "bus", "system"]),
    action=_TEXT,
    result=st.sampled_from(["OK", "NOT_FOUND"]),
    subject=st.dictionaries(_TEXT, _TEXT | st.integers(-(2**63), 2**63 - 1), max_size=3),
    credential=st.none() | _TEXT,
    address=_TEXT,
    request_id=_TEXT,
    trace_id=st.none() | _TEXT,
)
_GROUPS = st.lists(st.lists(_ENTRIES, min_size=1, max_size=4), min_size=2, max_size=6)


def _chain(groups: Sequence[Sequence[AuditEntry]]) -> list[AuditRecorded]:
    chain: list[AuditRecorded] = []
    first, previous = 1, GENESIS
    for entries in groups:
        chain.append(link(first, previous, entries))
        first, previous = first + len(entries), chain[-1].hash
    return chain


@given(_GROUPS)
def test_a_chain_is_whole_also_as_it_travels_and_when_it_grows(groups: list[list[AuditEntry]]) -> None:
    chain = [msgspec.json.decode(msgspec.json.encode(one), type=AuditRecorded) for one in _chain(groups)]
    for length in range(len(chain) + 1):
        verdict = check(chain[:length])
        assert verdict.problems == []
        assert verdict.records == verdict.number == sum(len(one.entries) for one in chain[:length])
        assert verdict.head == (chain[length - 1].hash if length else GENESIS)


@given(_GROUPS, st.data())
def test_any_change_of_an_entry_is_found(groups: list[list[AuditEntry]], data: st.DataObject) -> None:
    chain = _chain(groups)
    place = data.draw(st.integers(0, len(chain) - 1))
    entries = list(chain[place].entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    other = data.draw(_ENTRIES.filter(lambda entry: entry != entries[at]))
    name = data.draw(st.sampled_from([f for f in AuditEntry.__struct_fields__
                                      if getattr(other, f) != getattr(entries[at], f)]))  # fmt: skip
    entries[at] = msgspec.structs.replace(entries[at], **{name: getattr(other, name)})
    chain[place] = msgspec.structs.replace(chain[place], entries=entries)
    assert check(chain).problems
    # Whoever also makes the hash fit breaks the next record, unless it is the last one.
    chain[place] = link(chain[place].first, chain[place].previous, entries)
    assert bool(check(chain).problems) == (place < len(chain) - 1)


@given(_GROUPS, st.data())
def test_any_change_of_number_hash_or_previous_is_found(groups: list[list[AuditEntry]], data: st.DataObject) -> None:
    chain = _chain(groups)
    place = data.draw(st.integers(0, len(chain) - 1))
    first = chain[place].first
    changes: list[dict[str, Any]] = [{"first": first + 1}, {"first": first - 1}, {"hash": "f" * 64},
                                     {"previous": "f" * 64}]  # fmt: skip
    change = data.draw(st.sampled_from(changes))
    chain[place] = msgspec.structs.replace(chain[place], **change)
    assert check(chain).problems


@given(_GROUPS, st.data())
def test_another_order_a_gap_and_a_repeat_are_found(groups: list[list[AuditEntry]], data: st.DataObject) -> None:
    chain = _chain(groups)
    place = data.draw(st.integers(0, len(chain) - 2))
    swapped = [*chain[:place], chain[place + 1], chain[place], *chain[place + 2 :]]
    assert check(swapped).problems
    assert check([*chain[:place], *chain[place + 1 :]]).problems
    assert check([*chain[: place + 1], *chain[place:]]).problems


@given(_GROUPS, st.data())
def test_entries_in_another_order_or_missing_are_found(groups: list[list[AuditEntry]], data: st.DataObject) -> None:
    chain = _chain(groups)
    place = data.draw(st.integers(0, len(chain) - 1))
    entries = chain[place].entries
    chain[place] = msgspec.structs.replace(chain[place], entries=entries[1:])
    assert check(chain).problems
    if entries[::-1] != entries:
        chain[place] = msgspec.structs.replace(chain[place], entries=entries[::-1])
        assert check(chain).problems


def test_a_record_without_entries_is_a_problem() -> None:
    assert check([link(1, GENESIS, [])]).problems


@pytest.mark.parametrize(("number", "inside"), [(4, False), (5, True), (6, True), (7, False)])
def test_a_record_holds_its_numbers(number: int, inside: bool) -> None:
    entry = AuditEntry(at="2026-01-01T00:00:00.000Z", user="u", door="http", action="a", result="OK")
    assert holds(link(5, GENESIS, [entry, entry]), number) is inside


def test_an_entry_of_before_there_were_counts_has_the_hash_that_it_had() -> None:
    entry = AuditEntry(at="2026-01-01T00:00:00.000Z", user="op12", door="http", action="POST /x", result="OK")
    assert link(1, GENESIS, [entry]).hash == "dcf7e0acd63be77650705754068d4b602eff4175c1c0ebba4c9d816ce1c3326e"
