"""How SQLite finds what the records are asked for, where there are a million of each: every query of every read model,
by each of its filters and by any two. Nothing that grows is looked through from its first row to its last."""

import importlib
import inspect
import itertools
import pkgutil
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, get_origin, get_type_hints

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import visitors

import actors.ledger as package
from actors.ledger import (
    alert,
    all_leads,
    audit,
    call,
    campaign,
    dashboard,
    do_not_call,
    erasure,
    imports,
    lead,
    log,
    monitor,
    note,
    operator,
    pipeline,
    script,
    slot,
    talks,
    team_times,
    timeline,
    trunk,
    webhook,
)
from actors.ledger.all_leads import Sought
from actors.ledger.dashboard import Span
from actors.ledger.kinds import FIGURES_PROJECTIONS, LOG_PROJECTIONS, PROJECTIONS
from actors.ledger.model import Projection, Query
from bus_schemas.alert import ListAlerts
from bus_schemas.audit import ListAudit
from bus_schemas.call import CallsFeed, CallState, ListCdrs, OpenCalls
from bus_schemas.campaign import ListCampaigns
from bus_schemas.do_not_call import ListDoNotCall
from bus_schemas.imports import ListImports
from bus_schemas.lead import LeadOrder, ListAllLeads, ListLeads
from bus_schemas.log import ListLogs
from bus_schemas.monitor import HistoryOf
from bus_schemas.operator import ListOperators, ReportOperators
from bus_schemas.pipeline import ListPipelineRuns
from bus_schemas.script import ListRuns
from tests.ledger.places import Files

THROUGH = re.compile(
    r"(?:SCAN|SEARCH) (?P<table>\w+)(?: USING (?:COVERING )?(?:INDEX (?P<index>\w+)|INTEGER PRIMARY KEY))?"
    r"(?: \((?P<span>[^=?]*[<>][^=]*)\))?$"
)
ROWS = 1_000_000
ALIKE, SOME = 1_000, 3  # rows of such a table that say the same in the first column of an index; in more of them
# What there is one of for each thing that somebody has set up, each file that was read and each day of an operator; and
# the log, which forgets.
FEW = {"slots", "trunks", "campaigns", "pipelines", "webhooks", "operators", "erasures", "imports", "operator_days",
       "log_events"}  # fmt: skip
TABLES = {one.table.name: one.table for one in (*PROJECTIONS, *LOG_PROJECTIONS, *FIGURES_PROJECTIONS)}
GROWS = TABLES.keys() - FEW
OF_FEW = {"live_calls", "open_script_runs", "open_pipeline_runs", "queued_pipeline_runs", "do_not_call_removed"}
# What no index is of, since a page is soon full of it: most calls are over; and a part of a number that many have.
OFTEN = {"calls": {"phase", "number"}, "do_not_call": {"removed"}, "leads": {"came"}}
# Entries that begin with some digits are put in the order of the list, as many as they are; leads where they are few.
SORTED = {"do_not_call_entry", "leads_by_last_attempt", "leads_by_callback"}
AT, LATER = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
SAID: dict[str, Any] = {
    "since": AT, "until": LATER, "before": LATER, "contacted_since": AT, "contacted_until": LATER,
    "callback_until": LATER, "slot": 44, "pipeline": 7, "lines": ["slot-44"], "removed": True, "all": 1,
    "outcome": CallState.FAILED, "step": 60,
}  # fmt: skip
NOT_SOUGHT = {"limit", "cursor", "format"}


def asked(request: type[msgspec.Struct], **always: Any) -> Iterator[Any]:
    """Requests by no field, by each, and by any two."""
    fields = [name for name in request.__struct_fields__ if name not in {*always, *NOT_SOUGHT}]
    for names in itertools.chain.from_iterable(itertools.combinations(fields, many) for many in range(3)):
        yield request(**always, **{name: SAID.get(name, "said") for name in names})


