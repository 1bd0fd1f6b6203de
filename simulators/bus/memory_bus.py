"""The bus port in memory: the broker outlives its clients, so a simulated process can die at any step.

The broker (`memory_broker.py`) keeps what NATS keeps and refuses what NATS refuses. What can happen to one client:
- `client.kill()`: the process is gone, its calls never return. `client.bury()` when the simulation is over.
- `client.pause()` / `resume()`: a stopped process (SIGSTOP). Nothing reaches it and none of its calls goes on until it
  is resumed; then all that waited goes on, late. What else a process does must ask `client.awake()`.
- `broker.cut(client, notice=...)` / `mend(client)`: no connection. What is called then raises BusUnavailable; what was
  under way, or was called before the client noticed, RequestTimeout, unless the connection is back within its deadline.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog

from actors.runtime.bus import (
    APPEND_DEADLINE,
    AWAY,
    FULL,
    ID,
    STUCK,
    BusFull,
    BusUnavailable,
    Entry,
    Fenced,
    Handler,
    Headers,
    Message,
    NoResponders,
    Recorded,
    RequestTimeout,
    Size,
    Unsubscribe,
)
from actors.runtime.context import not_fresh
from actors.runtime.repeats import Repeats
from bus_schemas.contract import matches
from bus_schemas.host import StreamUse
from simulators.bus.memory_broker import Ack, Client, Follower, Full, MemoryBroker, Subscription
from simulators.bus.memory_log import MemoryLog
from simulators.time.process import Step, no_step

log = structlog.get_logger()

STALE = 4.0  # seconds after which the server takes a client that answers no ping for dead


class MemoryBus:
    """One client of a broker. `step` is awaited before and after each operation's effect."""

    def __init__(self, broker: MemoryBroker, *, step: Step = no_step) -> None:
        self._broker = broker
        self._step = step
        self._tasks: set[asyncio.Task[Any]] = set()
        self._repeats = Repeats()
        self._asked = itertools.count()
        self._unsettled: set[str] = set()  # ids of writes that were sent and not answered
        self._awake = asyncio.Event()
        self._awake.set()
        self._paused_at = 0.0
        self._linked = asyncio.Event()
        self._linked.set()
        self._notice_at = 0.0
        self._connection = 1  # number of the connection: what was under way on a former one is lost
        self.alive = True
        self.buried = asyncio.Event()
        self.log = MemoryLog(broker, self, broker.platform_log)
        self.figures = MemoryLog(broker, self, broker.figures)
        self.outputs = MemoryLog(broker, self, broker.outputs)

    # --- what happens to the process

    def kill(self) -> None:
        """The process is gone: it hears nothing, and what it waits for never comes."""
        self.alive = False
        self._awake.set()
        self._linked.set()
        self._broker.drop_client(self)

    def bury(self) -> None:
        """The simulation is over: let what is left of a killed process end."""
        self.kill()
        self.buried.set()

    def pause(self) -> None:
        """Stop the process where it is."""
        if self.alive and self._awake.is_set():
            self._awake.clear()
            self._paused_at = self._now()

    def resume(self) -> None:
        """Let it go on."""
        self._awake.set()

    @property
    def paused(self) -> bool:
        return not self._awake.is_set()

    async def awake(self) -> None:
        """Go on, if the process does: wait while it is paused, and for ever once it was killed."""
        if not self._awake.is_set():
            await self._awake.wait()
        if not self.alive:
            await self.buried.wait()
            raise BusUnavailable("the process was killed")

    async def _pass(self, name: str) -> None:
        await self._step(name)
        await self.awake()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- what happens to its connection

    def cut_off(self, notice: float) -> None:
        if self._linked.is_set():
            self._connection += 1
            self._linked.clear()
        self._notice_at = self._now() + notice

    def mended(self) -> None:
        self._linked.set()

    @property
    def connected(self) -> bool:
        return self._linked.is_set()

    @property
    def reachable(self) -> bool:
        """Whether the server still has a subscription of this client's that it may send to."""
        stale = not self._awake.is_set() and self._now() - self._paused_at > STALE
        return self._linked.is_set() and not stale

    def healthy(self) -> str | None:
        if not self.connected:
            return AWAY
        broker = self._broker
        return STUCK if broker.stuck else FULL if broker.full or broker.journal_full else None

    @property
    def full(self) -> bool:
        """Whether writes are refused or swallowed."""
        return self._broker.full or self._broker.journal_full or self._broker.stuck

    async def _reach(self, what: str, id: str = "") -> None:
        """Have a connection. BusUnavailable: there is none. RequestTimeout: it went into the void for as long as we
        wait."""
        if self.connected:
            return
        if (wait := self._notice_at - self._now()) <= 0:
            raise BusUnavailable("not connected")
        if id:
            self._unsettled.add(id)
        await self._wait_for_link(min(wait, APPEND_DEADLINE), what)

    async def _wait_for_link(self, seconds: float, what: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._linked.wait()
        except TimeoutError:
            await self.awake()
            raise RequestTimeout(what) from None
        await self.awake()

    # --- requests and telemetry

    async def request(
        self, subject: str, data: bytes, headers: Headers, *, timeout: float, again: float | None = None
    ) -> Message:
        await self._pass(f"before request {subject}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message] = loop.create_future()
        inbox = f"_INBOX_memory.{id(self)}.{next(self._asked)}"
        if self.connected:
            self._send(answer, inbox, subject, data, headers)
        elif self._notice_at <= self._now():
            raise BusUnavailable("not connected")
        if again is not None:
            self._repeats.earn()
            timer = loop.call_later(again, self._ask_again, answer, inbox, subject, data, not_fresh(headers))
            answer.add_done_callback(lambda _: timer.cancel())
        try:
            async with asyncio.timeout(timeout):
                found = await answer
        except TimeoutError:
            await self.awake()
            raise RequestTimeout(subject) from None
        await self._pass(f"after request {subject}")
        return found

    def _send(
        self, answer: "asyncio.Future[Message]", inbox: str, subject: str, data: bytes, headers: Headers
    ) -> None:
        """Hand a question to who hears it. Where nobody does, that is the answer."""
        listeners = self._broker.listeners(subject)
        if not listeners:
            answer.set_exception(NoResponders(subject))
        for listener in listeners:
            reply = partial(self._reply, listener.client, answer, self._connection)
            message = Message(subject=subject, data=data, headers=dict(headers), reply_to=inbox, reply=reply)
            listener.client.receive(listener, message)

    def _ask_again(
        self, answer: "asyncio.Future[Message]", inbox: str, subject: str, data: bytes, headers: Headers
    ) -> None:
        if self.alive and not self.paused and self.connected and not answer.done() and self._repeats.spend():
            self._send(answer, inbox, subject, data, headers)

    async def _reply(
        self, answerer: Client, answer: "asyncio.Future[Message]", connection: int, body: bytes, headers: Headers
    ) -> None:
        """Answer a request of this client's: the first copy that arrives counts."""
        with contextlib.suppress(BusUnavailable):  # an answer that cannot be sent is no error to who sends it
            await answerer.awake()

        def arrive() -> None:
            if not answer.done() and self.alive and self.connected and self._connection == connection:
                answer.set_result(Message(subject="reply", data=body, headers=dict(headers)))

        if not answerer.alive or not answerer.connected:
            return
        for delay in self._broker.reply_delays():
            if delay > 0:
                asyncio.get_running_loop().call_later(delay, arrive)
            else:
                arrive()

    async def publish(self, subject: str, data: bytes, headers: Headers) -> None:
        await self._pass(f"before publish {subject}")
        if not self.connected:
            if self._notice_at <= self._now():
                raise BusUnavailable("not connected")
            return
        for listener in self._broker.listeners(subject):
            listener.client.receive(listener, Message(subject=subject, data=data, headers=dict(headers)))

    def receive(self, listener: Subscription, message: Message) -> None:
        """Hand a message to the handler of one of this client's subscriptions."""
        connection = self._connection
        if listener.waiting >= self._broker.pending_limit:
            log.warning("slow consumer: message dropped", subject=message.subject)
            return
        listener.waiting += 1

        async def hand_over() -> None:
            try:
                if not self._awake.is_set():
                    await self._awake.wait()
                if self.alive and self._connection == connection:
                    await listener.handler(message)
            except Exception:
                log.exception("handler failed", subject=message.subject)
            finally:
                listener.waiting -= 1

        self._spawn(hand_over())

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Unsubscribe:
        await self._pass(f"before subscribe {subject}")
        subscription = Subscription(self, subject, handler, queue)
        self._broker.add(subscription)

        async def unsubscribe() -> None:
            self._broker.drop(subscription)

        return unsubscribe

    # --- the journal

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        broker, id = self._broker, headers[ID]

        def write() -> Ack:
            return broker.write(subject, data, headers, scope=scope, expect=expect)

        def mine() -> int | None:
            entry = broker.log.first_after(scope, expect)
            return entry.seq if entry is not None and entry.headers.get(ID) == id else None

        return await self._write(f"append {subject}", id, write, mine)

    async def _write(self, what: str, id: str, write: Callable[[], Ack], mine: Callable[[], int | None]) -> int:
        """Write until it is answered. A write of ours is known by its id, and only if it was sent before."""
        await self._pass(f"before {what}")
        again = id in self._unsettled
        await self._reach(what, id)
        give_up = self._now() + APPEND_DEADLINE
        while True:
            self._unsettled.add(id)
            connection = self._connection
            outcome = await self._attempt(what, write)
            await self._pass(f"after {what}")
            if self.connected and self._connection == connection:
                break
            await self._wait_for_link(max(give_up - self._now(), 0.0), what)
            again = True
        if self._broker.lose_ack():
            raise RequestTimeout(what)
        self._unsettled.discard(id)
        if isinstance(outcome, Fenced):
            found = mine() if again else None
            if found is None:
                raise outcome
            return found
        if isinstance(outcome, BusFull):
            raise outcome
        if outcome.duplicate and not again:
            raise Fenced(f"{what}: somebody else's id")
        return outcome.seq

    async def _attempt(self, what: str, write: Callable[[], Ack]) -> Ack | Fenced | BusFull:
        try:
            return write()
        except Fenced as fenced:
            return fenced
        except Full:
            if not self._broker.stuck:
                return BusFull(FULL)
        await asyncio.sleep(APPEND_DEADLINE)
        await self.awake()
        raise RequestTimeout(what)

    async def replay(
        self, scope: str, *, after: int = 0, since: float = 0.0, gently: bool = False
    ) -> AsyncIterator[Recorded]:
        await self._pass(f"before replay {scope}")
        await self._reach(scope)
        for entry in self._broker.entries(scope):
            if entry.seq > after and entry.at >= since:
                yield entry

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        await self._reach(scope)
        follower = Follower(self, scope, handler, asyncio.Event(), after)
        self._broker.followers.append(follower)
        task = self._spawn(self._feed(follower))

        async def stop() -> None:
            task.cancel()
            if follower in self._broker.followers:
                self._broker.followers.remove(follower)

        return stop

    async def _feed(self, follower: Follower) -> None:
        while True:
            while follower.at < len(self._broker.journal):
                entry = self._broker.journal[follower.at]
                if matches(follower.scope, entry.subject) and self._broker.log.entry(entry.seq) is not None:
                    await self._pass(f"before hearing {entry.subject}")
                    if not self.connected:  # this one is lost on the way, so the gap is noticed and it comes again
                        await self._linked.wait()
                        continue
                    try:
                        await follower.handler(entry)
                    except Exception:
                        log.exception("journal entry passed over", subject=entry.subject, seq=entry.seq)
                follower.at += 1
            follower.wake.clear()
            await follower.wake.wait()

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        await self._pass(f"before last {scope}")
        await self._reach(scope)
        return self._broker.last(scope, behind=0 if certain else self._broker.lag())

    async def entry(self, seq: int) -> Recorded | None:
        await self._pass(f"before entry {seq}")
        await self._reach("entry")
        return self._broker.log.entry(seq)

    async def ids(self, scope: str) -> list[str]:
        await self._pass(f"before ids {scope}")
        await self._reach(scope)
        return sorted({entry.subject for entry in self._broker.entries(scope)})

    async def last_seq(self) -> int:
        await self._reach("last_seq")
        return len(self._broker.journal)

    async def size(self) -> Size:
        return Size(entries=(last := len(self._broker.journal)) - len(self._broker.log.removed), last_seq=last)

    async def usage(self) -> list[StreamUse]:
        await self._reach("usage")
        held = sum(len(entry.data) for entry in self._broker.journal)
        return [
            StreamUse(stream="OTTB_EVT", bytes=held, limit=self._broker.limit),
            StreamUse(stream="KV_OTTB_FILE", bytes=self._broker.files, limit=self._broker.files_limit),
        ]

    async def redact(self, entry: Recorded, data: bytes, headers: Headers) -> None:
        await self._pass(f"before redact {entry.seq}")
        await self._reach(entry.subject)
        self._broker.log.redact(entry, data, headers)
        await self._pass(f"after redact {entry.seq}")

    async def finish_redactions(self) -> None:
        await self._reach("redactions")

    async def remove(self, seq: int, *, overwrite: bool = True) -> None:
        await self._pass(f"before remove {seq}")
        await self._reach(f"remove {seq}")
        self._broker.log.remove(seq)
        await self._pass(f"after remove {seq}")

    # --- keys

    async def get(self, bucket: str, key: str, *, certain: bool = False) -> Entry | None:
        await self._pass(f"before get {bucket}/{key}")
        await self._reach(key)
        value = self._broker.value(f"{bucket}/{key}")
        return Entry(data=value.data, revision=value.revision) if value is not None else None

    async def entries(self, bucket: str) -> Mapping[str, Entry]:
        await self._pass(f"before entries {bucket}")
        await self._reach(bucket)
        found = {}
        for name in [name for name in self._broker.values if name.startswith(f"{bucket}/")]:
            value = self._broker.value(name)
            if value is not None and not self._broker.overlooks(name):
                found[name.partition("/")[2]] = Entry(data=value.data, revision=value.revision)
        return found

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        return await self._change("put", f"{bucket}/{key}", data, expect=expect, ttl=ttl)

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        await self._change("delete", f"{bucket}/{key}", None, expect=expect, ttl=None)

    async def erase(self, bucket: str, key: str) -> None:
        await self._pass(f"before erase {bucket}/{key}")
        await self._reach(key)
        self._broker.values.pop(f"{bucket}/{key}", None)

    async def wipe(self, bucket: str) -> None:
        await self._pass(f"before wipe {bucket}")
        await self._reach(bucket)
        for name in [name for name in self._broker.values if name.startswith(f"{bucket}/")]:
            del self._broker.values[name]

    async def _change(self, verb: str, name: str, data: bytes | None, *, expect: int | None, ttl: float | None) -> int:
        broker, id = self._broker, self._broker.new_id()

        def write() -> Ack:
            return Ack(seq=broker.change(name, data, expect=expect, ttl=ttl, id=id))

        def mine() -> int | None:
            value = broker.value(name)
            return value.revision if value is not None and value.id == id else None

        return await self._write(f"{verb} {name}", id, write, mine)

    async def close(self) -> None:
        self.kill()
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Any) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
