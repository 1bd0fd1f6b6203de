"""What the ledger of figures follows."""

from actors.ledger.decode import Unreadable
from actors.ledger.follow import Source
from actors.ledger.monitor import Measured
from actors.runtime.bus import LogStream, Recorded
from bus_schemas.contract import UNDECODABLE
from bus_schemas.monitor import FIGURES_SCOPE, read_figures


def decode(recorded: Recorded) -> Measured:
    """An entry of the stream. Raises Unreadable."""
    try:
        return Measured(taken=read_figures(recorded.data), stored=recorded.at)
    except UNDECODABLE as error:
        raise Unreadable(str(error)) from None


def source(stream: LogStream) -> Source:
    """The stream of what was measured."""
    return Source(stream=stream, scope=FIGURES_SCOPE, decode=decode, name="figures")