def soughts() -> Iterator[Sought]:
    """Leads of all campaigns, in each order, for who sees all and for who sees his own alone."""
    for order, user in itertools.product(LeadOrder, (None, "ann")):
        for wanted in asked(ListAllLeads, order=order):
            numbers = frozenset({"7654"}) if wanted.number else None
            yield Sought(wanted, user, numbers, ("енко",) if wanted.text else None)


LEADS = ("c1/l1", "c1/l2")
# A page is asked for with what it begins after, which narrows no more than where it begins.
QUERIES: dict[Callable[..., Query[Any]], Callable[[], Iterable[Query[Any]]]] = {
    alert.one: lambda: [alert.one("a1")],
    alert.those: lambda: (alert.those(wanted) for wanted in asked(ListAlerts)),
    all_leads.leads_of_all: lambda: (
        all_leads.leads_of_all(sought, after=None, many=many) for sought in soughts() for many in (False, True)
    ),
    all_leads.how_many: lambda: map(all_leads.how_many, soughts()),
    all_leads.one_of_all: lambda: (all_leads.one_of_all("c1", "l1", user) for user in (None, "ann")),
    all_leads.came_alone: lambda: [all_leads.came_alone("c1", "l1")],
    audit.known_actions: lambda: [audit.known_actions()],
    audit.records: lambda: (
        audit.records(wanted, before=None, actions=actions if wanted.action else None)
        for wanted in asked(ListAudit) for actions in (["one", "other"], [])
    ),
    call.one: lambda: [call.one("c_1")],
    call.feed: lambda: (
        call.feed(wanted, before=None, user=user) for wanted in asked(CallsFeed) for user in (None, "ann")
    ),
    call.still_open: lambda: map(call.still_open, asked(OpenCalls)),
    call.record: lambda: [call.record("c_1")],
    call.records: lambda: (
        call.records(wanted, before=None, user=user, parts=frozenset({"7654"}) if wanted.number else None, few=few)
        for wanted in asked(ListCdrs) for user in (None, "ann") for few in (False, bool(wanted.number))
    ),
    call.how_many_have: lambda: [call.how_many_have(frozenset({"7654"}))],
    call.recording: lambda: [call.recording("c_1")],
    campaign.one: lambda: [campaign.one("c1")],
    campaign.all_campaigns: lambda: (
        campaign.all_campaigns(wanted, before=None, user="ann") for wanted in asked(ListCampaigns)
    ),
    dashboard.series: lambda: [dashboard.series("slot", "44", [0, 1, 2, 4, 8, 96, 192])],
    dashboard.breakdown: lambda: [dashboard.breakdown("slot", Span(1, 300), 10)],
    dashboard.today: lambda: (dashboard.today("all", "", Span(1, 96), user) for user in (None, "ann")),
    do_not_call.entries_of: lambda: (
        do_not_call.entries_of(wanted, after=None, numbers=frozenset({"7654"}) if wanted.number else None)
        for wanted in asked(ListDoNotCall)
    ),
    do_not_call.on_record: lambda: [do_not_call.on_record(("a", "b"))],
    erasure.one: lambda: [erasure.one("er_1")],
    erasure.files_wiped: lambda: [erasure.files_wiped()],
    erasure.all_of_them: lambda: [erasure.all_of_them(before=None, limit=10)],
    imports.one: lambda: [imports.one("i_1")],
    imports.all_imports: lambda: (imports.all_imports(wanted, before=None) for wanted in asked(ListImports)),
    imports.held_by: lambda: [imports.held_by("ann")],
    lead.leads_of: lambda: (
        lead.leads_of(wanted, after=None, numbers=["7654"] if wanted.number else None)
        for wanted in asked(ListLeads, campaign_id="c1")
    ),
    lead.one_lead: lambda: [lead.one_lead("c1", "l1")],
    lead.attempts_on: lambda: [lead.attempts_on("c1", "l1")],
    lead.by_status: lambda: [lead.by_status("c1")],
    lead.by_status_in: lambda: [lead.by_status_in(["c1", "c2"])],
    lead.by_hour: lambda: [lead.by_hour("c1", "2026-01-01")],
    log.events: lambda: (
        log.events(wanted, sender=sender, before=None) for wanted in asked(ListLogs) for sender in (None, "x")
    ),
    monitor.points: lambda: [monitor.points(HistoryOf(
        kind="slot", id="44", host=None, metric="battery", since=AT, until=LATER, step=60))],
    note.one: lambda: [note.one("n_1")],
    note.notes_of: lambda: (
        note.notes_of(**about, after=None, limit=9) for about in ({"call_id": "c_1"}, {"about": LEADS[0]})
    ),
    note.versions_of: lambda: [note.versions_of("n_1", after=None, limit=9)],
    operator.one: lambda: [operator.one("ann")],
    operator.operators: lambda: (operator.operators(wanted, after=None, user=None) for wanted in asked(ListOperators)),
    operator.days: lambda: (operator.days(wanted, skip=0, user=None) for wanted in asked(ReportOperators)),
    pipeline.pipelines: lambda: [pipeline.pipelines(None, 9)],
    pipeline.one: lambda: [pipeline.one(7)],
    pipeline.runs: lambda: (pipeline.runs(wanted, None) for wanted in asked(ListPipelineRuns, pipeline=7)),
    pipeline.one_run: lambda: [pipeline.one_run(7, 1)],
    pipeline.open_and_newest: lambda: [pipeline.open_and_newest(7, 3)],
    pipeline.steps: lambda: [pipeline.steps(["7/1"])],
    pipeline.with_steps: lambda: [pipeline.with_steps(["7/1", "7/2"])],
    pipeline.names_of_steps: lambda: [pipeline.names_of_steps("7/1")],
    pipeline.needed: lambda: [pipeline.needed()],
    pipeline.queued: lambda: [pipeline.queued(["arm64"], 9)],
    pipeline.counts: lambda: [pipeline.counts()],
    script.one: lambda: [script.one("s_1")],
    script.runs: lambda: (
        script.runs(wanted, before=None, user=user) for wanted in asked(ListRuns) for user in (None, "ann")
    ),
    script.open_runs: lambda: [script.open_runs()],
    slot.all_slots: lambda: [slot.all_slots()],
    slot.one_slot: lambda: [slot.one_slot(44)],
    slot.command: lambda: [slot.command(44, "k_1")],
    talks.on_calls: lambda: (
        talks.on_calls(**of, user=user) for of in ({"call_id": "c_1"}, {"about": LEADS[0]}) for user in (None, "ann")
    ),
    team_times.times_of: lambda: (team_times.times_of("c1", "2026-01-01", joins=joins) for joins in (False, True)),
    timeline.merged_into: lambda: [timeline.merged_into("c1", ["l1", "l2"])],
    timeline.entries_of: lambda: (timeline.entries_of(one, LEADS, before=None, limit=9) for one in timeline.SOURCES),
    trunk.all_trunks: lambda: [trunk.all_trunks()],
    webhook.one: lambda: [webhook.one("w_1")],
    webhook.webhooks_of: lambda: (webhook.webhooks_of(user, after=None, limit=9) for user in (None, "ann")),
    webhook.how_many: lambda: [webhook.how_many()],
    webhook.deliveries_of: lambda: (
        webhook.deliveries_of("w_1", status=status, before=None, limit=9) for status in (None, "failed")
    ),
    webhook.delivery: lambda: [webhook.delivery("w_1", 3)],
}


