"""Who may hold how many connections: an address before somebody has logged in on them, a user afterwards.

A connection counts for the address it comes from until a request on it is known to be somebody's; from then on it
counts for them, and no longer for the address, which others may share. Behind a trusted proxy a connection counts only
while a request is under way on it, and for that request's client.

Where there is no room, a connection makes it on which nothing is done: whoever opens many and says nothing, lets the
rest of a stranger's request wait, has refusals held back or does not read what they asked for keeps nobody out. It is
cut, with whatever was still to be read on it. But of a user's share, whichever of their sessions or service tokens
holds the most makes room for another one, be it busy or idle: whoever has stolen one keeps out nobody who could end it,
and cuts none of their connections while they hold no more.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

from actors.runtime.addresses import neighbourhood
from actors.runtime.pace import Pace
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share
from gateway.proxies import TrustedProxies

LATER, LATEST = 1.0, 30.0  # seconds that an answer waits to who has had many of its sort, by weight; at most
LIKE_ANOTHER, HEAVIEST = 2048, 100.0  # bytes that count as one more request, and as how many one counts at most
WORTH = 5.0  # seconds' worth of them that come without a wait, and that is owed at most
REMEMBERED = 10_000  # addresses on which somebody has logged in

TOO_MANY_HERE = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many connections from this address.", rule="connections_per_address", retry_after=5
)
TOO_MANY_OF_YOURS = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many connections of yours at once.", rule="connections_per_user", retry_after=5
)


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """`most`: connections of a gateway; the last `reserved` of them are for addresses on which somebody has logged in,
    for users and for trusted proxies. `refusals_per_second`: see `wait`."""

    most: int = 4096
    reserved: int = 1024
    per_address: int = 256
    per_user: int = 256
    refusals_per_second: float = 200


class Seat:
    """One connection. `share`: whom it counts for; None: a proxy keeps it open. `credential`: the session or service
    token that they came with. `idle`: nothing is done for it now: a request or the rest of a stranger's is awaited, or
    an answer is only to be taken. Then it can be `cut` for somebody else's sake."""

    __slots__ = ("credential", "cut", "idle", "peer", "proxied", "share")

    def __init__(self, *, peer: str, proxied: bool, cut: Callable[[], None]) -> None:
        self.peer = peer
        self.proxied = proxied
        self.cut = cut
        self.share: Share | None = None
        self.credential = ""
        self.idle = True


