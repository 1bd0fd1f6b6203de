"""How a campaign's call gets its operator: kept while the phone rings, joined when somebody answers, else nobody.

An operator is kept for one attempt, under an id that follows from it, before the call is asked for. Whoever answers is
joined to that operator within PATIENCE, or the call is ended and counts as abandoned. Which of the two it was the
record says, whoever owns the campaign then: the operator's own event for the call, or that there is none.
"""

import contextlib
from enum import Enum
from typing import Any, Protocol

import msgspec
import structlog

from actors.campaign.answered import waits_until
from actors.campaign.claims import Claim
from actors.campaign.desks import Desks
from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids, derived
from actors.runtime.wire import ask_raw
from bus_schemas.call import CALL_DIALING, JOIN_CALL, CallConnected, JoinCall
from bus_schemas.contract import ROOT, Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.operator import (
    JOIN_OPERATOR,
    OPERATOR_CONNECTED,
    RELEASE_OPERATOR,
    RESERVE_OPERATOR,
    JoinOperator,
    OperatorConnected,
    OperatorStatus,
    ReleaseOperator,
    ReserveOperator,
)

log = structlog.get_logger()

BEFORE_IT_RINGS = 30  # seconds, at most, from a claim until its phone rings
SURE = frozenset({ErrorCode.CONFLICT, ErrorCode.NOT_FOUND})  # they are not free
SLACK = 1.0  # seconds more in which a call can be told whose it is; the PBX lets it wait for longer
AGAIN = 0.05  # seconds until an operator is asked again whose owner did not answer

CONNECTED = msgspec.json.Decoder(OperatorConnected).decode


class Answer(Enum):
    """What came of asking an operator, or a call."""

    TAKEN = "taken"
    REFUSED = "refused"  # surely not
    NOBODY_KNOWS = "nobody_knows"


class Campaign(Protocol):
    """The campaign whose calls they are."""

    id: str
    _host: Host


class Joining:
    """The operators of all campaigns of a host. `ring`: seconds for which a phone may ring. `desks`: where the PBX
    reaches them."""

    def __init__(self, *, bus: Bus, ids: Ids, ring: float, desks: Desks) -> None:
        self._bus = bus
        self._ids = ids
        self._desks = desks
        self._kept = round(ring) + BEFORE_IT_RINGS

    async def keep(self, campaign: Campaign, claim: Claim) -> bool:
        """Keep the operator of an attempt for its call. Whether they are."""
        if claim.operator is None:
            return True
        request = ReserveOperator(user=claim.operator, campaign_id=campaign.id, seconds=self._kept)
        try:
            await ask_raw(self._bus, RESERVE_OPERATOR, request, _context(claim, "keep"))
        except Refusal as refusal:
            log.info("operator not kept", operator=claim.operator, campaign=campaign.id, why=refusal.message)
            return False
        return True

    async def release(self, claim: Claim) -> None:
        """No call comes of the attempt. What nobody hears of runs out by itself."""
        if claim.operator is None:
            return
        request = ReleaseOperator(user=claim.operator, reservation=_context(claim, "keep").command_id)
        try:
            await ask_raw(self._bus, RELEASE_OPERATOR, request, Context(command_id=self._ids.new(), user=claim.user))
        except Refusal as refusal:
            log.info("operator not released", operator=claim.operator, why=refusal.message)

    async def join(self, campaign: Campaign, claim: Claim, call: CallConnected) -> bool:
        """Join the call that was answered to the operator. Whether it is: if not, the call is to be ended."""
        request, context = _joining(campaign, claim, call), _context(claim, "join")
        answer = await self._asked(campaign, JOIN_OPERATOR, request, context, waits_until(call))
        if answer is not Answer.NOBODY_KNOWS:
            return answer is Answer.TAKEN
        if not await self.has_taken(campaign, claim, call.call_id):
            return False
        with contextlib.suppress(Refusal):  # it is theirs, whether or not it can be said of which campaign it is
            await ask_raw(self._bus, JOIN_OPERATOR, request, context, retry=False)
        return True

    async def take(self, campaign: Campaign, claim: Claim, call: CallConnected) -> Answer:
        """Have an operator take a call that waits: they say that they are free for it, then the call is joined with
        their extension. REFUSED: they are not free. What became of the call else its own record says."""
        assert claim.operator is not None
        if (extension := self._desks.of(claim.operator)) is None:
            return Answer.REFUSED
        operator = _context(claim, f"join {claim.operator}")
        asked = await self._asked(campaign, JOIN_OPERATOR, _joining(campaign, claim, call), operator, waits_until(call))
        if asked is Answer.REFUSED:
            return asked
        if asked is Answer.NOBODY_KNOWS and not await self.has_taken(campaign, claim, call.call_id):
            return asked
        request = JoinCall(call_id=call.call_id, operator=claim.operator, extension=extension)
        until = waits_until(call) + SLACK
        taken = await self._asked(campaign, JOIN_CALL, request, _context(claim, f"take {claim.operator}"), until)
        return taken if taken is Answer.TAKEN else Answer.NOBODY_KNOWS

    async def _asked(
        self, campaign: Campaign, rpc: Rpc[Any, Any], request: object, context: Context, until: float
    ) -> Answer:
        """What is answered until then, in seconds since 1970; it is asked again where nobody does."""
        while campaign._host.clock.now().timestamp() < until:
            try:
                await ask_raw(self._bus, rpc, request, context, retry=False)
                return Answer.TAKEN
            except Refusal as refusal:
                log.info("not joined", asked=rpc.subject, campaign=campaign.id, why=refusal.message)
                if refusal.code in SURE:
                    return Answer.REFUSED
            await campaign._host.pause(AGAIN)
        return Answer.NOBODY_KNOWS

    async def has_taken(self, campaign: Campaign, claim: Claim, call_id: str) -> bool:
        """Whether the operator's record says that they took the call: they were joined to it, or it came to their phone
        while they were ready, which needs nobody's help."""
        while True:
            try:
                dialing = await self._bus.last(f"{ROOT}.evt.call.*.{call_id}.{CALL_DIALING.verb}", certain=True)
                scope = f"{ROOT}.evt.operator.{claim.operator}.{OPERATOR_CONNECTED.verb}"
                async for entry in self._bus.replay(scope, after=dialing.seq if dialing is not None else 0):
                    said = CONNECTED(entry.data)
                    joined = said.campaign_id == campaign.id and said.lead is not None
                    there = joined or said.before is OperatorStatus.READY
                    if said.call_id == call_id and there:
                        return True
                return False
            except BusError as error:
                log.info("whether a call was taken cannot be read yet", call_id=call_id, error=repr(error))
            await campaign._host.pause(1.0)


def _joining(campaign: Campaign, claim: Claim, call: CallConnected) -> JoinOperator:
    assert claim.operator is not None
    return JoinOperator(user=claim.operator, call_id=call.call_id, campaign_id=campaign.id, lead=claim.lead)


def _context(claim: Claim, deed: str) -> Context:
    """One command for each deed of an attempt: it is done once, however often it is asked for."""
    return Context(command_id=derived(deed, claim.command_id), user=claim.user)
