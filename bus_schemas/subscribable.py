"""What webhooks can be subscribed to, by name."""

from collections.abc import Mapping

from bus_schemas.catalogue import SUBSCRIBABLE
from bus_schemas.contract import AnyTopic


def name_of(topic: AnyTopic) -> str:
    """How an event is called, `call.ended`."""
    return f"{topic.kind}.{topic.verb}"


NAMES: Mapping[str, AnyTopic] = {name_of(topic): topic for one in SUBSCRIBABLE.values() for topic in one.topics}
