"""Hosts: what an actor host says of itself every two seconds."""

from msgspec import Struct

from bus_schemas.call import Utc
from bus_schemas.contract import Topic


class Quarantined(Struct, frozen=True, kw_only=True):
    """One thing that is left alone, since it fails again and again; the rest of its host serves. `kind` and `id`: an
    actor's, or what else it is. `reason`: in words."""

    kind: str
    id: str
    reason: str


class HostTelemetry(Struct, frozen=True, kw_only=True):
    """How a host is now. Not kept."""

    host: str
    at: Utc
    quarantined: list[Quarantined] = []


# fmt: off
HOST_TELEMETRY = Topic("ottb.v1.tel.host.{host}", HostTelemetry, "How a host is, and what it left alone", kept=False)
# fmt: on

TOPICS = (HOST_TELEMETRY,)
