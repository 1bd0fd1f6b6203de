"""What each event of the journal does to the ledger's tables. An event that has no entry here changes no row.

The first end of a call is its record: nothing that comes after it changes it, but what the PBX counted.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from bus_schemas.audit import AuditRecorded
from bus_schemas.call import (
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    Phase,
)
from bus_schemas.slot import (
    SlotActivated,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfigured,
    SlotLinked,
    SlotRemoved,
    SlotRestarting,
    SlotStatus,
)
from bus_schemas.trunk import TrunkChanged, TrunkConfigured, TrunkRemoved, TrunkState


def _dialing(db: sqlite3.Connection, event: CallDialing, seq: int) -> None:
    added = db.execute(
        "INSERT OR IGNORE INTO calls (seq, call_id, line, slot, number, user, phase, start_time, trace_id, trunk)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            event.call_id,
            event.line,
            event.slot,
            event.number,
            event.user,
            Phase.DIALING,
            event.at,
            event.trace_id,
            event.trunk,
        ),
    ).rowcount
    if added and event.trunk is None:  # a call through a trunk leaves the slot's phone alone
        db.execute(
            "UPDATE slots SET call_id = ?, last_activity = ? WHERE slot = ?", (event.call_id, event.at, event.slot)
        )


def _alerting(db: sqlite3.Connection, event: CallAlerting, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, ring_time = ? WHERE call_id = ? AND phase <> 'ended'",
        (Phase.ALERTING, event.at, event.call_id),
    )


def _connected(db: sqlite3.Connection, event: CallConnected, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, answer_time = ? WHERE call_id = ? AND phase <> 'ended'",
        (Phase.CONNECTED, event.at, event.call_id),
    )


def _ending(db: sqlite3.Connection, event: CallEnding, _: int) -> None:
    db.execute("UPDATE calls SET ending = 1 WHERE call_id = ? AND phase <> 'ended'", (event.call_id,))


def _ended(db: sqlite3.Connection, event: CallEnded, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, ring_time = ?, answer_time = ?, end_time = ?, duration = ?, ring_seconds = ?,"
        " reason = ?, cause = ?, ended_by = ?, clock_suspect = ?, recording = ?, ending = 0"
        " WHERE call_id = ? AND phase <> 'ended'",
        (
            Phase.ENDED,
            event.ring_time,
            event.answer_time,
            event.at,
            event.duration,
            event.ring_seconds,
            event.reason,
            event.cause,
            event.ended_by,
            event.clock_suspect,
            event.recording,
            event.call_id,
        ),
    )
    if event.trunk is None:
        db.execute(
            "UPDATE slots SET call_id = NULL, last_activity = ? WHERE slot = ? AND call_id = ?",
            (event.at, event.slot, event.call_id),
        )


def _enriched(db: sqlite3.Connection, event: CallEnriched, _: int) -> None:
    db.execute(
        "UPDATE calls SET disposition = ?, billable_seconds = ? WHERE call_id = ?",
        (event.disposition, event.billable_seconds, event.call_id),
    )


def _configured(db: sqlite3.Connection, event: SlotConfigured, _: int) -> None:
    db.execute(
        "INSERT INTO slots (slot, config, status, last_activity, call_id) VALUES (?1, ?2, ?3, ?4,"
        "  (SELECT call_id FROM calls INDEXED BY live_calls"
        "   WHERE phase <> 'ended' AND slot = ?1 AND trunk IS NULL ORDER BY seq DESC LIMIT 1))"
        " ON CONFLICT (slot) DO UPDATE SET config = excluded.config, last_activity = excluded.last_activity",
        (event.slot, msgspec.json.encode(event.config), SlotStatus.UNKNOWN, event.at),
    )


def _removed(db: sqlite3.Connection, event: SlotRemoved, _: int) -> None:
    db.execute("DELETE FROM slots WHERE slot = ?", (event.slot,))


def _activated(db: sqlite3.Connection, event: SlotActivated, _: int) -> None:
    db.execute("UPDATE slots SET status = ? WHERE slot = ?", (SlotStatus.UNKNOWN, event.slot))


def _status(db: sqlite3.Connection, event: SlotLinked | SlotRestarting, _: int) -> None:
    db.execute("UPDATE slots SET status = ?, last_activity = ? WHERE slot = ?", (event.status, event.at, event.slot))


def _command_started(db: sqlite3.Connection, event: SlotCommandStarted, _: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO commands (command_id, slot, command, user, start_time) VALUES (?, ?, ?, ?, ?)",
        (event.command_id, event.slot, event.command, event.by, event.at),
    )


def _command_done(db: sqlite3.Connection, event: SlotCommandDone, _: int) -> None:
    db.execute(
        "UPDATE commands SET end_time = ?, exit_code = ?, output = ?, truncated = ?, error = ? WHERE command_id = ?",
        (event.at, event.exit_code, event.output, event.truncated, event.error, event.command_id),
    )


def _trunk_configured(db: sqlite3.Connection, event: TrunkConfigured, _: int) -> None:
    db.execute(
        "INSERT INTO trunks (trunk, config, state, failed) VALUES (?, ?, ?, 0)"
        " ON CONFLICT (trunk) DO UPDATE SET config = excluded.config",
        (event.trunk, msgspec.json.encode(event.config), TrunkState.DOWN),
    )


def _trunk_removed(db: sqlite3.Connection, event: TrunkRemoved, _: int) -> None:
    db.execute("DELETE FROM trunks WHERE trunk = ?", (event.trunk,))


def _trunk_changed(db: sqlite3.Connection, event: TrunkChanged, _: int) -> None:
    db.execute(
        "UPDATE trunks SET state = ?, reason = ?, failed = ? WHERE trunk = ?",
        (event.state, event.reason, event.failed, event.trunk),
    )


def _audited(db: sqlite3.Connection, event: AuditRecorded, _: int) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                event.first + place,
                entry.at,
                entry.user,
                entry.door,
                entry.action,
                entry.result,
                msgspec.json.encode(entry.subject).decode(),
                entry.credential,
                entry.address,
                entry.request_id,
                entry.trace_id,
                event.hash,
            )
            for place, entry in enumerate(event.entries)
        ],
    )


FOLDS: Mapping[type, Any] = {
    CallDialing: _dialing,
    CallAlerting: _alerting,
    CallConnected: _connected,
    CallEnding: _ending,
    CallEnded: _ended,
    CallEnriched: _enriched,
    SlotConfigured: _configured,
    SlotRemoved: _removed,
    SlotActivated: _activated,
    SlotLinked: _status,
    SlotRestarting: _status,
    SlotCommandStarted: _command_started,
    SlotCommandDone: _command_done,
    TrunkConfigured: _trunk_configured,
    TrunkRemoved: _trunk_removed,
    TrunkChanged: _trunk_changed,
    AuditRecorded: _audited,
}