def made() -> set[Callable[..., Query[Any]]]:
    """Whatever makes a query."""
    modules = (importlib.import_module(f"actors.ledger.{one.name}") for one in pkgutil.iter_modules(package.__path__))
    functions = [one for module in modules for _, one in inspect.getmembers(module, inspect.isfunction)]
    return {one for one in functions if get_origin(get_type_hints(one).get("return")) is Query}


def test_every_query_is_here() -> None:
    assert made() == {*QUERIES}


@pytest.fixture(scope="module", params=["as it is", "with statistics"])
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """All tables, as SQLite takes them: without statistics, which a site has not, and with those of a million rows."""
    place = Files(tmp_path_factory.mktemp("plans"))
    projections = (*PROJECTIONS, *LOG_PROJECTIONS, *FIGURES_PROJECTIONS)
    with closing(place.store(projections=projections)) as store:
        store.sequence()
    with closing(sqlite3.connect(place.folder / "l")) as db:
        if request.param == "with statistics":
            db.execute("ANALYZE")
            db.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics(projections))
            db.execute("ANALYZE sqlite_schema")  # reads them
        yield db


def statistics(projections: Iterable[Projection[Any]]) -> Iterator[tuple[str, str, str]]:
    """What ANALYZE would say: how many rows there are, and how many say the same in the first columns of an index."""
    for table in (projection.table for projection in projections):
        for index in table.indexes:
            of_some = index.dialect_options["sqlite"]["where"] is not None
            rows = ROWS // 1000 if index.name in OF_FEW or table.name in FEW else ROWS // 10 if of_some else ROWS
            alike = [rows // 1000, *[SOME] * (len(index.columns) - 1)]
            yield table.name, str(index.name), " ".join(map(str, (rows, *(max(one, 1) for one in alike))))


def plan(db: sqlite3.Connection, query: Query[Any]) -> list[str]:
    """What SQLite does for a query, step by step."""
    dialect = sqlite.dialect(paramstyle="named")
    said = query.statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {said}", said.params)]


def found_in(statement: sa.Select[Any], table: str) -> set[str]:
    """By which columns of a table a query says what it wants of it."""
    wheres = (one.whereclause for one in visitors.iterate(statement) if isinstance(one, sa.Select))
    columns = (one for where in wheres if where is not None for one in visitors.iterate(where))
    return {one.name for one in columns if isinstance(one, sa.Column) and one.table.name == table}


def too_long(statement: sa.Select[Any], steps: Sequence[str]) -> list[str]:
    """The steps of a plan that take the longer, the more there is: those that go through a table, or a span of an index
    that is then put in order, but for what most rows are found by. A list goes through its order until a page is full.
    """
    names = {one.name: one.element.name for one in visitors.iterate(statement)
             if isinstance(one, sa.Alias) and isinstance(one.element, sa.Table)}  # fmt: skip
    sorts = any("TEMP B-TREE FOR ORDER BY" in step for step in steps)
    found = []
    for step in steps:
        if (read := THROUGH.match(step)) is None:
            continue
        index, span = read["index"], read["span"]
        table = names.get(read["table"], read["table"])
        if table not in GROWS or index in OF_FEW | SORTED:
            continue
        if span and not sorts and "rowid" not in span:
            continue
        if sorts or not found_in(statement, table) <= OFTEN.get(table, set()):
            found.append(step)
    return found


OPEN = sorted(
    (index for table in TABLES.values() for index in table.indexes
     if index.name in OF_FEW and table is not do_not_call.ENTRIES), key=lambda index: str(index.name),
)  # fmt: skip


@pytest.mark.parametrize("index", OPEN, ids=lambda index: index.name)
def test_what_is_open_is_found_among_what_is_open(db: sqlite3.Connection, index: sa.Index) -> None:
    assert index.table is not None
    table, is_open = index.table.name, str(index.dialect_options["sqlite"]["where"])
    queries = [query for of in QUERIES.values() for query in of()]
    about = [query for query in queries if is_open in (said := str(query.statement)) and f"FROM {table}" in said]
    assert about
    for query in about:
        steps = plan(db, query)
        assert any(f"INDEX {index.name}" in step for step in steps), (str(query.statement), steps)


@pytest.mark.parametrize("of", QUERIES, ids=lambda of: f"{of.__module__.rpartition('.')[2]}.{of.__name__}")
def test_nothing_that_grows_is_looked_through(db: sqlite3.Connection, of: Callable[..., Query[Any]]) -> None:
    queries = list(QUERIES[of]())
    assert queries
    for query in queries:
        steps = plan(db, query)
        assert too_long(query.statement, steps) == [], (str(query.statement), steps)
