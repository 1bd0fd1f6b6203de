"""Who of a site's operators is there for a campaign, and what each does. Pure.

A hundred campaigns may have the same thousand operators, and each looks at them whenever one of these does something:
so they are passed over once for all campaigns that have the same ones, after a change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from bus_schemas.operator import OperatorStatus

S = OperatorStatus
LOOKED_UP = 1.0  # seconds until it is asked again, by whichever of their campaigns
AWAY = (S.OFFLINE, S.BREAK)
Campaigns = tuple[str, ...] | None  # for which somebody works; None: all


class Member(Struct, frozen=True, kw_only=True):
    """An operator. `since`: seconds since 1970. `campaigns`: None: all. `reserved_by`: the campaign that keeps them."""

    user: str
    status: OperatorStatus = S.OFFLINE
    since: float = 0.0
    campaigns: Campaigns = None
    reserved_by: str | None = None

    @property
    def is_there(self) -> bool:
        return self.status not in AWAY

    def works_for(self, campaign: str) -> bool:
        return self.is_there and self.is_of(campaign)

    def is_of(self, campaign: str) -> bool:
        """Whether they are an operator of it, whatever they do now."""
        return self.campaigns is None or campaign in self.campaigns

    def free_for(self, campaign: str) -> bool:
        """Whether who works for it is ready, and nobody else keeps them."""
        return self.status is S.READY and (self.reserved_by is None or self.reserved_by == campaign)


class Extensions(Protocol):
    """Where the PBX reaches operators (`Desks`). `changes`: of that."""

    changes: int

    def of(self, user: str) -> str | None: ...

    def without(self, users: Iterable[str]) -> tuple[str, ...]: ...

    def look_up(self, users: Iterable[str]) -> None: ...

    def failed(self, user: str) -> None: ...


class Roster:
    """Those of some operators who are there. `ready`: the longest first. `talking`, `wrapping`: since when the others
    are in a call, or after one, the earliest first."""

    def __init__(self, members: Iterable[Member]) -> None:
        self.there = tuple(one for one in members if one.is_there)
        self.ready = sorted((one for one in self.there if one.status is S.READY), key=lambda one: (one.since, one.user))
        self.talking = sorted(one.since for one in self.there if one.status not in (S.READY, S.WRAP_UP))
        self.wrapping = sorted(one.since for one in self.there if one.status is S.WRAP_UP)
        self.by_status: Mapping[str, int] = Counter(str(one.status) for one in self.there)
        self._at_desks: tuple[int, Roster] | None = None
        self._looked_up: float | None = None

    def look_up(self, desks: Extensions, now: float) -> None:
        """Have it asked where the PBX reaches them. `now`: on the monotonic clock."""
        if self._looked_up is None or now - self._looked_up >= LOOKED_UP:
            self._looked_up = now
            desks.look_up(one.user for one in self.there)

    def at_desks(self, desks: Extensions) -> "Roster":
        """Those of them whom the PBX reaches."""
        if self._at_desks is None or self._at_desks[0] != desks.changes:
            found = Roster(one for one in self.there if desks.of(one.user) is not None)
            self._at_desks = desks.changes, found
        return self._at_desks[1]


class _Group:
    """Operators who work for the same campaigns. `changes`: of any of them."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = frozenset(campaigns) if campaigns is not None else None
        self.members: dict[str, Member] = {}
        self.changes = 0

    def is_of(self, campaign: str) -> bool:
        return self._campaigns is None or campaign in self._campaigns


class Roll:
    """All operators, in groups that work for the same campaigns."""

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.members: dict[str, Member] = {}
        self._groups: dict[Campaigns, _Group] = {}
        self._groups_of: dict[str, tuple[_Group, ...]] = {}  # by campaign, since there are these groups
        self._rosters: dict[tuple[_Group, ...], tuple[int, Roster]] = {}  # and after how many changes they were made
        for member in members:
            self.put(member)

    def put(self, member: Member) -> None:
        """An operator is this now."""
        before = self.members.get(member.user)
        if before is not None and before.campaigns != member.campaigns:
            self._take_out(before)
        self.members[member.user] = member
        group = self._groups.get(member.campaigns)
        if group is None:
            group = self._groups[member.campaigns] = _Group(member.campaigns)
            self._regroup()
        group.members[member.user] = member
        group.changes += 1

    def of_campaign(self, campaign: str) -> Roster:
        """Who is there for it."""
        groups = self._groups_of.get(campaign)
        if groups is None:
            groups = self._groups_of[campaign] = tuple(one for one in self._groups.values() if one.is_of(campaign))
        changes = sum(group.changes for group in groups)
        known = self._rosters.get(groups)
        if known is None or known[0] != changes:
            known = changes, Roster(one for group in groups for one in group.members.values())
            self._rosters[groups] = known
        return known[1]

    def _take_out(self, member: Member) -> None:
        group = self._groups[member.campaigns]
        del group.members[member.user]
        group.changes += 1
        if not group.members:
            del self._groups[member.campaigns]
            self._regroup()

    def _regroup(self) -> None:
        self._groups_of.clear()
        self._rosters.clear()
