"""What a client subscribes to a room with."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bus_schemas.errors import ErrorCode, Refusal
from gateway import shapes
from gateway.live.fields import Seq
from gateway.routes import AnyRoom

Subscription = TypeVar("Subscription", bound=Struct)
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


def room_subscription(given: Sequence[Any], room: AnyRoom) -> tuple[int | None, Narrowed]:
    """The last `seq` that a client has seen of a room, and what it wants to hear of alone. Raises
    Refusal(INVALID_PARAMS)."""
    said = msgspec.structs.asdict(subscription_of(given, _struct_of(room)))
    since = said.pop("since")
    return since, {name: value for name, value in said.items() if value is not None}


@cache
def _struct_of(room: AnyRoom) -> type[Struct]:
    fields = [("since", Seq | None, None), *((name, kind | None, None) for name, kind in room.narrows)]
    name = f"Subscribe{room.kind.name.title()}"
    return msgspec.defstruct(name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True)
