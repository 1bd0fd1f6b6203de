"""What the ledger of the platform's log follows."""

from actors.ledger.decode import Unreadable
from actors.ledger.follow import Source
from actors.runtime.bus import LogStream, Recorded
from bus_schemas.contract import UNDECODABLE
from bus_schemas.log import LOG_SCOPE, LogRecord, record_of


def decode(recorded: Recorded) -> LogRecord:
    """An entry of the stream. Raises Unreadable."""
    try:
        return record_of(recorded.seq, recorded.stored_at, recorded.data)
    except UNDECODABLE as error:
        raise Unreadable(str(error)) from None


def source(stream: LogStream) -> Source:
    """The stream of the log."""
    return Source(stream=stream, scope=LOG_SCOPE, decode=decode, name="log")
