"""Trunks in the ledger: their settings and state, beside what their hosts tell of them now."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from actors.ledger.answers import OWNER_AWAY, Answers, ReadModel
from actors.ledger.model import METADATA, Projection, Query, columns, made_of
from actors.runtime.context import Context
from actors.runtime.service import Served, serve
from actors.runtime.wire import Page
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.trunk import (
    DIAL_ABSENT,
    PBX_STATUS,
    TRUNK_TELEMETRY,
    DialPbx,
    GetPbxStatus,
    PbxCallStarted,
    PbxStatus,
    TrunkChanged,
    TrunkConfig,
    TrunkConfigured,
    TrunkEvent,
    TrunkRemoved,
    TrunkState,
    TrunkTelemetry,
    TrunkView,
)

CONFIG = msgspec.json.Decoder(TrunkConfig)
NEWS = 10.0  # seconds without news from a trunk's host, after which nobody knows how it is


class TrunkRow(Struct, frozen=True, gc=False):
    """`config`: a TrunkConfig as JSON."""

    trunk: str
    config: str
    state: str = str(TrunkState.DOWN)
    reason: str | None = None
    failed: int = 0


TRUNKS = sa.Table("trunks", METADATA, *columns(TrunkRow, primary="trunk"))


def fold(row: TrunkRow | None, event: TrunkEvent, seq: int) -> TrunkRow | None:
    """The trunk after an event."""
    match event:
        case TrunkConfigured():
            config = msgspec.json.encode(event.config).decode()
            return replace(row, config=config) if row is not None else TrunkRow(event.trunk, config)
        case TrunkRemoved():
            return None
        case TrunkChanged():
            return row and replace(row, state=str(event.state), reason=event.reason, failed=event.failed)
    return row


PROJECTION = Projection(table=TRUNKS, row=TrunkRow, key="trunk", events=get_args(TrunkEvent), fold=fold)


def all_trunks() -> Query[TrunkView]:
    """All trunks by name, as far as they are on record."""
    return Query(sa.select(TRUNKS).order_by(TRUNKS.c.trunk), made_of(TrunkRow, _view))


def _view(row: TrunkRow) -> TrunkView:
    config = CONFIG.decode(row.config)
    return TrunkView(
        name=config.name,
        state=TrunkState(row.state),
        failed=row.failed,
        last_check=None,
        reason=row.reason,
        channels=config.channels,
        pbx=config.pbx,
        host=config.host,
    )


class TrunkAnswers(Answers):
    """What is asked of all trunks, and of those that nobody owns now."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._telemetry: dict[str, tuple[float, TrunkView]] = {}  # when it was heard, and what

    def handlers(self) -> tuple[Served, ...]:
        return serve(DIAL_ABSENT, self.dial_absent), serve(PBX_STATUS, self.pbx_status)

    def hears(self) -> Mapping[Topic[Any], Callable[[Any], Awaitable[None]]]:
        return {TRUNK_TELEMETRY: self.hear_telemetry}

    async def hear_telemetry(self, telemetry: TrunkTelemetry) -> None:
        self._telemetry[telemetry.trunk] = (self.now(), telemetry.view)

    async def dial_absent(self, request: DialPbx, context: Context) -> PbxCallStarted:
        row = await self.one(context, all_trunks(), lambda row: row.name == request.trunk)
        if row is None:
            raise Refusal(ErrorCode.NOT_FOUND, "No such trunk.")
        raise OWNER_AWAY(trunk=row.name, host=row.host)

    async def pbx_status(self, request: GetPbxStatus, context: Context) -> Page:
        placed = await self.read_placed(context, all_trunks(), short=True)
        return Page(body=PbxStatus(trunks=[self._now(row) for row in placed.found]), seq=placed.seq)

    def _now(self, row: TrunkView) -> TrunkView:
        heard, view = self._telemetry.get(row.name, (0.0, None))
        if view is not None and self.now() - heard <= NEWS:  # what is said of it may be older than what is on record
            return replace(view, state=row.state, reason=row.reason, failed=row.failed)
        return replace(row, state=TrunkState.DOWN, reason="no news from its host")


READ_MODEL = ReadModel(topics=topics_of("trunk"), projections=(PROJECTION,), answers=TrunkAnswers)
