"""How long a list of the leads of all campaigns takes where there are a million, by each filter and each search, and
how many leads a second come into the records.

A query is a page of 100 and the count. What is measured is the processor's time, of the thread that asks and of the
process that PostgreSQL answers it with (which gets no help of others), so that what else the machine does counts for
less.
`python -m bench.leads <folder or URL>` leaves the records there, and uses those that are there already.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import psycopg

from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.adapters.ledger.store import SqlStore
from actors.ledger.all_leads import Sought, how_many, leads_of_all
from actors.ledger.numbers import parts_in
from actors.ledger.store import JournalEntry
from actors.ledger.words import texts_in
from bench.postgres import NotInstalled, postgres_server
from bench.table import Row
from bus_schemas.campaign import (
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignCreated,
    CampaignLeadsAdded,
    CampaignSettings,
)
from bus_schemas.crm import COUNTED
from bus_schemas.lead import CampaignLeadMarked, Lead, LeadStatus, ListAllLeads

LEADS, TOGETHER, GROUP = 1_000_000, 500, 10  # TOGETHER: of one event; GROUP: events of one transaction
CAMPAIGNS, SELLERS = 20, 40
CALLED, CALLBACKS = 3, 50  # one of so many was called, and wants to be called back
QUERIES = 200
GOAL, FOLDED = 0.1, 20_000  # seconds of 95 % of the queries; leads a second

SYLLABLES = ("ко", "ва", "ли", "на", "ра", "то", "ми", "ре", "се", "ни", "ка", "ви", "ле", "ро", "да", "те", "ма", "со",
             "ти", "ве", "за", "бо", "лу", "га")  # fmt: skip
ENDINGS = ("енко", "ук", "ський", "ова", "ів", "чук", "ко", "ин")
OUTCOMES = ("busy", "no_answer", "answered", "rejected")
DISPOSITIONS = ("not_interested", "visit", "later", "sold", "wrong_person")


class People:
    """The same ones each time: names of 300 and 20,000, 500 towns, numbers of contracts."""

    def __init__(self) -> None:
        self._dice = random.Random(14)
        self.first, self.last, self.towns = self._names(300, 2), self._names(20_000, 2, ENDINGS), self._names(500, 3)

    def _names(self, names: int, syllables: int, endings: tuple[str, ...] = ("",)) -> list[str]:
        pick = self._dice.choice
        return [
            "".join(pick(SYLLABLES) for _ in range(syllables + self._dice.randrange(3))).capitalize() + pick(endings)
            for _ in range(names)
        ]

    def lead(self, place: int) -> Lead:
        pick = self._dice.choice
        custom = {"town": pick(self.towns), "contract": f"D-{self._dice.randrange(10**8):08}"}
        name = f"{pick(self.last)} {pick(self.first)}"
        return Lead(id=f"l{place}", numbers=(f"+38099{place * 7919 % 10**7:07}",), name=name, custom=custom)


def campaign_of(event: int) -> str:
    return f"c{event % CAMPAIGNS}"


def added() -> Iterator[CampaignLeadsAdded]:
    people = People()
    for event in range(LEADS // TOGETHER):
        first = event // CAMPAIGNS * TOGETHER + 1
        leads = tuple(people.lead(event * TOGETHER + place) for place in range(TOGETHER))
        yield CampaignLeadsAdded(campaign=campaign_of(event), at=at(0), by="anna", first=first, leads=leads)


def called() -> Iterator[Any]:
    """What became of them, in the order in which they came: in 30 days."""
    dice = random.Random(15)
    for place in range(0, LEADS, CALLED):
        of: dict[str, Any] = {"campaign": campaign_of(place // TOGETHER), "lead": f"l{place}", "place": 1}
        when, number = at(place / LEADS * 30), "+380990000000"
        yield CampaignAttemptClaimed(**of, attempt=1, at=when, number=number, command_id=f"d{place}")
        yield CampaignAttemptEnded(**of, attempt=1, at=when, outcome=dice.choice(OUTCOMES), status=LeadStatus.DONE)
        callback = place % CALLBACKS == 0
        yield CampaignLeadMarked(
            **of, at=when, by="anna", status=LeadStatus.CALLBACK if callback else LeadStatus.DONE,
            callback=at(30 + dice.random() * 30) if callback else None,
            operator=f"op{dice.randrange(SELLERS)}" if callback else None, disposition=dice.choice(DISPOSITIONS),
        )  # fmt: skip


def at(day: float) -> str:
    seconds = int(day * 86_400)
    days, rest = divmod(seconds, 86_400)
    month, of_month = divmod(days, 28)
    return f"2026-{month + 1:02}-{of_month + 1:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.000Z"


def fold(store: SqlStore) -> float:
    """All of it into an empty store; how many leads a second came in."""
    store.drop()
    store.sequence()
    for name in range(CAMPAIGNS):
        settings = CampaignSettings()
        entry = CampaignCreated(campaign=f"c{name}", at=at(0), by="anna" if name else "boris", settings=settings)
        store.fold([JournalEntry(seq=name + 1, event=entry)])
    seqs, spent = itertools.count(100), 0.0
    for events, group in ((added(), GROUP), (called(), 1_000)):
        while batch := [JournalEntry(seq=next(seqs), event=event) for event in itertools.islice(events, group)]:
            begun = clock(store)
            assert store.fold(batch) == []
            spent += clock(store) - begun if group == GROUP else 0
    if isinstance(store, PostgresLedger):
        with store.reading() as db:  # which the server does by itself within a minute
            db.exec_driver_sql("VACUUM")
    return LEADS / spent


def asked() -> dict[str, Iterator[Sought]]:
    """By what people look for leads; each without end."""
    people, dice = People(), random.Random(16)

    def each(**fields: Any) -> Iterator[Sought]:
        while True:
            said = {name: one() if callable(one) else one for name, one in fields.items() if name != "user"}
            wanted = msgspec.convert(said, ListAllLeads)
            yield Sought(wanted, fields.get("user"), parts_in(wanted.number, "UA"), texts_in(wanted.text))

    def last() -> str:
        return dice.choice(people.last)

    def part(length: int) -> str:
        name = last()
        begin = dice.randrange(max(len(name) - length, 0) + 1)
        return name[begin : begin + length]

    def number(digits: int) -> str:
        return f"{dice.randrange(10**7):07}"[-digits:]

    def day() -> str:
        return at(dice.random() * 29)

    return {
        "all": each(),
        "all, newest": each(order="newest"),
        "campaign": each(campaign_id=lambda: f"c{dice.randrange(CAMPAIGNS)}"),
        "status": each(status=lambda: dice.choice(["new", "done", "callback", "invalid"])),
        "campaign and status": each(campaign_id="c3", status=lambda: dice.choice(["new", "done", "callback"])),
        "seller": each(assigned_seller=lambda: f"op{dice.randrange(SELLERS)}"),
        "outcome": each(outcome=lambda: dice.choice([*OUTCOMES, "failed"])),
        "disposition": each(disposition=lambda: dice.choice([*DISPOSITIONS, "none"])),
        "contacted since": each(contacted_since=day),
        "contacted until": each(contacted_until=day),
        "contacted until, newest": each(contacted_until=day, order="newest"),
        "contacted, last first": each(contacted_since=day, order="contacted"),
        "callback due": each(callback_until=lambda: at(30 + dice.random() * 30)),
        "callback, in order": each(order="callback"),
        "outcome, callback in order": each(order="callback", outcome=lambda: dice.choice([*OUTCOMES, "failed"])),
        "number, whole": each(number=lambda: f"099 {number(7)}"),
        "number, 7 digits": each(number=lambda: number(7)),
        "number, 4 digits": each(number=lambda: number(4)),
        "number, 3 digits": each(number=lambda: number(3)),
        "number, which all have": each(number="38099"),
        "text, last name": each(text=last),
        "text, both names": each(text=lambda: f"{dice.choice(people.first)} {last()}"),
        "text, first name": each(text=lambda: dice.choice(people.first)),
        "text, town": each(text=lambda: dice.choice(people.towns)),
        "text, contract": each(text=lambda: f"d-{dice.randrange(10**8):08}"),
        "text, 3 letters": each(text=lambda: part(3)),
        "text, 5 letters": each(text=lambda: part(5)),
        "text, newest": each(text=lambda: part(4), order="newest"),
        "text, contacted": each(text=lambda: part(4), order="contacted"),
        "text, of a campaign": each(text=lambda: part(4), campaign_id=lambda: f"c{dice.randrange(CAMPAIGNS)}"),
        "text, of an outcome": each(text=lambda: part(4), outcome=lambda: dice.choice([*OUTCOMES, "failed"])),
        "text, one's own": each(text=lambda: part(4), user="boris"),
    }


def took(store: SqlStore, sought: Sought) -> float:
    begun = clock(store)
    [total] = store.read(how_many(sought))
    if total:
        store.read(leads_of_all(sought, after=None, many=total > COUNTED))
    return clock(store) - begun


def clock(store: SqlStore) -> float:
    """Seconds for which the thread that asks, and the server's process for it, have had a processor."""
    return time.thread_time() + (0.0 if isinstance(store, SqliteLedger) else served(store))


