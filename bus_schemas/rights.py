"""Fields of an event that need a right of their own, beside the one to see the thing.

It is said once, at the field: `output: Annotated[str, needs(Action.SLOT_SHELL)]`. `without` takes out what somebody may
not see, for every door alike: Socket.IO and its replays, the feeds on the bus and the documents. What is answered over
HTTP and the bus is not cut: a line whose reply has such a field asks for that right as a whole (`needed_for`, and a
test over all lines).
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from bus_schemas.permissions import Action

NEEDS = "needs"
IN_DOCUMENTS = "x-permission"

Event = TypeVar("Event", bound=Struct)

_GUARDS: dict[type[Struct], Mapping[str, Action]] = {}  # reading annotations is slow


def needs(action: Action) -> Meta:
    """What goes into a field's `Annotated`."""
    return Meta(extra={NEEDS: action}, extra_json_schema={IN_DOCUMENTS: action.value})


def guards(kind: type[Struct]) -> Mapping[str, Action]:
    """The fields of a struct that need a right of their own, and which."""
    known = _GUARDS.get(kind)
    if known is None:
        hints = get_type_hints(kind, include_extras=True)
        known = _GUARDS[kind] = {name: action for name, hint in hints.items() for action in _said(hint)}
    return known


def rights(kind: type[Struct]) -> frozenset[Action]:
    """Those rights together."""
    return frozenset(guards(kind).values())


def without(event: Event, actions: Collection[str]) -> Event:
    """The event for somebody who may do `actions`: fields that need something else are not there when it is encoded."""
    hidden = [name for name, action in guards(type(event)).items() if action not in actions]
    return replace(event, **dict.fromkeys(hidden, UNSET)) if hidden else event


def needed_for(kind: Any) -> frozenset[Action]:  # any: whatever stands in an annotation
    """The rights that fields anywhere in a type need."""
    found: set[Action] = set()
    _collect(kind, found, set())
    return frozenset(found)


def _collect(kind: Any, found: set[Action], seen: set[Any]) -> None:
    found.update(_said(kind))
    for part in get_args(kind):
        _collect(part, found, seen)
    if isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, Struct) and kind not in seen:
        seen.add(kind)
        for hint in get_type_hints(kind, include_extras=True).values():
            _collect(hint, found, seen)


def _said(hint: Any) -> Iterator[Action]:
    """What an annotation itself says."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.extra and NEEDS in meta.extra:
            yield meta.extra[NEEDS]
