"""The ledger's store in SQLite: WAL, one connection for writing and one for each reading thread.

It can be rebuilt from the journal at any time, so a damaged file or one of another version is simply dropped.
"""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from actors.ledger.repository import Folded, SlotRow
from bus_schemas.audit import AuditRecord, AuditRecorded, ListAudit
from bus_schemas.call import (
    CallAdopted,
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallState,
    CallView,
    Cdr,
    EndReason,
    ListCdrs,
    Phase,
    state_of,
    status_of,
)
from bus_schemas.slot import (
    AdbCommandResult,
    AdbCommandStatus,
    SlotActivated,
    SlotBooked,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotLinked,
    SlotReleased,
    SlotRemoved,
    SlotRestarting,
    SlotStatus,
)
from bus_schemas.trunk import (
    TrunkActivated,
    TrunkBooked,
    TrunkChanged,
    TrunkConfig,
    TrunkConfigured,
    TrunkReleased,
    TrunkRemoved,
    TrunkState,
    TrunkView,
)

log = structlog.get_logger()

VERSION = 3
BUSY_TIMEOUT = 5.0

SCHEMA = """
CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
INSERT INTO position VALUES (1, 0);
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY,          -- of the attempt: the order of the list
    call_id TEXT NOT NULL UNIQUE, slot INTEGER NOT NULL, number TEXT NOT NULL, user TEXT NOT NULL,
    phase TEXT NOT NULL, start_time TEXT NOT NULL, ring_time TEXT, answer_time TEXT, end_time TEXT,
    duration INTEGER, ring_seconds INTEGER, reason TEXT, cause TEXT, ended_by TEXT, ending INTEGER NOT NULL DEFAULT 0,
    clock_suspect INTEGER NOT NULL DEFAULT 0, trace_id TEXT, trunk TEXT, campaign TEXT, recording TEXT,
    disposition TEXT, billable_seconds INTEGER
);
CREATE INDEX calls_start ON calls (start_time);
CREATE INDEX calls_user ON calls (user, seq);
CREATE INDEX live_calls ON calls (seq) WHERE phase <> 'ended';
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY, config BLOB NOT NULL, status TEXT NOT NULL, call_id TEXT, last_activity TEXT
);
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY, slot INTEGER NOT NULL, command TEXT NOT NULL, user TEXT NOT NULL,
    start_time TEXT NOT NULL, end_time TEXT, exit_code INTEGER, output TEXT, truncated INTEGER, error TEXT
);
CREATE TABLE trunks (trunk TEXT PRIMARY KEY, config BLOB NOT NULL, state TEXT NOT NULL, reason TEXT, failed INTEGER);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, user TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL,
    result TEXT NOT NULL, subject TEXT NOT NULL, credential TEXT, address TEXT NOT NULL, request_id TEXT NOT NULL,
    trace_id TEXT, hash TEXT NOT NULL  -- of the record of the chain that the entry is in
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_user ON audit (user);
"""


