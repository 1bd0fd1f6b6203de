"""What an actor is asked, and by which function it answers: mypy checks each function against the line or the order
that it serves.

    commands = by_verb(command(END_CALL, end), command(GET_CALL, get))     # lines of the contract, from the bus
    orders = by_type(Take.by(take), Remove.by(remove))                     # orders of the same host

`command(END_CALL, end)` is an error unless `end` takes an `EndCall` and gives an `Outcome[CallView]`, and
`Take.by(take)` unless `take` takes a `Take` and gives an `Outcome` of what a `Take` is answered with.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

from msgspec import Struct

from actors.runtime.clock import Moment
from actors.runtime.context import Context
from actors.runtime.decision import Decision
from bus_schemas.contract import AnyRpc, AnyTopic, Rpc

A = TypeVar("A")  # the class of actor whose functions these are
Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")
Answer_co = TypeVar("Answer_co", covariant=True)


class Outcome(Struct, Generic[Answer_co], frozen=True, kw_only=True):
    """What a command leads to. `reply` may be a function of the state after the events."""

    decision: Decision[Any, Any]  # any: the machine that made it says of what
    reply: Answer_co | Callable[[], Answer_co]


class Command(Struct, Generic[A], frozen=True):
    """One line that an actor of class `A` answers. `answered_beside`: its answer is on record, beside this event, and
    a repeat is given it from there for as long as the journal goes."""

    rpc: AnyRpc
    method: Callable[[A, Any, Context], Outcome[object]]  # any: `command` has checked that it fits the line
    answered_beside: AnyTopic | None = None


AnyCommand = Command[Any]  # any: of the actor in whose inbox it is


def command(
    rpc: Rpc[Request, Reply],
    method: Callable[[A, Request, Context], Outcome[Reply]],
    *,
    answered_beside: AnyTopic | None = None,
) -> Command[A]:
    """The function that answers a line."""
    return Command(rpc, method, answered_beside)


def by_verb(*commands: Command[A]) -> Mapping[str, Command[A]]:
    """The commands of an actor, by the last token of their subjects."""
    return {each.rpc.verb: each for each in commands}


class Order(Struct, Generic[Reply], frozen=True, kw_only=True):
    """The base of the orders of the same host. Each names what it is answered with: `class Take(Order[Taken])`."""

    @classmethod
    def by(cls, method: Callable[[A, Self, Context, Moment], Outcome[Reply]]) -> "OrderTaken[A]":
        """The function that carries this order out."""
        return OrderTaken(cls, method)


class OrderTaken(Struct, Generic[A], frozen=True):
    """One order that an actor of class `A` carries out."""

    order: type
    method: Callable[[A, Any, Context, Moment], Outcome[object]]  # any: `Order.by` has checked that it fits the order


def by_type(*orders: OrderTaken[A]) -> Mapping[type, OrderTaken[A]]:
    """The orders that an actor carries out, by their class."""
    return {each.order: each for each in orders}