class Connections:
    """The open connections of a gateway, on all its ports."""

    def __init__(self, *, limits: ConnectionLimits | None = None, proxies: TrustedProxies | None = None) -> None:
        self._limits = limits or ConnectionLimits()
        self._proxies = proxies or TrustedProxies()
        per_second = self._limits.refusals_per_second
        self._pace = Pace(per_second=per_second, at_once=WORTH * per_second, now=time.monotonic)
        self._open: set[Seat] = set()
        self._idle: dict[Seat, None] = {}  # the longest first
        self._held: dict[Share, dict[Seat, None]] = {}  # the oldest first
        self._strangers = 0
        self._known: OrderedDict[str, None] = OrderedDict()

    @property
    def count(self) -> int:
        return len(self._open)

    @property
    def shares(self) -> int:
        """Whom they count for."""
        return len(self._held)

    def trusts(self, address: str) -> bool:
        """Whether it is a proxy's of the site."""
        return self._proxies.trusts(address)

    def enter(self, peer: str, cut: Callable[[], None]) -> Seat | None:
        """A connection was made. None: there is no room for it."""
        seat = Seat(peer=peer, proxied=self._proxies.trusts(peer), cut=cut)
        if len(self._open) >= self._limits.most and not self._cut_one(chain(self._idle_strangers(), self._idle)):
            return None
        self._open.add(seat)
        if seat.proxied or self._is_let_in(seat, peer):
            self._idle[seat] = None
            return seat
        self._open.discard(seat)
        return None

    def leave(self, seat: Seat) -> None:
        """It is over. A second time is none."""
        self._open.discard(seat)
        self._idle.pop(seat, None)
        self._hold(seat, None)

    def ask(self, seat: Seat, forwarded: list[str]) -> str:
        """A request has come in: the address of its client. Raises Refusal(RATE_LIMITED)."""
        self.work(seat)
        if not seat.proxied:
            return seat.peer
        client = self._proxies.client_of(seat.peer, forwarded)
        if not self._is_let_in(seat, client):
            raise TOO_MANY_HERE()
        return client

    def rest(self, seat: Seat) -> None:
        """Nothing is done for it until more has come, or some time has passed."""
        if seat in self._open:
            seat.idle = True
            self._idle.pop(seat, None)
            self._idle[seat] = None

    def work(self, seat: Seat) -> None:
        """Something is done for it."""
        seat.idle = False
        self._idle.pop(seat, None)

    def answered(self, seat: Seat) -> None:
        """The request is over."""
        self.rest(seat)
        if seat.proxied:
            self._hold(seat, None)

    def known(self, seat: Seat, share: Share, credential: str, address: str) -> None:
        """The request is of this share, and came with this credential: it is worked on, also while the rest of it is
        awaited. Raises Refusal(RATE_LIMITED)."""
        if seat.share != share:
            self._move(seat, share, credential, address)
        seat.credential = credential
        self.work(seat)

    def wait(self, share: Share | None, address: str, sent: int) -> float:
        """Seconds that an answer waits for: to somebody unknown at this address, or a refusal to who has this share.
        `sent`: bytes that had to be read for it, of which many count for more than one request."""
        share = share or ("address", neighbourhood(address))
        weight = min(1.0 + sent / LIKE_ANOTHER, HEAVIEST)
        return 0.0 if self._pace.turn(share, patience=WORTH, weight=weight) == 0 else min(LATER * weight, LATEST)

    # --- inside

    def _move(self, seat: Seat, share: Share, credential: str, address: str) -> None:
        full = len(self._held.get(share, ())) >= self._limits.per_user
        if full and not self._make_room(share, credential):
            raise TOO_MANY_OF_YOURS()
        self._hold(seat, share)
        near = neighbourhood(address)
        self._known[near] = None
        self._known.move_to_end(near)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _is_let_in(self, seat: Seat, address: str) -> bool:
        share = ("address", neighbourhood(address))
        stranger = share[1] not in self._known
        full = stranger and self._strangers >= self._limits.most - self._limits.reserved
        if full and not self._cut_one(self._idle_strangers()):
            return False
        here = self._held.get(share, {})
        if len(here) >= self._limits.per_address and not self._cut_one(seat for seat in here if seat.idle):
            return False
        self._hold(seat, share)
        return True

    def _make_room(self, share: Share, credential: str) -> bool:
        """Cut an idle connection of the credential that holds the most, else its oldest. Where that would then hold
        less than this one: an idle one of its own, else of whoever holds more. False: there is none."""
        mine = self._held[share]
        whose = crowded_out((seat.credential for seat in mine), credential)
        if whose is not None:
            theirs = [seat for seat in mine if seat.credential == whose]
            return self._cut_one(chain((seat for seat in theirs if seat.idle), theirs))
        idle, count = [seat for seat in mine if seat.idle], Counter(seat.credential for seat in mine)
        own = (seat for seat in idle if seat.credential == credential)
        return self._cut_one(chain(own, (seat for seat in idle if count[seat.credential] > count[credential])))

    def _idle_strangers(self) -> Iterable[Seat]:
        return (seat for seat in self._idle if seat.share is not None and seat.share[0] == "address")

    def _cut_one(self, among: Iterable[Seat]) -> bool:
        """Cut the first of these. False: there is none."""
        oldest = next(iter(among), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.cut()
        return True

    def _hold(self, seat: Seat, share: Share | None) -> None:
        if seat.share is not None:
            mine = self._held[seat.share]
            del mine[seat]
            if not mine:
                del self._held[seat.share]
            self._strangers -= seat.share[0] == "address"
        seat.share = None
        if share is not None and seat in self._open:  # it may have ended meanwhile
            seat.share = share
            self._held.setdefault(share, {})[seat] = None
            self._strangers += share[0] == "address"


def crowded_out(held: Iterable[str], newcomer: str) -> str | None:
    """Which credential of a share that is used up makes room: that of most of what is held. None: it would hold less
    than the newcomer then."""
    count = Counter(held)
    [(whose, most)] = count.most_common(1)
    return whose if most > count[newcomer] + 1 else None
