"""The ledger's store in a database of SQL: folds groups into any projections, and reads.

One connection for writing and one for each reading thread. It can be rebuilt from the journal at any time, so what is
damaged or of another version is simply dropped. What a database says when it fails is told apart by its own file
(`sqlite.py`, `postgresql.py`): damage, a failure that may pass, and an event that cannot be written.
"""

import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from operator import attrgetter
from typing import Any, TypeVar
from zlib import crc32

import msgspec
import sqlalchemy as sa
import structlog
from msgspec.structs import astuple
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from actors.adapters.ledger.statements import statements_of, text_of
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import INTEGER, METADATA, TEXT, Placed, Projection, Query
from actors.ledger.store import (
    EXAMINING,
    FOREIGN_TABLES,
    INTERRUPTED,
    LEFT_OUT_KEPT,
    LONGEST_READ,
    JournalEntry,
    LeftOut,
    Soundness,
    StoreDamaged,
    StoreFailed,
)

log = structlog.get_logger()

HOT = 4_000  # rows of a table that are kept in memory between groups
# What is wrong with an event that a table does not take: the database's word on it, a number too large, half a
# character.
UNWRITABLE = (DBAPIError, OverflowError, ValueError, TypeError, LookupError, AttributeError, msgspec.MsgspecError)

