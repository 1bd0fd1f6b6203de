"""The ledger's store in a schema of a PostgreSQL database: `OTTB_LEDGER__URL`.

Each host has a schema of its own, since each has its own ledger; nothing outside it is touched. What is missing there,
of another version or somebody else's under the same names is dropped and made anew, in one transaction. A connection
that is lost is a failure that passes.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from actors.adapters.ledger.guarded import guarded
from actors.adapters.ledger.statements import is_copy
from actors.adapters.ledger.store import POSITION, SqlStore, Values
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import Placed, Projection, Query
from actors.ledger.store import FOREIGN_TABLES, INTERRUPTED, LONGEST_READ, Soundness, StoreDamaged, StoreFailed
from actors.ledger.words import WordIndex

log = structlog.get_logger()

# How long anything is waited for, in milliseconds where the server counts and in seconds where the client does. What
# was not on disk when the server died is folded again.
SESSION = {
    "lock_timeout": "1000",
    "statement_timeout": "30000",
    "idle_in_transaction_session_timeout": "30000",
    "synchronous_commit": "off",
    "plan_cache_mode": "force_custom_plan",  # one that fits any text looks at each row for it
    "random_page_cost": "1.1",  # as on an SSD or in memory: by the 4 of a disk that turns, half a table is read instead
    "jit": "off",  # a question has milliseconds
}
MAKING = "10min"  # for what is put aside, which is copied
CONNECT = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
    "application_name": "ottb-ledger",
}

# Where an extension is: what compares an index with its table, and what knows trigrams.
EXTENSION = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = %s"
AMCHECK, TRIGRAMS = ("amcheck",), ("pg_trgm",)
LETTERS = "\u0436\u0456\u043d\u043a\u0430"  # which a database with the locale C takes for none
CORRUPT = ("XX001", "XX002")
NOT_CHECKED = ("42501", "0A000")  # not permitted; an index that it cannot look at
INDEXES = "pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am a ON a.oid = relam"
TABLE = "r"
# By what a table could show less, or others, than it has: what it is, whether it has policies of rows, and the names of
# `HIDERS`. The planner leaves out a child, or the table, where a check contradicts the question. We make none of these.
HIDERS = ("rules", "triggers", "parents or children", "checks", "indexes that nobody can check")
HIDING = f"""SELECT relkind::text, relrowsecurity,
    (SELECT string_agg(rulename, ', ') FROM pg_rewrite WHERE ev_class = t.oid),
    (SELECT string_agg(tgname, ', ') FROM pg_trigger WHERE tgrelid = t.oid AND NOT tgisinternal),
    (SELECT string_agg((CASE inhparent WHEN t.oid THEN inhrelid ELSE inhparent END)::regclass::text, ', ')
        FROM pg_inherits WHERE t.oid IN (inhparent, inhrelid)),
    (SELECT string_agg(conname, ', ') FROM pg_constraint WHERE conrelid = t.oid AND contype = 'c'),
    (SELECT string_agg(relname, ', ') FROM {INDEXES} WHERE indrelid = t.oid AND amname <> 'btree')
    FROM pg_class t WHERE t.oid = to_regclass(%s)"""
# Types as SQLAlchemy writes them; what is not the database's own has its schema's name, a domain that checks, too.
COLUMNS = """SELECT attname, upper(format_type(atttypid, atttypmod))
        || coalesce(' COLLATE ' || nullif(attcollation, 0)::regcollation, '')
        || CASE attgenerated WHEN '' THEN '' ELSE ' GENERATED' END
    FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""

LOST = "connection lost"
# By the beginning of the SQLSTATE: the longest that fits.
DAMAGE = {
    "XX001": "corrupt",
    "XX002": "corrupt",
    "3F000": FOREIGN_TABLES,  # no such schema
    "42P01": FOREIGN_TABLES,  # no such table
    "42703": FOREIGN_TABLES,  # no such column
    "42804": FOREIGN_TABLES,  # a column of another type
    "42809": FOREIGN_TABLES,  # not a table
    "42P10": FOREIGN_TABLES,  # no such key
}
PASSING = {
    "08": LOST,
    "57P": LOST,  # the server shuts down, or is not up yet
    "57014": INTERRUPTED,
    "25P": INTERRUPTED,
    "25006": "read-only",
    "28": "not permitted",
    "3D000": "cannot be opened",
    "40": "locked",
    "42501": "not permitted",
    "53": "out of memory",
    "53100": "disk full",
    "53300": "too many connections",
    "55": "locked",
    "58": "I/O error",
    "XX": "failed inside",
}

