"""What the ledger is compared with: the same tables in SQLite, with a hand-written statement for each event, as the
ledger itself was before its read models became folds. `python -m bench.bare_ledger <file>` prints its rate."""

import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.ledger.store import JournalEntry
from bench.journal import measure
from bus_schemas.audit import AuditRecorded
from bus_schemas.call import CallAlerting, CallConnected, CallDialing, CallEnded, CallEnding, CallEnriched, Phase
from bus_schemas.slot import (
    SlotActivated,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfigured,
    SlotLinked,
    SlotStatus,
)
from bus_schemas.trunk import TrunkChanged, TrunkConfigured, TrunkState

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE position (one INTEGER PRIMARY KEY, seq INTEGER NOT NULL, entries INTEGER NOT NULL);
INSERT INTO position VALUES (1, 0, 0);
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL UNIQUE, line TEXT NOT NULL, slot INTEGER NOT NULL, number TEXT NOT NULL, user TEXT NOT NULL,
    phase TEXT NOT NULL, start_time TEXT NOT NULL, ring_time TEXT, answer_time TEXT, end_time TEXT,
    duration INTEGER, ring_seconds INTEGER, reason TEXT, cause TEXT, ended_by TEXT, ending INTEGER NOT NULL DEFAULT 0,
    clock_suspect INTEGER NOT NULL DEFAULT 0, trace_id TEXT, trunk TEXT, recording TEXT, disposition TEXT,
    billable_seconds INTEGER, campaign TEXT, operator TEXT, extension TEXT, operator_disposition TEXT
);
CREATE INDEX calls_start ON calls (start_time);
CREATE INDEX calls_user ON calls (user, start_time);
CREATE INDEX calls_operator ON calls (operator, start_time);
CREATE INDEX calls_slot ON calls (slot, start_time);
CREATE INDEX calls_trunk ON calls (trunk, start_time);
CREATE INDEX calls_campaign ON calls (campaign, start_time);
CREATE INDEX calls_reason ON calls (reason, start_time);
CREATE INDEX live_calls ON calls (start_time) WHERE phase <> 'ended';
CREATE INDEX ended_calls ON calls (start_time)
    WHERE (reason IN ('hangup_local', 'hangup_remote') OR answer_time IS NOT NULL);
CREATE INDEX failed_calls ON calls (start_time)
    WHERE (reason NOT IN ('hangup_local', 'hangup_remote') AND answer_time IS NULL);
CREATE VIRTUAL TABLE calls_words USING fts5(
    number, tokenize = 'trigram case_sensitive 1', content = '', detail = none, columnsize = 0
);
INSERT INTO calls_words (calls_words, rank) VALUES ('automerge', 8);
INSERT INTO calls_words (calls_words, rank) VALUES ('hashsize', 8000000);
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY, config TEXT NOT NULL, status TEXT NOT NULL, call_id TEXT, last_activity TEXT
);
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY, slot INTEGER NOT NULL, command TEXT NOT NULL, user TEXT NOT NULL,
    start_time TEXT NOT NULL, end_time TEXT, exit_code INTEGER, output TEXT, truncated INTEGER, error TEXT
);
CREATE TABLE trunks (trunk TEXT PRIMARY KEY, config TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, failed INTEGER);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, user TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL,
    result TEXT NOT NULL, subject TEXT NOT NULL, credential TEXT, address TEXT NOT NULL, request_id TEXT NOT NULL,
    trace_id TEXT, hash TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_user ON audit (user);
