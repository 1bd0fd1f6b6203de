"""Every contract line, kind and topic, collected from the files of the kinds; and which topic a subject is of."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from bus_schemas import (
    alert,
    archive,
    audit,
    call,
    campaign,
    campaign_outlook,
    campaign_telemetry,
    crm,
    dashboard,
    do_not_call,
    erasure,
    gateway,
    host,
    imports,
    introspection,
    lead,
    link,
    log,
    monitor,
    note,
    operator,
    pipeline,
    pipeline_events,
    preview,
    script,
    series,
    slot,
    slot_files,
    slot_screen,
    trunk,
    usb,
    user,
    webhook,
)
from bus_schemas.contract import Rpc, Topic
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action
from bus_schemas.rights import rights

FILES: tuple[ModuleType, ...] = (
    alert, archive, audit, call, campaign, campaign_outlook, campaign_telemetry, crm, dashboard, do_not_call,
    erasure, gateway, host, imports, introspection, lead, link, log, monitor, note, operator, pipeline,
    pipeline_events, preview, script, series, slot, slot_files, slot_screen, trunk, usb, user, webhook,
)  # fmt: skip

Line = TypeVar("Line")


def _all(line: type[Line]) -> Iterator[Line]:
    """Those in the files, each once, although some are imported by another file too."""
    found = (value for file in FILES for value in vars(file).values() if isinstance(value, line))
    yield from dict.fromkeys(found)


RPCS: tuple[Rpc[Any, Any], ...] = tuple(_all(Rpc))
TOPICS: tuple[Topic[Any], ...] = tuple(_all(Topic))
KINDS: tuple[Kind, ...] = tuple(_all(Kind))
SUBSCRIBABLE: Mapping[str, Subscribable] = {one.kind.name: one for one in _all(Subscribable)}

NAMES: Mapping[Rpc[Any, Any], str] = {
    rpc: name.lower() for file in FILES for name, rpc in vars(file).items() if isinstance(rpc, Rpc)
}  # what programs call them

SHORTEST = 5  # tokens of a subject
_BY_SHAPE = {topic.shape: topic for topic in TOPICS}


def topic_of(subject: str) -> Topic[Any] | None:
    """The topic of which a subject is. None: of none that this version knows."""
    tokens = subject.split(".")
    if len(tokens) < SHORTEST:
        return None
    _, _, family, kind, *_, last = tokens
    size = len(tokens)
    return _BY_SHAPE.get((family, kind, size, last)) or _BY_SHAPE.get((family, kind, size, ""))


def topics_of(kind: str) -> tuple[Topic[Any], ...]:
    """What is kept of a kind, by the token in its subjects."""
    return tuple(topic for topic in TOPICS if topic.kept and topic.kind == kind)


@cache
def rights_in(kind: str) -> frozenset[Action]:
    """What it takes, beside seeing the things of a kind, to see all fields of their events."""
    return frozenset().union(*(rights(topic.event) for topic in TOPICS if topic.kind == kind))
