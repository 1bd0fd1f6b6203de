"""Where a ledger of the tests is: in files of SQLite, or in schemas of a PostgreSQL database. What holds of both is
tested with both."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from actors.adapters.ledger.fresh import Tables, tables_of
from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.ledger.store import SqlStore
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import Projection

BUSY = 0.05  # seconds


class Place(Protocol):
    def store(self, name: str = "l", projections: Sequence[Projection[Any]] = PROJECTIONS) -> SqlStore:
        """A store of that name: what another one of this name has written is there."""

    def run(self, sql: str, name: str = "l") -> None:
        """Something that is done to a store behind its back."""

    def locked(self, name: str = "l") -> Iterator[None]:
        """Nobody can write there, and everybody can read."""


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, name: str = "l", projections: Sequence[Projection[Any]] = PROJECTIONS) -> SqliteLedger:
        return SqliteLedger(self.folder / name, busy_timeout=BUSY, projections=projections)

    def run(self, sql: str, name: str = "l") -> None:
        with closing(sqlite3.connect(self.folder / name)) as db:
            db.executescript(sql)

    @contextmanager
    def locked(self, name: str = "l") -> Iterator[None]:
        with closing(sqlite3.connect(self.folder / name, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield


class Schemas:
    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self._prefix = prefix

    def schema(self, name: str = "l") -> str:
        return f"{self._prefix}-{name}"

    def store(self, name: str = "l", projections: Sequence[Projection[Any]] = PROJECTIONS) -> PostgresLedger:
        return PostgresLedger(self.url, self.schema(name), projections=projections)

    def connect(self, name: str = "l") -> psycopg.Connection:
        db = psycopg.connect(self.url, autocommit=True)
        db.execute(f'SET search_path TO "{self.schema(name)}"'.encode())
        return db

    def run(self, sql: str, name: str = "l") -> None:
        with self.connect(name) as db:
            db.execute(sql.encode())

    @contextmanager
    def locked(self, name: str = "l") -> Iterator[None]:
        with self.connect(name) as db, db.transaction():
            db.execute("SELECT * FROM position FOR UPDATE")
            yield


def tables_at(place: Place, name: str = "l") -> Tables:
    """All that is in a store, which may run."""
    with closing(place.store(name)) as store:
        return tables_of(store)
