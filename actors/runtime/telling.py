"""What an actor tells of itself while it changes often: soon, and not with each change."""

from collections.abc import Callable

from actors.runtime.effects import EffectRunner, Work
from actors.runtime.host import Host


class Telling:
    """Tells once for all changes of so many seconds. `tell`: how it is then."""

    def __init__(self, *, actor: EffectRunner, host: Host, every: float, tell: Callable[[], Work[None]]) -> None:
        self._actor = actor
        self._host = host
        self._every = every
        self._tell = tell
        self._due = False

    def soon(self) -> None:
        """Something has changed."""
        if not self._due:
            self._due = True
            self._actor.spawn(self._later())

    async def _later(self) -> None:
        await self._host.pause(self._every)
        self._due = False
        await self._tell()
