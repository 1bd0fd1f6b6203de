"""From the journal's entries to events: those that the ledger keeps, those it ignores, those that nobody can read."""

from typing import Any

import msgspec

from actors.ledger.kinds import READ_MODELS
from actors.runtime.bus import Recorded
from bus_schemas.contract import ROOT, UNDECODABLE

# (kind, past): how many parts the subject has, and what reads the body
DECODERS: dict[tuple[str, str], tuple[int, msgspec.json.Decoder[Any]]] = {
    (topic.kind, topic.verb): (topic.subject.count(".") + 1, msgspec.json.Decoder(topic.event))
    for model in READ_MODELS
    for topic in model.topics
}
KIND = len(f"{ROOT}.evt.")  # where the kind begins in a subject


class Unreadable(Exception):
    """An entry of a known kind that is not what its kind says."""


def decode(recorded: Recorded) -> Any:
    """The event of an entry. None: of a kind that the ledger does not know. Raises Unreadable."""
    subject = recorded.subject
    known = DECODERS.get((subject[KIND : subject.find(".", KIND)], subject[subject.rfind(".") + 1 :]))
    if known is None:
        return None
    length, decoder = known
    if (parts := subject.count(".") + 1) != length:
        raise Unreadable(f"its subject has {parts} parts instead of {length}")
    try:
        return decoder.decode(recorded.data)
    except UNDECODABLE as error:
        raise Unreadable(str(error)) from None
