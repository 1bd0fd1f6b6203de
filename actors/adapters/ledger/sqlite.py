"""The ledger's store in a file of SQLite, the default: WAL, nothing to install, dropped by removing the file."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from actors.adapters.ledger.store import SqlStore
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import Projection
from actors.ledger.store import FOREIGN_TABLES, INTERRUPTED, Soundness, StoreDamaged, StoreFailed
from actors.runtime.secret_files import own_folder

log = structlog.get_logger()

BUSY_TIMEOUT = 1.0  # seconds; whoever folds tries again by itself
STEPS = 100_000  # of SQLite's machine, some milliseconds, after which it asks whether it may go on
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
    sqlite3.SQLITE_INTERRUPT: INTERRUPTED,
}
FOREIGN = ("no such table", "no such column", "has no column named")  # somebody else made these tables

# For each None and each bool that is bound, sqlite3 looks in vain for somebody who adapts it; one who gives it back as
# it would be anyway halves the time of a row with many of them.
NOTHING: dict[None, None] = {}
sqlite3.register_adapter(type(None), NOTHING.get)
sqlite3.register_adapter(bool, int)


COMPILED: LRUCache[Any, Any] = LRUCache(500)  # statements, as many as SQLAlchemy keeps of one engine


class SqliteLedger(SqlStore):
    """One file. `":memory:"` is not for this: readers have connections of their own."""

    begin = "BEGIN IMMEDIATE"
    # Closing the last connection of a file writes to it, and a reader could open no other while the disk is full.
    keeps_connection = ("locked", "disk full", "I/O error")

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        projections: Sequence[Projection[Any]] = PROJECTIONS,
    ) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._inode: int | None = None  # of the file that was found good; None: it was not opened yet
        super().__init__(_engine_of(self._open), projections)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: the same ones are written again and again
        except BaseException:
            connection.close()
            raise
        return connection

    def _failure_of(self, error: Exception) -> StoreFailed | None:
        if isinstance(error, OSError):
            return StoreFailed("file not usable", str(error))
        said = error.orig if isinstance(error, DBAPIError) else None
        code = getattr(said, "sqlite_errorcode", 0) & 0xFF
        if code in DAMAGE:
            return StoreDamaged(DAMAGE[code], str(said))
        if code in PASSING:
            return StoreFailed(PASSING[code], str(said))
        if any(words in str(said) for words in FOREIGN):
            return StoreDamaged(FOREIGN_TABLES, str(said))
        return None

    @contextmanager
    def _limited(self, db: sa.Connection, seconds: float) -> Iterator[None]:
        driver, until = db.connection.driver_connection, time.monotonic() + seconds
        assert driver is not None
        driver.set_progress_handler(lambda: time.monotonic() > until, STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    def _examine(self, db: sa.Connection, table: str) -> Soundness:
        db.exec_driver_sql("PRAGMA query_only = ON")
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?"
        if db.exec_driver_sql(tables, (table,)).first() is None:
            return Soundness(problems=[f"{table} is no table"])
        found = db.exec_driver_sql(f"PRAGMA integrity_check({table})").scalars().all()
        return Soundness(problems=[str(one) for one in found if one != "ok"])

    def _interrupt(self, driver: Any) -> None:
        driver.interrupt()

    def _prepare(self) -> None:
        if self._inode is not None:
            if self._inode != self._inode_now():
                raise StoreDamaged("file gone", f"{self._path.name} was taken away")
            return
        with own_folder(self._path.parent):  # a file that is gone may have gone with its folder
            pass
        if not self._is_good():
            self.drop()
            self._path.touch()
            db = self._connection()
            with self._transaction(db):
                self._make(db)
        self._inode = self._inode_now()

    def _inode_now(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _is_good(self) -> bool:
        if not self._path.exists():
            return False
        try:
            db = self._connection()
            if not self._is_of_this_version(db):
                return False
            found = str(db.exec_driver_sql("PRAGMA quick_check").scalar_one())
        except DBAPIError as error:
            failure = self._failure_of(error)
            if not isinstance(failure, StoreDamaged):
                raise
            found = str(error.orig)
            if failure.kind == FOREIGN_TABLES:
                log.info("the records were kept in other tables and are rebuilt", error=found)
                return False
        if found != "ok":
            log.warning("ledger file is damaged and is rebuilt", error=found)
        return found == "ok"

    def _forget(self, *, aside: bool) -> None:
        for suffix in SUFFIXES:
            file = self._path.with_name(self._path.name + suffix)
            if aside:
                with suppress(FileNotFoundError):
                    file.replace(self._path.with_name(f"{self._path.name}-aside{suffix}"))
            file.unlink(missing_ok=True)

    def forget_aside(self) -> None:
        with self._explained():
            for suffix in SUFFIXES:
                self._path.with_name(f"{self._path.name}-aside{suffix}").unlink(missing_ok=True)

    def _close(self) -> None:
        super()._close()
        self._inode = None


@cache
def _known() -> tuple[sa.Dialect, sa.URL]:
    """What SQLAlchemy has to find out about SQLite, by looking at a database."""
    engine = sa.create_engine("sqlite://", isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
    engine.connect().close()
    return engine.dialect, engine.url


def _engine_of(connect: Callable[[], Any]) -> sa.Engine:
    """An engine for one file. What is known of SQLite, and what was compiled for it, serves for all files."""
    dialect, url = _known()
    kept = {"compiled_cache": COMPILED}
    return sa.Engine(sa.NullPool(connect, dialect=dialect), dialect, url, hide_parameters=True, execution_options=kept)
