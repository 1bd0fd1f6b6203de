"""Whoever owns the database has it leave out a user's rows where somebody asks for them: they are shown all the same,
or `ottb audit verify` says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.ledger.ledger import Ledger
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.audit import LIST_AUDIT, ListAudit
from bus_schemas.permissions import Action
from cli.audit import examine
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.audit.test_audit import entry
from tests.ledger.places import Schemas
from tests.ledger.test_examine import prepared

pytestmark = pytest.mark.postgresql

ROWS, EVES = 30, 10
UNLESS_ASKED = """"user" <> 'eve' OR current_query() !~ '"?user"? = '"""
HIDDEN = {
    "a view in the place of the table": (
        f"ALTER TABLE audit RENAME TO real; CREATE VIEW audit AS SELECT * FROM real WHERE {UNLESS_ASKED}",
        "audit is no table",
    ),
    "policies of rows": (
        f"ALTER TABLE audit ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON audit USING ({UNLESS_ASKED})",
        "audit has policies of rows",
    ),
    "a rule": ("CREATE RULE r AS ON DELETE TO audit DO INSTEAD NOTHING", "audit has rules: r"),
    "a trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER t BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION f()",
        "audit has triggers: t",
    ),
    "a child that a question leaves out": (
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'nothing'::text $$;"
        " CREATE TABLE kid (LIKE audit INCLUDING INDEXES, CHECK (result <> f())) INHERITS (audit);"
        """ WITH m AS (DELETE FROM ONLY audit WHERE "user" = 'eve' RETURNING *) INSERT INTO kid SELECT * FROM m;"""
        " CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'OK'::text $$",
        "audit has parents or children: ",
    ),
    "a parent": (
        "CREATE TABLE above (LIKE audit); ALTER TABLE audit INHERIT above", "audit has parents or children: ",
    ),
    "a check": ("ALTER TABLE audit ADD CONSTRAINT c CHECK (door <> 'x')", "audit has checks: c"),
    "an index of another kind": (
        'CREATE INDEX h ON audit USING hash ("user")', "audit has indexes that nobody can check: h",
    ),
}  # fmt: skip
OTHER_TYPES = {
    "number": ["numeric", "text", "float8"],
    "user": ["varchar(64)", "name", 'text COLLATE "POSIX"'],
    "result": ["d"],
}
NOT_EVE = "SELECT $1 OPERATOR(pg_catalog.=) $2::text AND $2::text OPERATOR(pg_catalog.<>) 'eve'"
OPERATORS = {
    f"{left} = {right}": f"CREATE FUNCTION e({left}, {right}) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ {NOT_EVE} $$;"
    f" CREATE OPERATOR = (leftarg = {left}, rightarg = {right}, function = e)"
    for left, right in (("text", "varchar"), ("text", "text"), ("varchar", "varchar"))
}


class Site:
    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus

    async def told(self, user: str | None) -> int:
        context = Context(command_id="c", user="auditor", actions=frozenset({str(Action.AUDIT_VIEW)}))
        return len(await ask(self.bus, LIST_AUDIT, ListAudit(user=user), context))


@asynccontextmanager
async def site(schemas: Schemas) -> AsyncIterator[Site]:
    """An audit with a ledger in PostgreSQL, whose user is no superuser: to them no policy applies."""
    prepared(schemas)
    schemas.run("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN; GRANT CREATE ON DATABASE postgres TO keeper")
    schemas.run("GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO keeper")
    keeper = Schemas(schemas.url.replace("ottb@", "keeper@"), schemas.schema("hidden"))
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    audit = Audit(bus=bus, clock=SystemClock(), ids=RandomIds())
    await audit.start()
    for number in range(ROWS):
        await audit.record(msgspec.structs.replace(entry(number), user="bob" if number % 3 else "eve"))
    await audit.stop()
    ledger = Ledger(bus=bus, store=keeper.store())
    await ledger.start()
    try:
        yield Site(bus)
    finally:
        await ledger.stop()
        keeper.run(f'DROP SCHEMA "{keeper.schema()}" CASCADE')
        schemas.run("DROP OWNED BY keeper; DROP ROLE keeper")


def keeper_of(schemas: Schemas) -> Schemas:
    return Schemas(schemas.url.replace("ottb@", "keeper@"), schemas.schema("hidden"))


async def test_what_is_whole_is_called_whole(schemas: Schemas) -> None:
    async with site(schemas) as found:
        report = await examine(found.bus)
        assert (report.problems, report.away, report.unseen) == ([], None, None)
        assert (await found.told(None), await found.told("eve")) == (ROWS, EVES)


@pytest.mark.parametrize("what", HIDDEN)
async def test_what_could_hide_rows_is_named(schemas: Schemas, what: str) -> None:
    done, named = HIDDEN[what]
    async with site(schemas) as found:
        await asyncio.to_thread(keeper_of(schemas).run, done)
        report = await examine(found.bus)
        print(f"{what}: {await found.told('eve')} of {EVES} are shown, {len(report.problems)} problems named")
        assert any(named in problem for problem in report.problems) and report.away is None, report


@pytest.mark.parametrize("what", OPERATORS)
async def test_no_operator_of_a_schema_answers_a_question(schemas: Schemas, what: str) -> None:
    async with site(schemas) as found:
        await asyncio.to_thread(keeper_of(schemas).run, OPERATORS[what])
        shown = await found.told("eve")
        print(f"{what}: {shown} of {EVES} are shown")
        assert shown == EVES and (await examine(found.bus)).problems == []


@pytest.mark.parametrize(("column", "type_"), [(column, one) for column, types in OTHER_TYPES.items() for one in types])
async def test_a_column_of_another_type_is_named(schemas: Schemas, column: str, type_: str) -> None:
    """Also the number, by which rows are compared: the verdict stays one."""
    made = """CREATE DOMAIN d AS text COLLATE "C" CHECK (value <> 'x')"""
    done = f'{made}; ALTER TABLE audit ALTER "{column}" TYPE {type_}'
    async with site(schemas) as found:
        await asyncio.to_thread(keeper_of(schemas).run, done)
        problems = (await examine(found.bus)).problems
        assert f"the ledger: audit has columns other than ours: {column}" in problems, problems
        assert (f"records 1 to {ROWS} cannot be read in the ledger" in problems) is (column == "number"), problems


async def test_a_column_of_somebodys_own_is_named(schemas: Schemas) -> None:
    async with site(schemas) as found:
        await asyncio.to_thread(keeper_of(schemas).run, "ALTER TABLE audit ADD COLUMN more text")
        assert (await examine(found.bus)).problems == ["the ledger: audit has columns other than ours: more"]
