"""What the ledger of the platform's log follows."""

from datetime import UTC, datetime

from actors.ledger.decode import Unreadable
from actors.ledger.follow import Source
from actors.runtime.bus import LogStream, Recorded
from actors.runtime.clock import utc
from bus_schemas.contract import UNDECODABLE
from bus_schemas.log import LOG_SCOPE, LogRecord, record_of


def decode(recorded: Recorded) -> LogRecord:
    """An entry of the stream. Raises Unreadable."""
    try:
        return record_of(recorded.seq, utc(datetime.fromtimestamp(recorded.at, UTC)), recorded.data)
    except UNDECODABLE as error:
        raise Unreadable(str(error)) from None


def source(stream: LogStream) -> Source:
    """The stream of the log."""
    return Source(stream=stream, scope=LOG_SCOPE, decode=decode, name="log")
