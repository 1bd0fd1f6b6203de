"""Who can write to the machine's disk changes what the audit says: in the ledger that people read, in the journal, or
in both. `ottb audit verify` names it, and a head that was kept elsewhere shows what the machine alone cannot."""

import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nacl.signing import SigningKey

import cli.audit
import cli.audit_questions
import cli.audit_rows
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit import audit as audit_module
from actors.audit.audit import SCOPE, Audit
from actors.audit.chain import GENESIS, link
from actors.audit.heads import BadHead, SignedHead, key_of, public, read, sign
from actors.ledger.ledger import Ledger
from actors.ledger.model import Query
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.audit import LIST_AUDIT, AuditRecord, AuditRecorded, ListAudit
from bus_schemas.permissions import Action
from cli.audit import Known, Report, examine, kept
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.audit.test_audit import entry

AT_ONCE = 60  # records that are asked for, instead of 500
N = 2 * AT_ONCE + 7
AT = "2026-01-01T00:00:00.000Z"


class Site:
    """An audit of `N` entries and its ledger, whose file somebody can write to."""

    def __init__(self, broker: MemoryBroker, file: Path) -> None:
        self.broker = broker
        self.file = file

    def sql(self, text: str) -> int:
        with sqlite3.connect(self.file, timeout=5) as db:
            return db.execute(text).rowcount

    def records(self) -> list[AuditRecorded]:
        return [msgspec.json.decode(one.data, type=AuditRecorded) for one in self.broker.entries(SCOPE)]

    def write_anew(self, records: list[AuditRecorded]) -> None:
        """The chain, whole, with other records."""
        previous = GENESIS
        for place, one in enumerate(records):
            forged = link(one.first, previous, one.entries, one.intents)
            previous = forged.hash
            old = self.broker.journal[place]
            self.broker.journal[place] = msgspec.structs.replace(old, data=msgspec.json.encode(forged))

    def head(self, key: SigningKey) -> SignedHead:
        last = self.records()[-1]
        return sign(key, number=last.first + len(last.entries) - 1, hash=last.hash, at=AT)

    async def told(self, question: ListAudit) -> list[AuditRecord]:
        """What the ledger answers to somebody who may see the audit."""
        context = Context(command_id="c", user="auditor", actions=frozenset({str(Action.AUDIT_VIEW)}))
        return await ask(MemoryBus(self.broker), LIST_AUDIT, msgspec.structs.replace(question, limit=1000), context)

    async def verify(self, heads: list[str] = [], key: str = "") -> Report:  # noqa: B006
        known, problems = kept(heads, key)
        report = await examine(MemoryBus(self.broker), known)
        return msgspec.structs.replace(report, problems=[*report.problems, *problems])


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(audit_module, "GROUP", 3)
    for module in (cli.audit_questions, cli.audit_rows):
        monkeypatch.setattr(module, "AT_ONCE", AT_ONCE)
    broker = MemoryBroker(clock=SystemClock())
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    for number in range(N):
        await audit.record(msgspec.structs.replace(entry(number), subject={"n": number, "odd": "\x00\ufffd\\u0000"}))
    await audit.stop()
    ledger = Ledger(bus=MemoryBus(broker), store=SqliteLedger(tmp_path / "ledger"))
    await ledger.start()
    yield Site(broker, tmp_path / "ledger")
    await ledger.stop()


