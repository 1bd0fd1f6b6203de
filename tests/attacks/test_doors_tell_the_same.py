"""Fields with a right of their own reach nobody who lacks it: by no event, through no door, in no role."""

import json
import re
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Meta, Struct

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.grants import grants
from actors.runtime.bus import Message
from actors.runtime.host import Host
from actors.runtime.ownership import Lease, LeaseKeeper
from bus_schemas.call import owners_of
from bus_schemas.catalogue import KINDS, RPCS, TOPICS, rights_in
from bus_schemas.contract import AnyTopic, matches
from bus_schemas.kinds import Kind, Owners, feeds_of
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.rights import guards, needed_for
from bus_schemas.user import Identity, LoginKind
from gateway.openapi import asyncapi, openapi
from gateway.surface import ROOMS
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.gateway.test_live import Journal, heard
from tests.support.door import gateway_on, serving
from tests.support.site import until

OF_KIND = {kind.name: kind for kind in KINDS}
ROOM_TOPICS = {topic: [row for row in ROOMS if topic in row.topics] for topic in TOPICS}
# Beside the built-in roles: who may run commands and sees their own slots; who sees all and may run nothing.
ROLES = {name: resolve(verbs) for name, verbs in BUILT_IN_ROLES.items()} | {
    "shell": frozenset({Action.SLOT_VIEW, Action.CALL_VIEW, Action.SLOT_SHELL}),
    "blind": frozenset({Action.SLOT_VIEW, Action.SLOT_VIEW_ANY, Action.CALL_VIEW, Action.CALL_VIEW_ANY}),
    "none": frozenset(),
}
REFERRED = re.compile(r"#/components/schemas/(\w+)")
OWNERS: dict[str, tuple[str | None, ...]] = {
    "mine": ("shell", "operator"), "pool": (None,), "theirs": ("x",), "given": owners_of("x", "operator"),
}  # fmt: skip


