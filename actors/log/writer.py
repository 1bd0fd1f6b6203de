"""Takes events for the platform's log in, and puts them into its stream."""

from typing import Any

import msgspec

from actors.log.harmless import bounded, harmless
from actors.log.share import LogShare
from actors.runtime.bus import ID, Bus, BusError, Recorded, RequestTimeout
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.log import LogEvent, LogRecord, LogWritten, log_subject, named_in, record_of
from bus_schemas.names import SYSTEM

NOT_WRITTEN = RefusalTemplate(ErrorCode.UNAVAILABLE, "The log cannot be written now. Try again.")
IN_DOUBT = RefusalTemplate(ErrorCode.TIMEOUT, "No answer in time; it may have been written. Look before repeating.")


class LogWriter:
    """The log's way in, on one host. `share`: of those who write; the platform's own parts have bounds of theirs."""

    def __init__(self, *, bus: Bus, ids: Ids, host: str, share: LogShare) -> None:
        self._bus = bus
        self._ids = ids
        self._host = host
        self._share = share

    async def write(self, event: LogEvent, context: Context) -> LogRecord:
        """Put an event into the stream. Raises Refusal: INVALID_PARAMS (the context is too much), RATE_LIMITED,
        UNAVAILABLE, TIMEOUT."""
        written = written_of(event, context, host=self._host)
        self._share.take(context.share, len(msgspec.json.encode(written)))
        try:
            entry = await self._put(written, self._ids.new())
        except RequestTimeout:
            raise IN_DOUBT() from None
        except BusError:
            raise NOT_WRITTEN() from None
        return record_of(entry.seq, entry.stored_at, entry.data)

    async def put(self, event: LogEvent, *, id: str | None = None) -> None:
        """Put an event of the platform's own into the stream. `id`: of which the stream takes one within an hour.
        Raises BusError (Fenced: there is one with this id), Refusal(INVALID_PARAMS)."""
        context = Context(command_id="", user=SYSTEM)
        await self._put(written_of(event, context, host=self._host), id or self._ids.new())

    async def _put(self, written: LogWritten, id: str) -> Recorded:
        return await self._bus.log.write(log_subject(written), msgspec.json.encode(written), {ID: id})


def written_of(event: LogEvent, context: Context, *, host: str) -> LogWritten:
    """An event as it is kept: harmless, and with who really sent it. Raises Refusal(INVALID_PARAMS)."""
    said: dict[str, Any] = bounded(event.context)
    slot, call_id, trace_id = named_in(said)
    return LogWritten(
        module=event.module,
        severity=event.severity,
        message=harmless(event.message),
        context=said,
        user_id=None if event.user_id is None else harmless(event.user_id),
        sender=context.user,
        host=host,
        slot=slot,
        call_id=call_id,
        trace_id=trace_id or context.trace_id,
    )
