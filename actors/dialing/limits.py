"""How many calls may start: of one user per minute, at once and in the pool, on one line in its window. Pure: the
moment comes in.

What is counted are the calls on record and the starts under way, so a start counts from the moment it is let in, and
what a former process of this host began counts on. What has run out is forgotten: memory is bounded by them.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import takewhile
from math import ceil, inf

from msgspec import Struct

from actors.runtime.clock import Moment, elapsed
from bus_schemas.errors import ErrorCode, Refusal, retry_after

MINUTE, HOUR = 60.0, 3600.0
KEPT: Mapping[str, float] = {"slot": HOUR, "trunk": MINUTE}  # seconds that a start on a line is remembered, by its kind


class CountedStart(Struct, frozen=True):
    """One start: when, on the monotonic clock of this process."""

    mono: float
    call_id: str
    user: str
    at: Moment


class PoolWant(Struct, frozen=True):
    """Somebody wanted a slot of the pool: when, on the monotonic clock of this process."""

    user: str
    mono: float


Counted = dict[str, deque[CountedStart]]


class CallLimits:
    """The counts of one host."""

    def __init__(self, *, per_minute: int, at_once: int, pool_share: float = 1.0) -> None:
        self._per_minute = per_minute
        self._at_once = at_once
        self._by_user: Counted = {}
        self._by_line: Counted = {}
        self._pool_share = pool_share
        self._open: dict[str, set[str]] = {}  # by user
        self._pooled: dict[str, dict[str, int]] = {}  # those on phones of the pool, and the slot of each
        self._in_pool = 0
        self._wanted = self._wanted_too = PoolWant("", -inf)  # who wanted slots of it last, and who of all others

    # --- letting in

    def let_in(self, call_id: str, user: str, now: Moment, *, limited: bool = True) -> None:
        """Count one start of a user, or, where it is limited, raise Refusal(RATE_LIMITED)."""
        starts = self._within(self._by_user, user, MINUTE, now)
        if limited and len(self._open.get(user, ())) >= self._at_once:
            raise Refusal(ErrorCode.RATE_LIMITED, "Too many calls at once.", rule="user_concurrent_calls")
        if limited and len(starts) >= self._per_minute:
            wait = retry_after(starts[0].mono + MINUTE - now.mono)
            raise Refusal(
                ErrorCode.RATE_LIMITED, "Too many calls started.", rule="user_calls_per_minute", retry_after=wait
            )
        self._by_user.setdefault(user, deque()).append(CountedStart(now.mono, call_id, user, now))
        self._open.setdefault(user, set()).add(call_id)

    def share(self, idle: int) -> int:
        """How many slots of the pool one user may hold, when so many more are idle."""
        return self.share_of(idle + self._in_pool)

    def share_of(self, slots: int) -> int:
        """How many of so many slots one user may hold."""
        return max(ceil(self._pool_share * slots), 1)

    @property
    def all_are_shared(self) -> bool:
        """Whether one user may hold the whole pool."""
        return self._pool_share >= 1.0

    def pooled(self, user: str) -> frozenset[int]:
        """The slots of the pool on whose phones a user's calls are."""
        return frozenset(self._pooled.get(user, {}).values())

    def hold_in_pool(self, call_id: str, user: str, slot: int) -> None:
        """A call holds the phone of a slot of the pool."""
        mine = self._pooled.setdefault(user, {})
        self._in_pool += call_id not in mine
        mine[call_id] = slot

    def let_go_in_pool(self, call_id: str, user: str) -> None:
        """It does not any more, or never did."""
        mine = self._pooled.get(user, {})
        self._in_pool -= mine.pop(call_id, None) is not None
        if not mine:
            self._pooled.pop(user, None)

    def starts(self, line: str, window: float, now: Moment) -> int:
        """How many calls began on a line in the last `window` seconds."""
        return sum(1 for _ in self._in_window(line, window, now))

    def starts_by_user(self, line: str, window: float, now: Moment) -> Counter[str]:
        """The same, of each user."""
        return Counter(start.user for start in self._in_window(line, window, now))

    def starts_of(self, user: str, line: str, window: float, now: Moment) -> int:
        """The same, of one user."""
        return sum(start.user == user for start in self._in_window(line, window, now))

    def first_in(self, line: str, window: float, now: Moment) -> float:
        """Seconds until the oldest of them no longer counts."""
        oldest = now.mono
        for start in reversed(self._by_line.get(line, ())):
            if start.mono <= now.mono - window:
                break
            oldest = start.mono
        return retry_after(oldest + window - now.mono)

    def count(self, line: str, call_id: str, user: str, now: Moment) -> None:
        """Count one start on a line."""
        self._by_line.setdefault(line, deque()).append(CountedStart(now.mono, call_id, user, now))

    def withdraw(self, call_id: str, user: str) -> None:
        """The start came to nothing: it no longer counts for its user."""
        self.over(call_id, user)
        _remove(self._by_user.get(user), call_id)

    def withdraw_line(self, line: str, call_id: str) -> None:
        """The start came to nothing on this line."""
        _remove(self._by_line.get(line), call_id)

    def over(self, call_id: str, user: str) -> None:
        """The call is over."""
        _take_out(self._open, call_id, user)
        self.let_go_in_pool(call_id, user)

    # --- the hour of the pool

    def wants_of_pool(self, user: str, mono: float) -> None:
        """A user began a call on a slot of the pool, or would have, if it could make one."""
        wants = PoolWant(user, mono)
        if user != self._wanted.user and mono >= self._wanted.mono:
            self._wanted, self._wanted_too = wants, self._wanted
        elif user == self._wanted.user:
            self._wanted = max(self._wanted, wants, key=lambda one: one.mono)
        else:
            self._wanted_too = max(self._wanted_too, wants, key=lambda one: one.mono)

    def pool_has_others(self, user: str, now: Moment) -> bool:
        """Whether others than this user wanted slots of the pool within the hour."""
        last = self._wanted if self._wanted.user != user else self._wanted_too
        return last.mono > now.mono - HOUR

    # --- from the record

    def began(self, line: str, call_id: str, user: str, at: Moment, now: Moment, *, pooled: bool = False) -> None:
        """A call on record began at `at`. It counts once, however often it is told."""
        age, _ = elapsed(at, now)
        start = CountedStart(now.mono - age, call_id, user, at)
        if pooled:
            self.wants_of_pool(user, start.mono)
        if age < _kept(line):
            _insert(self._by_line.setdefault(line, deque()), start)
        if age < MINUTE:
            _insert(self._by_user.setdefault(user, deque()), start)

    def is_open(self, call_id: str, user: str, *, pooled: int | None) -> None:
        """A call on record is not over. `pooled`: the slot of the pool whose phone it holds."""
        self._open.setdefault(user, set()).add(call_id)
        if pooled is not None:
            self.hold_in_pool(call_id, user, pooled)

    def of(self, line: str) -> Iterator[tuple[str, str, Moment]]:
        """The starts of a line in the last hour: call, user, moment."""
        return ((start.call_id, start.user, start.at) for start in self._by_line.get(line, ()))

    # --- inside

    def _in_window(self, line: str, window: float, now: Moment) -> Iterator[CountedStart]:
        """The newest first."""
        starts = self._within(self._by_line, line, _kept(line), now)
        return takewhile(lambda start: start.mono > now.mono - window, reversed(starts))

    def _within(self, counted: Counted, key: str, window: float, now: Moment) -> deque[CountedStart]:
        starts = counted.get(key, deque())
        while starts and starts[0].mono <= now.mono - window:
            starts.popleft()
        if not starts:
            counted.pop(key, None)
        return starts


def _kept(line: str) -> float:
    return KEPT[line.partition("-")[0]]


def _take_out(calls: dict[str, set[str]], call_id: str, user: str) -> None:
    mine = calls.get(user)
    if mine is not None:
        mine.discard(call_id)
        if not mine:
            del calls[user]


def _remove(starts: deque[CountedStart] | None, call_id: str) -> None:
    for start in reversed(starts or ()):
        if start.call_id == call_id and starts is not None:
            starts.remove(start)
            return


def _insert(starts: deque[CountedStart], start: CountedStart) -> None:
    """In the order of time; most come in that order anyway."""
    if any(known.call_id == start.call_id for known in reversed(starts)):
        return
    place = len(starts)
    while place and starts[place - 1].mono > start.mono:
        place -= 1
    starts.insert(place, start)
