"""Every contract line in two tuples, for documents and tests."""

from typing import Any

from bus_schemas import audit, call, gateway, host, slot, trunk, user
from bus_schemas.contract import Rpc, Topic

RPCS: tuple[Rpc[Any, Any], ...] = (
    *call.COMMANDS,
    *slot.COMMANDS,
    *trunk.COMMANDS,
    *host.COMMANDS,
    *user.COMMANDS,
    *audit.COMMANDS,
    *gateway.COMMANDS,
)
TOPICS: tuple[Topic[Any], ...] = (
    *call.TOPICS,
    *slot.TOPICS,
    *trunk.TOPICS,
    *user.TOPICS,
    *audit.TOPICS,
    *host.TOPICS,
)
