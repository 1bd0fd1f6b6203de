"""Which events of the platform are notable, and what the log says of them: this table, and nothing else. Pure."""

from collections.abc import Iterator, MutableMapping
from enum import Enum
from typing import Any

from msgspec import UNSET, Struct

from actors.runtime.alike import times
from bus_schemas.audit import AUDIT_RECORDED, AuditEntry, AuditRecorded
from bus_schemas.contract import AnyTopic
from bus_schemas.errors import ErrorCode
from bus_schemas.log import LONGEST_MESSAGE, LogEvent, Severity
from bus_schemas.pipeline_events import (
    PIPELINE_APPROVED,
    PIPELINE_DEFINED,
    PIPELINE_DELETED,
    PIPELINE_ENDED,
    PIPELINE_QUEUED,
    PIPELINE_STEP,
    PIPELINE_STOPPING,
)
from bus_schemas.script import RUN_ENDED
from bus_schemas.slot import SLOT_HEALED, SLOT_LINKED, SLOT_QUARANTINED, SLOT_RESTARTING
from bus_schemas.trunk import TRUNK_CHANGED
from bus_schemas.usb import HUB_FOUND, HUB_LOST, PORT_CHANGED, PORT_SWITCHED
from bus_schemas.webhook import WEBHOOK_DISABLED

SERIES = 3  # refused logins alike in one minute after a first one; after five in all the door says nothing any more
LOGINS = ("POST /api/auth/login", "bus.login")  # as the audit calls them
REFUSED = (ErrorCode.AUTH_FAIL, ErrorCode.RATE_LIMITED)
CONTEXT = {"slot": "slot_id", "by": "user"}  # fields of events whose names in a context are others
LONGEST_REASON = 1_000  # characters

Noted = MutableMapping[str, str]  # by thing: the state that was noted last, until it is well again


class When(Enum):
    """`EACH` time; when a thing gets `WORSE`, once for each state; when it is `WELL` again after that."""

    EACH = "each"
    WORSE = "worse"
    WELL = "well"


class Source(Struct, frozen=True):
    """Events that say how it is with a thing, in a field `state`. `fields`: what the log says of them beside that;
    `module`: under which."""

    topic: AnyTopic
    state: str
    fields: tuple[str, ...]
    module: str = "OTTB"


class Row(Struct, frozen=True):
    """An event that says one of these states (`ANY`: one that no row of it names), and what the log says of it, with
    the event's own fields."""

    of: Source
    states: tuple[str | bool, ...]
    when: When
    severity: Severity
    words: str


W = When
ANY: tuple[str, ...] = ()
DCI = "DCI"
RESTARTS = Source(SLOT_RESTARTING, "status", ("slot", "by"))
PHONES = Source(SLOT_LINKED, "status", ("slot", "status", "detail"))
HEALS = Source(SLOT_HEALED, "dry_run", ("slot", "symptom", "rung"))
LEFT = Source(SLOT_QUARANTINED, "dry_run", ("slot", "symptom", "reason", "to_do"))
TRUNKS = Source(TRUNK_CHANGED, "state", ("trunk", "state", "reason"))
# Why one failed can say what is on a phone's screen: whoever sees the run finds it there.
RUNS = Source(RUN_ENDED, "state", ("script", "script_id", "slot", "user", "place", "step_name", "call_id"))
OFF = "Webhook {webhook} of {user} is switched off: "
HOOKS = Source(WEBHOOK_DISABLED, "reason", ("webhook", "user", "reason"))
FOUND = Source(HUB_FOUND, "hub", ("hub", "host", "path", "total"))
LOST = Source(HUB_LOST, "hub", ("hub", "host", "path", "phones"))
PORTS = Source(PORT_CHANGED, "state", ("hub", "host", "port", "way", "state"))
POWER = Source(PORT_SWITCHED, "action", ("hub", "host", "port", "action", "by"))
DEFINED = Source(PIPELINE_DEFINED, "source", ("pipeline", "name", "version", "source", "by"), DCI)
DELETED = Source(PIPELINE_DELETED, "source", ("pipeline", "name", "version", "source", "by", "host"), DCI)
QUEUED = Source(PIPELINE_QUEUED, "trigger", ("pipeline", "run", "name", "trigger", "user", "branch", "again"), DCI)
STEPS = Source(PIPELINE_STEP, "status", ("pipeline", "run", "step", "seconds", "code", "attempts"), DCI)
ASKED = Source(PIPELINE_APPROVED, "approved", ("pipeline", "run", "step", "by", "comment"), DCI)
STOPS = Source(PIPELINE_STOPPING, "run", ("pipeline", "run", "by"), DCI)
ENDS = Source(PIPELINE_ENDED, "status", ("pipeline", "run", "name", "status", "by", "reason"), DCI)
GONE_FILE = "Pipeline {name} cannot be run any more: its file {source} is gone from the folder of {host}"
RUN = "Run {run} of pipeline {pipeline}"

