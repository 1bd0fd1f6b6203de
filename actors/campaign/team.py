"""Who is there to talk, as far as this host has heard: one follower of operators for all campaigns of a host.

It is made of how each operator was at its start, by the records, and of what has been said of them since. It may be a
moment behind; so it says for whom a dial is worth while, and the operator alone whether they are free (`joining.py`).
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.roster import Member, Roll, Roster
from actors.runtime.bus import Bus, BusError, Recorded, Unsubscribe
from actors.runtime.clock import parse_utc
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import CURSOR_HEADER, ask_raw
from bus_schemas.contract import ROOT, UNDECODABLE, verb_of
from bus_schemas.errors import Refusal
from bus_schemas.operator import (
    LIST_OPERATORS,
    OPERATOR,
    OPERATOR_ASSIGNED,
    OPERATOR_CHANGED,
    OPERATOR_CONNECTED,
    OPERATOR_FREED,
    OPERATOR_RELEASED,
    OPERATOR_RESERVED,
    ListOperators,
    OperatorAssigned,
    OperatorReleased,
    OperatorReserved,
    OperatorStatus,
    OperatorView,
    Turn,
)

log = structlog.get_logger()

SCOPE = f"{ROOT}.evt.operator.*.*"
AGAIN = 1.0  # seconds until the records are asked again, where they did not answer
READ = {
    topic.verb: msgspec.json.Decoder(topic.event)
    for topic in (
        OPERATOR_CHANGED, OPERATOR_CONNECTED, OPERATOR_FREED, OPERATOR_RESERVED, OPERATOR_RELEASED, OPERATOR_ASSIGNED
    )
}  # fmt: skip
S = OperatorStatus
Said = Turn | OperatorReserved | OperatorReleased | OperatorAssigned


class MemberChange(Struct, frozen=True, kw_only=True):
    """An operator is another now. `before`: how they were, as far as that was known. `wrapped_up`: for how many
    seconds, if they have just done so."""

    member: Member
    before: Member | None = None
    wrapped_up: float | None = None

    def concerns(self, campaign: str) -> bool:
        """Whether they are, or were, there for it, or are taken off it."""
        was = self.before is not None and self.before.works_for(campaign)
        left = self.before is not None and self.before.is_of(campaign) and not self.member.is_of(campaign)
        return self.member != self.before and (was or left or self.member.works_for(campaign))


Tell = Callable[[MemberChange], None]


class Team:
    """All operators of a site. `ready`: known as they were when this host began to listen."""

    def __init__(self, *, bus: Bus, host: Host) -> None:
        self._bus = bus
        self._host = host
        self._roll = Roll()
        self._told: dict[int, Tell] = {}  # by who listens
        self._waiting: dict[int, Callable[[], None]] = {}  # for a turn, by who does
        self._waits = asyncio.Event()
        self._stop: Unsubscribe | None = None

    async def listen(self) -> None:
        """Find out who there is, as soon as somebody can say, and follow; and give turns, for as long as the host is
        there."""
        while self._stop is None:
            try:
                seq = await self._bus.last_seq()
                views = await self._views(seq)
                self._roll = Roll(map(_member, views))
                self._stop = await self._bus.follow(SCOPE, self._hear, after=seq)
            except (BusError, Refusal) as error:
                log.info("operators are not known yet", error=str(error))
                await self._host.pause(AGAIN)
        for member in self._roll.members.values():
            self._tell(MemberChange(member=member))
        await self._give_turns()

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    def working_for(self, campaign: str) -> Roster:
        """Who is there for a campaign: ready, in a call or after one."""
        return self._roll.of_campaign(campaign)

    def of_campaign(self, campaign: str) -> tuple[str, ...]:
        """All operators of a campaign, whatever they do now."""
        return tuple(sorted(member.user for member in self._roll.members.values() if member.is_of(campaign)))

    def has(self, user: str, campaign: str) -> bool:
        """Whether somebody is an operator of a campaign, whatever they do now."""
        member = self._roll.members.get(user)
        return member is not None and member.is_of(campaign)

    def of(self, user: str) -> Member:
        return self._roll.members.get(user) or Member(user=user)

    def look_at(self, user: str) -> None:
        """Have those look at an operator anew whom they concern: what is known of them beside is another."""
        if (member := self._roll.members.get(user)) is not None:
            self._tell(MemberChange(member=member))

    def watch(self, who: int, tell: Tell) -> None:
        """Tell whatever becomes of operators."""
        self._told[who] = tell

    def forget(self, who: int) -> None:
        self._told.pop(who, None)
        self._waiting.pop(who, None)

    def soon(self, who: int, look: Callable[[], None]) -> None:
        """Have somebody look at all operators anew, in their turn, once for all that has changed until then."""
        self._waiting[who] = look
        self._waits.set()

    async def _give_turns(self) -> None:
        """One after the other, with what they do between, and then a rest as long as that took: each reckons how many
        dials are worth while, and there may be a hundred campaigns whom every change of one of a thousand operators
        concerns."""
        while True:
            await self._waits.wait()
            self._waits.clear()
            began, looks, self._waiting = self._host.clock.monotonic(), self._waiting, {}
            for look in looks.values():
                look()
                for _ in "hear", "look":
                    await asyncio.sleep(0)
            await self._host.pause(self._host.clock.monotonic() - began)

    async def _views(self, seq: int) -> list[OperatorView]:
        """How each was, by the records: that of then, or later. Raises Refusal."""
        found, cursor = list[OperatorView](), None
        while True:
            context = Context(command_id="team", user="", actions=OPERATOR.all_of_it, after=seq)
            request = ListOperators(limit=500, cursor=cursor)
            answer = await ask_raw(self._bus, LIST_OPERATORS, request, context)
            found += msgspec.json.decode(answer.data, type=LIST_OPERATORS.reply)
            cursor = answer.headers.get(CURSOR_HEADER)
            if cursor is None:
                return found
            await asyncio.sleep(0)

    async def _hear(self, recorded: Recorded) -> None:
        if (read := READ.get(verb_of(recorded.subject))) is None:
            return
        try:
            said: Said = read.decode(recorded.data)
        except UNDECODABLE as error:
            log.warning("an operator's event cannot be read", seq=recorded.seq, error=str(error))
            return
        before = self.of(said.user)
        member = after(before, said)
        self._roll.put(member)
        over = before.status is S.WRAP_UP and member.status is not S.WRAP_UP
        self._tell(MemberChange(member=member, before=before, wrapped_up=member.since - before.since if over else None))

    def _tell(self, heard: MemberChange) -> None:
        for tell in list(self._told.values()):
            tell(heard)


def after(member: Member, said: Said) -> Member:
    """An operator after what was said of them."""
    match said:
        case OperatorReserved():
            return replace(member, reserved_by=said.campaign_id)
        case OperatorReleased():
            return replace(member, reserved_by=None)
        case OperatorAssigned():
            return replace(member, campaigns=said.campaigns)
    goes_on = said.status is member.status
    kept = member.reserved_by if goes_on and said.status is S.READY else None
    since = member.since if goes_on and not said.spent else parse_utc(said.at).timestamp()
    return replace(member, status=said.status, since=since, reserved_by=kept)


def _member(view: OperatorView) -> Member:
    return Member(
        user=view.user, status=view.status, since=parse_utc(view.since).timestamp(),
        campaigns=tuple(view.campaigns) if view.campaigns is not None else None, reserved_by=view.reserved_by,
    )  # fmt: skip
