"""What this host hears of calls, for the operators that it has.

One follower of the journal for all of them. What it has heard lately it keeps: an operator who comes here (a shard
that is taken, an actor that begins anew) is told what was said since they last heard of a call, and then whatever is
said. So a call that came and went while nobody had the operator is not lost, and none is told twice: each is known by
its place in the journal.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from actors.operator.machine import CallOver, CallUp
from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from bus_schemas.call import CALL_CONNECTED, CALL_ENDED, CallConnected, CallEnded
from bus_schemas.contract import UNDECODABLE, verb_of
from bus_schemas.kinds import owners_in
from bus_schemas.slot import SLOT

log = structlog.get_logger()

CALLS = "ottb.v1.evt.call.>"
LOOK_BACK = 20_000  # entries of the journal that are read at the start
KEPT = 20_000  # calls' beginnings and ends that are kept
CATCH_UP_PAUSE, PATIENCE = 0.01, 10.0  # seconds between two looks whether that is read, and until it is not waited for

READ: Mapping[str, msgspec.json.Decoder[Any]] = {
    topic.verb: msgspec.json.Decoder(topic.event) for topic in (CALL_CONNECTED, CALL_ENDED)
}

News = CallUp | CallOver
Tell = Callable[[News], None]


class NewsItem(Struct, frozen=True):
    """One piece of news. `whose`: the operator whose call it is, as far as the call itself says."""

    seq: int
    whose: str
    news: News


class CallNews:
    """The calls of one site, as one host hears of them."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._kept: deque[NewsItem] = deque(maxlen=KEPT)
        self._tell: dict[str, Tell] = {}  # by operator
        self._joined: defaultdict[str, set[str]] = defaultdict(set)  # by call: operators who were joined to it
        self._stop: Unsubscribe | None = None
        self.seq = 0

    async def start(self) -> None:
        """Hear what was said lately, then what is said. Raises BusError."""
        last = await self._bus.last(CALLS, certain=True)
        after = max((last.seq if last is not None else 0) - LOOK_BACK, 0)
        self._stop = await self._bus.follow(CALLS, self._hear, after=after)
        give_up = self._clock.monotonic() + PATIENCE
        while last is not None and self.seq < last.seq and self._clock.monotonic() < give_up:
            await self._pause()

    async def bring_up_to_date(self) -> None:
        """There are no settings."""

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    # --- operators

    def begin_with(self, user: str) -> int:
        """The place in the journal after which calls are those of an operator who is new: what is up is theirs, what is
        over is not."""
        over = {item.news.call_id for item in self._kept if isinstance(item.news, CallOver)}
        up = (item.seq - 1 for item in self._kept if item.whose == user and item.news.call_id not in over)
        return min(up, default=self.seq)

    def tell(self, user: str, tell: Tell, after: int) -> None:
        """Tell an operator what was said after a place in the journal, and then whatever is said."""
        self._tell[user] = tell
        for item in self._kept:
            if item.whose == user and item.seq > after:
                tell(item.news)

    def joined(self, user: str, call_id: str) -> None:
        """Tell an operator also of the end of this call."""
        self._joined[call_id].add(user)

    # --- hearing

    async def _hear(self, recorded: Recorded) -> None:
        item = _news_in(recorded)
        self.seq = recorded.seq
        if item is None:
            return
        self._kept.append(item)
        users = {item.whose}
        if isinstance(item.news, CallOver):
            users |= self._joined.pop(item.news.call_id, set())
        for user in sorted(users & self._tell.keys()):
            self._tell[user](item.news)

    async def _pause(self) -> None:
        over = asyncio.Event()
        self._clock.call_later(CATCH_UP_PAUSE, over.set)
        await over.wait()


def _news_in(recorded: Recorded) -> NewsItem | None:
    """What an entry says, if that a call is answered or over. It is the call of whose phone it is on; one on a phone of
    the pool, or through a trunk, is that of who has started it, unless a campaign did for them: that joins somebody."""
    if (read := READ.get(verb_of(recorded.subject))) is None:
        return None
    try:
        event: CallConnected | CallEnded = read.decode(recorded.data)
    except UNDECODABLE as error:
        log.warning("a call's event cannot be read", seq=recorded.seq, error=str(error))
        return None
    owner = next((owner for owner in owners_in(recorded.headers, SLOT) if owner is not None), None)
    whose = owner or ("" if event.campaign is not None else event.user)
    if isinstance(event, CallConnected):
        up = CallUp(seq=recorded.seq, call_id=event.call_id, at=event.at, campaign=event.campaign)
        return NewsItem(recorded.seq, whose, up)
    return NewsItem(recorded.seq, whose, CallOver(call_id=event.call_id, at=event.at))
