"""The settings of monitoring."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import shaped

Address = Annotated[
    str,
    shaped(
        r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]):[0-9]{1,5}$(?!\n)", "a host and a port, as `1.1.1.1:443`"
    ),
]  # fmt: skip


Download = Annotated[
    str, shaped(r"^(?:https?://\S{1,2000})?$(?!\n)", "an address of a file, as `https://example.com/100mb.bin`")
]  # fmt: skip


class Monitor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`probes`: hosts and ports to which a connection is opened, and closed at once, every 30 seconds: how long that
    takes is the network's latency. None: nothing is sent anywhere, and the latency is not known. `download`: a file of
    which 16 MB are fetched every half hour, or as much as comes in three seconds: how fast that is is the measured
    bandwidth. Empty: the speed of the link is all that is known."""

    probes: Annotated[tuple[Address, ...], Meta(max_length=16)] = ()
    download: Download = ""