# fmt: off
NOTABLE = (
    #   event     that says                    when     severity   words
    Row(RESTARTS, ("RESTARTING",),             W.EACH,  "info",    "Slot {slot} restarted"),
    Row(RESTARTS, ("REBOOTING",),              W.EACH,  "info",    "The phone of slot {slot} is restarted"),
    Row(PHONES,   ("OFFLINE", "UNAUTHORIZED"), W.WORSE, "warning", "The phone of slot {slot} is {status}"),
    Row(PHONES,   ("ONLINE",),                 W.WELL,  "info",    "The phone of slot {slot} is ONLINE again"),
    Row(HEALS,    (False,),                    W.EACH,  "info",    "Slot {slot}: {symptom}: {rung}"),
    Row(HEALS,    (True,),                     W.EACH,  "info",    "Slot {slot}: {symptom}: {rung} would be done"),
    Row(LEFT,     (False,),                    W.EACH,  "error",   "Slot {slot} is in quarantine: {reason}. {to_do}"),
    Row(LEFT,     (True,),                     W.EACH,  "warning", "Slot {slot} would be in quarantine: {reason}"),
    Row(TRUNKS,   ("DOWN",),                   W.WORSE, "error",   "Trunk {trunk} is DOWN"),
    Row(TRUNKS,   ("WARN",),                   W.WORSE, "warning", "Trunk {trunk} is WARN"),
    Row(TRUNKS,   ("OK",),                     W.WELL,  "info",    "Trunk {trunk} is OK again"),
    Row(RUNS,     ("failed",),                 W.EACH,  "warning", "Script {script} failed on slot {slot}"),
    Row(HOOKS,    ("failing",),                W.EACH,  "warning", OFF + "for days nothing has arrived"),
    Row(HOOKS,    ("gone",),                   W.EACH,  "warning", OFF + "its user or token is not let in any more"),
    Row(HOOKS,    ("secret",),                 W.EACH,  "error",   OFF + "its secret is not there any more"),
    Row(LOST,     ANY,                         W.EACH,  "error",   "{hub} is gone, with {phones} phones on it"),
    Row(FOUND,    ANY,                         W.EACH,  "info",    "{hub} is plugged in at {path}"),
    Row(PORTS,    ("empty",),                  W.EACH,  "warning", "{hub} port {port} ({way}) is empty now"),
    Row(PORTS,    ("unauthorized",),           W.EACH,  "warning", "{hub} port {port} ({way}): waits to be allowed"),
    Row(PORTS,    ("online",),                 W.EACH,  "info",    "{hub} port {port} ({way}): the phone is there"),
    Row(POWER,    ANY,                         W.EACH,  "info",    "{hub} port {port} is switched {action}"),
    Row(DEFINED,  ANY,                         W.EACH,  "info",    "Pipeline {name} is defined, version {version}"),
    Row(DELETED,  ("api",),                    W.EACH,  "info",    "Pipeline {name} is deleted by {by}"),
    Row(DELETED,  ANY,                         W.EACH,  "warning", GONE_FILE),
    Row(QUEUED,   ANY,                         W.EACH,  "info",    RUN + " ({name}) waits for a runner"),
    Row(STEPS,    ("succeeded",),              W.EACH,  "info",    RUN + ": {step} succeeded in {seconds} s"),
    Row(STEPS,    ("failed",),                 W.EACH,  "warning", RUN + ": {step} failed, exit code {code}"),
    Row(STEPS,    ("stopped",),                W.EACH,  "info",    RUN + ": {step} was stopped"),
    Row(STEPS,    ("skipped",),                W.EACH,  "info",    RUN + ": {step} was skipped"),
    Row(STEPS,    ("waiting",),                W.EACH,  "info",    RUN + ": {step} waits for an approval"),
    Row(ASKED,    (True,),                     W.EACH,  "info",    RUN + ": {step} is approved by {by}"),
    Row(ASKED,    (False,),                    W.EACH,  "warning", RUN + ": {step} is not approved, by {by}"),
    Row(STOPS,    ANY,                         W.EACH,  "info",    RUN + " is stopped by {by}"),
    Row(ENDS,     ("succeeded",),              W.EACH,  "info",    RUN + " ({name}) succeeded"),
    Row(ENDS,     ("stopped",),                W.EACH,  "info",    RUN + " ({name}) was stopped"),
    Row(ENDS,     ("failed",),                 W.EACH,  "error",   RUN + " ({name}) failed"),
    Row(ENDS,     ("lost",),                   W.EACH,  "error",   RUN + " ({name}) is lost: its runner is gone"),
)
# fmt: on
NAMED = {source: {state for row in NOTABLE if row.of is source for state in row.states} for source in
         {row.of for row in NOTABLE}}  # fmt: skip
