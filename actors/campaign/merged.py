"""What leads that are one person are together, and what of that is whose. Pure.

A lead that was merged into another one keeps the status that it had; the one that stays has what all of them say, as
long as nobody has said anything else of it and no call has shown it. So whichever of them comes back, what remains is
what the others say, in whatever order they came and go.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.lead import LeadStatus

S = LeadStatus


class Merged(Struct, frozen=True):
    """What became of a lead that was another one. `into`: the place of that one; `status`: what it was itself;
    `had`: what that one was without all those that count; `counts`: what that one is still follows from this one, too;
    `gained`: as the event has it."""

    into: int
    status: LeadStatus
    had: LeadStatus
    gained: tuple[str, ...]
    counts: bool = True


MergedLeads = Mapping[int, Merged]  # by the places at which they were


def counting(merged: MergedLeads, place: int) -> dict[int, Merged]:
    """Those from which follows what the lead at a place is."""
    return {other: one for other, one in merged.items() if one.into == place and one.counts}


def together(had: LeadStatus, statuses: Iterable[LeadStatus]) -> LeadStatus:
    """What a person is by several leads: who does not want to be called by one of them is not called, then the wish to
    be called of the one that stays, then who is done with. NEW: they may be called, tried or not."""
    says = {had, *statuses}
    if S.DO_NOT_CALL in says:
        return S.DO_NOT_CALL
    if had is S.CALLBACK:
        return S.CALLBACK
    if S.DONE in says:
        return S.DONE
    return S.INVALID if says == {S.INVALID} else S.NEW


def follows(merged: MergedLeads, place: int, status: LeadStatus) -> bool:
    """Whether the lead at a place is this because of those that count; where none does, nothing follows."""
    if not (those := counting(merged, place)):
        return False
    had = next(iter(those.values())).had
    return _alike(status) is _alike(together(had, (one.status for one in those.values())))


def given(merged: MergedLeads, place: int, status: LeadStatus) -> bool:
    """Whether it is this only because of them."""
    those = counting(merged, place)
    return any(_alike(one.had) is not _alike(status) for one in those.values()) and follows(merged, place, status)


def known_whose(merged: MergedLeads, other: int) -> bool:
    """Of one that does not want to be called: whether that is known of leads apart from the one that was at a place."""
    one = merged[other]
    those = counting(merged, one.into).values()
    said = any(each.status is S.DO_NOT_CALL for each in those)
    had = any(each.had is S.DO_NOT_CALL for each in those)
    return said or had if one.counts else said and not had


def remains(merged: MergedLeads, other: int, status: LeadStatus) -> LeadStatus:
    """What the one that is `status` is without the lead that was at a place. NEW: it may be called, tried or not. Who
    does not want to be called stays so, whoever has said it."""
    one = merged[other]
    if status is S.DO_NOT_CALL or not one.counts or not follows(merged, one.into, status):
        return status
    return together(one.had, (each.status for place, each in counting(merged, one.into).items() if place != other))


def with_one_more(
    merged: MergedLeads, place: int, had: LeadStatus, other: int, status: LeadStatus, gained: tuple[str, ...]
) -> MergedLeads:
    """After the lead at `other`, which is `status`, was merged into the one at `place`, which was `had` before."""
    if follows(merged, place, had):
        had = next(iter(counting(merged, place).values())).had
    else:
        merged = spoken_of(merged, place)
    return {**merged, other: Merged(place, status, had, gained)}


def without(merged: MergedLeads, other: int, status: LeadStatus) -> MergedLeads:
    """After the lead that was at a place is one of its own again, and the other one is `status`. Who of them did not
    want to be called is no question any more: that one does not."""
    place = merged[other].into
    rest = {each: one for each, one in merged.items() if each != other}
    if status is S.DO_NOT_CALL:
        rest |= {each: replace(one, had=status) for each, one in counting(rest, place).items()}
    return rest


def spoken_of(merged: MergedLeads, place: int) -> MergedLeads:
    """Somebody has said what becomes of the lead at a place: that follows from nothing that was merged before."""
    if not (those := counting(merged, place)):
        return merged
    return {**merged, **{other: replace(one, counts=False) for other, one in those.items()}}


def _alike(status: LeadStatus) -> LeadStatus:
    return S.NEW if status is S.IN_PROGRESS else status
