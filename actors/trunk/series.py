"""What is counted of the trunks of a host, for Prometheus."""

from collections.abc import Iterable, Iterator

from bus_schemas.series import Sample
from bus_schemas.trunk import TrunkState, TrunkView


def of_trunks(trunks: Iterable[TrunkView]) -> Iterator[Sample]:
    """The state and the channels of each."""
    for trunk in trunks:
        name = (trunk.name,)
        for state in TrunkState:
            yield Sample("ottb_trunk_state", float(trunk.state is state), (trunk.name, str(state)))
        yield Sample("ottb_trunk_calls", trunk.calls, name)
        yield Sample("ottb_trunk_channels", trunk.channels, name)
        yield Sample("ottb_trunk_failed_calls", trunk.failed, name)
        if trunk.rtt_ms is not None:
            yield Sample("ottb_trunk_round_trip_seconds", trunk.rtt_ms / 1000, name)