TOPICS = (*dict.fromkeys(row.of.topic for row in NOTABLE), AUDIT_RECORDED)


def notes(topic: AnyTopic, event: Struct, noted: Noted) -> Iterator[LogEvent]:
    """What the log says of an event. `noted` is kept up to date."""
    if isinstance(event, AuditRecorded):
        yield from (_refused_logins(entry) for entry in event.entries if _is_series(entry))
    for row in NOTABLE:
        state = getattr(event, row.of.state) if row.of.topic is topic else None
        said = state in row.states or (state is not None and row.states == ANY and state not in NAMED[row.of])
        if said and _is_news(row, topic.subject_for(event), str(state), noted):
            yield _note(row, event)


def quarantined(kind: str, id: str, reason: str) -> LogEvent:
    """One thing cannot be used, and why."""
    context = {"kind": kind, "id": id, "reason": reason[:LONGEST_REASON]} | _slot(kind, id)
    words = f"{kind} {id} is quarantined: {reason}"
    return LogEvent(module=_module(kind), severity="error", message=words[:LONGEST_MESSAGE], context=context)


def usable_again(kind: str, id: str) -> LogEvent:
    """It is not quarantined any more."""
    context = {"kind": kind, "id": id} | _slot(kind, id)
    words = f"{kind} {id} is no longer quarantined"
    return LogEvent(module=_module(kind), severity="info", message=words, context=context)


def left_out(count: int, like: LogEvent) -> LogEvent:
    """So many more were not written, to spare the log."""
    words = f"{count} more like this were left out: {like.message}"
    return LogEvent(
        module=like.module, severity=like.severity, message=words[:LONGEST_MESSAGE], context={"left_out": count}
    )


def _is_news(row: Row, thing: str, state: str, noted: Noted) -> bool:
    match row.when:
        case When.WORSE:
            before, noted[thing] = noted.get(thing), state
            return before != state
        case When.WELL:
            return noted.pop(thing, None) is not None
    return True


def _note(row: Row, event: Struct) -> LogEvent:
    said: dict[str, Any] = {name: _plain(getattr(event, name)) for name in row.of.fields}
    context = {CONTEXT.get(name, name): value for name, value in said.items() if value not in (None, "")}
    words = row.words.format_map({name: "?" if value is None else value for name, value in said.items()})
    return LogEvent(module=row.of.module, severity=row.severity, message=words, context=context)


def _plain(value: Any) -> Any:
    return str(value)[:LONGEST_REASON] if isinstance(value, str) else value


def _module(kind: str) -> str:
    return DCI if kind == "pipeline" else "OTTB"


def _slot(kind: str, id: str) -> dict[str, Any]:
    return {"slot_id": int(id)} if kind == "slot" and id.isascii() and id.isdigit() else {}


def _is_series(entry: AuditEntry) -> bool:
    return entry.action in LOGINS and entry.result in REFUSED and times(entry) >= SERIES


def _refused_logins(entry: AuditEntry) -> LogEvent:
    name = entry.subject.get("username", "")
    whose = f" as {name}" if name else ""
    where = f" from {entry.address}" if entry.address else ""
    context = {"count": times(entry), "username": name, "address": entry.address, "result": entry.result}
    if entry.first is not UNSET:
        context["since"] = entry.first
    return LogEvent(
        module="POINT", severity="warning", message=f"{times(entry)} logins{whose}{where} were refused",
        context={key: value for key, value in context.items() if value != ""},
    )  # fmt: skip
