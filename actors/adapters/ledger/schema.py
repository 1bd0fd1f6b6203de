"""The ledger's tables in SQLite. Another version of them is another file: the old one is dropped and rebuilt."""

VERSION = 4

SCHEMA = """
CREATE TABLE position (            -- the last entry that is in, and how many are
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, entries INTEGER NOT NULL
);
INSERT INTO position VALUES (1, 0, 0);
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY,          -- of the attempt: the order of the list
    call_id TEXT NOT NULL UNIQUE, line TEXT NOT NULL, slot INTEGER NOT NULL, number TEXT NOT NULL, user TEXT NOT NULL,
    phase TEXT NOT NULL, start_time TEXT NOT NULL, ring_time TEXT, answer_time TEXT, end_time TEXT,
    duration INTEGER, ring_seconds INTEGER, reason TEXT, cause TEXT, ended_by TEXT, ending INTEGER NOT NULL DEFAULT 0,
    clock_suspect INTEGER NOT NULL DEFAULT 0, trace_id TEXT, trunk TEXT, campaign TEXT, recording TEXT,
    disposition TEXT, billable_seconds INTEGER
);
CREATE INDEX calls_start ON calls (start_time);
CREATE INDEX calls_user ON calls (user, seq);
CREATE INDEX live_calls ON calls (seq) WHERE phase <> 'ended';
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY, config BLOB NOT NULL, status TEXT NOT NULL,
    call_id TEXT,                     -- the call of its own phone that is not over
    last_activity TEXT
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
