"""What a ledger in PostgreSQL has of its own: schemas, connections that are lost, texts with NUL, passwords."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from actors.adapters.ledger.examine import LedgerUnusable, examine_postgresql
from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.ledger.schemas import LONGEST_NAME, schema_of
from actors.adapters.ledger.statements import AT_ONCE, is_copy
from actors.adapters.system_clock import SystemClock
from actors.ledger import follow
from actors.ledger.call import one
from actors.ledger.lead import leads_of
from actors.ledger.ledger import Ledger
from actors.ledger.slot import command
from actors.ledger.store import JournalEntry, StoreDamaged, StoreFailed
from actors.runtime.wire import ask
from bus_schemas.call import GET_CDR, GetCdr
from bus_schemas.campaign import CampaignLeadsAdded
from bus_schemas.lead import Lead, ListLeads
from bus_schemas.slot import SlotCommandDone, SlotCommandStarted
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import ASKER, AT, call, seen
from tests.ledger.places import Schemas, tables_at
from tests.support.site import PATIENCE

pytestmark = pytest.mark.postgresql
PASSWORD = "s3cret-of-the-ledger"
EVERYBODY = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ottb-ledger'"


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


@pytest.fixture
def store(schemas: Schemas) -> Iterator[PostgresLedger]:
    with closing(schemas.store()) as store:
        yield store


def test_each_host_has_a_schema_of_its_own(schemas: Schemas, store: PostgresLedger) -> None:
    with closing(schemas.store("other")) as other:
        store.sequence()
        other.fold([JournalEntry(seq=7, event=None)])
        assert (store.sequence(), other.sequence()) == (0, 7)
        store.drop()
        assert (store.sequence(), other.sequence()) == (0, 7)


def test_a_long_name_of_a_host_makes_a_name_of_a_schema() -> None:
    names = {schema_of("a" * 64), schema_of("a" * 63 + "b"), schema_of("b-1"), schema_of("B-1")}
    assert len(names) == 4 and all(len(name) <= LONGEST_NAME for name in names)


def test_what_somebody_else_has_in_the_schema_stays(schemas: Schemas, store: PostgresLedger) -> None:
    store.sequence()
    schemas.run("CREATE TABLE theirs AS SELECT 5 AS x")
    store.drop(aside=True)
    store.drop()
    schemas.run("SELECT 1 / count(*) FROM theirs")


@pytest.mark.parametrize("sql", [
    "UPDATE position SET version = 1", "DROP TABLE commands CASCADE", "ALTER TABLE calls DROP COLUMN trace_id",
    "DROP TABLE calls; CREATE TABLE calls (x INTEGER)", "TRUNCATE position",
])  # fmt: skip
def test_tables_of_another_version_are_made_anew(schemas: Schemas, store: PostgresLedger, sql: str) -> None:
    store.fold([JournalEntry(seq=7, event=None)])
    assert store.sequence() == 7
    schemas.run(sql)
    with closing(schemas.store()) as again:
        assert again.sequence() == 0
        assert again.fold([JournalEntry(seq=8, event=None)]) == []


async def test_a_lost_connection_costs_nobody_an_answer(bus: MemoryBus, schemas: Schemas) -> None:
    ledger = Ledger(bus=bus, store=schemas.store())
    await ledger.start()
    for number in range(10):
        await call(bus, number)
        assert (await ask(bus, GET_CDR, GetCdr(call_id=f"c_{number}"), seen(await bus.last_seq()))).talk_seconds == 3
        schemas.run(EVERYBODY)
        assert (await ask(bus, GET_CDR, GetCdr(call_id=f"c_{number}"), ASKER)).talk_seconds == 3
    async with asyncio.timeout(PATIENCE):
        while ledger.problems():
            await asyncio.sleep(0.01)
    await ledger.stop()
    assert len(tables_at(schemas)["calls"]) == 10


def test_a_lost_connection_is_a_failure_that_passes(schemas: Schemas, store: PostgresLedger) -> None:
    store.sequence()
    schemas.run(EVERYBODY)
    with pytest.raises(StoreFailed) as failed:
        store.fold([JournalEntry(seq=1, event=None)])
    assert failed.value.kind == "connection lost" and not isinstance(failed.value, StoreDamaged)
    assert store.fold([JournalEntry(seq=1, event=None)]) == [] and store.sequence() == 1


async def test_a_database_that_is_away_holds_nobody_up(
    bus: MemoryBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(follow, "LAST_PAUSE", 0.05)
    store = PostgresLedger(f"postgresql://ottb:{PASSWORD}@127.0.0.1:1/ottb", schema_of("local"))
    ledger = Ledger(bus=bus, store=store)
    async with asyncio.timeout(PATIENCE):
        await ledger.start()
    problem = ledger.problems()[1]
    assert problem.reason.startswith("connection lost: ")
    await ledger.stop()
    said = capsys.readouterr()
    assert PASSWORD not in f"{said.out}{said.err}{ledger.problems()}{store._engine!r}"


def test_a_text_with_nul_is_kept_as_far_as_it_can_be(store: PostgresLedger) -> None:
    started = SlotCommandStarted(slot=1, at=AT.format(0), command_id="k", command="cat x", by="u")
    done = SlotCommandDone(slot=1, at=AT.format(1), command_id="k", exit_code=0, output="a\0b", truncated=False)
    assert store.fold([JournalEntry(seq=1, event=started), JournalEntry(seq=2, event=done)]) == []
    [found] = store.read(command(1, "k"))
    assert found.output == "a\ufffdb" and store.sequence() == 2


ODD = ("", "\\N", "\\.", "tab\tin it", "two\nlines", "\r\n", "back\\slash\\", "'; DROP TABLE leads; --", "жінка 👩‍🔧")


def added(seq: int, names: Sequence[str]) -> JournalEntry:
    leads = tuple(
        Lead(id=f"l{seq}-{place}", numbers=(f"+3809900{place:05}",), name=name) for place, name in enumerate(names)
    )
    return JournalEntry(
        seq=seq, event=CampaignLeadsAdded(campaign="c", at=AT.format(0), by="u", first=1000 * seq, leads=leads)
    )


def names_in(store: PostgresLedger) -> list[str]:
    return [view.lead.name for _, view in store.read(leads_of(ListLeads(campaign_id="c", limit=1000), after=None))]


def test_a_list_is_kept_to_the_letter(store: PostgresLedger) -> None:
    names = [*ODD, *map(str, range(AT_ONCE))]
    assert store.fold([added(1, names)]) == []
    assert names_in(store) == names


def test_a_list_that_cannot_be_written_is_left_out_alone(store: PostgresLedger) -> None:
    with_nul, half = ["a\0b", *map(str, range(AT_ONCE))], ["\ud800", *map(str, range(AT_ONCE))]
    left_out = store.fold([added(1, with_nul), added(2, half), added(3, ["c"])])
    assert [one.seq for one in left_out] == [2] and store.sequence() == 3
    assert names_in(store) == [*with_nul, "c"]  # the record of a lead is JSON, which may have NUL


def test_a_connection_lost_in_a_list_loses_nothing(schemas: Schemas, store: PostgresLedger) -> None:
    store.sequence()
    cut = [True]

    def write(self: PostgresLedger, db: sa.Connection, statement: str, rows: list[Any]) -> None:
        if is_copy(statement) and cut:
            cut.clear()
            schemas.run(EVERYBODY)
        original(self, db, statement, rows)

    original = PostgresLedger._write
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PostgresLedger, "_write", write)
        with pytest.raises(StoreFailed) as failed:
            store.fold([added(1, list(map(str, range(AT_ONCE))))])
        assert failed.value.kind == "connection lost" and not isinstance(failed.value, StoreDamaged)
        assert store.fold([added(1, list(map(str, range(AT_ONCE))))]) == [] and not cut
    assert names_in(store) == list(map(str, range(AT_ONCE)))


def test_one_writer_at_a_time_folds(schemas: Schemas, store: PostgresLedger) -> None:
    store.sequence()
    with schemas.locked(), pytest.raises(StoreFailed) as failed:
        store.fold([JournalEntry(seq=1, event=None)])
    assert failed.value.kind == "locked"


def test_readers_see_the_old_tables_or_the_new_ones(schemas: Schemas, store: PostgresLedger) -> None:
    store.sequence()
    with closing(schemas.store()) as reader:
        assert reader.read(one("c_1")) == []
        store.drop()
        assert reader.read(one("c_1")) == []


@pytest.mark.parametrize("state", ["XX001", "42P01", "3F000"])
def test_damage_is_told_apart(store: PostgresLedger, state: str) -> None:
    _raised(store, state, StoreDamaged)


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "57P01", "55P03", "40P01", "25006", "42501", "58030"])
def test_failures_that_pass_are_told_apart(store: PostgresLedger, state: str) -> None:
    _raised(store, state, StoreFailed)


def _raised(store: PostgresLedger, state: str, kind: type[StoreFailed]) -> None:
    """The database itself says it."""
    with pytest.raises(StoreFailed) as failed, store.reading() as db:
        db.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'; END $$")
    assert type(failed.value) is kind and "so it is" in str(failed.value)


def test_the_server_can_be_asked(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as db:
        assert db.execute("SHOW listen_addresses").fetchall() == [("",)]  # nobody reaches it over the network


def test_a_database_is_examined_without_changing_it(schemas: Schemas, postgres_url: str) -> None:
    for _ in range(2):
        assert "made at the start" in examine_postgresql(postgres_url, schemas.schema())
    with closing(schemas.store()) as store:
        store.sequence()
    assert "made at the start" not in examine_postgresql(postgres_url, schemas.schema())


def test_a_database_that_cannot_hold_the_records_is_told(schemas: Schemas, postgres_url: str) -> None:
    role = f"guest_{uuid4().hex[:8]}"
    schemas.run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    guest = postgres_url.replace("ottb@", f"{role}:{PASSWORD}@")
    with pytest.raises(LedgerUnusable, match="may not create the schema"):
        examine_postgresql(guest, "ottb_other")
    with pytest.raises(LedgerUnusable, match="takes no writes"):
        examine_postgresql(f"{postgres_url}&options=-c%20default_transaction_read_only%3Don", "ottb_other")
    with pytest.raises(LedgerUnusable) as caught:
        examine_postgresql(guest.replace("/postgres", "/nowhere"), "ottb_other")
    assert PASSWORD not in str(caught.value)