POSITION = sa.Table(
    "position",
    METADATA,
    sa.Column("version", INTEGER, primary_key=True, autoincrement=False),  # of the tables
    sa.Column("seq", INTEGER, nullable=False),  # of the last entry that is in
    sa.Column("entries", INTEGER, nullable=False),  # how many are in
)
LEFT_OUT = sa.Table(
    "left_out",
    METADATA,
    sa.Column("seq", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("number", INTEGER, nullable=False),  # of all that ever were, also those that are not kept here
    sa.Column("reason", TEXT, nullable=False),
)
LONGEST_REASON = 500  # characters

Answer = TypeVar("Answer")
Values = tuple[Any, ...]
Part = tuple[Any, Any, int]  # the key, the event or its part, the sequence
Parts = Callable[[Any], Iterable[Any]]


class Hot:
    """Rows of the last groups, by key for each projection: most of the next one are about the same things. They count
    only while the database is where it was left (`at`)."""

    def __init__(self, projections: int) -> None:
        self._projections = projections
        self.forget()

    def forget(self) -> None:
        self.at: int | None = None
        self.rows: list[dict[Any, Any]] = [{} for _ in range(self._projections)]


class SqlStore(ABC):
    """`projections`: what is kept; `schema`: where in the database, if it has schemas. A subclass connects, and knows
    what its database's errors mean."""

    begin = begin_reading = "BEGIN"
    keeps_connection: Collection[str] = ()  # kinds of failures after which the writer's connection is still good

    def __init__(
        self, engine: sa.Engine, projections: Sequence[Projection[Any]] = PROJECTIONS, schema: str | None = None
    ) -> None:
        self._engine = engine.execution_options(schema_translate_map={None: schema}) if schema else engine
        self._projections = projections
        self._statements = [statements_of(one, engine.dialect, schema) for one in projections]
        self._of_event: dict[type, list[tuple[int, Callable[[Any], Any], Parts | None]]] = defaultdict(list)
        for place, projection in enumerate(projections):
            key_of = attrgetter(projection.key) if projection.summed is None else _nothing
            for event in projection.events:
                self._of_event[event].append((place, key_of, projection.parts))
        self._hot = Hot(projections=len(projections))
        where = sa.select(POSITION.c.seq)
        move = {POSITION.c.seq: sa.bindparam("seq"), POSITION.c.entries: POSITION.c.entries + sa.bindparam("more")}
        self._position_now, self._position_alone, self._move_to = (
            text_of(statement, dialect=engine.dialect, schema=schema)
            for statement in (where, where.with_for_update(), sa.update(POSITION).values(move))
        )
        self._local = threading.local()
        self._opened: list[sa.Connection] = []
        self._turn = threading.Condition()
        self._readers = 0
        self._examining: Any = None  # the driver's connection of an examination

    @property
    def tables(self) -> list[sa.Table]:
        return [POSITION, LEFT_OUT, *(projection.table for projection in self._projections)]

    # --- writing

    def sequence(self) -> int:
        with self._writing() as db:
            return self._position(db)

    def entries(self) -> int:
        with self._writing() as db:
            return _only(db.execute(sa.select(POSITION.c.entries)))

    def left_out(self) -> list[LeftOut]:
        with self._writing() as db:
            return [LeftOut(*row) for row in db.execute(sa.select(LEFT_OUT).order_by(LEFT_OUT.c.seq))]

    def fold(self, batch: Sequence[JournalEntry]) -> list[LeftOut]:
        with self._writing() as db:
            try:
                with self._folding(db, batch) as new:
                    self._take(db, new)
                    return self._leave_out(db, [(entry, entry.unreadable) for entry in new if entry.unreadable])
            except UNWRITABLE as error:
                if self._failure_of(error) is not None:
                    raise
                return self._fold_each(db, batch)

    @contextmanager
    def _folding(self, db: sa.Connection, batch: Sequence[JournalEntry]) -> Iterator[list[JournalEntry]]:
        """A transaction for those of a batch that are not in yet, after which they are."""
        try:
            with self._transaction(db):
                new = self._new(db, batch)
                yield new
                self._move(db, new)
        except BaseException:
            self._hot.forget()
            raise
        if new:
            self._hot.at = new[-1].seq

    def _fold_each(self, db: sa.Connection, batch: Sequence[JournalEntry]) -> list[LeftOut]:
        """The same, leaving out the events that cannot be written: each has a savepoint of its own."""
        left_out = []
        with self._folding(db, batch) as new:
            for entry in new:
                if entry.unreadable:
                    left_out.append((entry, entry.unreadable))
                db.exec_driver_sql("SAVEPOINT one")
                try:
                    self._take(db, [entry], fit=True)
                except UNWRITABLE as error:
                    if self._failure_of(error) is not None:
                        raise
                    db.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
                    left_out.append((entry, _reason(error)))
                    self._hot.forget()
                db.exec_driver_sql("RELEASE SAVEPOINT one")
            found = self._leave_out(db, left_out)
        self._hot.forget()  # what was made to fit is not what is there
        return found

    def _leave_out(self, db: sa.Connection, entries: Sequence[tuple[JournalEntry, str]]) -> list[LeftOut]:
        """Put on record, within bounds, what is not in, and why."""
        if not entries:
            return []
        before = db.scalar(sa.select(sa.func.coalesce(sa.func.max(LEFT_OUT.c.number), 0))) or 0
        found = [
            LeftOut(seq=entry.seq, number=number, reason=_writable(f"{entry.subject}: {reason}"))
            for number, (entry, reason) in enumerate(entries, before + 1)
        ]
        db.execute(sa.insert(LEFT_OUT), [msgspec.structs.asdict(one) for one in found[-LEFT_OUT_KEPT:]])
        db.execute(sa.delete(LEFT_OUT).where(LEFT_OUT.c.number <= found[-1].number - LEFT_OUT_KEPT))
        return found

    def _new(self, db: sa.Connection, batch: Sequence[JournalEntry]) -> list[JournalEntry]:
        """Those of a batch that are not in yet, each once."""
        known, new = self._position(db, alone=True), []
        if known != self._hot.at:
            self._hot.forget()
        for entry in batch:
            if entry.seq > known:
                new.append(entry)
                known = entry.seq
        return new

    def _position(self, db: sa.Connection, *, alone: bool = False) -> int:
        """`alone`: nobody else folds until the end of the transaction."""
        return _only(db.exec_driver_sql(self._position_alone if alone else self._position_now))

    def _take(self, db: sa.Connection, new: Sequence[JournalEntry], *, fit: bool = False) -> None:
        """Fold a group: each table is read once and written once. `fit`: change values that cannot be written into
        like ones that can."""
        concerned: list[list[Part]] = [[] for _ in self._projections]
        of_event = self._of_event
        for entry in new:
            event = entry.event
            for place, key_of, parts in of_event.get(type(event), ()):
                if parts is None:
                    concerned[place].append((key_of(event), event, entry.seq))
                else:
                    concerned[place] += [(key_of(part), part, entry.seq) for part in parts(event)]
        for place, found in enumerate(concerned):
            if found:
                for statement, values in self._folded(db, place, self._summed(place, found)):
                    if values:
                        self._write(db, statement, [self._fitted(each) for each in values] if fit else values)
                self._clear_out(db, place, found[-1])

    def _summed(self, place: int, parts: Sequence[Part]) -> Sequence[Part]:
        """The same, or what they are together where only that counts."""
        projection, (_, _, last) = self._projections[place], parts[-1]
        if projection.summed is None:
            return parts
        key_of = attrgetter(projection.key)
        return [(key_of(part), part, last) for part in projection.summed(event for _, event, _ in parts)]

    def _clear_out(self, db: sa.Connection, place: int, newest: Part) -> None:
        """Delete the rows that are no longer kept now that the newest part is in."""
        projection, (_, part, seq) = self._projections[place], newest
        if projection.outdated is not None:
            db.execute(sa.delete(projection.table).where(projection.outdated(part, seq)))

    def _folded(self, db: sa.Connection, place: int, parts: Sequence[Part]) -> list[tuple[str, list[Values]]]:
        """Fold the parts into the rows of one projection: what has to be written for it."""
        statements, fold = self._statements[place], self._projections[place].fold
        if statements.adds_only:
            added = (fold(None, part, seq) for _, part, seq in parts)
            return statements.inserts([astuple(row) for row in added if row is not None])
        rows = self._rows(db, place, {key for key, _, _ in parts})
        before: dict[Any, Any] = {}  # of the rows that change
        remade = set()  # that were gone in between: another row by then, also in what never changes of one
        for key, part, seq in parts:
            row = rows[key]
            after = fold(row, part, seq)
            if after is not row:
                if key not in before:
                    before[key] = row
                rows[key] = after
                if after is None:
                    remade.add(key)
        deletes, inserts, updates = [], [], []
        for key, was in before.items():
            row = rows[key]
            if was is None:
                if row is not None:
                    inserts.append(astuple(row))
            elif row is None or key in remade or (row is not was and statements.is_another(was, row)):
                deletes.append(astuple(was))
                if row is not None:
                    inserts.append(astuple(row))
            elif row is not was:
                updates.append((was, row))
        return [*statements.deletes(deletes), *statements.inserts(inserts), *statements.updates(updates)]

    def _rows(self, db: sa.Connection, place: int, keys: set[Any]) -> dict[Any, Any]:
        """The rows of these keys, and perhaps others; None where there is none."""
        rows, statements = self._hot.rows[place], self._statements[place]
        cold = keys.difference(rows)
        if len(rows) + len(cold) > HOT:
            rows.clear()
            cold = keys
        if cold:
            rows.update(dict.fromkeys(cold))
            key, struct = statements.key, statements.row
            for row in db.exec_driver_sql(statements.select, statements.to_select(list(cold))).all():
                rows[key(row)] = struct(*row)
        return rows

    def _move(self, db: sa.Connection, new: Sequence[JournalEntry]) -> None:
        if new:
            db.exec_driver_sql(self._move_to, (new[-1].seq, len(new)))

    def drop(self, *, aside: bool = False) -> None:
        with self._explained(), self._turn:
            self._turn.wait_for(lambda: self._readers == 0)
            self._close()
            self._forget(aside=aside)

    @abstractmethod
    def forget_aside(self) -> None:
        """See `Store`."""

    def close(self) -> None:
        self._cut_short()
        with self._turn:
            self._turn.wait_for(lambda: self._readers == 0)
            self._close()

    # --- reading

    def read(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> list[Answer]:
        if seconds <= 0:
            raise StoreFailed(INTERRUPTED, "it had waited too long")
        with self.reading() as db, self._limited(db, seconds):
            rows = db.execute(query.statement).all()
        return [query.view(row) for row in rows]

    def read_placed(self, query: Query[Answer], *, seconds: float = LONGEST_READ) -> Placed[Answer]:
        if seconds <= 0:
            raise StoreFailed(INTERRUPTED, "it had waited too long")
        with self.reading() as db, self._limited(db, seconds), self.of_one_moment(db):
            seq = self._position(db)
            rows = db.execute(query.statement).all()
        return Placed(seq, [query.view(row) for row in rows])

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """This thread's connection. Nobody drops the tables meanwhile."""
        with self._turn:
            self._readers += 1
        try:
            with self._explained():
                yield self._connection()
        finally:
            with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    @contextmanager
    def of_one_moment(self, db: sa.Connection) -> Iterator[None]:
        """All that is read meanwhile is of the same moment."""
        db.exec_driver_sql(self.begin_reading)
        try:
            yield
        finally:
            db.exec_driver_sql("ROLLBACK")

    # --- examining

    def examine(self, table: str) -> Soundness:
        limit = threading.Timer(EXAMINING, self._cut_short)
        with self._explained(), closing(self._engine.connect()) as db:
            with self._turn:
                self._examining = db.connection.driver_connection
            limit.start()
            try:
                return self._examine(db, table)
            finally:
                limit.cancel()
                with self._turn:
                    self._examining = None

    def _cut_short(self) -> None:
        with self._turn:
            if self._examining is not None:
                self._interrupt(self._examining)

    # --- what a database has of its own

    @abstractmethod
    def _limited(self, db: sa.Connection, seconds: float) -> AbstractContextManager[None]:
        """What is read meanwhile is interrupted after so many seconds."""

    @abstractmethod
    def _examine(self, db: sa.Connection, table: str) -> Soundness:
        """Look at a table and its indexes. The connection is of this alone."""

    @abstractmethod
    def _interrupt(self, driver: Any) -> None:
        """End what another thread does with this connection of the driver's."""

    @abstractmethod
    def _failure_of(self, error: Exception) -> StoreFailed | None:
        """What an error says of the whole store. None: nothing, it is about this statement."""

    def _write(self, db: sa.Connection, statement: str, rows: list[Values]) -> None:
        """Run one of `Statements` for each of the rows."""
        db.exec_driver_sql(statement, rows)

    def _fitted(self, values: Values) -> Values:
        """Values of a row as this database can take them."""
        return values

    @abstractmethod
    def _prepare(self) -> None:
        """See to it that the tables are there and good, if that is not known yet: as they are, or anew."""

    @abstractmethod
    def _forget(self, *, aside: bool) -> None:
        """Remove what there is. There are no connections now."""

    # --- connections

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what the database and the file system say as StoreFailed."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            failure = self._failure_of(error)
            if failure is None:
                raise
            raise failure from error

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """This thread's connection to tables that are there and good."""
        try:
            with self._explained():
                self._prepare()
                yield self._connection()
        except StoreFailed as error:
            if error.kind not in self.keeps_connection:
                self._discard()
            raise

    @contextmanager
    def _transaction(self, db: sa.Connection) -> Iterator[None]:
        db.exec_driver_sql(self.begin)
        try:
            yield
            db.exec_driver_sql("COMMIT")
        except BaseException:
            with suppress(SQLAlchemyError):  # it may have been rolled back already, or the connection is gone
                db.exec_driver_sql("ROLLBACK")
            raise

    def _connection(self) -> sa.Connection:
        connection: sa.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect()
            with self._turn:
                self._opened.append(connection)
            self._local.connection = connection
        return connection

    def _discard(self) -> None:
        """Close this thread's connection."""
        connection: sa.Connection | None = getattr(self._local, "connection", None)
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
        self._hot.forget()

    # --- the tables

    def _version(self) -> int:
        """Of the tables and of what the folds make of events: another one is another store."""
        what = [
            (
                one.table.name,
                one.version,
                [(c.name, type(c.type).__name__, c.nullable, c.unique) for c in one.table.columns],
                sorted(str(index.name) for index in one.table.indexes),
                one.sought and one.sought.columns,
            )
            for one in self._projections
        ]
        return crc32(repr([LEFT_OUT.name, *what]).encode())

    def _make(self, db: sa.Connection) -> None:
        for table in (POSITION, LEFT_OUT):
            table.create(db)
        for statements in self._statements:
            for make in statements.make:
                db.exec_driver_sql(make)
        db.execute(sa.insert(POSITION).values(version=self._version(), seq=0, entries=0))

    def _is_of_this_version(self, db: sa.Connection) -> bool:
        """Whether all tables are there, with these columns. Raises what the database says where not."""
        row = db.execute(sa.select(POSITION.c.version)).first()
        for statements in self._statements:
            db.exec_driver_sql(statements.probe)
        return row is not None and row[0] == self._version()


def _nothing(event: object) -> None:
    """The key of what is about many rows."""


def _only(found: sa.CursorResult[Any]) -> int:
    """The figure in the one row of the position."""
    row = found.first()
    if row is None:
        raise StoreDamaged(FOREIGN_TABLES, "the position is missing")
    return int(row[0])


def _writable(text: str) -> str:
    """A text that any database takes."""
    return text[:LONGEST_REASON].encode(errors="replace").decode().replace("\0", "\ufffd")


def _reason(error: Exception) -> str:
    """Without the statement and its values."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(said).__name__}: {said}"
