"""How much one may do on the bus, and who has done more. Pure.

The server limits each connection (nats.conf) and knows no rate. But it counts what each connection sends and gets, also
what it then refuses; from those counts this says whose connections must be cut. All connections of a user count
together, and apart from them all of their service tokens (`names.share_of`): else everybody would have as many
allowances as they make tokens.

Whose a connection is was said when the server let it in. By the name that it goes by now it may be anybody's: a client
can log in once more on its connection, and until that is answered the name is the one that it claims.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from actors.point.marks import share_in
from actors.point.settings import BusLimits
from bus_schemas.names import Share

BURST = 5.0  # seconds' worth that may come at once
LOGIN_WORTH = 0.1  # seconds' worth that a login costs
UNCOUNTED = 0.25  # ends of connections a second that may hide what was sent last, up to 64 KiB each; see Meter.ended
UNCOUNTED_AT_ONCE = 32  # or as many as one may have connections: all may end at once
SETTLING = 0.2  # seconds after which the server lists a connection that was let in
UNLISTED = 10.0  # seconds after which it counts no more while nobody can look
SHUT_FIRST, SHUT_LONGEST = 10.0, 300.0  # seconds
FORGIVEN = 600.0  # seconds after which somebody who was shut out begins anew
REMEMBERED = 10_000
LOOKS_KEPT = 40  # for which a connection is known that is not listed, as while a login on it waits for its answer
REFUSALS_AT_ONCE, REFUSALS_A_SECOND = 10.0, 1.0  # that are answered to one address

Client = tuple[str, str, int]  # `type`, address and port of a connection
Counts = tuple[float, ...]  # in the order of the rates
Number = tuple[str, int]  # of a connection: by the server's id, which is a new one at each start, and its count there
NOBODY: Mapping[Client, int] = MappingProxyType({})


class Connection(Struct, frozen=True, kw_only=True):
    """One connection as the server lists it. `type`: `nats` or `websocket`. `authorized_user`: what the login called
    it (`marks.py`)."""

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


class Why(StrEnum):
    """Why connections are cut, or somebody is not let in."""

    MESSAGES = "messages"
    BYTES_IN = "bytes_in"
    BYTES_OUT = "bytes_out"
    LINES = "lines"
    UNCOUNTED = "uncounted"
    CONNECTIONS = "connections"
    WAITING = "waiting"


class Cut(Struct, frozen=True, kw_only=True):
    """Connections of one share that must go. `seconds`: for which nobody of it is let in again."""

    share: Share
    why: Why
    cids: list[int]
    seconds: float = 0.0


class _Seen(Struct):
    """A connection that the server has let in. `look`: the last one that knew of it."""

    share: Share
    counts: Counts
    look: int
    over: bool = False


class _Shut(Struct):
    until: float
    seconds: float


class Meter:
    """Counts for all shares, and what is left of their allowances. `now` is monotonic seconds."""

    def __init__(self, limits: BusLimits) -> None:
        self._limits = limits
        self._rates = {
            Why.MESSAGES: limits.messages, Why.BYTES_IN: limits.bytes_in, Why.BYTES_OUT: limits.bytes_out,
            Why.LINES: limits.lines, Why.UNCOUNTED: UNCOUNTED,
        }  # fmt: skip
        self._at_once = {why: BURST * rate for why, rate in self._rates.items()}
        self._at_once[Why.UNCOUNTED] = max(UNCOUNTED_AT_ONCE, limits.connections)
        self._seen: dict[Number, _Seen] = {}
        self._left: dict[Share, dict[Why, float]] = {}  # of those who have used something lately
        self._shut: OrderedDict[Share, _Shut] = OrderedDict()
        self._open: Mapping[Share, int] = {}
        self._entered: list[tuple[float, Share]] = []
        self._looks = 0
        self._looked = 0.0
        self._passed = 0.0  # seconds between the last two looks

    # --- logins

    def is_out(self, share: Share, now: float) -> bool:
        """Whether somebody was cut a moment ago and is not let in yet."""
        shut = self._shut.get(share)
        return shut is not None and now < shut.until

    def is_full(self, share: Share) -> bool:
        """Whether somebody has all the connections that they may have."""
        entered = sum(1 for _, whose in self._entered if whose == share)
        return self._open.get(share, 0) + entered >= self._limits.connections

    def entered(self, share: Share, now: float) -> None:
        """Somebody was let in."""
        self._entered = [*(one for one in self._entered if one[0] > now - UNLISTED), (now, share)]
        self._use(share, {Why.MESSAGES: LOGIN_WORTH * self._limits.messages})

    # --- what connections do

    def began(self, server: str, cid: int, name: str) -> None:
        """The server has let a connection in under this name; also once more, when the client has logged in again."""
        share = share_in(name)
        if (seen := self._seen.get((server, cid))) is not None:
            seen.share, seen.look = share or seen.share, self._looks
        elif share and len(self._seen) < REMEMBERED:  # of those beyond the list will tell
            self._seen[server, cid] = _Seen(share, (0,) * len(self._rates), self._looks)

    def look(
        self,
        server: str,
        connections: Iterable[Connection],
        asked: float,
        now: float,
        received: Mapping[Client, int] = NOBODY,
    ) -> list[Cut]:
        """Who must be cut, by a list of connections that the server was asked for at `asked`. `received`: bytes that
        the server had taken right before that, where the kernel was asked: also those of what is no message."""
        self._refill(now)
        mine: dict[Share, list[Connection]] = {}
        for one in connections:
            lines = max(received.get((one.type, one.ip, one.port), 0) - one.in_bytes, 0)
            counts = (one.in_msgs, one.in_bytes, one.out_bytes, lines, 0)
            seen = self._listed((server, one.cid), one, counts)
            if seen is not None:
                self._count(seen, counts)
                mine.setdefault(seen.share, []).append(one)
        self._seen = {number: seen for number, seen in self._seen.items() if seen.look > self._looks - LOOKS_KEPT}
        self._looks += 1
        self._open = {share: len(ones) for share, ones in mine.items()}
        self._entered = [one for one in self._entered if one[0] > asked - SETTLING]
        return [*self._exceeded(mine, now), *self._too_many(mine, now)]

    def _listed(self, number: Number, one: Connection, counts: Counts) -> _Seen | None:
        """What is known of a connection that is listed. None: it is over, or nobody's whom POINT has let in. At the
        first look nobody knows since when the counts run."""
        if number not in self._seen and (share := share_in(one.authorized_user)):
            self._seen[number] = _Seen(share, (0,) * len(counts) if self._looks else counts, self._looks)
        seen = self._seen.get(number)
        return None if seen is None or seen.over else seen

    def ended(self, server: str, cid: int, counts: tuple[int, int, int], *, uncounted: float) -> None:
        """A connection has ended, with these counts: who comes and goes between two looks counts too. `uncounted`: 1
        where what was sent last may be missing in them, so that too many such ends are cut, and math.inf for an end
        that no honest client has."""
        seen = self._seen.get((server, cid))
        if seen is not None and not seen.over:
            self._count(seen, (*counts, 0, uncounted))
            seen.over = True

    def _count(self, seen: _Seen, counts: Counts) -> None:
        """Take off what came since the last time."""
        before, seen.counts, seen.look = seen.counts, tuple(map(max, counts, seen.counts)), self._looks
        used = {why: new - old for why, new, old in zip(self._rates, counts, before, strict=True) if new > old}
        if used:
            self._use(seen.share, used)

    def _use(self, share: Share, used: Mapping[Why, float]) -> None:
        left = self._left.setdefault(
            share, {why: self._at_once[why] + self._passed * rate for why, rate in self._rates.items()}
        )
        for why, amount in used.items():
            left[why] -= amount

    def _refill(self, now: float) -> None:
        self._passed, self._looked = now - self._looked if self._looks else 0.0, now
        for share, left in list(self._left.items()):
            for why, rate in self._rates.items():
                left[why] += self._passed * rate
            if all(left[why] >= most for why, most in self._at_once.items()):
                del self._left[share]

    def _exceeded(self, mine: dict[Share, list[Connection]], now: float) -> Iterable[Cut]:
        for share, left in list(self._left.items()):
            for why, most in self._at_once.items():
                left[why] = min(left[why], most)
            worst = min(left, key=lambda why: left[why] / self._rates[why])
            if left[worst] < 0:
                del self._left[share]
                cids = [one.cid for one in mine.pop(share, [])]
                yield Cut(share=share, why=worst, cids=cids, seconds=self._shut_out(share, now))

    def _shut_out(self, share: Share, now: float) -> float:
        before = self._shut.pop(share, None)
        seconds = SHUT_FIRST
        if before is not None and now < before.until + FORGIVEN:
            seconds = min(2 * before.seconds, SHUT_LONGEST)
        self._shut[share] = _Shut(now + seconds, seconds)
        if len(self._shut) > REMEMBERED:
            self._shut.popitem(last=False)
        return seconds

    def _too_many(self, mine: dict[Share, list[Connection]], now: float) -> Iterable[Cut]:
        for share, ones in mine.items():
            slow = [one.cid for one in ones if one.pending_bytes > self._limits.waiting]
            if slow:
                yield Cut(share=share, why=Why.WAITING, cids=slow)
            beyond = sorted(one.cid for one in ones if one.cid not in slow)[self._limits.connections :]
            if self.is_out(share, now):  # they were under way when the others were cut
                beyond = [one.cid for one in ones]
            if beyond:
                yield Cut(share=share, why=Why.CONNECTIONS, cids=beyond)


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
