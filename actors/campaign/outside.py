"""What a campaign has others do: lines from hosts, calls on them, and what has become of a call.

A call is asked for once, in the moment in which the campaign still wants it, and never again. Whether it was begun only
the record says, once no answer came. Where nothing is on record the call is declared void there, under the id that its
attempt would have to claim: so it never will be, however late a host that stood still goes on.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from actors.campaign.carriage import There, Whose
from actors.campaign.claims import CallOver, Claim, NotBegun
from actors.campaign.elsewhere import Elsewhere
from actors.campaign.ends import Ends
from actors.campaign.joining import Answer, Joining
from actors.campaign.lines import Ask, Held
from actors.campaign.record import Campaign, moment_of
from actors.campaign.rulebook import Elsewhere as Attempted
from actors.dialing.attempts import call_id_of
from actors.dialing.in_whose_name import FOR_OPERATORS
from actors.runtime.bus import ID, Bus, BusError, Fenced, Recorded
from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import Ids
from actors.runtime.peers import Peers
from actors.runtime.service import Hosts
from actors.runtime.wire import ask_raw
from bus_schemas.call import (
    CALL_ADOPTED,
    CALL_CONNECTED,
    CALL_DIALING,
    CALL_ENDED,
    CALL_JOINED,
    END_CALL,
    CallAdopted,
    CallConnected,
    CallEnded,
    CallJoined,
    EndCall,
)
from bus_schemas.campaign import CAMPAIGN_PAUSED
from bus_schemas.contract import ROOT
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import (
    AWAIT_DIALS,
    OFFER_LINES,
    RETURN_LINES,
    START_OFFERED,
    SURVEY_LINES,
    AwaitDials,
    Line,
    LinesThere,
    OfferLines,
    ReturnLines,
    StartOffered,
    SurveyLines,
)
from bus_schemas.permissions import Action

log = structlog.get_logger()

IN_TIME = 10.0  # seconds after its claim in which a call may be begun
USED = 1.0  # seconds for which a line must still be kept when it is used
LOOK, PAUSE, LONGEST_PAUSE = 0.5, 0.5, 5.0
ENDS = frozenset({Action.CALL_END, Action.CALL_END_ANY, Action.CALL_VIEW_ANY})  # what a campaign may do with its calls

# Refusals after which nothing was done. After others nobody knows.
SURE = frozenset({
    ErrorCode.SLOT_BUSY, ErrorCode.SLOT_OFFLINE, ErrorCode.CALL_FAILED, ErrorCode.NOT_FOUND, ErrorCode.RATE_LIMITED,
    ErrorCode.PERMISSION_DENIED, ErrorCode.CONFLICT, ErrorCode.INVALID_PARAMS,
})  # fmt: skip
NEVER = frozenset({"format", "mmi", "emergency", "short", "premium"})  # dial rules that will not change

NOT_HEARD = "the journal was too slow"
CALLED_OFF = "the campaign did not run any more"
FORBIDDEN = "a rule forbade it by then, or another campaign was before it"
UNBEGUN = "whoever was to begin it did not"
NOT_KEPT = "the operator was not free any more"


class Dialled(Enum):
    """How it is with an attempt."""

    WANTED = "wanted"  # its call may be asked for
    NOT_NOW = "not_now"  # none may be begun any more
    TO_BE_ENDED = "to_be_ended"
    OVER = "over"


class Owner(Protocol):
    """The campaign that an attempt is of."""

    id: str
    _host: Host

    def dialled(self, claim: Claim) -> Dialled: ...

    def may_call(self, claim: Claim, elsewhere: Attempted) -> bool: ...

    def ring_seconds(self, claim: Claim) -> float: ...

    def ended(self, report: CallOver | NotBegun) -> None: ...

    def began(self) -> None: ...

    def is_joined(self, claim: Claim) -> bool: ...

    def joined(self, claim: Claim, call_id: str) -> None: ...

    def answered(self, claim: Claim, call: CallConnected) -> None: ...

    def refused(self, claim: Claim) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> object: ...


class Expected(NamedTuple):
    """Whom to tell of a call's answer, if there is an operator for it, and of its end."""

    answer: Callable[[CallConnected], None]
    end: Callable[[CallEnded], None]


