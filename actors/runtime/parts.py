"""What the features of a process are made with, and where they put what they add to its host.

A feature has a `start.py`: `start(parts, stack)`, with what it alone needs by name, makes it; what must end is put on
the stack. Whoever joins features (`actors/assembly.py`, `actors/main.py`) knows their starts and nothing else of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from actors.runtime.bus import Bus
from actors.runtime.clock import Clock
from actors.runtime.effects import Work
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.peers import Peers
from actors.runtime.service import Hosts, Served
from actors.runtime.shards import Shards
from bus_schemas.series import Distribution, Sample

Series = Callable[[], Iterable[Sample | Distribution]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What everything in a process is made with."""

    bus: Bus
    clock: Clock
    ids: Ids


class Registry(Protocol):
    """The actors of one kind that a host owns."""

    async def start(self) -> None:
        """Own them all, and bring them up to date."""

    async def bring_up_to_date(self) -> None:
        """Apply changed settings that had to wait."""


@dataclass(frozen=True, kw_only=True)
class HostParts(Parts):
    """What the features of a host are made with. They add how actors of their kinds are made (`host.add_maker`, and
    `shards.add` for those that live wherever their shard is); the lines that any host may be asked, and those that name
    one (`any_host`, `this_host`); the actors that the host owns (`registries`, started in this order); what goes on
    when all of it is there (`background`); and what of it is counted for Prometheus (`series`)."""

    host: Host
    peers: Peers
    shards: Shards
    any_host: list[Iterable[Served]] = field(default_factory=list)
    this_host: list[Iterable[Served]] = field(default_factory=list)
    registries: list[Registry] = field(default_factory=list)
    background: list[Callable[[], Work[None]]] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)

    @property
    def hosts(self) -> Hosts:
        """How hosts are asked, this one among them."""
        return Hosts(bus=self.bus, own=self.host.name, tables=self.this_host)