TAMPERED = {
    "a row altered and another deleted": (
        ["UPDATE audit SET user = 'op13' WHERE number = 3", "DELETE FROM audit WHERE number = 100"],
        ["record 3 was changed in the ledger (user)", "record 100 is missing in the ledger"],
    ),
    "what a row is about": (
        ["UPDATE audit SET subject = '{\"n\": 9}' WHERE number = 1"],
        ["record 1 was changed in the ledger (subject)"],
    ),
    "a row made up": (
        ["UPDATE audit SET number = -4 WHERE number = 5"],
        ["record -4 is in the ledger and not in the journal", "record 5 is missing in the ledger"],
    ),
    "two rows that changed places": (
        [
            "UPDATE audit SET number = -1 WHERE number = 7", "UPDATE audit SET number = 7 WHERE number = 8",
            "UPDATE audit SET number = 8 WHERE number = -1",
        ],
        ["record 7 was changed", "record 8 was changed"],
    ),
    "a row that cannot be read": (
        ["UPDATE audit SET subject = 'x' WHERE number = 2"],
        [f"records 1 to {AT_ONCE} cannot be read in the ledger"],
    ),
    "a number that is none": (
        [
            "CREATE TABLE other AS SELECT * FROM audit", "DROP TABLE audit", "ALTER TABLE other RENAME TO audit",
            "UPDATE audit SET number = 'x' WHERE number = 1",
        ],
        ["the ledger's newest record cannot be read", "record 1 is missing"],
    ),
    "a value of another type": (["UPDATE audit SET count = 'x' WHERE number = 2"], ["record 2 was changed"]),
    "the newest row": (
        [f"UPDATE audit SET hash = 'x' WHERE number = {N}"],
        [f"the ledger's newest record, number {N}, has another hash", f"record {N} was changed in the ledger (hash)"],
    ),
    "the newest rows gone": (
        [f"DELETE FROM audit WHERE number > {N - 2}"], [f"record {N - 1} is missing", f"record {N} is missing"],
    ),
    "a row after the end": (
        [f"UPDATE audit SET number = {N + 9} WHERE number = 1"], [f"is number {N + 9}", "record 1 is missing"],
    ),
}  # fmt: skip


async def test_a_ledger_as_it_was_written_is_whole(site: Site) -> None:
    report = await site.verify()
    print(f"{report.rows} rows compared with {report.verdict.records} records: {len(report.problems)} differ")
    assert (report.problems, report.away, report.rows) == ([], None, N)


@pytest.mark.parametrize("what", TAMPERED)
async def test_what_was_changed_in_the_ledger_is_named(site: Site, what: str) -> None:
    statements, wanted = TAMPERED[what]
    print(f"{what}: {[site.sql(text) for text in statements]} rows")
    problems = (await site.verify()).problems
    assert all(any(text in problem for problem in problems) for text in wanted), problems
    assert len(problems) == len(wanted), problems


async def test_many_rows_gone_are_told_in_a_few_lines(site: Site) -> None:
    assert site.sql(f"DELETE FROM audit WHERE number < {N}") == N - 1
    problems = (await site.verify()).problems
    assert len(problems) == 21 and problems[-1] == f"and {N - 21} more rows of the ledger"


async def test_a_ledger_that_was_not_compared_is_not_called_whole(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.wire.RETRY_FIRST", LIST_AUDIT.timeout)
    said: list[str] = []
    alone = MemoryBroker(clock=SystemClock())
    alone.journal.extend(site.broker.journal)

    async def connect(*_: object, **__: object) -> MemoryBus:
        return MemoryBus(alone)

    monkeypatch.setattr(cli.audit, "connect", connect)
    settings = Settings(state_dir=str(tmp_path))
    assert await cli.audit.verify(settings, None, None, None, said.append) == 2
    assert "not compared" in said[-1] and "whole" in said[-1]
    alone = site.broker
    assert await cli.audit.verify(settings, None, None, None, said.append) == 0
    assert "asked    4 of 4 questions by user, action, result and day" in said
    line = await cli.audit.sign(settings)
    assert line is not None
    key = await cli.audit.public_key(settings)
    for lines, code in (([line], 0), ([line, "x"], 1), ([line.replace(f":{N},", ":3,")], 1)):
        assert await cli.audit.verify(settings, None, lines, key, said.append) == code, said
    site.sql("DELETE FROM audit WHERE number = 3")
    assert await cli.audit.verify(settings, None, [line], None, said.append) == 1
    assert said[-2:] == ["PROBLEM  record 3 is missing in the ledger", "The audit is broken."]


# --- indexes, through which the ledger answers questions with a condition

LYING = {
    "rows of a user": ("audit_user", "user", "WHERE user <> 'op12'", ListAudit(user="op12")),
    "rows of a time": ("audit_at", "at", "WHERE number < 3", ListAudit(since="2020-01-01", until="2027-01-01")),
    "rows of a result, through an index of somebody's own": (
        "quick", "result, number", "WHERE number < 3", ListAudit(result="OK"),
    ),
    "rows of another column": ("audit_user", "user", "-- door", ListAudit(user="op12")),
}  # fmt: skip


def lie(file: Path, name: str, columns: str, condition: str) -> None:
    """An index that lacks rows, and that the database believes to have all."""
    honest = f"CREATE INDEX {name} ON audit ({columns})"
    lying = honest.replace("(user)", "(door)") if condition == "-- door" else f"{honest} {condition}"
    with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as db:
        version = db.execute("PRAGMA schema_version").fetchone()[0]
        db.execute(f"DROP INDEX IF EXISTS {name}")
        db.execute(lying)
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (honest, name))
        db.execute(f"PRAGMA schema_version = {version + 10}")


