"""The bus port in memory: the broker outlives its clients, so a simulated process can die at any step.

The broker keeps what NATS keeps (journal, keys) and refuses what NATS refuses: a write under a scope that somebody
else has written to, a key at another revision. A killed client's calls never return, as in a process that is gone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from actors.runtime.bus import (
    BusUnavailable,
    Entry,
    Fenced,
    Handler,
    Headers,
    Message,
    NoAnswer,
    NobodyThere,
    Recorded,
    Size,
    Unsubscribe,
)
from actors.runtime.clock import Clock

Step = Callable[[str], Awaitable[None]]
ID = "Nats-Msg-Id"


async def no_step(name: str) -> None:
    """Nothing happens between two steps."""


def matches(pattern: str, subject: str) -> bool:
    """NATS subject matching: `*` is one token, `>` all that follow."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(given) > place
        if place >= len(given) or token not in ("*", given[place]):
            return False
    return len(wanted) == len(given)


def _prefix(subject: str) -> str:
    """The first five tokens, or nothing for a pattern whose wildcard comes before."""
    prefix = ".".join(subject.split(".")[:5])
    return "" if "*" in prefix or ">" in prefix else prefix


@dataclass(eq=False)
class _Subscription:
    client: "MemoryBus"
    pattern: str
    handler: Handler
    queue: str


@dataclass(eq=False)
class _Follower:
    client: "MemoryBus"
    scope: str
    handler: Callable[[Recorded], Awaitable[None]]
    wake: asyncio.Event
    at: int


@dataclass
class _Value:
    data: bytes | None
    revision: int
    until: float | None


@dataclass
class MemoryBroker:
    """What survives every client."""

    clock: Clock
    journal: list[Recorded] = field(default_factory=list)
    values: dict[str, _Value] = field(default_factory=dict)
    followers: list[_Follower] = field(default_factory=list)
    revision: int = 0
    turn: int = 0
    lose_ack: Callable[[], bool] = lambda: False

    # Entries and subscriptions by their first five tokens (`ottb.v1.evt.slot.44`): one actor's are found at once.
    entries_of: dict[str, list[Recorded]] = field(default_factory=dict)
    heard_by: dict[str, list[_Subscription]] = field(default_factory=dict)

    def store(self, entry: Recorded) -> None:
        self.journal.append(entry)
        self.entries_of.setdefault(_prefix(entry.subject), []).append(entry)
        for follower in self.followers:
            follower.wake.set()

    def entries(self, scope: str) -> list[Recorded]:
        """The entries under a subject filter, oldest first."""
        near = self.entries_of.get(_prefix(scope), []) if _prefix(scope) else self.journal
        return [entry for entry in near if matches(scope, entry.subject)]

    def last(self, scope: str) -> Recorded | None:
        found = self.entries(scope)
        return found[-1] if found else None

    def add(self, subscription: _Subscription) -> None:
        self.heard_by.setdefault(_prefix(subscription.pattern), []).append(subscription)

    def drop(self, subscription: _Subscription) -> None:
        known = self.heard_by.get(_prefix(subscription.pattern), [])
        if subscription in known:
            known.remove(subscription)

    def drop_client(self, client: "MemoryBus") -> None:
        for known in self.heard_by.values():
            known[:] = [one for one in known if one.client is not client]
        self.followers = [one for one in self.followers if one.client is not client]

    def listeners(self, subject: str) -> list[_Subscription]:
        """Who hears a message: everybody, and one of each queue group in turn."""
        heard: list[_Subscription] = []
        groups: dict[tuple[str, str], list[_Subscription]] = {}
        near = [*self.heard_by.get(_prefix(subject), ()), *self.heard_by.get("", ())]
        for one in near:
            if matches(one.pattern, subject):
                if one.queue:
                    groups.setdefault((one.pattern, one.queue), []).append(one)
                else:
                    heard.append(one)
        self.turn += 1
        return heard + [members[self.turn % len(members)] for members in groups.values()]

    def value(self, name: str) -> _Value | None:
        value = self.values.get(name)
        if value is not None and value.until is not None and value.until <= self.clock.monotonic():
            self.revision += 1
            value = self.values[name] = _Value(None, self.revision, None)
        return value


