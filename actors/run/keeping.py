"""What is kept of a phone's screen beside a run's record: pieces of the bucket of files, which forgets them by itself
once they are old, so that any gateway can show them, wherever the phone is.
"""

import msgspec
import structlog

from actors.runtime.bus import Bus, BusError
from actors.runtime.files import PIECE, FileWriter, forget, pieces_of
from actors.script.effects import Back, Looked
from actors.script.tree import Seen

log = structlog.get_logger()

LARGEST = 2_000_000  # bytes of one: a picture of a busy screen has half of that
ALL = 48_000_000  # bytes of what one host keeps: the oldest go for the newest


class Keeper:
    """Keeps files of the runs of one host: the newest, as many as there is room for."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus
        self._kept: dict[str, int] = {}  # bytes by key, the oldest first

    async def keep(self, key: str, data: bytes) -> int:
        """Keep it under a key. Returns its bytes, 0: it was not kept."""
        if not data or len(data) > LARGEST:
            return 0
        self._kept.pop(key, None)
        self._kept[key] = len(data)
        while sum(self._kept.values()) > ALL:
            oldest = next(iter(self._kept))
            await forget(self._bus, pieces_of(oldest, pieces(self._kept.pop(oldest))))
        writer = FileWriter(self._bus, key)
        try:
            await writer.add(data)
            await writer.finish()
        except BusError as error:
            log.info("a file of a run is not kept", key=key, error=str(error))
            return 0
        return len(data)

    @staticmethod
    def tree(looked: Back) -> bytes:
        """What a look has found, as JSON. Empty: nothing."""
        if not isinstance(looked, Looked) or not isinstance(looked.screen, Seen):
            return b""
        return msgspec.json.encode(looked.screen.tree)


def pieces(size: int) -> int:
    """In how many pieces so many bytes are."""
    return -(-size // PIECE)
