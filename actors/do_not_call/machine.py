"""What changes a do-not-call list. Pure: the list as it is comes in, events go out."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from actors.do_not_call.lists import FOR_EVER, NumberList, second_of
from actors.runtime.decision import NOTHING, Decision
from bus_schemas.do_not_call import (
    ChangeDoNotCall,
    DoNotCallActivated,
    DoNotCallAdded,
    DoNotCallChanged,
    DoNotCallEvent,
    DoNotCallRemoved,
    Listed,
)
from bus_schemas.errors import ErrorCode, RefusalTemplate

MOST = 2_000_000  # entries of one list
TOO_MANY = RefusalTemplate(
    ErrorCode.CONFLICT, "The list has as many entries as it may have.", rule="list_full", most=MOST
)


class OnRecord(Struct, frozen=True, kw_only=True):
    """What an owner remembers of a list beside its entries, which each host has in memory already (`lists.py`).
    `changes`: how many there have been."""

    changes: int = 0


ListDecision = Decision[DoNotCallEvent, None]


def change(
    known: NumberList, request: ChangeDoNotCall, *, by: str, at: str, now: float
) -> tuple[ListDecision, DoNotCallChanged]:
    """Put entries on a list and take others off. What is so already is no event. Raises Refusal."""
    added, removed = _new(known, request.add, now), _there(known, request.remove)
    if len(known) + len(added) > MOST:
        raise TOO_MANY()
    events: list[DoNotCallEvent] = []
    if added:
        events.append(DoNotCallAdded(list=request.list, at=at, by=by, source=request.source, entries=added))
    if removed:
        events.append(DoNotCallRemoved(list=request.list, at=at, by=by, entries=removed))
    unchanged = len(request.add) + len(request.remove) - len(added) - len(removed)
    said = DoNotCallChanged(list=request.list, added=len(added), removed=len(removed), unchanged=unchanged)
    return Decision(events=tuple(events)) if events else NOTHING, said


def evolve(state: OnRecord | None, event: DoNotCallEvent) -> OnRecord:
    """The state after an event."""
    changes = state.changes if state is not None else 0
    return OnRecord(changes=changes + (not isinstance(event, DoNotCallActivated)))


def _new(known: NumberList, entries: Iterable[Listed], now: float) -> tuple[Listed, ...]:
    """The entries that hold longer than what is there, each once. Adding one never makes it hold for a shorter time,
    and one that is over already is none."""
    found: dict[str, Listed] = {}
    for one in entries:
        expires = second_of(one)
        if known.holds(one.entry, expires) or FOR_EVER < expires <= now:
            continue
        before = found.get(one.entry)
        if before is None or _longer(expires, second_of(before)):
            found[one.entry] = one
    return tuple(found.values())


def _longer(expires: int, other: int) -> bool:
    return other != FOR_EVER and (expires == FOR_EVER or expires > other)


def _there(known: NumberList, entries: Sequence[str]) -> tuple[str, ...]:
    return tuple(entry for entry in dict.fromkeys(entries) if known.has(entry))