@pytest.mark.parametrize("what", LYING)
async def test_an_index_that_hides_rows_from_readers_is_named(site: Site, what: str) -> None:
    name, columns, condition, question = LYING[what]
    before = len(await site.told(question))
    lie(site.file, name, columns, condition)
    after = len(await site.told(question))
    problems = (await site.verify()).problems
    print(f"{what}: {after} of {before} are shown, {len(problems)} problems named")
    assert after < before
    assert problems and all(name in problem and "index" in problem for problem in problems[:-1]), problems


async def test_a_view_in_the_place_of_the_table_is_named(site: Site) -> None:
    with closing(sqlite3.connect(site.file, timeout=5, isolation_level=None)) as db:
        db.executescript("ALTER TABLE audit RENAME TO real; CREATE VIEW audit AS SELECT * FROM real")
    assert (await site.verify()).problems == ["the ledger: audit is no table"]


def have_lie(monkeypatch: pytest.MonkeyPatch, condition: str, lie: Callable[[list[Any]], list[Any]]) -> None:
    """Bring the database to tell no truth where somebody asks with a condition."""
    read = SqliteLedger.read

    def lying(store: SqliteLedger, query: Query[Any], **more: float) -> list[Any]:
        found = read(store, query, **more)
        return lie(found) if condition in str(query.statement) else found

    monkeypatch.setattr(SqliteLedger, "read", lying)


def another(rows: list[Any]) -> list[Any]:
    """The newest row is told otherwise."""
    return [(number, msgspec.structs.replace(row, door="bus")) for number, row in rows[:1]] + rows[1:]


def made_up(rows: list[Any]) -> list[Any]:
    return [(number, msgspec.structs.replace(row, number=number - 1)) for number, row in rows[-1:]] + rows


SLY: dict[str, tuple[str, Callable[[list[Any]], list[Any]], str]] = {
    "a user's": ('audit."user" =', lambda rows: rows[1:], "is left out where user=op12 is asked for"),
    "all of a user's": ('audit."user" =', lambda rows: [], "is left out where user=op12 is asked for"),
    "a user's oldest": ('audit."user" =', lambda rows: rows[:-1], "is left out where user=op12 is asked for"),
    "told otherwise": ('audit."user" =', another, "is told otherwise where user=op12 is asked for"),
    "another's": ('audit."user" =', made_up, "is told wrongly where user=op12 is asked for"),
    "of an action": ("audit.action =", lambda rows: rows[1:], "where action=POST /api/call/start is asked for"),
    "that there is an action": ("RECURSIVE", lambda rows: [], "where action=POST /api/call/start is asked for"),
    "of a result": ("audit.result =", lambda rows: rows[1:], "where result=OK is asked for"),
    "of a time": ("audit.at >=", lambda rows: rows[1:], "where since=2026-01-01 and until=2026-01-02 is asked for"),
}


