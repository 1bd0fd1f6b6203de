"""What a client subscribes to a room with."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from gateway import shapes
from gateway.live.fields import Seq
from gateway.routes import AnyRoom

Subscription = TypeVar("Subscription", bound=Struct)
HALF = RefusalTemplate(ErrorCode.INVALID_PARAMS, "There is half a character in it.")
Narrowed = Mapping[str, object]  # which value of which field of a room's updates is wanted


def subscription_of(given: Sequence[Any], struct: type[Subscription]) -> Subscription:
    """What a client has passed, as what it is to be; nothing is everything. Raises Refusal(INVALID_PARAMS)."""
    options = given[0] if given else None
    if options is None:
        options = {}
    if len(given) > 1 or not isinstance(options, dict):
        names = [field.encode_name for field in msgspec.structs.fields(struct)]
        example = ", ".join(f'"{name}": ...' for name in names[:2])
        raise Refusal(ErrorCode.INVALID_PARAMS, f"Subscribe with {{{example}}}, or with nothing.")
    try:
        return msgspec.convert(options, struct)
    except msgspec.ValidationError as error:
        raise shapes.undecodable(error, options, struct) from None
    except UnicodeEncodeError:
        raise HALF() from None


class Asked(Struct, frozen=True):
    """`since`: the last `seq` that a client has seen of a room; `snapshot`: whether it wants to know how things are;
    `narrowed`: what it wants to hear of alone."""

    since: int | None
    snapshot: bool
    narrowed: Narrowed


def room_subscription(given: Sequence[Any], room: AnyRoom) -> Asked:
    """What a client wants of a room. Raises Refusal(INVALID_PARAMS)."""
    said = msgspec.structs.asdict(subscription_of(given, _struct_of(room)))
    since, snapshot = said.pop("since"), said.pop("snapshot", False)
    return Asked(since, snapshot, {name: value for name, value in said.items() if value is not None})


@cache
def _struct_of(room: AnyRoom) -> type[Struct]:
    shown = [("snapshot", bool, False)] if room.listing is not None else []
    fields = [("since", Seq | None, None), *shown, *((name, kind | None, None) for name, kind in room.narrows)]
    name = f"Subscribe{room.kind.name.title()}"
    return msgspec.defstruct(name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True)