class MemoryBus:
    """One client of a broker. `step` is awaited before and after each operation's effect."""

    def __init__(self, broker: MemoryBroker, *, step: Step = no_step) -> None:
        self._broker = broker
        self._step = step
        self._tasks: set[asyncio.Task[Any]] = set()
        self.alive = True
        self.buried = asyncio.Event()

    def kill(self) -> None:
        """The process is gone: it hears nothing, and what it waits for never comes."""
        self.alive = False
        self._broker.drop_client(self)

    def bury(self) -> None:
        """The simulation is over: let what is left of a killed process end."""
        self.kill()
        self.buried.set()

    async def _pass(self, name: str) -> None:
        await self._step(name)
        if not self.alive:
            await self.buried.wait()
            raise BusUnavailable("the process was killed")

    # --- requests and telemetry

    async def request(self, subject: str, data: bytes, headers: Headers, *, timeout: float) -> Message:
        await self._pass(f"before request {subject}")
        listeners = self._broker.listeners(subject)
        if not listeners:
            raise NobodyThere(subject)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        async def reply(body: bytes, reply_headers: Headers) -> None:
            if not answer.done():
                answer.set_result(Message(subject="reply", data=body, headers=dict(reply_headers)))

        for listener in listeners:
            self._deliver(listener, Message(subject=subject, data=data, headers=dict(headers), reply=reply))
        try:
            async with asyncio.timeout(timeout):
                found = await answer
        except TimeoutError:
            raise NoAnswer(subject) from None
        await self._pass(f"after request {subject}")
        return found

    async def publish(self, subject: str, data: bytes, headers: Headers) -> None:
        await self._pass(f"before publish {subject}")
        for listener in self._broker.listeners(subject):
            self._deliver(listener, Message(subject=subject, data=data, headers=dict(headers)))

    def _deliver(self, listener: _Subscription, message: Message) -> None:
        async def hand_over() -> None:
            if listener.client.alive:
                await listener.handler(message)

        self._spawn(hand_over())

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Unsubscribe:
        await self._pass(f"before subscribe {subject}")
        subscription = _Subscription(self, subject, handler, queue)
        self._broker.add(subscription)

        async def unsubscribe() -> None:
            self._broker.drop(subscription)

        return unsubscribe

    # --- the journal

    async def append(self, subject: str, data: bytes, headers: Headers, *, scope: str, expect: int) -> int:
        await self._pass(f"before append {subject}")
        last = self._broker.last(scope)
        if (last.seq if last else 0) != expect:
            if last is not None and last.headers.get(ID) == headers[ID]:
                return last.seq
            raise Fenced(scope)
        seq = len(self._broker.journal) + 1
        at = self._broker.clock.now().timestamp()
        self._broker.store(Recorded(subject=subject, data=data, headers=dict(headers), seq=seq, at=at))
        await self._pass(f"after append {subject}")
        if self._broker.lose_ack():
            raise NoAnswer(subject)
        return seq

    async def replay(self, scope: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        await self._pass(f"before replay {scope}")
        for entry in self._broker.entries(scope):
            if entry.seq > after:
                yield entry

    async def follow(self, scope: str, handler: Callable[[Recorded], Awaitable[None]], *, after: int) -> Unsubscribe:
        follower = _Follower(self, scope, handler, asyncio.Event(), after)
        self._broker.followers.append(follower)
        task = self._spawn(self._feed(follower))

        async def stop() -> None:
            task.cancel()
            if follower in self._broker.followers:
                self._broker.followers.remove(follower)

        return stop

    async def _feed(self, follower: _Follower) -> None:
        while True:
            while follower.at < len(self._broker.journal):
                entry = self._broker.journal[follower.at]
                follower.at += 1
                if matches(follower.scope, entry.subject):
                    await self._pass(f"before hearing {entry.subject}")
                    await follower.handler(entry)
            follower.wake.clear()
            await follower.wake.wait()

    async def last(self, scope: str) -> Recorded | None:
        await self._pass(f"before last {scope}")
        return self._broker.last(scope)

    async def ids(self, scope: str) -> list[str]:
        await self._pass(f"before ids {scope}")
        return sorted({entry.subject for entry in self._broker.entries(scope)})

    async def last_seq(self) -> int:
        return len(self._broker.journal)

    async def size(self) -> Size:
        return Size(entries=len(self._broker.journal), last_seq=len(self._broker.journal))

    # --- keys

    async def get(self, bucket: str, key: str) -> Entry | None:
        await self._pass(f"before get {bucket}/{key}")
        value = self._broker.value(f"{bucket}/{key}")
        return Entry(data=value.data, revision=value.revision) if value is not None else None

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        await self._pass(f"before put {bucket}/{key}")
        name = f"{bucket}/{key}"
        value = self._broker.value(name)
        if expect is not None and (value.revision if value is not None else 0) != expect:
            raise Fenced(name)
        self._broker.revision += 1
        until = None if ttl is None else self._broker.clock.monotonic() + max(ttl, 1.0)
        self._broker.values[name] = _Value(data, self._broker.revision, until)
        revision = self._broker.revision
        await self._pass(f"after put {bucket}/{key}")
        return revision

    async def delete(self, bucket: str, key: str, *, expect: int | None = None) -> None:
        await self._pass(f"before delete {bucket}/{key}")
        name = f"{bucket}/{key}"
        value = self._broker.value(name)
        if expect is not None and (value is None or value.revision != expect):
            raise Fenced(name)
        self._broker.revision += 1
        self._broker.values[name] = _Value(None, self._broker.revision, None)

    async def close(self) -> None:
        self.kill()
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Any) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