@pytest.mark.parametrize("what", SLY)
async def test_rows_that_only_a_question_hides_are_named(
    site: Site, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, told, named = SLY[what]
    before = await site.verify()
    have_lie(monkeypatch, asked, told)
    report = await site.verify()
    print(f"{what}: {report.rows} rows are as on record, {report.asked} questions, {len(report.problems)} problems")
    assert before.problems == [] and before.asked == report.asked == 4
    assert any(named in problem for problem in report.problems), report.problems


async def test_of_many_users_some_are_asked_for_which_nobody_knows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.audit_questions, "USERS", 7)
    audit = Audit(bus=MemoryBus(site.broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    for number in range(20):
        await audit.record(msgspec.structs.replace(entry(number), user=f"user{number}"))
    await audit.stop()
    report = await site.verify()
    assert (report.problems, report.asked, report.questions) == ([], 7 + 3, 21 + 3)


# --- heads that are kept elsewhere


NO_HEADS = {"nothing": [], "empty lines": ["", "  ", "\n"]}


@pytest.mark.parametrize("what", NO_HEADS)
async def test_a_file_without_a_head_is_no_clean_audit(
    site: Site, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object, **__: object) -> MemoryBus:
        return MemoryBus(site.broker)

    monkeypatch.setattr(cli.audit, "connect", connect)
    settings, said = Settings(state_dir=str(tmp_path)), list[str]()
    noted = Known(number=N, hash=site.records()[-1].hash, by="noted")
    for head in (None, noted):
        assert await cli.audit.verify(settings, head, NO_HEADS[what], None, said.append) == 2
        assert "no head was read" in said[-1], said
    for line in ("x", '{"number": 1}', "ssh: connect to host keeper port 22: Connection refused"):
        assert await cli.audit.verify(settings, None, [line], None, said.append) == 1
        assert any("line 1 of the heads is no head" in one for one in said[-3:]), said


async def test_it_is_told_how_many_heads_were_found_and_up_to_which(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object, **__: object) -> MemoryBus:
        return MemoryBus(site.broker)

    monkeypatch.setattr(cli.audit, "connect", connect)
    settings, said, key = Settings(state_dir=str(tmp_path)), list[str](), key_of(tmp_path)
    heads = [sign(key, number=one.first, hash=one.hash, at=AT) for one in site.records()[:3]]
    lines = [msgspec.json.encode(one).decode() for one in heads]
    assert await cli.audit.verify(settings, None, lines, None, said.append) == 0
    assert f"heads    3 that were noted are in it, up to number {heads[-1].number}" in said


async def test_both_written_anew_are_found_by_a_signed_head(site: Site, tmp_path: Path) -> None:
    key = key_of(tmp_path)
    line = msgspec.json.encode(site.head(key)).decode()
    assert (await site.verify([line], public(key))).heads == 1
    records = site.records()
    forged = msgspec.structs.replace(records[0].entries[0], user="op13")
    site.write_anew([msgspec.structs.replace(records[0], entries=[forged]), *records[1:]])
    with sqlite3.connect(site.file, timeout=5) as db:
        for one in site.records():
            last = one.first + len(one.entries) - 1
            db.execute("UPDATE audit SET hash = ? WHERE number BETWEEN ? AND ?", (one.hash, one.first, last))
    site.sql("UPDATE audit SET user = 'op13' WHERE number = 1")
    assert (await site.verify()).problems == []  # the machine alone says nothing
    [problem] = (await site.verify([line], public(key))).problems
    assert "the chain was written anew" in problem and AT in problem


async def test_a_cut_tail_is_found_by_a_signed_head(site: Site, tmp_path: Path) -> None:
    key = key_of(tmp_path)
    line = msgspec.json.encode(site.head(key)).decode()
    del site.broker.journal[-1]
    site.sql(f"DELETE FROM audit WHERE number = {N}")
    assert (await site.verify()).problems == []
    [problem] = (await site.verify([line, "", line], public(key))).problems[:1]
    assert "its tail was cut off" in problem


def test_a_head_is_believed_as_it_was_signed_and_no_other(tmp_path: Path) -> None:
    key, other = key_of(tmp_path), SigningKey.generate()
    head = sign(key, number=5, hash="a" * 64, at=AT)
    assert read(msgspec.json.encode(head), public(key)) == head
    changed = [
        msgspec.structs.replace(head, number=6), msgspec.structs.replace(head, hash="b" * 64),
        msgspec.structs.replace(head, at="2027-01-01T00:00:00.000Z"), sign(other, number=5, hash="a" * 64, at=AT),
        msgspec.structs.replace(sign(other, number=5, hash="a" * 64, at=AT), key=public(key)),
        msgspec.structs.replace(head, signature=""), msgspec.structs.replace(head, signature="!" * 86),
        msgspec.structs.replace(head, signature="A" * 86), msgspec.structs.replace(head, number=0),
    ]  # fmt: skip
    lines = [msgspec.json.encode(one) for one in changed]
    lines += [b"", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"x": "\\ud800"}']
    for line in lines:
        with pytest.raises(BadHead):
            read(line, public(key))
    for believed in ("", "x", "A" * 43, "\u00fc" * 43):
        with pytest.raises(BadHead):
            read(msgspec.json.encode(msgspec.structs.replace(head, key=believed)), believed)
    print(f"{len(lines)} heads that nobody has signed so: 0 believed")


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = key_of(tmp_path / "var")
    finally:
        os.umask(before)
    [file] = (tmp_path / "var").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and key_of(tmp_path / "var") == key
    file.write_bytes(b"short")
    with pytest.raises(BadHead):
        key_of(tmp_path / "var")
