"""An examination of a table: an index that lacks rows is found, in time, and beside whoever writes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from actors.adapters.ledger import store as stores
from actors.adapters.ledger.store import SqlStore
from actors.ledger.audit import records
from actors.ledger.store import JournalEntry, Soundness, StoreFailed
from bus_schemas.audit import AuditRecorded, ListAudit
from tests.audit.test_audit import entry
from tests.ledger.places import Place, Schemas

ROWS = 100


def recorded(count: int) -> list[JournalEntry]:
    event = AuditRecorded(first=1, entries=[entry(number) for number in range(count)], previous="", hash="")
    return [JournalEntry(seq=1, event=event)]


@contextmanager
def filled(place: Place, count: int = ROWS) -> Iterator[SqlStore]:
    with closing(place.store()) as store:
        store.sequence()
        assert store.fold(recorded(count)) == []
        yield store


def lie(place: Place) -> None:
    """Have the index of the users lack all rows of one, unknown to the database."""
    place.run("DROP INDEX audit_user")
    lying = 'CREATE INDEX audit_user ON audit ("user") WHERE "user" <> \'op12\''
    if isinstance(place, Schemas):
        place.run(lying)
        place.run("UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'audit_user'::regclass")
    else:
        honest = lying.partition(" WHERE")[0]
        place.run(
            f"{lying}; PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = '{honest}' WHERE name = 'audit_user'"
        )


def prepared(place: Place) -> None:
    if isinstance(place, Schemas):
        place.run("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")


def test_what_is_whole_is_found_whole(place: Place) -> None:
    with filled(place) as store:
        prepared(place)
        found = store.examine("audit")
        assert (found.problems, found.unseen) == ([], None)


def test_an_index_that_lacks_rows_is_named(place: Place) -> None:
    with filled(place) as store:
        prepared(place)
        lie(place)
        found = store.examine("audit")
        assert found.problems and any("audit_user" in one for one in found.problems) and found.unseen is None


def test_it_looks_while_somebody_else_writes(place: Place) -> None:
    with filled(place) as store:
        prepared(place)
        with place.locked():
            assert store.examine("audit").problems == []


def endless(store: SqlStore, db: sa.Connection, table: str) -> Soundness:
    """A table that nobody has looked through before the end of days."""
    db.exec_driver_sql("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c")
    raise AssertionError("the end of days")


def test_it_ends_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(place) as store:
        monkeypatch.setattr(stores, "EXAMINING", 0.2)
        monkeypatch.setattr(type(store), "_examine", endless)
        with pytest.raises(StoreFailed) as failed:
            store.examine("audit")
        assert failed.value.kind == "interrupted"


def test_others_write_and_read_meanwhile_and_it_ends_with_the_store(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(place) as store, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(type(store), "_examine", endless)
        examining = pool.submit(store.examine, "audit")
        store.fold([JournalEntry(seq=2, event=None)])
        assert store.sequence() == 2
        assert len(store.read(records(ListAudit(user="op12"), before=None))) == ROWS
        assert not examining.done()
        while not wait([examining], timeout=0.05).done:  # the first time it may not have begun
            store.close()
        assert isinstance(examining.exception(), StoreFailed)


@pytest.mark.postgresql
def test_an_index_that_is_not_used_keeps_nobody_from_the_others(schemas: Schemas) -> None:
    with filled(schemas) as store:
        prepared(schemas)
        schemas.run("CREATE INDEX quick ON audit (door)")
        schemas.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'quick'::regclass")
        assert store.examine("audit") == Soundness()
        lie(schemas)
        assert any("audit_user" in one for one in store.examine("audit").problems)


@pytest.mark.postgresql
def test_a_database_without_amcheck_is_said_to_be_unseen(schemas: Schemas) -> None:
    with filled(schemas) as store:
        schemas.run("DROP EXTENSION IF EXISTS amcheck")
        found = store.examine("audit")
        assert (found.problems, found.unseen) == ([], "the database has no extension amcheck")


@pytest.mark.postgresql
def test_who_may_not_look_at_indexes_says_so_and_may_when_granted(schemas: Schemas) -> None:
    prepared(schemas)
    schemas.run("CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain")
    plain = Schemas(schemas.url.replace("ottb@", "plain@"), schemas.schema("plain"))
    with filled(plain) as store:
        found = store.examine("audit")
        assert found.problems == [] and "permission denied" in str(found.unseen)
        schemas.run("GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO plain")
        assert store.examine("audit") == Soundness()