class SqliteLedger:
    """One file. `":memory:"` is not for this: readers have connections of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._prepare()

    # --- writing

    def sequence(self) -> int:
        return int(self._connection().execute("SELECT seq FROM position").fetchone()[0])

    def fold(self, batch: Sequence[Folded]) -> None:
        connection = self._connection()
        with connection:
            known = int(connection.execute("SELECT seq FROM position").fetchone()[0])
            for folded in batch:
                if folded.seq > known and folded.event is not None:
                    _WRITE[type(folded.event)](connection, folded.event, folded.seq)
            connection.execute("UPDATE position SET seq = max(seq, ?)", (batch[-1].seq,))

    # --- reading

    def call(self, call_id: str) -> CallView | None:
        row = self._one("SELECT * FROM calls WHERE call_id = ?", call_id)
        return _call_view(row) if row is not None else None

    def calls(
        self, *, history: bool, limit: int, before: str | None, user: str | None = None
    ) -> list[tuple[str, CallView]]:
        where = ("" if history else "phase <> 'ended' AND ") + ("" if user is None else "user = ? AND ")
        rows = self._connection().execute(
            f"SELECT * FROM calls WHERE {where} seq < ? ORDER BY seq DESC LIMIT ?",
            (*(() if user is None else (user,)), int(before) if before else 2**62, limit),
        )
        return [(str(row["seq"]), _call_view(row)) for row in rows]

    def cdr(self, call_id: str) -> Cdr | None:
        row = self._one("SELECT * FROM calls WHERE call_id = ? AND phase = 'ended'", call_id)
        return _cdr(row) if row is not None else None

    def cdrs(
        self, wanted: ListCdrs, *, limit: int, before: int | None, user: str | None = None
    ) -> list[tuple[str, Cdr]]:
        where, values = _cdr_filter(wanted, before, user)
        rows = self._connection().execute(
            f"SELECT * FROM calls WHERE {where} ORDER BY seq DESC LIMIT ?", (*values, limit)
        )
        return [(str(row["seq"]), _cdr(row)) for row in rows]

    def recording(self, call_id: str) -> str | None:
        row = self._one("SELECT recording FROM calls WHERE call_id = ? AND phase = 'ended'", call_id)
        return row["recording"] if row is not None else None

    def trunks(self) -> list[TrunkView]:
        return [_trunk_view(row) for row in self._connection().execute("SELECT * FROM trunks ORDER BY trunk")]

    def slots(self) -> list[SlotRow]:
        rows = self._connection().execute("SELECT * FROM slots ORDER BY slot")
        return [
            SlotRow(
                config=msgspec.json.decode(row["config"], type=SlotConfig),
                status=SlotStatus(row["status"]),
                call_id=row["call_id"],
                last_activity=row["last_activity"],
            )
            for row in rows
        ]

    def command(self, slot: int, command_id: str) -> AdbCommandResult | None:
        row = self._one("SELECT * FROM commands WHERE command_id = ? AND slot = ?", command_id, slot)
        return _command(row) if row is not None else None

    def audit(self, wanted: ListAudit, *, limit: int, before: int | None) -> list[AuditRecord]:
        where, values = _audit_filter(wanted, before)
        rows = self._connection().execute(
            f"SELECT * FROM audit WHERE {where} ORDER BY number DESC LIMIT ?", (*values, limit)
        )
        return [_audit_record(row) for row in rows]

    def close(self) -> None:
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    # --- connections

    def _prepare(self) -> None:
        try:
            version = self._connection().execute("PRAGMA user_version").fetchone()[0]
            sound = self._connection().execute("PRAGMA quick_check").fetchone()[0] == "ok"
            if version == VERSION and sound:
                return
        except sqlite3.DatabaseError as error:
            log.warning("ledger file is damaged and is rebuilt", error=str(error))
        self._drop()
        self._connection().executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")

    def _drop(self) -> None:
        self.close()
        self._local = threading.local()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, check_same_thread=False)
            with self._lock:
                self._opened.append(connection)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection().execute(query, values).fetchone()
        return row


# --- events to rows -----------------------------------------------------------------------------------------------


def _dialing(db: sqlite3.Connection, event: CallDialing, seq: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO calls (seq, call_id, slot, number, user, phase, start_time, trace_id, trunk)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            event.call_id,
            event.slot,
            event.number,
            event.user,
            Phase.DIALING,
            event.at,
            event.trace_id,
            event.trunk,
        ),
    )


def _alerting(db: sqlite3.Connection, event: CallAlerting, _: int) -> None:
    db.execute("UPDATE calls SET phase = ?, ring_time = ? WHERE call_id = ?", (Phase.ALERTING, event.at, event.call_id))


def _connected(db: sqlite3.Connection, event: CallConnected, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, answer_time = ? WHERE call_id = ?", (Phase.CONNECTED, event.at, event.call_id)
    )


def _ending(db: sqlite3.Connection, event: CallEnding, _: int) -> None:
    db.execute("UPDATE calls SET ending = 1 WHERE call_id = ?", (event.call_id,))


def _ended(db: sqlite3.Connection, event: CallEnded, _: int) -> None:
    db.execute(
        "UPDATE calls SET phase = ?, ring_time = ?, answer_time = ?, end_time = ?, duration = ?, ring_seconds = ?,"
        " reason = ?, cause = ?, ended_by = ?, clock_suspect = ?, recording = ?, ending = 0 WHERE call_id = ?",
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


def _enriched(db: sqlite3.Connection, event: CallEnriched, _: int) -> None:
    db.execute(
        "UPDATE calls SET disposition = ?, billable_seconds = ? WHERE call_id = ?",
        (event.disposition, event.billable_seconds, event.call_id),
    )


def _nothing(db: sqlite3.Connection, event: Any, _: int) -> None:
    """It changes no row."""


def _configured(db: sqlite3.Connection, event: SlotConfigured, _: int) -> None:
    db.execute(
        "INSERT INTO slots (slot, config, status, last_activity) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (slot) DO UPDATE SET config = excluded.config, last_activity = excluded.last_activity",
        (event.slot, msgspec.json.encode(event.config), SlotStatus.UNKNOWN, event.at),
    )


def _removed(db: sqlite3.Connection, event: SlotRemoved, _: int) -> None:
    db.execute("DELETE FROM slots WHERE slot = ?", (event.slot,))


def _activated(db: sqlite3.Connection, event: SlotActivated, _: int) -> None:
    db.execute("UPDATE slots SET status = ? WHERE slot = ?", (SlotStatus.UNKNOWN, event.slot))


def _status(db: sqlite3.Connection, event: SlotLinked | SlotRestarting, _: int) -> None:
    db.execute("UPDATE slots SET status = ?, last_activity = ? WHERE slot = ?", (event.status, event.at, event.slot))


def _booked(db: sqlite3.Connection, event: SlotBooked, _: int) -> None:
    db.execute("UPDATE slots SET call_id = ?, last_activity = ? WHERE slot = ?", (event.call_id, event.at, event.slot))


def _released(db: sqlite3.Connection, event: SlotReleased, _: int) -> None:
    db.execute("UPDATE slots SET call_id = NULL, last_activity = ? WHERE slot = ?", (event.at, event.slot))


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


_WRITE: Mapping[type, Any] = {
    CallDialing: _dialing,
    CallAdopted: _nothing,
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
    SlotBooked: _booked,
    SlotReleased: _released,
    SlotCommandStarted: _command_started,
    SlotCommandDone: _command_done,
    TrunkConfigured: _trunk_configured,
    TrunkRemoved: _trunk_removed,
    TrunkActivated: _nothing,
    TrunkBooked: _nothing,
    TrunkReleased: _nothing,
    TrunkChanged: _trunk_changed,
    AuditRecorded: _audited,
}


# --- questions ----------------------------------------------------------------------------------------------------


def _audit_filter(wanted: ListAudit, before: int | None) -> tuple[str, list[Any]]:
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


def _cdr_filter(wanted: ListCdrs, before: int | None, user: str | None) -> tuple[str, list[Any]]:
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


_CHOSEN = f"reason IN ('{EndReason.HANGUP_LOCAL}', '{EndReason.HANGUP_REMOTE}')"


def _literal(text: str) -> str:
    """A text in a LIKE pattern that stands for nothing but itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


# --- rows to answers ----------------------------------------------------------------------------------------------


def _call_view(row: sqlite3.Row) -> CallView:
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


def _cdr(row: sqlite3.Row) -> Cdr:
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


def _trunk_view(row: sqlite3.Row) -> TrunkView:
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


def _audit_record(row: sqlite3.Row) -> AuditRecord:
    values = dict(row) | {"subject": msgspec.json.decode(row["subject"])}
    return AuditRecord(**values)


def _command(row: sqlite3.Row) -> AdbCommandResult:
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
