"""Traces (W3C Trace Context, https://www.w3.org/TR/trace-context/): what is done for one request, as spans, from the
door to the phone.

The id of a trace travels in each message's `traceparent` and stands on record with a call, whether spans are wanted or
not. Spans are made where somebody has them sent (`send_to`); else nothing is. The span of a call has an id that follows
from the call's, so whoever has the call later, on whatever host, finds the parent of what it does without being told.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Literal
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.context import Context
from bus_schemas.errors import Refusal

Kind = Literal["internal", "server", "client"]
Attributes = Mapping[str, str | int]

_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})\Z")
NONE: Attributes = {}


class Span(Struct, frozen=True, kw_only=True):
    """One piece of work that is over. Ids in hexadecimal, times in nanoseconds since 1970. `error`: what went wrong."""

    trace: str
    id: str
    parent: str | None
    name: str
    kind: Kind
    begun: int
    ended: int
    attributes: Attributes = NONE
    error: str | None = None


Sink = Callable[[Span], None]  # takes spans; returns at once and raises nothing


class _Traces:
    """Where the spans of this process go. `share`: of the traces that begin here, those that are wanted."""

    sink: Sink | None = None
    share = 1.0


def send_to(sink: Sink, *, share: float = 1.0) -> Callable[[], None]:
    """From now on, spans are made. Returns the end of it."""
    _Traces.sink, _Traces.share = sink, share

    def stop() -> None:
        _Traces.sink = None

    return stop


def wanted(context: Context) -> bool:
    """Whether spans of what is done here belong to a trace that is collected."""
    return _Traces.sink is not None and _parent(context.traceparent) is not None


class Request:
    """The span of a request at the door. `trace`: of a new one; `given`: the traceparent of its sender, who says then
    whether it is collected. `traceparent`: for what is done for it."""

    __slots__ = ("_begun", "_id", "_name", "_parent", "_sampled", "_trace", "traceparent")

    def __init__(self, name: str, *, trace: str, given: str | None) -> None:
        found = _PARENT.match(given or "")
        self._trace: str = found[1] if found is not None else trace
        self._parent: str | None = found[2] if found is not None else None
        mine = crc32(trace.encode()) < _Traces.share * 2**32
        self._sampled = mine if found is None else bool(int(found[3], 16) & 1)
        self._name, self._id, self._begun = name, secrets.token_hex(8), time.time_ns()
        self.traceparent = f"00-{self._trace}-{self._id}-{'01' if self._sampled else '00'}"

    def over(self, attributes: Attributes, *, error: str | None = None) -> None:
        """It was answered."""
        if (sink := _Traces.sink) is not None and self._sampled:
            sink(Span(
                trace=self._trace, id=self._id, parent=self._parent, name=self._name, kind="server", begun=self._begun,
                ended=time.time_ns(), attributes=attributes, error=error,
            ))  # fmt: skip


def of_request(name: str, *, trace: str, given: str | None) -> Request | None:
    """A request has come in. None: nobody wants spans."""
    return Request(name, trace=trace, given=given) if _Traces.sink is not None else None


class _Untraced:
    """Work of which nobody wants a span."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        return self._context

    def __exit__(self, *_: object) -> None: ...


class _Traced:
    """Work of which there will be a span."""

    def __init__(self, sink: Sink, name: str, context: Context, parent: tuple[str, str], kind: Kind, id: str) -> None:
        self._sink, self._name, self._kind = sink, name, kind
        self._trace, self._parent = parent
        self._context, self._id, self._begun = context, id, time.time_ns()
        self.attributes: Attributes = NONE

    def __enter__(self) -> Context:
        return replace(self._context, traceparent=f"00-{self._trace}-{self._id}-01")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        wrong = error.code.value if isinstance(error, Refusal) else type(error).__name__
        self._sink(Span(
            trace=self._trace, id=self._id, parent=self._parent, name=self._name, kind=self._kind, begun=self._begun,
            ended=time.time_ns(), attributes=self.attributes, error=wrong if error is not None else None,
        ))  # fmt: skip


def span(
    name: str, context: Context, *, kind: Kind = "internal", id: str | None = None, about: str = ""
) -> _Untraced | _Traced:
    """A piece of work (`with`); what is done with the context that comes back is part of it. `id`: of the span, if it
    is known beforehand; `about`: of the thing that it is done with. It is on every message's way, so where nobody wants
    spans it does nothing: a generator would cost five times as much."""
    sink = _Traces.sink
    if sink is None or (parent := _parent(context.traceparent)) is None:
        return _Untraced(context)
    traced = _Traced(sink, name, context, parent, kind, id or secrets.token_hex(8))
    if about:
        traced.attributes = {"ottb.id": about}
    return traced


def _parent(traceparent: str | None) -> tuple[str, str] | None:
    """The trace and the span above; None: it is not collected."""
    found = _PARENT.match(traceparent or "")
    return (found[1], found[2]) if found is not None and int(found[3], 16) & 1 else None


# --- calls


def call_span(call_id: str) -> str:
    """The id of the span of a call."""
    return sha256(call_id.encode()).hexdigest()[:16]


def within_call(call_id: str, trace_id: str | None) -> Context:
    """The context of what is done for a call of a trace that is collected, by whoever has it."""
    traceparent = f"00-{trace_id}-{call_span(call_id)}-01" if trace_id is not None else None
    return Context(command_id=call_id, traceparent=traceparent)


def was(name: str, context: Context, *, begun: int, ended: int, attributes: Attributes = NONE) -> None:
    """A span of something that others have measured."""
    if (sink := _Traces.sink) is not None and (parent := _parent(context.traceparent)) is not None:
        sink(Span(
            trace=parent[0], id=secrets.token_hex(8), parent=parent[1], name=name, kind="internal", begun=begun,
            ended=ended, attributes=attributes,
        ))  # fmt: skip
