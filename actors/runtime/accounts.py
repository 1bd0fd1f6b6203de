"""Whether a user has an account still: for what goes on in somebody's name while they are away."""

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import FIND_EXTENSION, FindExtension


async def is_gone(bus: Bus, user: str, ids: Ids) -> bool:
    """Whether a user is deleted or disabled. While nobody can say it, they are there."""
    try:
        found = await ask(bus, FIND_EXTENSION, FindExtension(user=user), Context(command_id=ids.new()), retry=False)
    except Refusal as refusal:
        return refusal.code is ErrorCode.NOT_FOUND
    return not found.active
