"""What was measured, in the ledger: one row for each thing and step, written once, and no more of them than are kept.

It is a ledger of its own beside the one of the journal, with a store of its own, since it follows another stream. A row
has all figures of its thing as one text: whoever asks for one of them reads a few thousand rows at most, and a minute
of a host with 200 phones is 200 rows instead of 3,000.
"""

from collections.abc import Iterator

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, made_of
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from bus_schemas.monitor import (
    HISTORY,
    METRICS,
    MINUTE,
    MINUTES_KEPT,
    QUARTERS_KEPT,
    FiguresTaken,
    History,
    HistoryOf,
    Point,
)

HUB = "hub"
Values = dict[str, tuple[float, float, float]]
VALUES = msgspec.json.Decoder(Values)


class Measured(Struct, frozen=True, kw_only=True):
    """An entry of the stream. `stored`: when, by the bus's clock, in epoch seconds."""

    taken: FiguresTaken
    stored: float


class FiguresRow(Struct, frozen=True, gc=False):
    """What was measured of one thing in one step. `figures`: least, mean and greatest by metric, as JSON; `stored`:
    epoch seconds."""

    key: str
    thing: str
    step: int
    at: str
    stored: int
    figures: str


FIGURES = sa.Table(
    "figures",
    METADATA,
    *columns(FiguresRow, primary="key"),
    sa.Index("figures_thing", "thing", "step", "at"),
    sa.Index("figures_stored", "step", "stored"),
)
C = FIGURES.c


def thing_of(kind: str, id: str, host: str | None) -> str:
    """What rows are found by. Slots and hosts have a name that no other of the site has, hubs one of their host's."""
    return f"{kind}/{host}/{id}" if kind == HUB else f"{kind}/{id}"


def rows_of(measured: Measured) -> Iterator[FiguresRow]:
    """A row for each thing."""
    taken = measured.taken
    for one in taken.things:
        thing = thing_of(one.kind, one.id, taken.host)
        figures = msgspec.json.encode(one.values).decode()
        key = f"{thing}/{taken.step}/{taken.at}"
        yield FiguresRow(key, thing, taken.step, taken.at, int(measured.stored), figures)


def fold(row: FiguresRow | None, measured: FiguresRow, seq: int) -> FiguresRow:
    """What was there first."""
    return row or measured


def outdated(newest: FiguresRow, seq: int) -> sa.ColumnElement[bool]:
    """What is kept no longer, by the clock of the bus: that of a host may be wrong."""
    minutes = sa.and_(C.step == MINUTE, C.stored < newest.stored - MINUTES_KEPT)
    return sa.or_(minutes, sa.and_(C.step != MINUTE, C.stored < newest.stored - QUARTERS_KEPT))


PROJECTION = Projection(
    table=FIGURES,
    row=FiguresRow,
    key="key",
    events=(Measured,),
    fold=fold,
    parts=rows_of,
    once=frozenset(FiguresRow.__struct_fields__),
    outdated=outdated,
)


def points(asked: HistoryOf) -> Query[Point | None]:
    """The steps of a span, in their order; None: there was no such figure in one."""
    statement = (
        sa.select(FIGURES)
        .where(
            C.thing == thing_of(asked.kind, asked.id, asked.host), C.step == asked.step, C.at >= asked.since,
            C.at < asked.until,
        )
        .order_by(C.at)
    )

    def view(row: FiguresRow) -> Point | None:
        found = VALUES.decode(row.figures).get(asked.metric)
        return Point(at=row.at, min=found[0], mean=found[1], max=found[2]) if found is not None else None

    return Query(statement, made_of(FiguresRow, view))


class FiguresAnswers(Answers):
    """What is asked of the figures. What the asker has seen of the journal says nothing of them, so they are read as
    far as their stream goes now."""

    def handlers(self) -> tuple[Served, ...]:
        return (serve(HISTORY, self.history),)

    async def history(self, request: HistoryOf, context: Context) -> History:
        context = replace(context, after=await self.unread(self.folded()) or 0)
        found = await self.read(context, points(request))
        metric = METRICS.get((request.kind, request.metric))
        return History(
            kind=request.kind, id=request.id, metric=request.metric, unit=metric.unit if metric is not None else "",
            step=request.step, points=[point for point in found if point is not None],
        )  # fmt: skip


READ_MODEL = ReadModel(topics=(), projections=(PROJECTION,), answers=FiguresAnswers)
