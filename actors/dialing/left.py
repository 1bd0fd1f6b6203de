"""What became of a command whose call has left the journal: the records say it, or nobody dials.

A call is claimed by a write that expects nothing under its id, which is true again once its entries are gone
(docs/decisions/0063). So who finds no attempt reads next up to where calls may be gone, by the leader's word: what was
taken away before the first read was announced before, and is covered by the second.
"""

import asyncio

import msgspec

from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.archive import DAYS_LEAVING, DaysLeaving
from bus_schemas.call import PAST_CALL, CallView, GetCall
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.permissions import Action

NOT_READABLE = RefusalTemplate(ErrorCode.UNAVAILABLE, "What became of this command cannot be read now. Try again.")
NOT_TOLD = RefusalTemplate(
    ErrorCode.UNAVAILABLE,
    "The records cannot say now whether this command was done before, since calls have left the journal. Nothing was"
    " dialled. Try again.",
    rule="call_left", retry_after=5,
)  # fmt: skip
PATIENCE = 1.5  # seconds for the records; whoever asked waits for 5, and asks again meanwhile
MAY = frozenset({Action.CALL_VIEW, Action.CALL_VIEW_ANY})


async def left(bus: Bus, call_id: str, command_id: str) -> CallView | None:
    """A call of which nothing is in the journal now, as the records have it. None: there never was one. Raises
    Refusal(UNAVAILABLE): nobody can say now."""
    try:
        last = await bus.last(DAYS_LEAVING.subject, certain=True)
    except BusError:
        raise NOT_READABLE() from None
    if last is None:
        return None
    try:
        up_to = msgspec.json.decode(last.data, type=DaysLeaving).up_to
    except UNDECODABLE:
        raise NOT_READABLE() from None
    asking = Context(command_id=command_id, actions=MAY, after=up_to)
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask(bus, PAST_CALL, GetCall(call_id=call_id), asking, retry=False)
    except TimeoutError:
        raise NOT_TOLD() from None
    except Refusal as refusal:
        if refusal.code is ErrorCode.NOT_FOUND:
            return None
        raise NOT_TOLD() from None
