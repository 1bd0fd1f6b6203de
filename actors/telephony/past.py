"""What the records say of a call that has left the journal, and who was called, wherever that stands now."""

import asyncio
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.archive import DAYS_LEAVING, DaysLeaving
from bus_schemas.call import CALL_DIALING, GET_CDR, GetCdr
from bus_schemas.contract import ROOT, UNDECODABLE, Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.permissions import Action

NOT_READABLE = RefusalTemplate(ErrorCode.UNAVAILABLE, "What became of this command cannot be read now. Try again.")
NOT_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "The call's record cannot be read now. Try again.")
PATIENCE = 1.5  # seconds for the records; whoever asked waits for 5, and asks again meanwhile
MAY = frozenset({Action.CALL_VIEW, Action.CALL_VIEW_ANY})

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")


class Called(Struct, frozen=True):
    """Who was called, and for which campaign; for none."""

    number: str
    campaign: str | None = None


async def called_in(bus: Bus, call_id: str, command_id: str) -> Called | None:
    """Who was called in a call, by its attempt in the journal, or once that has left, by the records. None: there never
    was one, or what it says cannot be read. Raises Refusal(UNAVAILABLE)."""
    try:
        attempt = await bus.last(f"{ROOT}.evt.call.*.{call_id}.{CALL_DIALING.verb}", certain=True)
    except BusError:
        raise NOT_NOW() from None
    if attempt is not None:
        try:
            return msgspec.json.decode(attempt.data, type=Called)
        except UNDECODABLE:
            return None
    found = await by_records(bus, GET_CDR, GetCdr(call_id=call_id), command_id, NOT_NOW)
    return Called(found.number, found.campaign) if found is not None else None


async def by_records(
    bus: Bus, rpc: Rpc[Request, Reply], request: Request, command_id: str, not_told: RefusalTemplate
) -> Reply | None:
    """What the records answer, once they have read up to where anything may have left the journal. None: nothing has,
    or they know of none. Raises Refusal(UNAVAILABLE), `not_told` where it is they who do not say."""
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
            found: Reply = await ask(bus, rpc, request, asking, retry=False)
            return found
    except TimeoutError:
        raise not_told() from None
    except Refusal as refusal:
        if refusal.code is ErrorCode.NOT_FOUND:
            return None
        raise not_told() from None
