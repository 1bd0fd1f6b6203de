"""What waits in an actor's inbox."""

import asyncio
from typing import Any, Generic, TypeVar

from msgspec import Struct

from actors.runtime.bus import Message
from actors.runtime.clock import Moment
from actors.runtime.commands import AnyCommand, Order
from actors.runtime.context import Context

Body_co = TypeVar("Body_co", covariant=True)


class BusCommand(Struct, frozen=True):
    """A command from the bus."""

    command: AnyCommand
    message: Message


class LocalCommand(Struct, frozen=True):
    """An order from the same host, answered through a future."""

    order: Order[Any]  # any: an inbox takes orders of many replies; `Actor.order` gives each asker theirs
    context: Context
    done: "asyncio.Future[Any]"  # any: the same


class Report(Struct, Generic[Body_co], frozen=True):
    """A report, and when this host received it: while the bus is away it may have to wait, and its time must not
    move."""

    body: Body_co
    received_at: Moment


class Resume(Struct, frozen=True):
    """The first thing in a new owner's inbox."""


InboxItem = BusCommand | LocalCommand | Report[Body_co] | Resume
