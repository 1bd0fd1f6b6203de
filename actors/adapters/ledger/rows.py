"""Between questions, rows and answers: conditions of a query, and what a row says in the contract's words."""

import sqlite3
from typing import Any

import msgspec

from actors.ledger.repository import SlotRow
from bus_schemas.audit import AuditRecord, ListAudit
from bus_schemas.call import CallState, CallView, Cdr, EndReason, ListCdrs, OpenCalls, Phase, state_of, status_of
from bus_schemas.slot import AdbCommandResult, AdbCommandStatus, SlotConfig, SlotStatus
from bus_schemas.trunk import TrunkConfig, TrunkState, TrunkView

# --- questions ----------------------------------------------------------------------------------------------------


def audit_filter(wanted: ListAudit, before: int | None) -> tuple[str, list[Any]]:
    """The condition and its values: what is None does not narrow."""
    action = None if wanted.action is None else f"{_literal(wanted.action)}%"
    conditions = [
        ("number < ?", before),
        ("user = ?", wanted.user),
        (r"action LIKE ? ESCAPE '\'", action),
        ("result = ?", wanted.result),
        ("request_id = ?", wanted.request_id),
        ("at >= ?", wanted.since),
        ("at < ?", wanted.until),
    ]
    given = [(condition, value) for condition, value in conditions if value is not None]
    return " AND ".join(["1", *(condition for condition, _ in given)]), [value for _, value in given]


def cdr_filter(wanted: ListCdrs, before: int | None, user: str | None) -> tuple[str, list[Any]]:
    conditions = [
        ("seq < ?", before),
        ("user = ?", user),
        ("user = ?", wanted.user),
        (r"number LIKE ? ESCAPE '\'", None if wanted.number is None else f"%{_literal(wanted.number)}%"),
        ("slot = ?", wanted.slot),
        ("trunk = ?", wanted.trunk),
        ("campaign = ?", wanted.campaign),
        ("reason = ?", wanted.reason),
        ("start_time >= ?", wanted.since),
        ("start_time < ?", wanted.until),
    ]
    given = [(condition, value) for condition, value in conditions if value is not None]
    clauses = ["phase = 'ended'", *(condition for condition, _ in given)]
    match wanted.outcome:  # as `state_of` has it
        case CallState.ENDED:
            clauses.append(f"({_CHOSEN} OR answer_time IS NOT NULL)")
        case CallState.FAILED:
            clauses.append(f"NOT {_CHOSEN} AND answer_time IS NULL")
        case CallState():
            clauses.append("0")  # a record is of a call that is over
    return " AND ".join(clauses), [value for _, value in given]


def open_filter(wanted: OpenCalls) -> tuple[str, list[Any]]:
    lines = None if wanted.lines is None else msgspec.json.encode(wanted.lines).decode()
    conditions = [
        ("slot = ?", wanted.slot),
        ("line IN (SELECT value FROM json_each(?))", lines),
        ("start_time < ?", wanted.before),
    ]
    given = [(condition, value) for condition, value in conditions if value is not None]
    return " AND ".join(["phase <> 'ended'", *(condition for condition, _ in given)]), [value for _, value in given]


_CHOSEN = f"reason IN ('{EndReason.HANGUP_LOCAL}', '{EndReason.HANGUP_REMOTE}')"


def _literal(text: str) -> str:
    """A text in a LIKE pattern that stands for nothing but itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


# --- answers ------------------------------------------------------------------------------------------------------


def slot_row(row: sqlite3.Row) -> SlotRow:
    return SlotRow(
        config=msgspec.json.decode(row["config"], type=SlotConfig),
        status=SlotStatus(row["status"]),
        call_id=row["call_id"],
        last_activity=row["last_activity"],
    )


def call_view(row: sqlite3.Row) -> CallView:
    phase = Phase(row["phase"])
    reason = EndReason(row["reason"]) if row["reason"] else None
    state = state_of(phase, answered=row["answer_time"] is not None, reason=reason)
    return CallView(
        call_id=row["call_id"],
        slot=row["slot"],
        number=row["number"],
        status=status_of(state),
        start_time=row["start_time"],
        end_time=row["end_time"],
        duration=row["duration"],
        user=row["user"],
        state=state,
        phase=phase,
        answer_time=row["answer_time"],
        reason=reason,
        cause=row["cause"],
        ending=bool(row["ending"]),
        trace_id=row["trace_id"],
        trunk=row["trunk"],
    )


def cdr(row: sqlite3.Row) -> Cdr:
    reason = EndReason(row["reason"])
    return Cdr(
        call_id=row["call_id"],
        user=row["user"],
        slot=row["slot"],
        number=row["number"],
        start_time=row["start_time"],
        ring_time=row["ring_time"],
        answer_time=row["answer_time"],
        end_time=row["end_time"],
        ring_seconds=row["ring_seconds"],
        talk_seconds=row["duration"],
        outcome=state_of(Phase.ENDED, answered=row["answer_time"] is not None, reason=reason),
        reason=reason,
        cause=row["cause"],
        ended_by=row["ended_by"],
        clock_suspect=bool(row["clock_suspect"]),
        trace_id=row["trace_id"],
        trunk=row["trunk"],
        campaign=row["campaign"],
        recording=f"/api/pbx/recordings/{row['call_id']}" if row["recording"] else None,
        disposition=row["disposition"],
        billable_seconds=row["billable_seconds"],
    )


def trunk_view(row: sqlite3.Row) -> TrunkView:
    config = msgspec.json.decode(row["config"], type=TrunkConfig)
    return TrunkView(
        name=config.name,
        state=TrunkState(row["state"]),
        failed=row["failed"],
        last_check=None,
        reason=row["reason"],
        channels=config.channels,
        pbx=config.pbx,
        host=config.host,
    )


def audit_record(row: sqlite3.Row) -> AuditRecord:
    values = dict(row) | {"subject": msgspec.json.decode(row["subject"])}
    return AuditRecord(**values)


def command(row: sqlite3.Row) -> AdbCommandResult:
    over = row["end_time"] is not None
    status = AdbCommandStatus.EXECUTING
    if over:
        status = AdbCommandStatus.FAILED if row["error"] else AdbCommandStatus.DONE
    return AdbCommandResult(
        command_id=row["command_id"],
        slot=row["slot"],
        command=row["command"],
        user=row["user"],
        status=status,
        start_time=row["start_time"],
        end_time=row["end_time"],
        exit_code=row["exit_code"],
        output=row["output"] if over else None,
        truncated=bool(row["truncated"]),
        error=row["error"],
    )
