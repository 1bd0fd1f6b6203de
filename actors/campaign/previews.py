"""Leads that operators look at before they are dialled. Not on record: who takes over knows of none, and asks anew.
What they skip is (`Campaign.skipped`)."""

from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.record import Skipped
from bus_schemas.errors import ErrorCode, RefusalTemplate, retry_after

NO_PREVIEW = RefusalTemplate(ErrorCode.CONFLICT, "The campaign does not dial in preview mode for operators.")
NOT_READY = RefusalTemplate(ErrorCode.CONFLICT, "Be ready for this campaign first, and in no call.")
NOTHING_TO_SHOW = RefusalTemplate(ErrorCode.CONFLICT, "No lead may be called now.")
NOT_SHOWN = RefusalTemplate(ErrorCode.CONFLICT, "This is not the lead that you look at. Ask for the next one.")
TOO_MANY_SKIPPED = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You have skipped many leads. Dial this one, or wait.", rule="skipped_leads"
)
# Whoever skipped on end would see all numbers of a list, and keep them from everybody else: so many come without a wait
# after a quiet time, and each counts for so many seconds.
SKIPS, SKIP_EVERY = 30, 10.0
KEPT = 1000  # commands by which leads were begun
SHOWN_FOR, SKIPPED_FOR = 300.0, 900.0  # seconds for which a lead is one operator's; for which nobody gets one skipped


class PreviewedLead(Struct, frozen=True, kw_only=True):
    """A lead that an operator looks at. `until`: seconds since 1970. `begun`: it is to be dialled."""

    place: int
    lead: str
    number: str
    until: float
    begun: bool = False


class Previews:
    """Who looks at what in one campaign."""

    def __init__(self) -> None:
        self._shown: dict[str, PreviewedLead] = {}  # by operator
        self._begun: deque[str] = deque(maxlen=KEPT)  # by which commands leads were, of late
        self._skipped: dict[str, float] = {}  # up to when the skips of each count, in seconds on the monotonic clock
        self._skipping: dict[str, float] = {}  # the same with one that is not on record yet

    def copy(self) -> "Previews":
        """The same, for who asks what would be."""
        other = Previews()
        other._shown, other._skipped = {**self._shown}, {**self._skipped}
        return other

    def of(self, user: str, now: float) -> PreviewedLead | None:
        """The lead that somebody looks at."""
        shown = self._shown.get(user)
        if shown is not None and shown.until <= now:
            del self._shown[user]
            return None
        return shown

    def shows(self, user: str, lead: str, now: float) -> bool:
        """Whether somebody looks at this one."""
        shown = self.of(user, now)
        return shown is not None and shown.lead == lead

    def lead_of(self, user: str, lead: str, now: float) -> PreviewedLead:
        """The same, which must be this one. Raises Refusal."""
        shown = self.of(user, now)
        if shown is None or shown.lead != lead:
            raise NOT_SHOWN()
        return shown

    def show(self, user: str, shown: PreviewedLead) -> PreviewedLead:
        self._shown[user] = shown
        return shown

    def has_begun(self, command: str) -> bool:
        """Whether a lead was to be dialled by this command before."""
        return command in self._begun

    def begin(self, user: str, command: str) -> PreviewedLead:
        """It is to be dialled, by this command."""
        self._begun.append(command)
        return self.show(user, replace(self._shown[user], begun=True))

    def wait(self, user: str) -> PreviewedLead:
        """Their line does not call it: they look at it still, and leave it as they would any other."""
        return self.show(user, replace(self._shown[user], begun=False))

    def over(self, user: str) -> PreviewedLead:
        """It is dialled, or left."""
        return self._shown.pop(user)

    def drop_of_others(self, is_operator: Callable[[str], bool]) -> list[PreviewedLead]:
        """What those looked at who are no operators any more: they do so no longer."""
        gone = [user for user in self._shown if not is_operator(user)]
        return [self._shown.pop(user) for user in gone]

    def skip(self, user: str, now: float) -> None:
        """It is to be left. `now`: on the monotonic clock. Nothing is taken for it until that is on record. Raises
        Refusal for who skips too many."""
        counted = max(self._skipped.get(user, now), now) + SKIP_EVERY
        if (wait := counted - now - SKIPS * SKIP_EVERY) > 0:
            raise TOO_MANY_SKIPPED(retry_after=retry_after(wait))
        self._skipping[user] = counted

    def skipped(self, user: str, lead: str) -> None:
        """It is on record that it is left."""
        if (counted := self._skipping.pop(user, None)) is not None:
            self._skipped[user] = counted
        if (shown := self._shown.get(user)) is not None and shown.lead == lead:
            self.over(user)

    def end(self) -> None:
        """Operators look at nothing any more; the skips of each count still."""
        self._shown = {}

    def kept_from(self, user: str, now: float, skipped: Mapping[int, Skipped]) -> Mapping[int, float]:
        """The places of the leads that others look at, or that were `skipped`, and until when."""
        left = {place: one.until / 1000 for place, one in skipped.items() if one.until / 1000 > now}
        return left | {
            shown.place: shown.until for other, shown in self._shown.items() if other != user and shown.until > now
        }

    def all_begun(self, now: float) -> Mapping[str, PreviewedLead]:
        """The leads that are to be dialled, by operator."""
        return {user: shown for user, shown in self._shown.items() if shown.begun and shown.until > now}

    def begun(self, users: list[str], now: float) -> dict[str, int]:
        """The places of those leads that are to be dialled, by these users."""
        found = {user: self.of(user, now) for user in users}
        return {user: shown.place for user, shown in found.items() if shown is not None and shown.begun}
