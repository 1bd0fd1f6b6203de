"""Leads that operators look at before they are dialled. Not on record: who takes over knows of none, and asks anew."""

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas.errors import ErrorCode, RefusalTemplate

NO_PREVIEW = RefusalTemplate(ErrorCode.CONFLICT, "The campaign does not dial in preview mode for operators.")
NOT_READY = RefusalTemplate(ErrorCode.CONFLICT, "Be ready for this campaign first, and in no call.")
NOTHING_TO_SHOW = RefusalTemplate(ErrorCode.CONFLICT, "No lead may be called now.")
NOT_SHOWN = RefusalTemplate(ErrorCode.CONFLICT, "This is not the lead that you look at. Ask for the next one.")
SHOWN_FOR, SKIPPED_FOR = 300.0, 900.0  # seconds for which a lead is one operator's; for which nobody gets one skipped


class Shown(Struct, frozen=True, kw_only=True):
    """A lead that an operator looks at. `until`: seconds since 1970. `begun`: it is to be dialled."""

    place: int
    lead: str
    number: str
    until: float
    begun: bool = False


class Previews:
    """Who looks at what in one campaign."""

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}  # by operator

    def of(self, user: str, now: float) -> Shown | None:
        """The lead that somebody looks at."""
        shown = self._shown.get(user)
        if shown is not None and shown.until <= now:
            del self._shown[user]
            return None
        return shown

    def lead_of(self, user: str, lead: str, now: float) -> Shown:
        """The same, which must be this one. Raises Refusal."""
        shown = self.of(user, now)
        if shown is None or shown.lead != lead:
            raise NOT_SHOWN()
        return shown

    def show(self, user: str, shown: Shown) -> Shown:
        self._shown[user] = shown
        return shown

    def begin(self, user: str) -> Shown:
        """It is to be dialled."""
        return self.show(user, replace(self._shown[user], begun=True))

    def over(self, user: str) -> Shown:
        """It is dialled, or skipped."""
        return self._shown.pop(user)

    def begun(self, users: list[str], now: float) -> dict[str, int]:
        """The places of those leads that are to be dialled, by these users."""
        found = {user: self.of(user, now) for user in users}
        return {user: shown.place for user, shown in found.items() if shown is not None and shown.begun}
