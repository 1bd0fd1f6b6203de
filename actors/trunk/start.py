"""How the trunks of a host start."""

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack

from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.telephony.line import CallCounts
from actors.trunk.actor import TrunkActor
from actors.trunk.pbx import Pbx
from actors.trunk.registry import TrunkRegistry
from actors.trunk.series import of_trunks
from actors.trunk.settings import Ami
from bus_schemas.trunk import TrunkConfig


def joining(configs: Iterable[TrunkConfig], ami: Mapping[str, Ami]) -> frozenset[str]:
    """The trunks of a site whose calls can be taken to the extensions of operators, by its settings."""
    pbxs = _joining_pbxs(ami)
    return frozenset(one.name for one in configs if one.pbx in pbxs)


def _joining_pbxs(ami: Mapping[str, Ami]) -> frozenset[str]:
    return frozenset(name for name, one in ami.items() if one.operators_context)


async def start(
    parts: HostParts,
    stack: AsyncExitStack,
    *,
    configs: Iterable[TrunkConfig],
    ami: Mapping[str, Ami],
    counts: CallCounts,
    pbxs: Mapping[str, Pbx],
) -> TrunkRegistry:
    """The trunks that the host is to own. `configs`, `ami`: of the settings, `pbxs`: the PBXs themselves, by name."""
    recording = frozenset(name for name, one in ami.items() if one.recordings)
    registry = TrunkRegistry(
        host=parts.host, from_file=configs, recording=recording, joining=_joining_pbxs(ami)
    )  # fmt: skip

    def make(id: str, host: Host) -> TrunkActor:
        return TrunkActor(id=id, host=host, counts=counts, pbxs=pbxs, over=registry.call_over)

    parts.host.add_maker(TrunkActor.made_by(make))
    parts.registries.append(registry)
    parts.series.append(lambda: of_trunks(one.view for one in registry.all() if one.state and not one.state.removed))
    return registry
