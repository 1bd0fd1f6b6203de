"""The platform's log: what people who run a site want to know of, from every part of it and from other systems."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from bus_schemas.contract import ROOT, Rpc, token
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import TOKEN, CallId, GivenTime, Id, SlotId, Utc, of_values, shaped
from bus_schemas.permissions import Action

A = Action

# Subjects are `ottb.v1.log.<module>.<severity>`, in a stream of their own: what is in it is no fact that anything is
# made of, and it may forget.
LOG_SCOPE = f"{ROOT}.log.>"
MOST_EVENTS = 200_000  # that are kept, by the stream and in the records
MOST_BYTES = 256 * 2**20  # of the stream
DAYS_KEPT = 30
LONGEST_MESSAGE = 4_000  # characters
CONTEXT_BYTES = 8 * 1024  # of its JSON
CONTEXT_DEPTH = 5  # objects and arrays in each other
CONTEXT_VALUES = 200  # in all of them together

Severity = Literal["info", "warning", "error"]
Module = Annotated[Id, Meta(examples=["OTTB"])]
Said = Annotated[str, Meta(min_length=1, max_length=LONGEST_MESSAGE, examples=["Slot 44 restarted"])]
Values = Annotated[  # any: JSON, as the sender has it
    dict[str, Any], Meta(examples=[{"slot_id": 44, "user": "admin"}]), of_values(CONTEXT_VALUES)
]
SaidUser = Annotated[str, Meta(max_length=128, examples=["uuid-here"])]
TRACE = r"^[0-9a-f]{32}$(?!\n)"
HIGHEST_SLOT = 99_999
TraceId = Annotated[
    str, shaped(TRACE, "32 hexadecimal digits", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
]
SoughtText = Annotated[str, Meta(min_length=1, max_length=128)]


class LogEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something worth knowing. `context`: at most 8 KiB of JSON, 200 values, 5 deep; `slot_id` (or `slot`), `call_id`
    and `trace_id` in it can be asked for. `user_id`: whoever the sender says it is about. Control characters and what
    else is not seen are replaced by signs that are."""

    module: Module
    severity: Severity
    message: Said
    context: Values = {}
    user_id: SaidUser | None = None


class LogRecord(Struct, frozen=True, kw_only=True):
    """An event as it is kept. `id` grows; `at`: when it was stored, by the bus. `user_id` is what the sender said,
    `sender` who really sent it (`system`: the platform), and `host` which host took it in."""

    id: int
    at: Utc
    module: str
    severity: Severity
    message: str
    context: dict[str, Any]  # any: JSON
    user_id: str | None
    sender: str
    host: str
    slot: int | None
    call_id: str | None
    trace_id: str | None


class ListLogs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events, newest first. `until` is not included. `text`: a part of the message or the context; large and
    small letters are the same. `format=csv` for a table."""

    module: Module | None = None
    severity: Severity | None = None
    since: GivenTime | None = None
    until: GivenTime | None = None
    text: SoughtText | None = None
    slot: SlotId | None = None
    call_id: CallId | None = None
    trace_id: TraceId | None = None
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


ALIKE = ("module", "severity", "slot", "call_id", "trace_id")  # fields that a list can be narrowed to one value of


class LogWritten(Struct, frozen=True, kw_only=True):
    """An event in the stream. What the stream itself knows of it, its place and time, is not in it."""

    module: str
    severity: Severity
    message: str
    context: dict[str, Any] = {}  # any: JSON
    user_id: str | None = None
    sender: str = ""
    host: str = ""
    slot: int | None = None
    call_id: str | None = None
    trace_id: str | None = None


SEES = frozenset({A.LOG_VIEW_ANY})

# fmt: off
WRITE_LOG = Rpc("ottb.v1.cmd.log.write", LogEvent, LogRecord,       frozenset({ErrorCode.RATE_LIMITED}),
                summary="Write an event to the platform's log", permission=A.LOG_WRITE)
LIST_LOGS = Rpc("ottb.v1.qry.log.list",  ListLogs, list[LogRecord], frozenset(),
                summary="The platform's log", permission=A.LOG_VIEW, asks=SEES)
# fmt: on


_decode = msgspec.json.Decoder(LogWritten).decode
_CALL, _TRACE = re.compile(TOKEN), re.compile(TRACE)


def log_subject(written: LogWritten) -> str:
    """Where an event is in the stream. Raises Refusal(INVALID_PARAMS) for a module that is no token."""
    return f"{ROOT}.log.{token(written.module)}.{written.severity}"


def record_of(id: int, at: str, data: bytes) -> LogRecord:
    """An entry of the stream, with its place and time there. Raises one of `UNDECODABLE`."""
    written = _decode(data)
    return LogRecord(id=id, at=at, **{name: getattr(written, name) for name in LogWritten.__struct_fields__})


def named_in(context: Mapping[str, Any]) -> tuple[int | None, str | None, str | None]:
    """The slot, the call and the trace that a context names, as far as it names any."""
    slot, call, trace = context.get("slot_id", context.get("slot")), context.get("call_id"), context.get("trace_id")
    return (
        slot if type(slot) is int and 1 <= slot <= HIGHEST_SLOT else None,
        call if isinstance(call, str) and _CALL.match(call) else None,
        trace if isinstance(trace, str) and _TRACE.match(trace) else None,
    )


def words_in(record: LogRecord) -> str:
    """What a text is sought in, large and small letters alike."""
    return f"{record.message} {msgspec.json.encode(record.context).decode()}".casefold()


def fits(wanted: ListLogs, record: LogRecord) -> bool:
    """Whether a list that is wanted has this event, whenever it was."""
    alike = ((getattr(wanted, name), getattr(record, name)) for name in ALIKE)
    text = wanted.text is None or wanted.text.casefold() in words_in(record)
    return text and all(given is None or given == said for given, said in alike)
