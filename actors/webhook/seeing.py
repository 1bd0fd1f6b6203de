"""What of the journal a webhook may say: what it wants, and what whoever lends it their rights sees. Pure."""

from collections.abc import Collection

import msgspec
from msgspec import Struct

from actors.runtime.bus import Recorded
from bus_schemas.alert import Channel
from bus_schemas.catalogue import SUBSCRIBABLE, topic_of
from bus_schemas.contract import AnyTopic
from bus_schemas.kinds import owners_in
from bus_schemas.permissions import Action
from bus_schemas.rights import without
from bus_schemas.subscribable import NAMES, name_of
from bus_schemas.webhook import WebhookFilter


class Seeing(Struct, frozen=True):
    """Who sees: a user, and what they may do now."""

    user: str
    actions: frozenset[str]


class Posted(Struct, frozen=True, kw_only=True):
    """What is posted of an event. `id`: its `seq` in the journal; `data`: its fields, as on the bus."""

    id: str
    event: str
    at: str
    webhook: str
    data: Struct


def kinds_of(events: Collection[str]) -> frozenset[str]:
    """The kinds that names of events are of."""
    return frozenset(name.partition(".")[0] for name in events)


def topic_in(recorded: Recorded, events: Collection[str]) -> AnyTopic | None:
    """The topic of an entry, where it is one of the events that are wanted."""
    topic = topic_of(recorded.subject)
    if topic is None or NAMES.get(name_of(topic)) is not topic:
        return None
    return topic if name_of(topic) in events or f"{topic.kind}.*" in events else None


def fits(event: Struct, wanted: WebhookFilter) -> bool:
    """Whether an event has all the values that are wanted. Raises nothing: what it has not, it has not."""
    given = ((name, getattr(wanted, name)) for name in wanted.__struct_fields__)
    return all(value is None or getattr(event, name, None) == value for name, value in given)


def sees(seeing: Seeing, topic: AnyTopic, recorded: Recorded) -> bool:
    """Whether somebody sees the thing that an entry is about, by the rule of all doors, and may still have events
    posted."""
    kind = SUBSCRIBABLE[topic.kind].kind
    if kind.view not in seeing.actions or Action.WEBHOOK_MANAGE not in seeing.actions:
        return False
    return kind.visible(*owners_in(recorded.headers, kind), user=seeing.user, actions=seeing.actions)


def wanted_of(
    recorded: Recorded, events: Collection[str], wanted: WebhookFilter, seeing: Seeing
) -> tuple[AnyTopic, Struct] | None:
    """The event of an entry, if it is wanted and seen. Raises what a codec raises."""
    topic = topic_in(recorded, events)
    if topic is None or not sees(seeing, topic, recorded):
        return None
    event = msgspec.json.decode(recorded.data, type=topic.event)
    return (topic, event) if fits(event, wanted) and is_for_webhooks(event) else None


def is_for_webhooks(event: Struct) -> bool:
    """Whether it may be posted: an alert says by itself who is told."""
    return Channel.WEBHOOKS in getattr(event, "told", (Channel.WEBHOOKS,))


def body_of(recorded: Recorded, webhook: str, seeing: Seeing) -> bytes | None:
    """What is posted of an entry, without the fields that need a right of their own which is not held. None: it may not
    be seen. Raises what a codec raises."""
    topic = topic_of(recorded.subject)
    if topic is None or topic.kind not in SUBSCRIBABLE or not sees(seeing, topic, recorded):
        return None
    event = without(msgspec.json.decode(recorded.data, type=topic.event), seeing.actions)
    posted = Posted(
        id=str(recorded.seq), event=name_of(topic), at=getattr(event, "at", recorded.stored_at), webhook=webhook,
        data=event,
    )  # fmt: skip
    return msgspec.json.encode(posted)
