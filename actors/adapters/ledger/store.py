"""The ledger's store in SQLite: WAL, one connection for writing and one for each reading thread.

It can be rebuilt from the journal at any time, so a damaged file or one of another version is simply dropped.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from actors.adapters.ledger.folds import FOLDS
from actors.adapters.ledger.queries import Queries
from actors.adapters.ledger.schema import SCHEMA, VERSION
from actors.ledger.repository import Folded

log = structlog.get_logger()

BUSY_TIMEOUT = 5.0


class SqliteLedger(Queries):
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
                if folded.seq > known and type(folded.event) in FOLDS:
                    FOLDS[type(folded.event)](connection, folded.event, folded.seq)
            connection.execute("UPDATE position SET seq = max(seq, ?)", (batch[-1].seq,))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        yield self._connection()

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
