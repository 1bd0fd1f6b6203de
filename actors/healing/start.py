"""How healing starts on a host."""

from collections.abc import Mapping

from actors.healing.charger import Charger
from actors.healing.healer import Healer
from actors.healing.settings import Healing
from actors.runtime.parts import HostParts
from actors.slot.settings import Hub


async def start(parts: HostParts, *, settings: Healing, hubs: Mapping[str, Hub]) -> None:
    """The phones of the host's slots are looked after; `hubs`: those of the settings. Raises SettingsError."""
    if settings.enabled:
        policy = settings.read()
        healer = Healer(host=parts.host, hosts=parts.hosts, ids=parts.ids, policy=policy, hubs=hubs)
        parts.background.append(healer.keep_looking)
        if not policy.dry_run:
            charger = Charger(host=parts.host, hosts=parts.hosts, ids=parts.ids, rule=policy.charging)
            parts.background.append(charger.keep_looking)
