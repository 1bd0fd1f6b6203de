"""What became of a command whose call has left the journal: the records say it, or nobody dials.

A call is claimed by a write that expects nothing under its id, which is true again once its entries are gone
(docs/decisions/0063). So who finds no attempt reads next up to where calls may be gone, by the leader's word: what was
taken away before the first read was announced before, and is covered by the second.
"""

from actors.runtime.bus import Bus
from actors.telephony.past import by_records
from bus_schemas.call import PAST_CALL, CallView, GetCall
from bus_schemas.errors import ErrorCode, RefusalTemplate

NOT_TOLD = RefusalTemplate(
    ErrorCode.UNAVAILABLE,
    "The records cannot say now whether this command was done before, since calls have left the journal. Nothing was"
    " dialled. Try again.",
    rule="call_left", retry_after=5,
)  # fmt: skip


async def left(bus: Bus, call_id: str, command_id: str) -> CallView | None:
    """A call of which nothing is in the journal now, as the records have it. None: there never was one. Raises
    Refusal(UNAVAILABLE): nobody can say now."""
    return await by_records(bus, PAST_CALL, GetCall(call_id=call_id), command_id, NOT_TOLD)


