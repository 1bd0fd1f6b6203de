"""A row that is deleted and made again in one group is the new one, also in what never changes of a row."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec import Struct

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.ledger.model import Projection, columns
from actors.ledger.store import JournalEntry


class Made(Struct, frozen=True):
    id: str
    text: str


class Gone(Struct, frozen=True):
    id: str


class NoteRow(Struct, frozen=True):
    id: str
    text: str
    seen: bool = False


class LeadRow(Struct, frozen=True):
    seq: int
    id: str
    text: str


def fold_note(row: NoteRow | None, event: Made | Gone, seq: int) -> NoteRow | None:
    return NoteRow(event.id, event.text) if isinstance(event, Made) else None


def fold_lead(row: LeadRow | None, event: Made | Gone, seq: int) -> LeadRow | None:
    return LeadRow(seq, event.id, event.text) if isinstance(event, Made) else None


NOTES = sa.Table("made_notes", sa.MetaData(), *columns(NoteRow, primary="id"))
LEADS = sa.Table("made_leads", sa.MetaData(), *columns(LeadRow, primary="seq", unique="id"))
PROJECTIONS = (
    Projection(
        table=NOTES, row=NoteRow, key="id", events=(Made, Gone), fold=fold_note, once=frozenset({"text"})
    ),
    Projection(table=LEADS, row=LeadRow, key="id", events=(Made, Gone), fold=fold_lead),
)  # fmt: skip
EVENTS = (Made("k", "old"), Gone("k"), Made("k", "new"))


@pytest.mark.parametrize("groups", [((0,), (1,), (2,)), ((0,), (1, 2)), ((0, 1, 2),), ((0, 1), (2,))], ids=str)
def test_a_row_that_is_made_again_in_one_group_is_the_new_one(
    tmp_path: Path, groups: tuple[tuple[int, ...], ...]
) -> None:
    for projection in PROJECTIONS:
        store = SqliteLedger(tmp_path / f"{projection.table.name}.sqlite3", projections=(projection,))
        store.sequence()
        for group in groups:
            assert store.fold([JournalEntry(seq=place + 1, event=EVENTS[place]) for place in group]) == []
        with store.reading() as db:
            found = db.exec_driver_sql(f"select * from {projection.table.name}").all()
        assert [tuple(row) for row in found] == [("k", "new", 0) if projection.table is NOTES else (3, "k", "new")]
        store.close()