def sample(hint: Any, name: str = "") -> Any:
    """A value of a type, as an event may hold it; of a text that nothing is said of, one that names its field."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        examples = [one for meta in parts[1:] if isinstance(meta, Meta) and meta.examples for one in meta.examples]
        patterns = [meta.pattern for meta in parts[1:] if isinstance(meta, Meta) and meta.pattern]
        if patterns and not examples:
            examples = [text for text in (f"{name}-said", "44") if all(re.search(one, text) for one in patterns)]
        return examples[0] if examples else sample(parts[0], name)
    if origin is Literal:
        return parts[0]
    if origin in (Union, UnionType):
        return sample(next(part for part in parts if part is not NoneType), name)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint(**{field: sample(of, field) for field, of in get_type_hints(hint, include_extras=True).items()})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if origin in (dict, Mapping):
        return {sample(parts[0], name): sample(parts[1], name)}
    if origin in (list, tuple):
        return origin(sample(part, name) for part in parts if part is not ...)
    by_type = {str: f"{name}-said", int: 44, float: 1.0, bool: True}
    return by_type[origin or hint]


def event_of(topic: AnyTopic) -> Struct:
    event = sample(topic.event)
    return msgspec.json.decode(msgspec.json.encode(event), type=topic.event)  # it is one that a reader takes


def identity(role: str) -> Identity:
    actions = sorted(ROLES[role])
    return Identity(kind=LoginKind.PASSWORD, id=role, user=role, role="r", actions=actions, expires_at=None)


def may_see(kind: Kind, role: str, owners: tuple[str | None, ...]) -> bool:
    actions = ROLES[role]
    return kind.view in actions and (
        kind.view_any in actions or any(kind.visible(owner, user=role, actions=actions) for owner in owners)
    )


def hidden(topic: AnyTopic, role: str) -> set[str]:
    """The fields that a role must not see."""
    return {field for field, action in guards(topic.event).items() if action not in ROLES[role]}


def test_the_fields_are_declared_and_the_shells_are_among_them() -> None:
    declared = {topic.event.__name__: set(guards(topic.event)) for topic in TOPICS if guards(topic.event)}
    assert declared == {
        "SlotCommandStarted": {"command"},
        "SlotCommandDone": {"exit_code", "output", "truncated", "error"},
        "RunQueued": {"scripts", "given"},
        "RunStarted": {"scripts", "given"},
        "RunMoved": {"position"},
    }
    for topic in TOPICS:  # nested ones would be taken out by nobody, and figures are said raw to who sees all
        assert needed_for(topic.event) == set(guards(topic.event).values()), topic.subject
        assert topic.kept or not guards(topic.event), topic.subject


def test_no_line_answers_with_a_field_that_its_own_right_does_not_cover() -> None:
    open_lines = [rpc.subject for rpc in RPCS if not needed_for(rpc.reply) <= {rpc.permission}]
    guarded = [rpc.subject for rpc in RPCS if needed_for(rpc.reply)]
    print(f"{len(RPCS)} lines, {len(guarded)} with such a field: {len(open_lines)} open")
    assert guarded and not open_lines


def test_the_documents_say_the_right_of_each_field() -> None:
    events, routes = asyncapi()["components"]["schemas"], openapi()
    said = 0
    for topic in TOPICS:
        schema, wanted = events[topic.event.__name__], guards(topic.event)
        assert marked(schema) == wanted and not wanted.keys() & set(schema.get("required", ())), topic.subject
        for row in ROOM_TOPICS[topic]:
            update = events[row.update.__name__]
            shown = {field: action for field, action in wanted.items() if field in update["properties"]}
            assert shown.items() <= marked(update).items(), (topic.subject, row.event)
            said += len(shown)
    replies = routes["components"]["schemas"]
    for path, operations in routes["paths"].items():
        for operation in operations.values():
            names = REFERRED.findall(str([one for code, one in operation["responses"].items() if code < "300"]))
            needed = {action for name in names for action in marked(replies[name]).values()}
            assert needed <= {operation.get("x-permission")}, path
            said += len(needed)
    print(f"{len(TOPICS)} events and {len(routes['paths'])} paths: {said} marks, 0 that are missing")
    assert said


def marked(schema: dict[str, Any]) -> dict[str, str]:
    """The fields of a documented struct that need a right of their own."""
    return {name: of["x-permission"] for name, of in schema.get("properties", {}).items() if "x-permission" in of}


@pytest.mark.parametrize("whose", OWNERS)
async def test_socket_io_and_its_replay(whose: str) -> None:
    """Every topic that a room is filled from, to every role at once."""
    journal = Journal(MemoryBroker(clock=SystemClock()))
    owners = OWNERS[whose]
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    topics = [topic for topic in TOPICS if ROOM_TOPICS[topic] and topic.kept]
    async with serving(journal.broker, {}, ROLES), gateway_on(MemoryBus(journal.broker)) as gateway:
        rooms = {role: [row.kind for row in ROOMS if row.kind.view in ROLES[role]] for role in ROLES}
        first = await journal.write("ottb.v1.evt.slot.1.nothing", b"{}")
        for topic in topics:
            about: Owners = {kind.name: owners for kind in KINDS}
            await journal.write(topic.subject_for(event_of(topic)), msgspec.json.encode(event_of(topic)), about)
        for role, kinds in rooms.items():
            for kind in kinds:
                expected = [t for t in topics if any(row.kind is kind for row in ROOM_TOPICS[t])]
                count = sum(_presented(t, kind) for t in expected) if may_see(kind, role, owners) else 0
                async with gateway.live(role, kind.room, since=first) as client:
                    told[role, kind.name] = list(await heard(client, count))
                    assert len(client.heard) == count, (role, kind.name)
    looked = wrong = 0
    for (role, _), payloads in told.items():
        for payload in payloads:
            for topic in topics:
                looked += 1
                leaks = [field for field in hidden(topic, role) if f"'{field}-said" in str(payload)]
                leaks += [field for field in hidden(topic, role) if field in payload["data"]]
                wrong += bool(leaks)
                assert not leaks, (role, topic.subject, payload)
    shown = [p for p in told["admin", "slot"] if p["data"].get("output") == "output-said"]
    assert len(shown) == 1 and told["admin", "slot"][-1]["data"].keys() >= {"slot"}
    print(f"{whose}: {len(topics)} topics, {len(told)} rooms and roles, {looked} looks: {wrong} leaks")


def _presented(topic: AnyTopic, kind: Kind) -> bool:
    row = next(row for row in ROOM_TOPICS[topic] if row.kind is kind)
    return row.present(event_of(topic)) is not None


@pytest.mark.parametrize("whose", OWNERS)
async def test_the_bus(whose: str) -> None:
    """Every topic as its actor says it on the feeds and as the server says it from the journal, to every role."""
    broker = MemoryBroker(clock=SystemClock())
    bus, clock = MemoryBus(broker), SystemClock()
    said: list[tuple[str, bytes]] = []

    async def hear(message: Message) -> None:
        said.append((message.subject, message.data))

    for root in ("own.>", "shared.>", "all.>"):
        await bus.subscribe(f"ottb.v1.{root}", hear)
    lease = LeaseKeeper(lease=Lease(bus=bus, clock=clock, key="host.a", holder="me"), on_lost=lambda: None)
    host = Host(name="a", bus=bus, clock=clock, ids=RandomIds(), ownership=lease)
    looked = wrong = 0
    for topic in (topic for topic in TOPICS if topic.kind in OF_KIND):
        event = event_of(topic)
        data, subject = msgspec.json.encode(event), topic.subject_for(event)
        said.clear()
        host.feeds.publish_to_owners(topic, event, data, feeds_of(subject, OWNERS[whose]))
        feeds = len(OWNERS[whose]) + (topic.kept and bool(rights_in(topic.kind)))
        await until(lambda: _count(said), lambda count, feeds=feeds: count >= feeds)
        raw = [(subject, data)]
        for role in ROLES:
            may = grants(identity(role)).subscribe
            reaches = [json.loads(d) for s, d in (*said, *raw) if any(matches(pattern, s) for pattern in may)]
            sees = may_see(OF_KIND[topic.kind], role, OWNERS[whose])
            assert bool(reaches) == sees, (role, topic.subject)
            for body in reaches:
                looked += 1
                leaks = hidden(topic, role) & body.keys()
                wrong += bool(leaks)
                assert not leaks, (role, topic.subject, leaks)
        whole = [json.loads(d) for s, d in raw if any(matches(p, s) for p in grants(identity("admin")).subscribe)]
        assert whole[0].keys() == set(type(event).__struct_fields__) - _defaults_left_out(event)
    print(f"{whose}: {looked} messages to {len(ROLES)} roles: {wrong} leaks")


async def _count(said: list[tuple[str, bytes]]) -> int:
    return len(said)


def _defaults_left_out(event: Struct) -> set[str]:
    return set(type(event).__struct_fields__) - json.loads(msgspec.json.encode(event)).keys()
