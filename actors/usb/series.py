"""What is counted of the hubs of a host, for Prometheus. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator

from actors.usb.port_map import HubNow
from bus_schemas.series import Sample
from bus_schemas.usb import PortState


def of_hubs(hubs: Iterable[HubNow]) -> Iterator[Sample]:
    """Whether each is there, and what is on its ports."""
    for hub in hubs:
        if hub.plugged is not None:
            yield Sample("ottb_hub_plugged", float(hub.plugged), (hub.name,))
        states = Counter(port.state for port in hub.ports)
        for state in PortState:
            yield Sample("ottb_hub_ports", states[state], (hub.name, str(state)))
