"""How much one user may do on the bus, and who has done more. Pure.

The server limits each connection (nats.conf) and knows no rate. But it counts what each connection sends and gets, also
what it then refuses; from those counts this says whose connections must be cut. All connections of a user count
together, whatever they logged in with: else everybody would have as many allowances as they make service tokens.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from actors.point.settings import BusLimits

BURST = 5.0  # seconds' worth that may come at once
LOGIN_WORTH = 0.1  # seconds' worth that a login costs
SETTLING = 0.2  # seconds after which the server lists a connection that was let in
UNLISTED = 10.0  # seconds after which it counts no more while nobody can look
SHUT_FIRST, SHUT_LONGEST = 10.0, 300.0  # seconds
FORGIVEN = 600.0  # seconds after which somebody who was shut out begins anew
REMEMBERED = 10_000
LOOKS_KEPT = 8  # looks for which the counts of a connection that is gone are kept
REFUSALS_AT_ONCE, REFUSALS_A_SECOND = 10.0, 1.0  # that are answered to one address

Client = tuple[str, str, int]  # `type`, address and port of a connection
Counts = tuple[int, ...]  # in the order of the rates
NOBODY: Mapping[Client, int] = MappingProxyType({})


class Connection(Struct, frozen=True, kw_only=True):
    """One connection as the server lists it. `type`: `nats` or `websocket`. `authorized_user`: what the login called
    it, `<user>/<kind>/<id>/<mark>` (`marks.py`)."""

    cid: int
    type: str = ""
    ip: str = ""
    port: int = 0
    start: str = ""
    authorized_user: str = ""
    in_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    pending_bytes: int = 0

    @property
    def user(self) -> str:
        """Whose it is. Empty: not somebody's whom POINT has let in."""
        name, slash, _ = self.authorized_user.partition("/")
        return name if slash else ""


class Why(StrEnum):
    """Why connections are cut, or somebody is not let in."""

    MESSAGES = "messages"
    BYTES_IN = "bytes_in"
    BYTES_OUT = "bytes_out"
    LINES = "lines"
    CONNECTIONS = "connections"
    WAITING = "waiting"


class Cut(Struct, frozen=True, kw_only=True):
    """Connections of one user that must go. `seconds`: for which the user is not let in again."""

    user: str
    why: Why
    cids: list[int]
    seconds: float = 0.0


class _Seen(Struct):
    counts: Counts
    look: int


class _Shut(Struct):
    until: float
    seconds: float


