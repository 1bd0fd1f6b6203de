"""How healing starts on a host."""

from actors.healing.healer import Healer
from actors.healing.settings import Healing
from actors.runtime.parts import HostParts


async def start(parts: HostParts, *, settings: Healing) -> None:
    """The phones of the host's slots are looked after. Raises SettingsError."""
    if settings.enabled:
        healer = Healer(host=parts.host, ids=parts.ids, policy=settings.read())
        parts.background.append(healer.keep_looking)
