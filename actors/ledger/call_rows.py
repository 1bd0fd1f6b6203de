"""Calls in the ledger: one row a call, from its attempt on. The first end of a call is its record: nothing that comes
after it changes it, but what the PBX counted and what its operator says of it. Queries and answers: `call.py`."""

from typing import get_args

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.model import METADATA, Newest, Projection, columns
from actors.ledger.words import WordIndex
from bus_schemas.call import (
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallEvent,
    CallJoined,
    EndReason,
    Phase,
)
from bus_schemas.operator import OperatorDisposed

DIALING, ALERTING, CONNECTED, ENDED = map(str, Phase)  # as they are in the table


class CallRow(Struct, frozen=True, gc=False):
    """`seq`: of the attempt, the order of the lists. `recording`: `<pbx>/<file>`."""

    seq: int
    call_id: str
    line: str
    slot: int | None
    number: str
    user: str
    start_time: str
    trace_id: str | None
    trunk: str | None
    phase: str
    campaign: str | None = None
    ring_time: str | None = None
    answer_time: str | None = None
    end_time: str | None = None
    duration: int | None = None
    ring_seconds: int | None = None
    reason: str | None = None
    cause: str | None = None
    ended_by: str | None = None
    ending: bool = False
    clock_suspect: bool = False
    recording: str | None = None
    disposition: str | None = None
    billable_seconds: int | None = None
    operator_disposition: str | None = None
    operator: str | None = None
    extension: str | None = None
    app: str | None = None


# Written out and not bound to a value, so that the database sees that the index is of these rows.
IS_LIVE = sa.text("phase <> 'ended'")
CHOSEN = (EndReason.HANGUP_LOCAL, EndReason.HANGUP_REMOTE)  # whoever ended those was in a call, as `state_of` has it
_SAID = ", ".join(f"'{reason}'" for reason in CHOSEN)
CAME_ABOUT = sa.text(f"(reason IN ({_SAID}) OR answer_time IS NOT NULL)")
FAILED = sa.text(f"(reason NOT IN ({_SAID}) AND answer_time IS NULL)")

CALLS = sa.Table(
    "calls",
    METADATA,
    *columns(CallRow, primary="seq", unique="call_id"),
    sa.Index("calls_start", "start_time"),
    sa.Index("calls_user", "user", "start_time"),
    sa.Index("calls_operator", "operator", "start_time"),
    sa.Index("calls_slot", "slot", "start_time"),
    sa.Index("calls_trunk", "trunk", "start_time"),
    sa.Index("calls_campaign", "campaign", "start_time"),
    sa.Index("calls_reason", "reason", "start_time"),
    sa.Index("live_calls", "start_time", sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
    sa.Index("ended_calls", "start_time", sqlite_where=CAME_ABOUT, postgresql_where=CAME_ABOUT),
    sa.Index("failed_calls", "start_time", sqlite_where=FAILED, postgresql_where=FAILED),
)
C = CALLS.c
NEWEST = Newest(C.start_time, C.seq)
NUMBERS = WordIndex(C.number, C.seq)


def fold(row: CallRow | None, event: CallEvent | OperatorDisposed, seq: int) -> CallRow | None:
    """The call after an event, of its own or of its operator's."""
    if row is None:
        return _dialed(event, seq) if isinstance(event, CallDialing) else None
    if isinstance(event, OperatorDisposed):
        return replace(row, operator_disposition=event.disposition)
    if row.phase == ENDED and not isinstance(event, CallEnriched):
        return row
    match event:  # what is most frequent, first
        case CallEnded():
            return _ended(row, event)
        case CallAlerting():
            return replace(row, phase=ALERTING, ring_time=event.at)
        case CallConnected():
            return replace(row, phase=CONNECTED, answer_time=event.at)
        case CallEnriched():
            return replace(row, disposition=event.disposition, billable_seconds=event.billable_seconds)
        case CallEnding():
            return replace(row, ending=True)
        case CallJoined():
            return replace(row, operator=event.operator, extension=event.extension)
    return row


def _dialed(event: CallDialing, seq: int) -> CallRow:
    return CallRow(
        seq=seq,
        call_id=event.call_id,
        line=event.line,
        slot=event.slot,
        number=event.number,
        user=event.user,
        start_time=event.at,
        trace_id=event.trace_id,
        trunk=event.trunk,
        phase=DIALING,
        campaign=event.campaign,
        operator=event.operator,
        app=event.app,
    )


def _ended(row: CallRow, event: CallEnded) -> CallRow:
    return replace(
        row,
        phase=ENDED,
        ring_time=event.ring_time,
        answer_time=event.answer_time,
        end_time=event.at,
        duration=event.duration,
        ring_seconds=event.ring_seconds,
        reason=str(event.reason),
        cause=event.cause,
        ended_by=event.ended_by,
        clock_suspect=event.clock_suspect,
        recording=event.recording,
        ending=False,
    )


PROJECTION = Projection(
    table=CALLS,
    row=CallRow,
    key="call_id",
    events=(*get_args(CallEvent), OperatorDisposed),
    fold=fold,
    once=frozenset({"seq", "call_id", "line", "slot", "number", "user", "start_time", "trace_id", "trunk", "campaign"}),
    sought=NUMBERS,
    version=3,
)
