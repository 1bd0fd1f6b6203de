"""Nothing is written that whoever reads it later could not digest: asked before the write, while nothing has happened.

What the journal has stays, and is read by each later start, the ledger, and everybody who follows. An event that one of
them cannot read, or whose subject or feed cannot be named, would cost its thing at each start from then on.
"""

from typing import Any

import msgspec

from bus_schemas.contract import UNDECODABLE, AnyTopic
from bus_schemas.errors import ErrorCode, Refusal

LARGEST = 1_000_000  # bytes of an event: the bus takes 1,048,576, with the headers

_decoders: dict[type, msgspec.json.Decoder[Any]] = {}  # any: of the class of its key


def must_be_digestible(topic: AnyTopic, event: Any) -> bytes:  # any: of the topic's class
    """The event as it is written. Raises Refusal(INVALID_PARAMS) where its subject cannot be named, or its body not be
    read back as what it is."""
    topic.subject_for(event)
    try:
        data = msgspec.json.encode(event)
        decoder = _decoders.get(topic.event) or _decoders.setdefault(topic.event, msgspec.json.Decoder(topic.event))
        decoder.decode(data)
    except (*UNDECODABLE, UnicodeEncodeError) as error:
        raise Refusal(ErrorCode.INVALID_PARAMS, f"This cannot be put on record: {error}") from None
    if len(data) > LARGEST:
        raise Refusal(ErrorCode.INVALID_PARAMS, f"This cannot be put on record: more than {LARGEST} bytes.")
    return data
