"""What an actor tells of itself while it changes often: soon, not with each change; and again, for who came later."""

from collections.abc import Callable

from actors.runtime.effects import EffectRunner, Work
from actors.runtime.host import Host


class Telling:
    """Tells once for all changes of so many seconds. `tell`: how it is then. `again`: seconds after which it is told
    anew for as long as it `goes_on`, though nothing has changed: what is told is not kept."""

    def __init__(
        self, *, actor: EffectRunner, host: Host, every: float, tell: Callable[[], Work[None]], again: float = 0.0,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._actor = actor
        self._host = host
        self._every = every
        self._tell = tell
        self._again = again
        self._goes_on = goes_on
        self._due = self._repeats = False

    def soon(self) -> None:
        """Something has changed."""
        if not self._due:
            self._due = True
            self._actor.spawn(self._later())

    async def _later(self) -> None:
        await self._host.pause(self._every)
        self._due = False
        await self._tell()
        if self._goes_on() and not self._repeats:
            self._repeats = True
            self._actor.spawn(self._repeat())

    async def _repeat(self) -> None:
        while self._goes_on():
            await self._host.pause(self._again)
            if not self._due:
                await self._tell()
        self._repeats = False
