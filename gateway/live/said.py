"""What the server says, encoded once for everybody who hears it."""

from struct import pack
from typing import Any

from engineio.packet import MESSAGE
from msgspec import json
from socketio.packet import ACK, EVENT

from bus_schemas.errors import Refusal

SHORT, MIDDLE = 126, 2**16  # bytes from which on the length of a frame takes two more bytes, and eight
WHOLE_TEXT = 0x81  # the first byte of a frame that is a whole text


class Said:
    """A packet of Socket.IO in a message of Engine.IO, as the frame of a websocket: a server's are not masked, so it is
    the same for every client. It stands in an outbox as a packet of engineio's does, where it has to wait."""

    __slots__ = ("_begin", "frame")

    def __init__(self, packet: bytes) -> None:
        head = _head(len(packet) + 1)
        self._begin = len(head)
        self.frame = b"%b%d%b" % (head, MESSAGE, packet)

    def encode(self, b64: bool = False) -> str:
        """The message, as engineio sends it to who polls or is behind. Raises UnicodeDecodeError if it is no text."""
        return self.frame[self._begin :].decode()


def event_said(event: str, payload: object) -> Said:
    """An event of Socket.IO (protocol 5: the packet's type, then the event's name and arguments as JSON)."""
    return Said(b"%d%b" % (EVENT, json.encode((event, payload))))


def answer_said(number: int, answers: list[Any]) -> Said:
    """What a client is answered that has asked under a number of its own."""
    return Said(b"%d%d%b" % (ACK, number, json.encode(answers)))


def refusal_said(event: str, refusal: Refusal) -> Said:
    """A refusal that the server says by itself."""
    return event_said(event, refusal.as_refused())


def _head(length: int) -> bytes:
    if length < SHORT:
        return pack("!BB", WHOLE_TEXT, length)
    if length < MIDDLE:
        return pack("!BBH", WHOLE_TEXT, SHORT, length)
    return pack("!BBQ", WHOLE_TEXT, SHORT + 1, length)
