"""What failing calls say of a trunk. Whose they were and to which numbers counts: else one user takes a trunk away from
everybody, with a number that never works. Pure.

A number counts once. Five of them since a call went through stop the trunk (`stops`); where several users call through
it, three of each at most, so never one user's alone. Whoever has five by themselves rests alone. More than time mends
it: whoever has not failed yet may make a call as a trial at once (`wait`), and whoever has after a rest, which doubles
with each further number. One that goes through clears everything.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

FAILED_FOR, FAILED_DOWN = 300.0, 5  # seconds that a failure counts; numbers that stop a trunk
OF_ONE = 3  # of them, of one user, where others call too
REST = 10.0  # seconds from a user's only failure until they may try again
SOON = 1.0  # seconds: what comes of a trial that is under way is not known yet


class Failure(Struct, frozen=True, kw_only=True):
    """A number that failed: when last, in seconds of the monotonic clock, and whose call that was."""

    mono: float
    user: str
    number: str = ""  # not known of a call that was adopted: all of those count as one


class PlacedCall(Struct, frozen=True, kw_only=True):
    user: str
    number: str = ""


class Failing(Struct, frozen=True, kw_only=True):
    """`failures`: since a call went through, oldest first, the last few of each user. `refusal`: the last of them was
    the provider's, in its words. `open`: calls that were placed and have not shown yet whether they go through.
    `callers`: who called lately, and when last."""

    failures: tuple[Failure, ...] = ()
    refusal: str | None = None
    open: Mapping[str, PlacedCall] = {}
    callers: Mapping[str, float] = {}

    # --- what happens

    def at(self, now: float) -> "Failing":
        """Without what no longer counts."""
        callers = {user: mono for user, mono in self.callers.items() if mono > now - FAILED_FOR}
        return replace(self, failures=self.now(now), callers=callers)

    def placed(self, call_id: str, call: PlacedCall, now: float) -> "Failing":
        here = self.at(now)
        return replace(here, open={**self.open, call_id: call}, callers={**here.callers, call.user: now})

    def settled(self, call_id: str) -> "Failing":
        """Nothing more is to be learned of it."""
        return replace(self, open={id: call for id, call in self.open.items() if id != call_id})

    def went_through(self, call_id: str) -> "Failing":
        return replace(self.settled(call_id), failures=(), refusal=None)

    def failed(self, call_id: str, user: str, now: float, refusal: str | None) -> "Failing":
        """`user`: whose the call is, if it was not placed here."""
        call = self.open.get(call_id, PlacedCall(user=user))
        others = [one for one in self.now(now) if one.number != call.number]
        its = [one for one in others if one.user == call.user][: 1 - FAILED_DOWN]  # so many that one more is the most
        kept = [one for one in others if one not in its]
        failure = Failure(mono=now, user=call.user, number=call.number)
        return replace(self.settled(call_id), failures=(*kept, failure), refusal=refusal)

    # --- what follows

    def now(self, now: float) -> tuple[Failure, ...]:
        return tuple(one for one in self.failures if one.mono > now - FAILED_FOR)

    def stops(self, now: float) -> bool:
        """Whether the trunk is down for them."""
        here = self.at(now)
        of_users = Counter(one.user for one in here.failures)
        several = len(here.callers.keys() | of_users.keys()) > 1
        return sum(min(count, OF_ONE) if several else count for count in of_users.values()) >= FAILED_DOWN

    def wait(self, user: str, number: str | None, now: float, *, holding: bool) -> float:
        """Seconds until somebody's call to a number (None: to any) is let through, 0: now. `holding`: they are about
        to place another."""
        if not (failures := self.now(now)):
            return 0.0
        own = [one for one in failures if one.user == user]
        if not self.stops(now) and len(own) < FAILED_DOWN:
            return 0.0
        same = next((one for one in failures if one.number == number), None)
        if same is not None:  # it would say nothing new
            return same.mono + FAILED_FOR - now
        rest = own[-1].mono + REST * 2.0 ** (len(own) - 1) - now if own else 0.0
        trying = holding or any(call.user == user for call in self.open.values())
        return max(rest, SOON if trying else 0.0)