Answer = TypeVar("Answer")
Found = TypeVar("Found")


class PostgresLedger(SqlStore):
    """One schema of the database at `url` (`postgresql://user:password@host:port/database`)."""

    begin = "BEGIN; SET LOCAL plan_cache_mode TO auto"  # what is written is the same for all values
    begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, url: str, schema: str, *, projections: Sequence[Projection[Any]] = PROJECTIONS) -> None:
        self._schema = schema
        self._ready = False
        engine = sa.create_engine(
            re.sub(r"^postgres(ql)?:", "postgresql+psycopg:", url),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
            paramstyle="format",
            connect_args={
                **CONNECT, **guarded(url), "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
            },
        )  # fmt: skip
        self._quoted = engine.dialect.identifier_preparer.quote
        self._name = engine.dialect.identifier_preparer.quote_identifier(schema)
        sa.event.listen(engine, "connect", self._enter)
        super().__init__(engine, projections, schema)

    def _enter(self, connection: Any, _: Any) -> None:
        """Our tables are named with their schema. What else is in it, an operator that fits a question better than the
        database's own, is never meant."""
        connection.execute("SET search_path TO pg_catalog, pg_temp")

    def read(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> list[Answer]:
        return self._once_more(partial(super().read, query, seconds=seconds))

    def read_placed(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> Placed[Answer]:
        return self._once_more(partial(super().read_placed, query, seconds=seconds))

    def _once_more(self, read: Callable[[], Found]) -> Found:
        """Again where the connection was lost: a server that was restarted costs nobody an answer."""
        try:
            return read()
        except StoreFailed as error:
            if error.kind != LOST:
                raise
            self._discard()
            return read()

    @contextmanager
    def _limited(self, db: sa.Connection, seconds: float) -> Iterator[None]:
        """To whole seconds, or tenths of the first, which are said anew only where they are others."""
        wanted = f"{math.ceil(seconds)}s" if seconds > 1 else f"{math.ceil(10 * seconds)}00ms"
        if db.info.get("limit") != wanted:
            db.exec_driver_sql(f"SET statement_timeout TO '{wanted}'")
            db.info["limit"] = wanted
        yield

    def _failure_of(self, error: Exception) -> StoreFailed | None:
        if isinstance(error, OSError):
            return StoreFailed(LOST, str(error))
        if isinstance(error, InvalidRequestError):  # SQLAlchemy's own word on a connection that is gone
            return StoreFailed(LOST, "the connection was lost before")
        if not isinstance(error, DBAPIError):
            return None
        said = str(error.orig).strip()
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated or (state is None and type(error.orig).__name__ == "OperationalError"):
            return StoreFailed(LOST, said)
        for kinds, failure in ((DAMAGE, StoreDamaged), (PASSING, StoreFailed)):
            for length in (5, 3, 2):
                if state is not None and state[:length] in kinds:
                    return failure(kinds[state[:length]], said)
        return None

    def _write(self, db: sa.Connection, statement: str, rows: list[Values]) -> None:
        if not is_copy(statement):
            super()._write(db, statement, rows)
            return
        driver: Any = db.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise DBAPIError(statement, None, error, hide_parameters=True) from error

    def _fitted(self, values: Values) -> Values:
        """A text cannot hold NUL here, which a phone's output may."""
        return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values)

    def _examine(self, db: sa.Connection, table: str) -> Soundness:
        db.exec_driver_sql("SET default_transaction_read_only TO on")
        kind, policies, *others = db.exec_driver_sql(HIDING, (self._place(table),)).first() or (None, None)
        if kind != TABLE:
            return Soundness(problems=[f"{table} is no table"])
        problems = [f"{table} has policies of rows"] if policies else []
        problems += [f"{table} has {what}: {names}" for what, names in zip(HIDERS, others, strict=True) if names]
        if strange := self._strange_columns(db, table):
            problems.append(f"{table} has columns other than ours: {', '.join(strange)}")
        found = self._check_indexes(db, table)
        return Soundness(problems=[*problems, *found.problems], unseen=found.unseen)

    def _strange_columns(self, db: sa.Connection, table: str) -> list[str]:
        [made] = [one for one in self.tables if one.name == table]
        ours = {(column.name, column.type.compile(db.dialect)) for column in made.columns}
        there = {tuple(row) for row in db.exec_driver_sql(COLUMNS, (self._place(table),))}
        return sorted({name for name, _ in ours ^ there})

    def _check_indexes(self, db: sa.Connection, table: str) -> Soundness:
        where = db.exec_driver_sql(EXTENSION, AMCHECK).scalar()
        if where is None:
            return Soundness(unseen="the database has no extension amcheck")
        check = f"SELECT {self._quoted(where)}.bt_index_check(indexrelid, true) FROM {INDEXES}"
        used = "indrelid = to_regclass(%s) AND amname = 'btree' AND indisvalid"
        try:
            db.exec_driver_sql(f"{check} WHERE {used}", (self._place(table),))
        except DBAPIError as error:
            said, state = str(error.orig).strip(), getattr(error.orig, "sqlstate", None)
            if state in NOT_CHECKED:
                return Soundness(unseen=said)
            if state in CORRUPT:
                return Soundness(problems=[said])
            raise
        return Soundness()

    def _interrupt(self, driver: Any) -> None:
        driver.cancel()

    def _prepare(self) -> None:
        if self._ready:
            return
        db = self._connection()
        if not self._is_good(db):
            self._make_anew(db, aside=False)
        for index in (one.sought for one in self._projections if one.sought is not None):
            if self._missing(db, index.name):
                self._index(db, index)
        self._ready = True

    def _index(self, db: sa.Connection, index: WordIndex) -> None:
        """What is sought is found without it, too: each row is looked at."""
        try:
            of = self._quoted(self._trigrams(db))
            if not db.exec_driver_sql(f"SELECT {of}.show_trgm('{LETTERS}') <> '{{}}'").scalar():
                log.warning("letters other than a-z are sought slowly: the database's locale knows none")
            with self._transaction(db):
                db.exec_driver_sql(f"SET LOCAL statement_timeout TO '{MAKING}'")
                column, table = self._quoted(index.words.name), self._place(index.words.table.name)
                name = self._quoted(index.name)
                db.exec_driver_sql(f"CREATE INDEX {name} ON {table} USING gin ({column} {of}.gin_trgm_ops)")
        except DBAPIError as error:
            failure = self._failure_of(error)
            if failure is not None and failure.kind in (LOST, INTERRUPTED):
                raise
            log.warning("texts are sought slowly: there is no index of words", error=str(error.orig).strip())

    def _trigrams(self, db: sa.Connection) -> str:
        """In which schema what knows them is: wherever somebody has put it, else where we can. Raises DBAPIError."""
        if (where := db.exec_driver_sql(EXTENSION, TRIGRAMS).scalar()) is None:
            try:
                db.exec_driver_sql("CREATE EXTENSION pg_trgm SCHEMA public")
            except DBAPIError:  # also because another host does so at this moment
                where = db.exec_driver_sql(EXTENSION, TRIGRAMS).scalar()
                if where is None:
                    raise
        return where or "public"

    def _is_good(self, db: sa.Connection) -> bool:
        if self._missing(db, POSITION.name):
            return False
        try:
            return self._is_of_this_version(db)
        except DBAPIError as error:
            failure = self._failure_of(error)
            if not isinstance(failure, StoreDamaged):
                raise
            log.warning("tables of the ledger are damaged and are rebuilt", error=str(failure))
            return False

    def _make_anew(self, db: sa.Connection, *, aside: bool) -> None:
        """Readers see the old tables or the new ones, never none."""
        with self._transaction(db):
            db.exec_driver_sql(f"SET LOCAL statement_timeout TO '{MAKING}'")
            if db.scalar(sa.select(sa.func.to_regnamespace(self._name))) is None:
                db.exec_driver_sql(f"CREATE SCHEMA {self._name}")
            for name in (table.name for table in self.tables):
                if aside:
                    kept = self._place(f"{name}_aside")
                    db.exec_driver_sql(f"DROP TABLE IF EXISTS {kept}")
                    if not self._missing(db, name):
                        db.exec_driver_sql(f"CREATE TABLE {kept} AS TABLE {self._place(name)}")
                db.exec_driver_sql(f"DROP TABLE IF EXISTS {self._place(name)} CASCADE")
            self._make(db)

    def _missing(self, db: sa.Connection, table: str) -> bool:
        return db.scalar(sa.select(sa.func.to_regclass(self._place(table)))) is None

    def _place(self, table: str) -> str:
        """A table's whole name, as SQL has it."""
        return f"{self._name}.{self._quoted(table)}"

    def _forget(self, *, aside: bool) -> None:
        self._make_anew(self._connection(), aside=aside)

    def forget_aside(self) -> None:
        with self._writing() as db, self._transaction(db):
            for table in self.tables:
                db.exec_driver_sql(f"DROP TABLE IF EXISTS {self._place(f'{table.name}_aside')}")

    def _close(self) -> None:
        with suppress(DBAPIError):
            super()._close()
        self._ready = False
