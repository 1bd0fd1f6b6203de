"""Serving contract lines that any host may answer: bounded, each request in an owned task."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

import structlog
from msgspec import Struct

from actors.runtime.bus import ID, Bus, Handler, Message, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.effects import Work
from actors.runtime.wire import WRONG_INSIDE, Page, answer, ask, send_refusal
from bus_schemas.contract import AnyRpc, Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

log = structlog.get_logger()

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")

NO_FIELDS: Mapping[str, str] = {}

BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too many requests at once here. Try again.")


class Served(Struct, frozen=True):
    """A line, and the function that answers it."""

    rpc: AnyRpc
    handler: Callable[[Any, Context], Awaitable[object]]  # any: `serve` has checked that it fits the line

    def respond(self, message: Message) -> Work[None]:
        """Answer one message of the line."""
        return answer(message, self.rpc, self.handler)


def serve(rpc: Rpc[Request, Reply], handler: Callable[[Request, Context], Awaitable[Reply | Page]]) -> Served:
    """The function that answers a line. mypy checks that it takes the line's request and gives its reply."""
    return Served(rpc, handler)


class Service:
    """Answers a table of lines, at most `limit` requests at once; more are refused, never queued without bound.
    `fields`: what stands in the subjects' named tokens, for lines of which each answerer serves its own."""

    def __init__(
        self,
        *,
        bus: Bus,
        queue: str,
        handlers: Iterable[Served],
        limit: int = 1024,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> None:
        self._bus = bus
        self._fields = fields
        self._queue = queue
        self._handlers = tuple(handlers)
        self._limit = limit
        self._tasks: dict[asyncio.Task[None], None] = {}  # in their order, in which they end
        self._answering = set[tuple[str, str, str]]()  # by where the answer goes, subject and command
        self._subscriptions: list[Unsubscribe] = []

    async def start(self) -> None:
        for served in self._handlers:
            subject = served.rpc.subject.format(**self._fields)
            receive = self._receiver(served.respond)
            self._subscriptions.append(await self._bus.subscribe(subject, receive, queue=self._queue))

    async def stop(self) -> None:
        """Take no more, and let what has begun come to its end."""
        await asyncio.gather(*(unsubscribe() for unsubscribe in self._subscriptions))
        self._subscriptions.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in list(self._tasks):
            task.cancel()

    def _receiver(self, respond: Callable[[Message], Work[None]]) -> Handler:
        async def receive(message: Message) -> None:
            asked = (message.reply_to, message.subject, message.headers.get(ID, ""))
            if asked in self._answering:  # the first answer counts: begun twice, it would have two of its asker's turns
                return
            if len(self._tasks) >= self._limit:
                await send_refusal(message, BUSY())
                return
            task = asyncio.get_running_loop().create_task(respond(message))
            self._tasks[task] = None
            if message.reply_to:
                self._answering.add(asked)
            task.add_done_callback(lambda task: self._ended(task, asked))

        return receive

    def _ended(self, task: asyncio.Task[None], asked: tuple[str, str, str]) -> None:
        self._tasks.pop(task, None)
        self._answering.discard(asked)


class Hosts:
    """The hosts of a site, as each is asked by its name: this one, `own`, without the bus. What many calls need costs
    four messages less so, where the asker and the line are on one host. `tables`: the lines that this one answers."""

    def __init__(self, *, bus: Bus, own: str, tables: Iterable[Iterable[Served]]) -> None:
        self._bus = bus
        self._own = own
        self._tables = tables

    @cached_property
    def _here(self) -> Mapping[str, Served]:
        """By subject; complete once this host serves."""
        return {one.rpc.subject.format(host=self._own): one for table in self._tables for one in table}

    async def ask(
        self, rpc: Rpc[Request, Reply], request: Request, context: Context, *, retry: bool = True
    ) -> Reply:
        """As `wire.ask`. Raises Refusal, whatever goes wrong."""
        served = self._here.get(rpc.subject_for(request))
        if served is None:
            return await ask(self._bus, rpc, request, context, retry=retry)
        try:
            answered = await served.handler(request, context)
        except Refusal:
            raise
        except Exception:
            log.exception("request failed", subject=rpc.subject)
            raise WRONG_INSIDE() from None
        return cast(Reply, answered.body if isinstance(answered, Page) else answered)  # `serve` has checked it
