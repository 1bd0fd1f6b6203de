"""What each room of the live feed may be narrowed by, for who writes clients."""

import types
from typing import Any, Union, get_args

import msgspec

from gateway.live.log_room import SubscribeLog
from gateway.routes import AnyRoom
from gateway.surface.log import ROOM as LOG


def narrows_of(room: AnyRoom) -> tuple[tuple[str, Any], ...]:
    """The fields, with their types. The log says its own in what subscribes to it."""
    if room is not LOG:
        return room.narrows
    fields = {field.name: get_args(field.type) for field in msgspec.structs.fields(SubscribeLog)}
    return tuple(
        (name, Union[tuple(kind for kind in kinds if kind is not types.NoneType)])  # noqa: UP007  made of a list
        for name, kinds in fields.items()
        if name != "since"
    )
