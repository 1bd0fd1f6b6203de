"""Delivers for one webhook, while a host owns it: reads the journal on, posts, and tells the actor what came of it.

What is in memory here follows from the record: `position`, up to which the journal was read, and what waits of that. So
what was posted and not yet told when a host ends is posted again by the next one, under the same id and in the same
order.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing

import structlog
from msgspec.structs import replace

from actors.runtime.bus import Bus, BusError, Recorded
from actors.runtime.clock import parse_utc
from actors.runtime.effects import Work
from actors.runtime.host import Host
from actors.runtime.replays import replay_all
from actors.runtime.turns import Turns
from actors.webhook.backoff import LONGEST_REST, chance_of
from actors.webhook.desk import EVENTS, Desk, Outcome, at
from actors.webhook.machine import Progress, Unusable
from actors.webhook.news import NotLetIn
from actors.webhook.queue import BROKEN, Item, Queue
from actors.webhook.record import Webhook, item_of, key_of
from actors.webhook.seeing import body_of, kinds_of, wanted_of
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import Refusal
from bus_schemas.names import Share
from bus_schemas.webhook import DeliveryStatus, DisabledReason, Try

log = structlog.get_logger()

AGAIN = 1.0  # seconds until what could not be done here is tried again: it is no failure of the receiver
TOLD_EVERY = 1.0  # seconds between two tellings: what a crash has posted twice at most
PATIENCE = 3.0  # seconds in which what is on its way may arrive when a host ends
FAR = 5_000  # entries that are read and passed over until that is told, too
LONGEST_ERROR = 200  # characters
RESPONSES = 150_000  # characters of what a receiver has said in the tries of one telling: it is one event


class Courier:
    """`number`: among the couriers of its actor; `state`: the webhook as it is now; `tell`: hands a report to its
    actor; `spawn`: runs a task that ends with it."""

    def __init__(
        self, *, number: int, host: Host, desk: Desk, state: Callable[[], Webhook],
        tell: Callable[[Progress | Unusable], None], spawn: "Callable[[Work[None]], asyncio.Task[None]]",
    ) -> None:  # fmt: skip
        webhook = state()
        self._number = number
        self._host = host
        self._bus: Bus = host.bus
        self._desk = desk
        self._state = state
        self._tell = tell
        self._spawn_in = spawn
        self._tasks: set[asyncio.Task[None]] = set()
        self._posting: set[asyncio.Task[None]] = set()
        self._queue = Queue(at_once=desk.settings.at_once)
        for n in sorted(webhook.waiting):  # what was tried last is on record last
            self._queue.add(item_of(webhook.waiting[n], _seconds))
        self._known = set(webhook.waiting)  # of what is in the queue, what is on record
        self._count = webhook.count
        self._position = self._told = webhook.position
        self._tries: dict[int, Try] = {}
        self._woken, self._space, self._to_tell = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def start(self) -> None:
        for work in (self._read(), self._send(), self._report()):
            self._spawn(work, self._tasks)

    def stop(self) -> None:
        for task in (*self._tasks, *self._posting):
            task.cancel()

    async def finish(self) -> None:
        """Begin nothing more, wait a while for what is on its way, and tell what came of it: whoever goes on elsewhere
        posts none of that again."""
        for task in list(self._tasks):
            task.cancel()
        if self._posting:
            await asyncio.wait(set(self._posting), timeout=PATIENCE)
        if self._tries:
            self._tell(self._progress())

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._queue) >= self._desk.settings.waiting

    @property
    def waiting(self) -> int:
        """Deliveries that are not over."""
        return len(self._queue)

    def add(self, seq: int, about: str, *, known: bool = False) -> Item:
        """One delivery more, behind the others. `known`: it is about to be put on record."""
        self._count += 1
        item = Item(n=self._count, seq=seq, about=about, key=key_of(about))
        self._queue.add(item)
        if known:
            self._known.add(item.n)
        self._woken.set()
        return item

    # --- reading

    async def _read(self) -> None:
        while True:
            try:
                await self._read_on()
            except BusError as error:
                log.info("webhook does not read on yet", webhook=self._state().webhook, error=repr(error))
                await self._host.pause(AGAIN)
            except Refusal as refusal:
                log.info("webhook does not read on yet", webhook=self._state().webhook, error=refusal.message)
                await self._host.pause(AGAIN)
            except NotLetIn:
                self._tell(Unusable(DisabledReason.GONE))
                await self._host.pause(AGAIN)

    async def _read_on(self) -> None:
        """Read as far as the journal goes now. Raises BusError, Refusal, NotLetIn."""
        end = await self._desk.news.beyond(self._kinds, self._position)
        kinds, turns = self._kinds(), Turns()
        recent = self._desk.news.recent.after(self._position, kinds)
        if recent is not None:
            for recorded in recent:
                await self._take(recorded)
                await turns.after(len(recorded.data))
            self._has_read(end)
            return
        scopes = [f"{EVENTS}{kind}.>" for kind in kinds]
        async with aclosing(replay_all(self._bus, scopes, after=self._position, until=end)) as entries:
            async for recorded in entries:
                await self._take(recorded)
                await turns.after(len(recorded.data))
        self._has_read(end)

    def _kinds(self) -> frozenset[str]:
        return kinds_of(self._state().events)

    async def _take(self, recorded: Recorded) -> None:
        """Queue an entry, if it is wanted and seen, as soon as there is room. Raises Refusal, NotLetIn, BusError."""
        await self._queue_if_wanted(recorded)
        self._has_read(recorded.seq)

    async def _queue_if_wanted(self, recorded: Recorded) -> None:
        webhook = self._state()
        seeing = await self._desk.news.seeing(webhook.lent, webhook.predecessors)
        try:
            wanted = wanted_of(recorded, webhook.events, webhook.filter, seeing)
        except UNDECODABLE as error:  # the ledger names it
            log.warning("event not posted", subject=recorded.subject, seq=recorded.seq, error=str(error))
            return
        if wanted is None:
            return
        while self.full:
            self._space.clear()
            await self._space.wait()
        self.add(recorded.seq, recorded.subject.removeprefix(EVENTS))

    def _has_read(self, seq: int) -> None:
        self._position = max(self._position, seq)
        if self._position - self._told >= FAR:
            self._to_tell.set()

    # --- posting

    async def _send(self) -> None:
        while True:
            self._woken.clear()
            while (rest := self._host.written.wait(share_of_deliveries(self._state().user))) > 0:
                await self._host.pause(rest)  # what comes of each is put on record
            for item in self._queue.ready(self._desk.now()):
                self._queue.begin(item.n)
                self._spawn(self._deliver(item), self._posting)
            await self._until_woken(self._queue.next_due())

    async def _until_woken(self, due: float | None) -> None:
        timer = None
        if due is not None:
            timer = self._host.clock.call_later(max(due - self._desk.now(), 0.0), self._woken.set)
        try:
            await self._woken.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _deliver(self, item: Item) -> None:
        try:
            outcome = await self._post(item)
        except (BusError, Refusal) as error:  # nothing that the receiver has to do with
            log.info("webhook cannot post yet", webhook=self._state().webhook, error=repr(error))
            outcome = None
        except NotLetIn:
            self._tell(Unusable(DisabledReason.GONE))
            outcome = None
        if outcome is None:
            self._queue.release(item.n, self._desk.now() + AGAIN)
            self._woken.set()
        else:
            self._came(item, outcome)

    async def _post(self, item: Item) -> Outcome | None:
        """Post one. None: not now. Raises BusError, Refusal, NotLetIn."""
        webhook = self._state()
        seeing = await self._desk.news.seeing(webhook.lent, webhook.predecessors)
        recorded = await self._desk.entry(item.seq)
        body = body_of(recorded, webhook.webhook, seeing) if recorded is not None else None
        if body is None:
            return Outcome(error=WITHHELD)
        secret = await self._desk.secrets.of(webhook.webhook)
        if secret is None:
            self._tell(Unusable(DisabledReason.SECRET))
            return None
        if not self._host.may_act:
            return None
        return await self._desk.post(webhook, body, secret=secret, event_id=str(item.seq))

    def _came(self, item: Item, outcome: Outcome) -> None:
        """What follows from a try."""
        now = self._desk.now()
        began, attempts = item.began or now, item.attempts + 1
        if outcome.error == WITHHELD:
            self._queue.drop(item.n)
            self._note(item, outcome, DeliveryStatus.WITHHELD, began, item.attempts, now)
        elif outcome.taken:
            self._queue.arrived(item.n)
            self._note(item, outcome, DeliveryStatus.DELIVERED, began, attempts, now)
        else:
            self._failed(item, outcome, began, attempts, now)
        self._woken.set()
        self._space.set()

    def _failed(self, item: Item, outcome: Outcome, began: float, attempts: int, now: float) -> None:
        backoff, failures = self._desk.settings.backoff, self._queue.failures + 1
        chance = chance_of(self._state().webhook, item.n, attempts)
        rests_until = now + min(backoff.wait(max(failures - BROKEN, 0) + 1, chance), LONGEST_REST)
        due = backoff.due(began, attempts, now, chance)
        if due is None:
            self._queue.has_failed(rests_until)
            self._queue.drop(item.n)
            self._note(item, outcome, DeliveryStatus.FAILED, began, attempts, now)
            return
        again = Item(
            n=item.n, seq=item.seq, about=item.about, key=item.key, began=began, attempts=attempts, due=due
        )
        self._queue.failed(again, rests_until=rests_until)
        self._note(item, outcome, DeliveryStatus.RETRYING, began, attempts, now, due=due)

    def _note(
        self, item: Item, outcome: Outcome, status: DeliveryStatus, began: float, attempts: int, now: float, *,
        due: float = 0.0,
    ) -> None:  # fmt: skip
        self._tries[item.n] = Try(
            n=item.n, seq=item.seq, about=item.about, status=status, attempts=attempts, began=at(began),
            tried=at(now), code=outcome.code, error=outcome.error[:LONGEST_ERROR], response=outcome.response,
            ms=outcome.ms, due=at(due),
        )  # fmt: skip
        self._to_tell.set()

    # --- telling

    async def _report(self) -> None:
        while True:
            await self._to_tell.wait()
            await self._host.pause(TOLD_EVERY)
            self._to_tell.clear()
            self._tell(self._progress())

    def _progress(self) -> Progress:
        """What has come of deliveries since it was last told, and what waits that nobody was told of."""
        tries, self._tries = self._tries, {}
        for item in self._queue.items():
            if item.n not in self._known and item.n not in tries:
                tries[item.n] = Try(n=item.n, seq=item.seq, about=item.about, status=DeliveryStatus.WAITING)
        self._known = {item.n for item in self._queue.items()}
        self._told = self._position
        told = fitting(tries[n] for n in sorted(tries))
        return Progress(
            courier=self._number, position=self._position, tries=told, waiting=len(self._queue)
        )

    def _spawn(self, work: Work[None], tasks: "set[asyncio.Task[None]]") -> None:
        task = self._spawn_in(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def share_of_deliveries(user: str) -> Share:
    """For whom counts what is put on record of deliveries: all of a user's webhooks together."""
    return "webhooks", user


def fitting(tries: Iterable[Try]) -> tuple[Try, ...]:
    """The same, where they are too many without what the receiver has said to the last of them: one that is near is
    posted to some hundred times a second, and what cannot be told would be posted again on end."""
    found, room = list[Try](), RESPONSES
    for one in tries:
        room -= len(one.response)
        found.append(one if room >= 0 else replace(one, response=""))
    return tuple(found)


WITHHELD = "its user may not see it any more, or it is no longer in the journal"


def _seconds(moment: str) -> float:
    return parse_utc(moment).timestamp() if moment else 0.0
