"""The screen as runs and people have it: whatever it raises is an answer.

A phone makes up what is read of its screen. An error that nobody foresaw would end a run's actor, which comes back,
asks again, and holds its slot for ever; a person would be told of a fault of the platform.
"""

import structlog

from actors.script.effects import Back, Dump, Looked, NotDone
from actors.script.tree import Crashed
from actors.slot.phone import PhoneError
from actors.slot.screen import OnScreen, Screen

log = structlog.get_logger()


class Foreseen:
    """Makes what a screen raises an answer. `who`: whose use of it the log names, once."""

    def __init__(self, **who: str | int) -> None:
        self._who = who
        self._told = False

    async def carry_out(self, screen: Screen, effect: OnScreen) -> Back:
        """As `Screen.carry_out`. Raises nothing but PhoneError."""
        try:
            return await screen.carry_out(effect)
        except PhoneError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is: a run goes on, or ends
            why = self._said(error)
            return Looked(Crashed(why)) if isinstance(effect, Dump) else NotDone(why, maybe=True)

    async def picture(self, screen: Screen) -> bytes:
        """As `Screen.picture`. Raises nothing but PhoneError."""
        try:
            return await screen.picture()
        except PhoneError:
            raise
        except Exception as error:  # noqa: BLE001  as above
            raise PhoneError(self._said(error)) from None

    def _said(self, error: Exception) -> str:
        if not self._told:
            self._told = True
            log.error("a phone's screen failed as nobody foresaw", exc_info=error, **self._who)
        return f"its screen failed: {type(error).__name__}"
