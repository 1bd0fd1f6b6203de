"""The one gate of all calls, whoever wants one, on phones and through trunks: the do-not-call lists on record and the
rules of the settings. It is passed twice: before anything is held for a call, so that most refusals cost nothing, and
once the attempt is on record, since only then nothing can come between (`actors/do_not_call/followed.py`)."""

from collections.abc import Callable, Sequence
from math import inf

from actors.dialing import rules
from actors.dialing.rules import LISTED, DialRules
from actors.do_not_call.followed import Followed
from actors.runtime.clock import Clock
from actors.telephony.numbers import Number
from bus_schemas.errors import ErrorCode, RefusalTemplate

RULE, UNKNOWN = "do_not_call", "do_not_call_unknown"  # the second: of this host; another one may know
NOT_KNOWN = RefusalTemplate(
    ErrorCode.CALL_FAILED, "Nothing was done: it is not known whether the number may be called.", rule=UNKNOWN
)
COME_BACK = 5  # seconds, for who wants to call while the lists are read
PATIENCE = 1.0  # seconds that a call waits until this host has read the lists to their end
BEHIND = "this host has not read the do-not-call lists to their end"
IS_LISTED = "the number is on a do-not-call list by now"


class Gate:
    """`rules`: of the settings. `lists`: on record."""

    def __init__(self, *, rules: DialRules, lists: Followed, clock: Clock) -> None:
        self.rules = rules
        self._lists = lists
        self._clock = clock

    def check(self, number: Number, countries: frozenset[str], campaign: str | None) -> None:
        """Raise the Refusal of the first rule that forbids to call the number now, from a line that may call
        `countries`. `campaign`: for which it is called, if for one."""
        if (why := self._lists.unread(campaign)) is not None:
            raise NOT_KNOWN(reason=why, retry_after=COME_BACK)
        if self.is_listed(number.e164, campaign):
            raise LISTED()
        rules.check(number, countries, self.rules, self._clock.now())

    async def hindrance(self, e164: str, campaign: str | None) -> tuple[str, str] | None:
        """The rule by which an attempt that is on record must not be dialled, and why. None: it may be."""
        if not self._lists.are_ours(campaign) and not await self._lists.is_current(PATIENCE):
            return UNKNOWN, BEHIND
        if (why := self._lists.unread(campaign)) is not None:
            return UNKNOWN, why
        return (RULE, IS_LISTED) if self.is_listed(e164, campaign) else None

    def is_listed(self, e164: str, campaign: str | None) -> bool:
        """Whether a number is on a list, of the settings or on record, as far as this host has read it."""
        return e164 in self.rules.do_not_call or self._lists.lists(e164, campaign)

    def held_until(self, e164: str, campaign: str | None) -> float:
        """Until when a number is on a list: seconds since 1970, which may be over; 0: on none, infinity: for ever."""
        return inf if e164 in self.rules.do_not_call else self._lists.held_until(e164, campaign)

    def watch(self, campaign: str, tell: Callable[[Sequence[str]], None]) -> Callable[[], None]:
        """Tell of each entry that comes on a list which holds for a campaign, or off it. Returns how to stop."""
        return self._lists.watch(campaign, tell)
