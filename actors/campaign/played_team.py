"""The operators of a campaign as a dry run has them, beside those that there are. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from actors.campaign.roster import Member, Roll, Roster
from bus_schemas.operator import OperatorStatus


class Operators(Protocol):
    """Who there is."""

    def working_for(self, campaign: str) -> Roster: ...

    def of_campaign(self, campaign: str) -> tuple[str, ...]: ...

    def has(self, user: str, campaign: str) -> bool: ...


class PlayedTeam:
    """Operators of one campaign, as they would be."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._roll = Roll(members)

    @property
    def members(self) -> Mapping[str, Member]:
        return self._roll.members

    def working_for(self, campaign: str) -> Roster:
        """Those who are there."""
        return self._roll.of_campaign(campaign)

    def of_campaign(self, campaign: str) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(self.members))

    def has(self, user: str, campaign: str) -> bool:
        """Whether somebody is one of them."""
        return user in self.members

    def become(self, user: str, status: OperatorStatus, now: datetime) -> None:
        """One is this now."""
        self._roll.put(replace(self.members[user], status=status, since=now.timestamp(), reserved_by=None))


class PlayedDesks:
    """Their extensions, as far as they are known now."""

    changes = 0

    def __init__(self, known: Mapping[str, str | None]) -> None:
        self._known = known

    def of(self, user: str) -> str | None:
        return self._known.get(user)

    def without(self, users: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(user for user in users if user in self._known and self._known[user] is None))

    def look_up(self, users: Iterable[str]) -> None:
        """Nobody is asked."""

    def failed(self, user: str) -> None:
        """It takes each call."""
