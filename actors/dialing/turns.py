"""Whose turn it is on a line that may not dial as fast as it is asked to. Pure: the moment comes in.

Who was refused since the line may not dial faster is waited for a moment: as many of its next starts as they were
refused, and as bring them up to the others, are left to them. So those who ask again and again have equal parts, nobody
has to be as quick as who never pauses, and nothing is left where nobody was refused. Whoever was waited for in vain is
not waited for again for a while, which doubles each time until they begin a call there: else who only asks to be
refused holds up a line on which they never call. Who calls elsewhere meanwhile wants one start less, and did not come.

Campaigns are waited for by who dials by hand, and not by each other: theirs go round by weight (`sharing.py`).
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

REMEMBERED = 3600.0  # seconds for which it is known who had a start before whom
REST = 10.0  # seconds in which whoever did not come is not waited for, the first time
DOUBLINGS = 10  # of that at most, which is longer than anything is remembered
NEVER = float("-inf")


class Claim(Struct, frozen=True):
    """Somebody was refused so many starts, and is waited for until a moment of the monotonic clock. `used`: they have
    begun one on that line meanwhile."""

    starts: int
    until: float
    used: bool = False


class Absence(Struct, frozen=True):
    """Somebody was waited for in vain, so often in a row, and is not until then."""

    times: int
    until: float


Who = tuple[str, bool]  # a user, and whether their campaigns wait


class Turns:
    """Of the lines of one host."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[Who, Claim]] = {}  # by line
        self._absent: dict[str, dict[str, Absence]] = {}  # by line and user
        self._last: dict[str, dict[str, float]] = {}  # when who had a start there, by line

    def refused(
        self, line: str, user: str, until: float, now: float, *, starts: int = 1, campaign: bool = False
    ) -> None:
        """Somebody would have begun calls, and comes back. Of a campaign `starts` is what it wants in all."""
        self._look_for_absent(line, now)
        absence = self._absent.get(line, {}).get(user)
        if absence is not None and absence.until > now and not campaign:
            return
        claims = self._claims.setdefault(line, {})
        before = claims.get((user, campaign), Claim(0, until))
        claims[user, campaign] = Claim(starts if campaign else before.starts + starts, until, before.used)

    def had(self, line: str, user: str, now: float) -> None:
        """Somebody began a call."""
        last = self._last.setdefault(line, {})
        last.pop(user, None)
        last[user] = now
        while (oldest := next(iter(last))) and last[oldest] <= now - REMEMBERED:
            del last[oldest]
        self._absent.get(line, {}).pop(user, None)
        for other, claims in self._claims.items():  # on whichever line
            for campaign in (False, True):
                claim = claims.pop((user, campaign), None)
                if claim is None:
                    continue
                used = claim.used or other == line
                if claim.starts > 1:
                    claims[user, campaign] = Claim(claim.starts - 1, claim.until, used)
                elif not used and not campaign:
                    self._was_absent(other, user, now)

    def others(
        self, line: str, user: str, now: float, begun: Callable[[], Mapping[str, int]], *, campaign: bool = False
    ) -> int:
        """How many of the next starts on a line are left to others. `begun`: the calls of each in the line's window."""
        self._look_for_absent(line, now)
        claims = self._claims.get(line)
        if not claims:
            return 0
        wanted = dict[str, int]()
        for (other, by_campaign), claim in claims.items():
            if other != user and not (campaign and by_campaign):
                wanted[other] = wanted.get(other, 0) + claim.starts
        if not wanted:
            return 0
        counts, last = begun(), self._last.get(line, {})
        mine = counts.get(user, 0)

        def ahead(other: str) -> int:
            behind = mine - counts.get(other, 0)
            return behind or int(last.get(other, NEVER) < last.get(user, NEVER))

        return sum(min(starts, max(ahead(other), 0)) for other, starts in wanted.items())

    def _look_for_absent(self, line: str, now: float) -> None:
        """Take away the claims whose time is over, and note who did not come. Campaigns are offered lines, and do not
        ask to be refused."""
        claims, absent = self._claims.get(line, {}), self._absent.get(line, {})
        for user in [user for user, absence in absent.items() if absence.until <= now - REMEMBERED]:
            del absent[user]
        for who in [who for who, claim in claims.items() if claim.until <= now]:
            user, by_campaign = who
            if not claims.pop(who).used and not by_campaign:
                self._was_absent(line, user, now)

    def _was_absent(self, line: str, user: str, now: float) -> None:
        absent = self._absent.setdefault(line, {})
        times = absent[user].times + 1 if user in absent else 1
        absent[user] = Absence(times, now + min(REST * 2.0 ** min(times - 1, DOUBLINGS), REMEMBERED))