CREATE INDEX audit_result ON audit (result);
CREATE INDEX audit_request ON audit (request_id);
CREATE INDEX audit_action ON audit (action, number);
"""

Db = sqlite3.Connection


def _dialing(db: Db, event: CallDialing, seq: int) -> None:
    added = db.execute(
        "INSERT OR IGNORE INTO calls (seq, call_id, line, slot, number, user, phase, start_time, trace_id, trunk,"
        " campaign, operator) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq, event.call_id, event.line, event.slot, event.number, event.user, Phase.DIALING, event.at,
            event.trace_id, event.trunk, event.campaign, event.operator,
        ),
    ).rowcount  # fmt: skip
    if added:
        db.execute("INSERT INTO calls_words (rowid, number) VALUES (?, ?)", (seq, event.number))
    if added and event.trunk is None:
        db.execute(
            "UPDATE slots SET call_id = ?, last_activity = ? WHERE slot = ?", (event.call_id, event.at, event.slot)
        )


def _alerting(db: Db, event: CallAlerting, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, ring_time = ? WHERE call_id = ? AND phase <> 'ended'",
        (Phase.ALERTING, event.at, event.call_id),
    )


def _connected(db: Db, event: CallConnected, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, answer_time = ? WHERE call_id = ? AND phase <> 'ended'",
        (Phase.CONNECTED, event.at, event.call_id),
    )


def _ending(db: Db, event: CallEnding, _: int) -> None:
    db.execute("UPDATE calls SET ending = 1 WHERE call_id = ? AND phase <> 'ended'", (event.call_id,))


def _ended(db: Db, event: CallEnded, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, ring_time = ?, answer_time = ?, end_time = ?, duration = ?,"
        " ring_seconds = ?, reason = ?, cause = ?, ended_by = ?, clock_suspect = ?, recording = ?, ending = 0"
        " WHERE call_id = ? AND phase <> 'ended'",
        (
            Phase.ENDED, event.ring_time, event.answer_time, event.at, event.duration, event.ring_seconds,
            event.reason, event.cause, event.ended_by, event.clock_suspect, event.recording, event.call_id,
        ),
    )  # fmt: skip
    if event.trunk is None:
        db.execute(
            "UPDATE slots SET call_id = NULL, last_activity = ? WHERE slot = ? AND call_id = ?",
            (event.at, event.slot, event.call_id),
        )


def _enriched(db: Db, event: CallEnriched, _: int) -> None:
    db.execute(
        "UPDATE calls SET disposition = ?, billable_seconds = ? WHERE call_id = ?",
        (event.disposition, event.billable_seconds, event.call_id),
    )


def _configured(db: Db, event: SlotConfigured, _: int) -> None:
    db.execute(
        "INSERT INTO slots (slot, config, status, last_activity, call_id) VALUES (?1, ?2, ?3, ?4,"
        "  (SELECT call_id FROM calls INDEXED BY live_calls"
        "   WHERE phase <> 'ended' AND slot = ?1 AND trunk IS NULL ORDER BY seq DESC LIMIT 1))"
        " ON CONFLICT (slot) DO UPDATE SET config = excluded.config, last_activity = excluded.last_activity",
        (event.slot, msgspec.json.encode(event.config), SlotStatus.UNKNOWN, event.at),
    )


def _activated(db: Db, event: SlotActivated, _: int) -> None:
    db.execute("UPDATE slots SET status = ? WHERE slot = ?", (SlotStatus.UNKNOWN, event.slot))


def _linked(db: Db, event: SlotLinked, _: int) -> None:
    db.execute("UPDATE slots SET status = ?, last_activity = ? WHERE slot = ?", (event.status, event.at, event.slot))


def _command_started(db: Db, event: SlotCommandStarted, _: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO commands (command_id, slot, command, user, start_time) VALUES (?, ?, ?, ?, ?)",
        (event.command_id, event.slot, event.command, event.by, event.at),
    )


def _command_done(db: Db, event: SlotCommandDone, _: int) -> None:
    db.execute(
        "UPDATE commands SET end_time = ?, exit_code = ?, output = ?, truncated = ?, error = ? WHERE command_id = ?",
        (event.at, event.exit_code, event.output, event.truncated, event.error, event.command_id),
    )


def _trunk_configured(db: Db, event: TrunkConfigured, _: int) -> None:
    db.execute(
        "INSERT INTO trunks (trunk, config, state, failed) VALUES (?, ?, ?, 0)"
        " ON CONFLICT (trunk) DO UPDATE SET config = excluded.config",
        (event.trunk, msgspec.json.encode(event.config), TrunkState.DOWN),
    )


def _trunk_changed(db: Db, event: TrunkChanged, _: int) -> None:
    db.execute(
        "UPDATE trunks SET state = ?, reason = ?, failed = ? WHERE trunk = ?",
        (event.state, event.reason, event.failed, event.trunk),
    )


def _audited(db: Db, event: AuditRecorded, _: int) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                event.first + place, entry.at, entry.user, entry.door, entry.action, entry.result,
                msgspec.json.encode(entry.subject).decode(), entry.credential, entry.address, entry.request_id,
                entry.trace_id, event.hash,
            )
            for place, entry in enumerate(event.entries)
        ],
    )  # fmt: skip


FOLDS: Mapping[type, Callable[[Db, Any, int], None]] = {
    CallDialing: _dialing,
    CallAlerting: _alerting,
    CallConnected: _connected,
    CallEnding: _ending,
    CallEnded: _ended,
    CallEnriched: _enriched,
    SlotConfigured: _configured,
    SlotActivated: _activated,
    SlotLinked: _linked,
    SlotCommandStarted: _command_started,
    SlotCommandDone: _command_done,
    TrunkConfigured: _trunk_configured,
    TrunkChanged: _trunk_changed,
    AuditRecorded: _audited,
}


def _take(db: Db, entry: JournalEntry) -> None:
    fold = FOLDS.get(type(entry.event))
    if fold is not None:
        fold(db, entry.event, entry.seq)


class BareLedger:
    """One file, one connection, and nobody who reads."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(SCHEMA)

    def fold(self, batch: Sequence[JournalEntry]) -> None:
        """Take those in that are not in yet, in one transaction."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        known, new = int(db.execute("SELECT seq FROM position").fetchone()[0]), []
        for entry in batch:
            if entry.seq > known:
                new.append(entry)
                known = entry.seq
        for entry in new:
            _take(db, entry)
        db.execute("UPDATE position SET seq = ?, entries = entries + ?", (known, len(new)))
        db.execute("COMMIT")


if __name__ == "__main__":
    print(msgspec.json.encode(measure(BareLedger(Path(sys.argv[1])).fold)).decode())
