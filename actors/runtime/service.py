"""Serving contract lines that any host may answer: bounded, each request in an owned task."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from actors.runtime.bus import Bus, Message, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.wire import answer, send_refusal
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal

Handler = Callable[[Any, Context], Awaitable[Any]]
NO_FIELDS: Mapping[str, str] = {}

BUSY = Refusal(ErrorCode.UNAVAILABLE, "Too many requests at once here. Try again.")


class Service:
    """Answers a table of lines, at most `limit` requests at once; more are refused, never queued without bound.
    `fields`: what stands in the subjects' named tokens, for lines of which each answerer serves its own."""

    def __init__(
        self,
        *,
        bus: Bus,
        queue: str,
        handlers: Mapping[Rpc[Any, Any], Handler],
        limit: int = 1024,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> None:
        self._bus = bus
        self._fields = fields
        self._queue = queue
        self._handlers = handlers
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Unsubscribe] = []

    async def start(self) -> None:
        for rpc, handler in self._handlers.items():
            subject = rpc.subject.format(**self._fields)
            self._subscriptions.append(
                await self._bus.subscribe(subject, self._receiver(rpc, handler), queue=self._queue)
            )

    async def stop(self) -> None:
        """Take no more, and let what has begun come to its end."""
        for unsubscribe in self._subscriptions:
            await unsubscribe()
        self._subscriptions.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()

    def _receiver(self, rpc: Rpc[Any, Any], handler: Handler) -> Callable[[Message], Awaitable[None]]:
        async def receive(message: Message) -> None:
            if len(self._tasks) >= self._limit:
                await send_refusal(message, BUSY)
                return
            task = asyncio.get_running_loop().create_task(answer(message, rpc, handler))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return receive