def served(store: SqlStore) -> float:
    with store.reading() as db:
        pid = cast(psycopg.Connection, db.connection.driver_connection).info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def slowest(store: SqlStore) -> Iterator[tuple[str, float]]:
    """Of each, that which 95 % of the queries take at most."""
    for name, questions in asked().items():
        times = sorted(took(store, next(questions)) for _ in range(QUERIES))
        yield name, times[QUERIES * 95 // 100]


async def measure(folder: Path) -> list[Row]:
    with closing(SqliteLedger(folder / "leads")) as store:
        rows = rows_of(store, "SQLite")
    try:
        with postgres_server() as url, closing(PostgresLedger(url, "bench")) as store:
            return rows + rows_of(store, "PostgreSQL")
    except NotInstalled as error:
        print(f"bench: without PostgreSQL: {error}")
    return rows


def rows_of(store: SqlStore, where: str) -> list[Row]:
    rate = fold(store)
    what = f"leads folded a second, {LEADS:,}, {where}"
    rows = [Row(what, f"{rate:,.0f}", "-", rate / FOLDED, ">= 1.0")]
    for name, seconds in slowest(store):
        rows.append(Row(f"leads by {name}, {where}, p95", f"{1000 * seconds:.1f} ms", "-", seconds / GOAL, "<= 1.0"))
    return rows


def main() -> None:
    where = sys.argv[1]
    there = PostgresLedger(where, "bench") if where.startswith("postgresql:") else SqliteLedger(Path(where) / "leads")
    with closing(there) as store:
        if store.sequence() == 0:
            print(f"{fold(store):,.0f} leads a second")
        for name, seconds in slowest(store):
            print(f"{name:30} {1000 * seconds:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
