"""That nobody waits long while one reads what others have sent."""

import asyncio

TURN = 16 * 1024  # bytes that are read until others have their turn
EACH = 32  # as how many more a piece counts: one of nothing costs something, too


class Turns:
    """Who reads on in what is there already, without a wait, gives others their turn now and then."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read = 0

    async def after(self, size: int) -> None:
        """A piece of so many bytes was read."""
        self._read += EACH + size
        if self._read >= TURN:
            self._read = 0
            await asyncio.sleep(0)