class Outside:
    """The outside of all campaigns of a host."""

    def __init__(
        self, *, bus: Bus, ids: Ids, own: str, hosts: Hosts, peers: Peers, ends: Ends[CallEnded],
        answers: Ends[CallConnected], elsewhere: Elsewhere, joining: Joining,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._ids = ids
        self._own = own
        self._hosts = hosts
        self._peers = peers
        self._ends = ends
        self._answers = answers
        self._joining = joining
        self.elsewhere = elsewhere
        self._expected: dict[int, dict[str, Expected]] = {}  # by owner
        self._being_joined: dict[str, asyncio.Event] = {}  # by call

    # --- lines

    def hosts(self) -> list[str]:
        """Whoever may have lines."""
        return [self._own, *self._peers.others()]

    async def lines(self, campaign: Campaign, ask: Ask, most: int, now: Callable[[], float]) -> tuple[Held, ...]:
        """Lines that a host keeps for a campaign, as soon as there are any; none after a while."""
        settings = campaign.settings
        request = OfferLines(
            host=ask.host, asker=campaign.campaign, user=campaign.by, most=most, slots=ask.slots, trunks=ask.trunks,
            countries=None if ask.countries is None else tuple(sorted(ask.countries)), weight=settings.weight,
            priority=settings.priority, operators=None if ask.operators is None else tuple(sorted(ask.operators)),
            joins=ask.joins,
        )  # fmt: skip
        try:
            offered = await self._hosts.ask(OFFER_LINES, request, self._context(campaign.by))
        except Refusal as refusal:
            log.info("no lines offered", host=ask.host, campaign=campaign.campaign, why=refusal.message)
            return ()
        until = now() + offered.seconds - USED
        return tuple(Held(ask.host, line, until) for line in offered.lines)

    async def give_back(self, asker: str, host: str, lines: Sequence[Line]) -> None:
        """They are not needed."""
        request = ReturnLines(host=host, asker=asker, lines=tuple(lines))
        try:
            await self._hosts.ask(RETURN_LINES, request, self._context(asker), retry=False)
        except Refusal as refusal:  # it keeps them no longer than some seconds
            log.debug("lines not given back", host=host, why=refusal.message)

    async def survey(self, campaign: Campaign, whose: Whose) -> There:
        """What lines there are, busy or not."""
        found = await asyncio.gather(*(self._survey(campaign, whose, host) for host in self.hosts()))
        return There(lines=tuple(filter(None, found)), complete=None not in found, whose=whose)

    async def _survey(self, campaign: Campaign, whose: Whose, host: str) -> LinesThere | None:
        carriers = campaign.settings.carriers
        request = SurveyLines(
            host=host, user=campaign.by, slots=carriers.slots if not whose.joins else None, trunks=carriers.trunks,
            operators=whose.operators, joins=whose.joins,
        )  # fmt: skip
        try:
            return await self._hosts.ask(SURVEY_LINES, request, self._context(campaign.by), retry=False)
        except Refusal as refusal:
            log.info("a host does not say what lines it has", host=host, why=refusal.message)
            return None

    # --- calls

    async def dial(self, owner: Owner, claim: Claim, held: Held, claimed_at: int) -> None:
        """Have the call of a claim made, which is the entry `claimed_at`, on a line; and see that its end is told."""
        self._expect(owner, claim)
        began = owner._host.clock.now()
        why = await self._hindrance(owner, claim, claimed_at)
        if why is not None:
            await self.give_back(owner.id, held.host, [held.line])
            await self._not_begun(owner, claim, of_number=True, why=why)
            return
        until = utc(moment_of(round((began.timestamp() + IN_TIME) * 1000)))
        halted = CAMPAIGN_PAUSED.subject.format(campaign=owner.id)
        request = StartOffered(
            host=held.host, asker=owner.id, line=held.line, number=claim.number, until=until,
            unless=(halted, claimed_at), ring_at_least=owner.ring_seconds(claim),
            operator=None if claim.joins else claim.operator,
        )  # fmt: skip
        await self._begin(owner, claim, request)

    async def _hindrance(self, owner: Owner, claim: Claim, claimed_at: int) -> str | None:
        """Why the call of a claim is not to be begun after all, in words. None: it is."""
        try:
            async with asyncio.timeout(IN_TIME):
                await self.elsewhere.heard(claimed_at)
        except TimeoutError:
            log.warning("own claim not heard", campaign=owner.id, place=claim.place)
            return NOT_HEARD
        elsewhere = self.elsewhere.than(owner.id, before=claimed_at)
        if not owner.may_call(claim, elsewhere):
            return FORBIDDEN
        if not await self._joining.keep(owner, claim):
            return NOT_KEPT
        return None if _is_wanted(owner, claim) else CALLED_OFF

    async def _begin(self, owner: Owner, claim: Claim, request: StartOffered) -> None:
        context = Context(  # nobody sends it again
            command_id=claim.command_id, user=claim.user, campaign=owner.id, fresh=True,
            actions=frozenset() if claim.operator is None else FOR_OPERATORS,
        )  # fmt: skip
        try:
            await self._hosts.ask(START_OFFERED, request, context, retry=False)
            owner.began()
        except Refusal as refusal:
            rule = (refusal.details or {}).get("rule")
            log.info("call not begun", campaign=owner.id, place=claim.place, why=refusal.message, rule=rule)
            if refusal.code in SURE:
                never = rule in NEVER
                of_number = never or rule == "country"
                await self._not_begun(owner, claim, never=never, of_number=of_number, why=refusal.message)
            else:
                await self.find(owner, claim)
        if owner.dialled(claim) is Dialled.TO_BE_ENDED:
            await self.end(owner, claim)

    async def find(self, owner: Owner, claim: Claim) -> None:
        """Find out what became of a call that somebody may have asked for."""
        call_id = self._expect(owner, claim)
        pause = LOOK
        while owner.dialled(claim) is not Dialled.OVER:
            try:
                ended = await self._last(call_id, CALL_ENDED.verb)
                if ended is not None:
                    self._over(owner, claim, msgspec.json.decode(ended.data, type=CallEnded))
                    return
                if await self._last(call_id, CALL_DIALING.verb) is not None:
                    if (answered := await self._last(call_id, CALL_CONNECTED.verb)) is not None:
                        self._answered(owner, claim, msgspec.json.decode(answered.data, type=CallConnected))
                    return  # its end will be told
                if await self._void(owner, call_id):
                    await self._not_begun(owner, claim, why=UNBEGUN)
                    return
            except BusError as error:
                log.info("what became of a call cannot be read yet", call_id=call_id, error=repr(error))
            await owner._host.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _void(self, owner: Owner, call_id: str) -> bool:
        """Whether a call is void: nothing of it is on record, and now nothing can get there. Raises BusError."""
        scope = f"{ROOT}.evt.call.*.{call_id}.*"
        event = CallAdopted(
            line="slot-0", call_id=call_id, slot=0, user="", at=utc(owner._host.clock.now()), host=owner._host.name,
            epoch=owner._host.epoch,
        )  # fmt: skip
        subject, data = CALL_ADOPTED.subject_for(event), msgspec.json.encode(event)
        try:
            await self._bus.append(subject, data, {ID: self._ids.new()}, scope=scope, expect=0)
        except Fenced:  # by its attempt, or somebody has done the same
            return await self._last(call_id, CALL_DIALING.verb) is None
        return True

    async def end(self, owner: Owner, claim: Claim) -> None:
        """Hang up, as soon as there is a call."""
        request = EndCall(call_id=_call_id(claim))
        while owner.dialled(claim) is not Dialled.OVER:
            try:
                await ask_raw(self._bus, END_CALL, request, self._context(claim.user, ENDS), retry=False)
                return
            except Refusal as refusal:
                log.debug("call not ended yet", call_id=request.call_id, why=refusal.message)
            await owner._host.pause(PAUSE)

    async def await_dials(self, claims: Iterable[Claim]) -> None:
        """Wait until none of these calls is being dialled. From a host that does not answer in time nobody knows."""
        calls, context = tuple(map(_call_id, claims)), self._context("")
        if calls:
            requests = (AwaitDials(host=host, calls=calls) for host in self.hosts())
            await asyncio.gather(*(self._await_dials(request, context) for request in requests))

    async def _await_dials(self, request: AwaitDials, context: Context) -> None:
        try:
            await ask_raw(self._bus, AWAIT_DIALS, request, context, retry=False)
        except Refusal as refusal:
            log.info("a host does not say whether it dials", host=request.host, why=refusal.message)

    # --- what is told of them

    def _expect(self, owner: Owner, claim: Claim) -> str:
        call_id = _call_id(claim)
        expected = Expected(partial(self._answered, owner, claim), partial(self._over, owner, claim))
        self._expected.setdefault(id(owner), {})[call_id] = expected
        self._ends.expect(call_id, expected.end)
        if claim.operator is not None or claim.joins:
            self._answers.expect(call_id, expected.answer)
        return call_id

    def _answered(self, owner: Owner, claim: Claim, event: CallConnected) -> None:
        """Somebody has answered: an operator takes the call, or it is ended."""
        if claim.joins and not owner.is_joined(claim):
            owner.answered(claim, event)
        elif claim.operator is not None and event.call_id not in self._being_joined and not owner.is_joined(claim):
            self._being_joined[event.call_id] = asyncio.Event()
            owner.spawn(self._join(owner, claim, event))

    async def take(self, owner: Owner, claim: Claim, event: CallConnected) -> None:
        """Have the operator of the claim take a call that waits, to whom it was offered on record."""
        self._being_joined[event.call_id] = asyncio.Event()
        try:
            answer = await self._joining.take(owner, claim, event)
        finally:
            self._being_joined.pop(event.call_id).set()
        if answer is Answer.TAKEN:
            owner.joined(claim, event.call_id)
        elif answer is Answer.REFUSED:
            owner.spawn(self._joining.release(claim))  # who was kept for it; whoever waits does not wait for that
            owner.refused(claim)
        else:
            await self.give_up(owner, claim, event)

    async def give_up(self, owner: Owner, claim: Claim, event: CallConnected) -> None:
        """End a call that waits, unless it is somebody's by its own record."""
        who = await self._joined_to(owner, event.call_id)
        if who is not None:
            owner.joined(claim.to(who), event.call_id)
        else:
            await self.end(owner, claim)

    async def _joined_to(self, owner: Owner, call_id: str) -> str | None:
        """The operator to whom a call was joined, by its record. None: it was to nobody."""
        while True:
            try:
                found = await self._last(call_id, CALL_JOINED.verb)
                return msgspec.json.decode(found.data, type=CallJoined).operator if found is not None else None
            except BusError as error:
                log.info("whether a call was joined cannot be read yet", call_id=call_id, error=repr(error))
            await owner._host.pause(LOOK)

    async def _join(self, owner: Owner, claim: Claim, event: CallConnected) -> None:
        try:
            if await self._joining.join(owner, claim, event):
                owner.joined(claim, event.call_id)
                return
        finally:
            self._being_joined.pop(event.call_id).set()
        await self.end(owner, claim)

    def _over(self, owner: Owner, claim: Claim, event: CallEnded) -> None:
        self._done(owner, claim)
        over = CallOver(
            place=claim.place, attempt=claim.attempt, call_id=event.call_id, reason=event.reason,
            answered=event.answer_time is not None, talk_seconds=event.duration, why=event.cause,
        )  # fmt: skip
        if claim.operator is None and not claim.joins:
            owner.ended(over)
        else:
            owner.spawn(self._settle(owner, claim, over))

    async def _settle(self, owner: Owner, claim: Claim, over: CallOver) -> None:
        """Tell the end of a call for an operator, once it is known whether they took it, and they are free again."""
        if (joining := self._being_joined.get(over.call_id)) is not None:
            await joining.wait()
        unknown = over.answered and not owner.is_joined(claim)  # it may be joined, and not on record yet
        if unknown and claim.joins:
            if (who := await self._joined_to(owner, over.call_id)) is not None:
                owner.joined(claim.to(who), over.call_id)
        elif unknown and await self._joining.has_taken(owner, claim, over.call_id):
            owner.joined(claim, over.call_id)
        if not over.answered or not owner.is_joined(claim):
            await self._joining.release(claim)
        owner.ended(over)

    async def _not_begun(
        self, owner: Owner, claim: Claim, *, never: bool = False, of_number: bool = False, why: str = ""
    ) -> None:
        self._done(owner, claim)
        await self._joining.release(claim)
        owner.ended(NotBegun(place=claim.place, attempt=claim.attempt, never=never, of_number=of_number, why=why))

    def _done(self, owner: Owner, claim: Claim) -> None:
        call_id = _call_id(claim)
        self._forget(call_id, self._expected.get(id(owner), {}).pop(call_id, None))

    def forget(self, owner: Owner) -> None:
        """It is not there any more."""
        for call_id, expected in self._expected.pop(id(owner), {}).items():
            self._forget(call_id, expected)

    def _forget(self, call_id: str, expected: Expected | None) -> None:
        if expected is not None:
            self._ends.forget(call_id, expected.end)
            self._answers.forget(call_id, expected.answer)

    async def _last(self, call_id: str, verb: str) -> Recorded | None:
        return await self._bus.last(f"{ROOT}.evt.call.*.{call_id}.{verb}", certain=True)

    def _context(self, user: str, actions: frozenset[Action] = frozenset()) -> Context:
        return Context(command_id=self._ids.new(), user=user, actions=actions)


def _call_id(claim: Claim) -> str:
    return call_id_of(Context(command_id=claim.command_id, user=claim.user))


def _is_wanted(owner: Owner, claim: Claim) -> bool:
    return owner.dialled(claim) is Dialled.WANTED


