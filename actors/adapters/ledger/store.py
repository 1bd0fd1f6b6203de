"""The ledger's store in SQLite: WAL, one connection for writing and one for each reading thread.

It can be rebuilt from the journal at any time, so a damaged file or one of another version is simply dropped. What
SQLite says when it fails is told apart here: damage, a failure that may pass, and an event that cannot be written.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
import structlog

from actors.adapters.ledger.folds import FOLDS
from actors.adapters.ledger.queries import Queries
from actors.adapters.ledger.schema import SCHEMA, VERSION
from actors.ledger.repository import Folded, StoreDamaged, StoreFailed, Untaken

log = structlog.get_logger()

BUSY_TIMEOUT = 1.0  # seconds; whoever folds tries again by itself
SUFFIXES = ("", "-wal", "-shm")

DAMAGE = {sqlite3.SQLITE_CORRUPT: "corrupt", sqlite3.SQLITE_NOTADB: "not a database"}
PASSING = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_IOERR: "I/O error",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "not permitted",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}
KEEPS_CONNECTION = ("locked", "disk full", "I/O error")
FOREIGN = ("no such table", "no such column", "has no column named")  # somebody else made these tables
# What is wrong with an event that a table does not take: SQLite's word on it, a number too large, a half character.
UNWRITABLE = (sqlite3.Error, OverflowError, ValueError, TypeError, LookupError, AttributeError, msgspec.MsgspecError)


def failure_of(error: sqlite3.Error) -> StoreFailed | None:
    """What an error says of the whole store. None: nothing, it is about this statement."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in DAMAGE:
        return StoreDamaged(DAMAGE[code], str(error))
    if code in PASSING:
        return StoreFailed(PASSING[code], str(error))
    if any(words in str(error) for words in FOREIGN):
        return StoreDamaged("foreign tables", str(error))
    return None


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what SQLite and the file system say as StoreFailed."""
    try:
        yield
    except sqlite3.Error as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error
    except OSError as error:
        raise StoreFailed("file not usable", str(error)) from error


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite may have rolled back by itself
            db.execute("ROLLBACK")
        raise


class SqliteLedger(Queries):
    """One file. `":memory:"` is not for this: readers have connections of their own."""

    def __init__(self, path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._turn = threading.Condition()
        self._readers = 0
        self._inode: int | None = None  # of the file that was found good; None: it was not opened yet

    # --- writing

    def sequence(self) -> int:
        with self._writing() as db:
            return _position(db)

    def entries(self) -> int:
        with self._writing() as db:
            return int(db.execute("SELECT entries FROM position").fetchone()[0])

    def fold(self, batch: Sequence[Folded]) -> list[Untaken]:
        with self._writing() as db:
            try:
                with _transaction(db):
                    new = _new(db, batch)
                    for folded in new:
                        _take(db, folded)
                    _move(db, new)
            except UNWRITABLE as error:
                if isinstance(error, sqlite3.Error) and failure_of(error) is not None:
                    raise
                return self._fold_each(db, batch)
            return []

    def _fold_each(self, db: sqlite3.Connection, batch: Sequence[Folded]) -> list[Untaken]:
        """The same, leaving out the events that cannot be written: each has a savepoint of its own."""
        left_out = []
        with _transaction(db):
            new = _new(db, batch)
            for folded in new:
                db.execute("SAVEPOINT one")
                try:
                    _take(db, folded)
                except UNWRITABLE as error:
                    if isinstance(error, sqlite3.Error) and failure_of(error) is not None:
                        raise
                    db.execute("ROLLBACK TO one")
                    left_out.append(Untaken(seq=folded.seq, reason=f"{type(error).__name__}: {error}"))
                db.execute("RELEASE one")
            _move(db, new)
        return left_out

    def drop(self, *, aside: bool = False) -> None:
        with _explained(), self._turn:
            self._turn.wait_for(lambda: self._readers == 0)
            self._close()
            for suffix in SUFFIXES:
                file = self._path.with_name(self._path.name + suffix)
                if aside and file.exists():
                    file.replace(self._path.with_name(f"{self._path.name}-aside{suffix}"))
                file.unlink(missing_ok=True)

    def close(self) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._readers == 0)
            self._close()

    # --- connections

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection. Nobody drops the file meanwhile."""
        with self._turn:
            self._readers += 1
        try:
            with _explained():
                yield self._connection()
        finally:
            with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection to a file that is there and good. It is kept when the disk is full: closing the
        last one of a file writes to it, and a reader could open no other then."""
        try:
            with _explained():
                if self._inode is None:
                    self._prepare()
                elif not self._path.exists() or self._path.stat().st_ino != self._inode:
                    raise StoreDamaged("file gone", f"{self._path.name} was taken away")
                yield self._connection()
        except StoreFailed as error:
            if error.kind not in KEEPS_CONNECTION:
                self._discard()
            raise

    def _prepare(self) -> None:
        """Make the file good: as it is, or anew."""
        if not self._is_good():
            self.drop()
            self._connection(make=True).executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        self._inode = self._path.stat().st_ino

    def _is_good(self) -> bool:
        if not self._path.exists():
            return False
        try:
            db = self._connection()
            if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                return False
            found: str = db.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if not isinstance(failure_of(error), StoreDamaged):
                raise
            found = str(error)
        if found != "ok":
            log.warning("ledger file is damaged and is rebuilt", error=found)
        return found == "ok"

    def _connection(self, *, make: bool = False) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode={'rwc' if make else 'rw'}",
                uri=True,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            with self._turn:
                self._opened.append(connection)
            self._local.connection = connection
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _discard(self) -> None:
        """Close this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            with self._turn:
                self._opened = [one for one in self._opened if one is not connection]
            self._local.connection = None
            connection.close()

    def _close(self) -> None:
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()
        self._inode = None


def _position(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM position").fetchone()
    if row is None:
        raise StoreDamaged("foreign tables", "the position is missing")
    return int(row[0])


def _new(db: sqlite3.Connection, batch: Sequence[Folded]) -> list[Folded]:
    """Those of a batch that are not in yet, each once."""
    known, new = _position(db), []
    for folded in batch:
        if folded.seq > known:
            new.append(folded)
            known = folded.seq
    return new


def _move(db: sqlite3.Connection, new: Sequence[Folded]) -> None:
    if new:
        db.execute("UPDATE position SET seq = ?, entries = entries + ?", (new[-1].seq, len(new)))


def _take(db: sqlite3.Connection, folded: Folded) -> None:
    fold = FOLDS.get(type(folded.event))
    if fold is not None:
        fold(db, folded.event, folded.seq)