class Meter:
    """Counts for all users, and what is left of their allowances. `now` is monotonic seconds."""

    def __init__(self, limits: BusLimits) -> None:
        self._limits = limits
        self._rates = {
            Why.MESSAGES: limits.messages, Why.BYTES_IN: limits.bytes_in, Why.BYTES_OUT: limits.bytes_out,
            Why.LINES: limits.lines,
        }  # fmt: skip
        self._seen: dict[int, _Seen] = {}
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._left: dict[str, dict[Why, float]] = {}  # of those who have used something lately
        self._shut: OrderedDict[str, _Shut] = OrderedDict()
        self._open: Mapping[str, int] = {}
        self._entered: list[tuple[float, str]] = []
        self._looks = 0
        self._looked = 0.0
        self._passed = 0.0  # seconds between the last two looks

    # --- logins

    def is_out(self, user: str, now: float) -> bool:
        """Whether somebody was cut a moment ago and is not let in yet."""
        shut = self._shut.get(user)
        return shut is not None and now < shut.until

    def is_full(self, user: str) -> bool:
        """Whether somebody has all the connections that they may have."""
        entered = sum(1 for _, name in self._entered if name == user)
        return self._open.get(user, 0) + entered >= self._limits.connections

    def entered(self, user: str, now: float) -> None:
        """Somebody was let in."""
        self._entered = [*(one for one in self._entered if one[0] > now - UNLISTED), (now, user)]
        self._use(user, {Why.MESSAGES: LOGIN_WORTH * self._limits.messages})

    # --- what connections do

    def look(
        self, connections: Iterable[Connection], asked: float, now: float, received: Mapping[Client, int] = NOBODY
    ) -> list[Cut]:
        """Who must be cut, by a list of connections that the server was asked for at `asked`. `received`: bytes that
        the server had taken right before that, where the kernel was asked: also those of what is no message."""
        listed = [one for one in connections if one.user and one.cid not in self._gone]
        self._refill(now)
        for one in listed:
            lines = max(received.get((one.type, one.ip, one.port), 0) - one.in_bytes, 0)
            self._count(one.cid, one.user, (one.in_msgs, one.in_bytes, one.out_bytes, lines))
        self._seen = {cid: seen for cid, seen in self._seen.items() if seen.look > self._looks - LOOKS_KEPT}
        self._looks += 1
        self._open = Counter(one.user for one in listed)
        self._entered = [(at, name) for at, name in self._entered if at > asked - SETTLING]
        mine: dict[str, list[Connection]] = {}
        for one in listed:
            mine.setdefault(one.user, []).append(one)
        return [*self._exceeded(mine, now), *self._too_many(mine, now)]

    def ended(self, cid: int, user: str, counts: tuple[int, int, int]) -> None:
        """A connection has ended, with these counts: who comes and goes between two looks counts too."""
        self._count(cid, user, (*counts, 0))
        self._seen.pop(cid, None)
        self._gone[cid] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def _count(self, cid: int, user: str, counts: Counts) -> None:
        """Take off what came since the last time. At the first look nobody knows since when the counts run."""
        seen = self._seen.get(cid)
        before = seen.counts if seen is not None else (0,) * len(counts) if self._looks else counts
        self._seen[cid] = _Seen(tuple(map(max, counts, before)), self._looks)
        used = {why: new - old for why, new, old in zip(self._rates, counts, before, strict=True) if new > old}
        if used:
            self._use(user, used)

    def _use(self, user: str, used: Mapping[Why, float]) -> None:
        left = self._left.setdefault(user, {why: (BURST + self._passed) * rate for why, rate in self._rates.items()})
        for why, amount in used.items():
            left[why] -= amount

    def _refill(self, now: float) -> None:
        self._passed, self._looked = now - self._looked if self._looks else 0.0, now
        for user, left in list(self._left.items()):
            for why, rate in self._rates.items():
                left[why] += self._passed * rate
            if all(left[why] >= BURST * rate for why, rate in self._rates.items()):
                del self._left[user]

    def _exceeded(self, mine: dict[str, list[Connection]], now: float) -> Iterable[Cut]:
        for user, left in list(self._left.items()):
            for why, rate in self._rates.items():
                left[why] = min(left[why], BURST * rate)
            worst = min(left, key=lambda why: left[why] / self._rates[why])
            if left[worst] < 0:
                del self._left[user]
                cids = [one.cid for one in mine.pop(user, [])]
                yield Cut(user=user, why=worst, cids=cids, seconds=self._shut_out(user, now))

    def _shut_out(self, user: str, now: float) -> float:
        before = self._shut.pop(user, None)
        seconds = SHUT_FIRST
        if before is not None and now < before.until + FORGIVEN:
            seconds = min(2 * before.seconds, SHUT_LONGEST)
        self._shut[user] = _Shut(now + seconds, seconds)
        if len(self._shut) > REMEMBERED:
            self._shut.popitem(last=False)
        return seconds

    def _too_many(self, mine: dict[str, list[Connection]], now: float) -> Iterable[Cut]:
        for user, ones in mine.items():
            slow = [one.cid for one in ones if one.pending_bytes > self._limits.waiting]
            if slow:
                yield Cut(user=user, why=Why.WAITING, cids=slow)
            beyond = sorted(one.cid for one in ones if one.cid not in slow)[self._limits.connections :]
            if self.is_out(user, now):  # they were under way when the others were cut
                beyond = [one.cid for one in ones]
            if beyond:
                yield Cut(user=user, why=Why.CONNECTIONS, cids=beyond)


class Refusals:
    """Which refused logins are answered. One that is not waits for as long as the server does, 3 s; who was answered
    would try again at once."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def answers(self, place: str, now: float) -> bool:
        """Whether one more of this address is answered."""
        left, at = self._left.pop(place, (REFUSALS_AT_ONCE, now))
        left = min(left + (now - at) * REFUSALS_A_SECOND, REFUSALS_AT_ONCE)
        self._left[place] = (max(left - 1, 0.0), now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1
