"""One process full of actors: finds them, activates them, restarts them, and lets them go.

The host subscribes one subject for each actor it owns, so that a command for an actor nobody owns is refused
by the bus at once. Whether it may act at all is its lease's word (`ownership.py`); whether a write counts is the
journal's (the fence), so a host that is wrong about its lease can do no harm there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from actors.runtime.activation import Coming
from actors.runtime.actor import Actor, AnyActor, Maker, Memory, NotOurs, Reported
from actors.runtime.audience import Audience
from actors.runtime.bus import (
    Bus,
    BusError,
    BusFull,
    BusUnavailable,
    Fenced,
    Headers,
    Message,
    Recorded,
    RequestTimeout,
    Unsubscribe,
)
from actors.runtime.clock import Clock, Moment
from actors.runtime.commands import Order
from actors.runtime.context import Context
from actors.runtime.effects import EffectRunner, Work
from actors.runtime.feeds import Feeds
from actors.runtime.ids import Ids
from actors.runtime.journalled import Event, State, Unreadable
from actors.runtime.ownership import Ownership
from actors.runtime.recall import Recall
from actors.runtime.supervisor import RestartBudget
from actors.runtime.wire import Page, answer, send_refusal
from actors.runtime.written import Written
from bus_schemas.contract import ROOT, Rpc, id_of, kind_of, verb_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

log = structlog.get_logger()

APPEND_PATIENCE = 10.0  # seconds a write is tried again while the bus is away; then the actor starts afresh
APPEND_PAUSE = 0.2
ACTIVATIONS_AT_ONCE = 64
RESTART_PAUSE = 0.2
QUARANTINE = 60.0
VERIFY_PAUSE = 1.0
VERIFY_PATIENCE, VERIFY_LOOK = 3.0, 0.02  # seconds that an effect waits for a verified lease, and between two looks
DRAIN_PATIENCE = 1.0  # seconds that a host which lets go waits for work that spans several actors
FENCED_TRIES = 10  # a former owner's last write may come between; what is fenced for longer is not ours to write

NOT_SURE = RefusalTemplate(ErrorCode.UNAVAILABLE, "This host is not sure that it owns this now. Try again.")
STARTING = RefusalTemplate(ErrorCode.UNAVAILABLE, "This host is starting. Try again.")

Key = tuple[str, str]
A = TypeVar("A", bound=AnyActor)
K = TypeVar("K")
Result = TypeVar("Result")
Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")


class Host:
    """The actors of one process. `makers`: how those of each kind are made (`CallActor.made_by(...)`). `step_over`: the
    entries of the journal that are taken as if they were not there, by their sequence. `written`: by whom how much was,
    here and in the host that this one is a shard of; `recall`: whose turn it is there to look for answers."""

    def __init__(
        self,
        *,
        name: str,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        ownership: Ownership,
        makers: Iterable[Maker] = (),
        step_over: Iterable[int] = (),
        written: Written | None = None,
        recall: Recall | None = None,
        audience: Audience | None = None,
    ) -> None:
        self.name = name
        self.bus = bus
        self.clock = clock
        self.ids = ids
        self.step_over = frozenset(step_over)
        self._ownership = ownership
        self._make = {maker.kind: maker.make for maker in makers}  # more may come until the host serves
        self._actors: dict[Key, AnyActor] = {}
        self._subscriptions: dict[Key, Unsubscribe] = {}
        self._budgets: dict[Key, RestartBudget] = {}
        self._activating: dict[Key, asyncio.Task[AnyActor]] = {}
        self.coming: dict[str, Coming] = {}  # by kind, while many are activated
        self._gate = asyncio.Semaphore(ACTIVATIONS_AT_ONCE)
        self._tasks: dict[asyncio.Task[Any], None] = {}  # any: of whatever result. They end in their order
        self._stopping = False
        self._extra: dict[str, Callable[[Message], Awaitable[None]]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._verifying = 0
        self.feeds = Feeds(bus=bus, audience=audience or Audience(bus=bus, clock=clock), spawn=self.spawn)
        self.serving = False  # work that spans several actors waits until all of them are here
        self.quarantined: dict[Key, str] = {}  # what cannot be used now, and why
        self.nearly_full = False  # of the journal: nothing new is to be begun
        self.written = written or Written(clock.monotonic, nearly_full=lambda: self.nearly_full)
        self.recall = recall or Recall(bus)
        self.fence: tuple[str, int] | None = None  # the entry of the journal by which an actor's first write counts
        self.shards: dict[int, Host] = {}  # those that this one holds: each a small host of its own (`shards.py`)

    # --- what actors ask of their host

    @property
    def epoch(self) -> int:
        return self._ownership.epoch

    @property
    def held(self) -> bool:
        """Whether the lease is held, as far as this host can know."""
        return self._ownership.held

    @property
    def may_act(self) -> bool:
        """Whether this host still owns its actors, as far as it can know. Asked right before every effect outside."""
        return self._ownership.held and not self._stopping and not self._verifying

    async def may_act_once_verified(self) -> bool:
        """The same, once a lease that was regained has been verified: what can wait for that is not left undone."""
        give_up = self.clock.monotonic() + VERIFY_PATIENCE
        while self._verifying and not self._stopping and self.clock.monotonic() < give_up:
            await self.pause(VERIFY_LOOK)
        return self.may_act

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        """Write to the journal, again and again with the same id while the bus is away. Raises Fenced, BusError."""
        give_up = self.clock.monotonic() + APPEND_PATIENCE
        if expect == 0 and self.fence is not None:
            scope, expect = self.fence
        while True:
            try:
                return await self.bus.append(subject, data, headers, scope=scope, expect=expect)
            except (RequestTimeout, BusUnavailable) as error:
                starting = not self.serving and isinstance(error, BusFull)  # a start does not wait for space
                if starting or self.clock.monotonic() >= give_up:
                    raise
            await self.pause(APPEND_PAUSE)

    async def newest(self, subject: str) -> Recorded | None:
        """The newest entry of a subject, by the word of the journal's leader, that is not stepped over. Raises
        BusError."""
        found = await self.bus.last(subject, certain=True)
        if found is not None and found.seq in self.step_over:
            found = None
            async for recorded in self.bus.replay(subject):
                found = found if recorded.seq in self.step_over else recorded
        return found

    async def pause(self, seconds: float) -> None:
        """Wait on the injected clock."""
        over = asyncio.Event()
        timer = self.clock.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def tell(self, kind: type[Actor[State, Event, Memory, Reported]], id: str, report: Reported) -> None:
        """Hand a report to an actor of this host, if it is here."""
        self.tell_by_name(kind.kind, id, report)

    def tell_by_name(self, kind: str, id: str, report: object, received_at: Moment | None = None) -> None:
        """The same, for who knows the actor by its name alone. `received_at`: when this host received it, if not
        now."""
        actor = self._actors.get((kind, id))
        if actor is not None:
            actor.tell(report, received_at)

    async def order(self, kind: type[AnyActor], id: str, order: Order[Reply], context: Context) -> Reply:
        """Have an actor of this host carry out an order. Raises Refusal, also when it is not here."""
        actor = self._actors.get((kind.kind, id))
        if actor is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Nobody is there to do this now. Try again.")
        return await actor.order(order, context)

    def spawn(self, work: Work[Result]) -> "asyncio.Task[Result]":
        """Run something in a task that ends with this host."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task, None))
        return task

    async def share(
        self, under_way: "dict[K, asyncio.Task[Result]]", key: K, work: Callable[[], Work[Result]]
    ) -> Result:
        """The result of the work that is under way under a key; nobody's cancellation ends it for the others."""
        if (task := under_way.get(key)) is None:
            task = under_way[key] = self.spawn(work())

            def over(task: "asyncio.Task[Result]") -> None:
                del under_way[key]
                if not task.cancelled():
                    task.exception()  # who waited for it has it; when the host dies, nobody does

            task.add_done_callback(over)
        return await asyncio.shield(task)

    def crashed(self, ended: EffectRunner, error: BaseException) -> None:
        """An actor has ended by an error: start it again from what is on record, unless it does so too often."""
        actor = self._actors.get((ended.kind, ended.id))
        if not self._stopping and actor is not None and actor is ended:
            self.spawn(self.restart(actor, error))

    def verify(self) -> None:
        """The lease had run out: make sure of every actor that nobody else has owned it in between."""
        self._verifying += 1
        self.spawn(self._verify())

    async def _verify(self) -> None:
        try:
            await self._verify_all()
        finally:
            self._verifying -= 1

    async def _verify_all(self) -> None:
        waiting = list(self._actors.values())
        while waiting and not self._stopping:
            try:
                await waiting[-1].verify()
                waiting.pop()
            except BusError as error:  # until then, whatever it writes or dials is fenced all the same
                log.info("an actor cannot be verified yet", actor=repr(waiting[-1]), error=repr(error))
                await self.pause(VERIFY_PAUSE)

    def quarantine(self, kind: str, id: str, reason: str) -> None:
        """Name one thing that cannot be used; the rest serves."""
        if self.quarantined.get((kind, id)) != reason:
            log.error("quarantined", actor=f"{kind} {id}", reason=reason)
        self.quarantined[kind, id] = reason

    def left_alone(self) -> dict[Key, str]:
        """What is quarantined here and in the shards that are held, and why."""
        return {key: why for host in (self, *self.shards.values()) for key, why in host.quarantined.items()}

    def retire(self, actor: AnyActor, after: float) -> None:
        """Let an actor go in a while: it has no more to do, and the records answer for it."""
        self.spawn(self._retire(actor, after))

    def serve_beside(
        self, rpc: Rpc[Request, Reply], handler: Callable[[Request, Context], Awaitable[Reply | Page]]
    ) -> None:
        """Answer a line addressed to actors of this host that is not for their inbox: work that spans several."""

        async def receive(message: Message) -> None:
            if self.serving:
                task = self.spawn(answer(message, rpc, handler))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            else:
                await send_refusal(message, STARTING())

        self._extra[f"{rpc.kind}.{rpc.verb}"] = receive

    # --- finding and owning

    def get(self, kind: type[A], id: str) -> A | None:
        """An actor of this host, by its class."""
        actor = self._actors.get((kind.kind, id))
        return actor if isinstance(actor, kind) else None

    def find(self, kind: str, id: str) -> AnyActor | None:
        """An actor of this host, for who knows it by its name alone."""
        return self._actors.get((kind, id))

    def all(self, kind: type[A]) -> list[A]:
        return [actor for actor in self._actors.values() if isinstance(actor, kind)]

    async def activate(self, kind: type[A], id: str, prepare: Callable[[A], None] = lambda actor: None) -> A:
        """The actor, owned by this host: from what is on record, or the one that is here already. `prepare` tells a
        new one what it should know first. Raises Unreadable, NotOurs, BusError."""
        if (actor := self.get(kind, id)) is not None:
            return actor
        work = partial(self._activate, kind, id, prepare)
        made = await self.share(self._activating, (kind.kind, id), work)
        assert isinstance(made, kind)
        return made

    async def activate_at_last(self, kind: type[A], id: str, prepare: Callable[[A], None]) -> None:
        """Activate, also where a former owner's last writes come in between. Raises Fenced, Unreadable, NotOurs,
        BusError."""
        for _ in range(FENCED_TRIES - 1):
            with contextlib.suppress(Fenced):
                await self.activate(kind, id, prepare)
                return
            await self.pause(RESTART_PAUSE)
        await self.activate(kind, id, prepare)

    def add_maker(self, maker: Maker) -> None:
        """From now on, also actors of this kind can be made."""
        self._make[maker.kind] = maker.make

    def make(self, kind: type[A], id: str) -> A:
        """An actor that nothing is on record of yet. It is on its own until `install`."""
        actor = self._make[kind.kind](id, self)
        assert isinstance(actor, kind)
        return actor

    async def install(self, actor: AnyActor) -> None:
        """Own an actor that has written its first event: hear its commands."""
        await self._install((actor.kind, actor.id), actor)

    async def _activate(self, kind: type[A], id: str, prepare: Callable[[A], None]) -> AnyActor:
        async with self._gate:
            actor = self.make(kind, id)
            prepare(actor)
            await actor.activate()
        await self.install(actor)
        return actor

    async def _install(self, key: Key, actor: AnyActor) -> None:
        self._actors[key] = actor
        self.quarantined.pop(key, None)
        await self.listen(*key)

    async def listen(self, kind: str, id: str) -> None:
        """Hear what is asked of a thing that is here."""
        if (kind, id) not in self._subscriptions:
            self._subscriptions[kind, id] = await self.bus.subscribe(f"{ROOT}.cmd.{kind}.{id}.*", self._receive)

    async def _receive(self, message: Message) -> None:
        """A command for an actor of this host, or for what is served beside it. One handler for all: an idle actor
        shall cost no closure of its own."""
        kind, id, verb = kind_of(message.subject), id_of(message.subject), verb_of(message.subject)
        if not self._ownership.held:  # the new owner hears it too
            await send_refusal(message, NOT_SURE())
            return
        if (extra := self._extra.get(f"{kind}.{verb}")) is not None:
            await extra(message)
        elif (owner := self._actors.get((kind, id))) is not None:
            await owner.receive(message)

    async def restart(self, actor: AnyActor, error: BaseException | None = None) -> None:
        """Have it begin from what is on record. `error`: by which it has crashed; None: it has not, so none counts."""
        key = (actor.kind, actor.id)
        await actor.terminate()
        budget = self._budgets.setdefault(key, RestartBudget())
        crashed = error is not None and not isinstance(error, BusError)
        while not self._stopping and self._actors.get(key) is actor:
            if crashed and not budget.spend(self.clock.monotonic()):
                self.quarantine(*key, f"crashes too often, rests for {QUARANTINE:g} s: {error!r}")
                await self.pause(QUARANTINE)
            await self.pause(RESTART_PAUSE)
            if not self._ownership.held:
                continue
            try:
                await self._begin_afresh(actor)
                return
            except BusError as trouble:
                log.warning("actor not restarted yet", actor=f"{key[0]} {key[1]}", error=repr(trouble))
                crashed = False
            except Exception as trouble:
                log.exception("actor not restarted", actor=f"{key[0]} {key[1]}", error=repr(trouble))
                crashed, error = True, error or trouble

    async def _begin_afresh(self, former: AnyActor) -> None:
        """Put an actor in the place of one that crashed: from the record, or, where that cannot be read, to finish what
        the former has under way. Where it is another host's by now, or nothing is to be finished, let go of it."""
        key = kind, id = former.kind, former.id
        fresh = self._make[kind](id, self)
        fresh.inherit_from(former)
        try:
            await fresh.activate()
        except NotOurs:
            await self.release(kind, id)
            return
        except Unreadable as unreadable:
            self.quarantine(kind, id, str(unreadable))
            fresh = self._make[kind](id, self)
            if not await fresh.stand_in_for(former):
                await self.release(kind, id)
                return
        self._actors[key] = fresh
        if not fresh.stands_in:
            self.quarantined.pop(key, None)

    async def _retire(self, actor: AnyActor, after: float) -> None:
        await self.pause(after)
        if self._actors.get((actor.kind, actor.id)) is actor:
            await self.release(actor.kind, actor.id)

    async def release(self, kind: str, id: str) -> None:
        """Stop owning one actor."""
        unsubscribe = self._subscriptions.pop((kind, id), None)
        if unsubscribe is not None:
            await unsubscribe()
        actor = self._actors.pop((kind, id), None)
        self._budgets.pop((kind, id), None)
        if actor is not None:
            await actor.stop()

    async def drain(self) -> None:
        """Take no more commands, finish what has begun, and let every actor go. Calls go on without us."""
        await self._close()
        if self._answering:
            await asyncio.wait(self._answering, timeout=DRAIN_PATIENCE)
        await asyncio.gather(*(actor.stop() for actor in self._actors.values()))
        self._stopping = True
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:  # again: nats-py's `wait_for` loses one that comes together with an answer
                task.cancel()
            await asyncio.wait(pending, timeout=DRAIN_PATIENCE)
        await self._close()  # an actor may have come in the meantime
        await asyncio.gather(*(actor.terminate() for actor in self._actors.values()))
        self._actors.clear()

    async def _close(self) -> None:
        """Hear no more commands."""
        await asyncio.gather(*(unsubscribe() for unsubscribe in self._subscriptions.values()))
        self._subscriptions.clear()
