"""Hosts with operators and nothing else, in simulated time; calls are written as their owners would."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec

from actors.assembly import serve, start_host
from actors.operator.settings import Operators
from actors.operator.start import start as start_operators
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.parts import Parts
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.call import CALL_CONNECTED, CALL_ENDED, CallConnected, CallEnded, CallState, EndReason
from bus_schemas.contract import AnyTopic, verb_of
from bus_schemas.errors import Refusal
from bus_schemas.kinds import owners_header
from bus_schemas.operator import (
    GET_OPERATOR,
    JOIN_OPERATOR,
    RELEASE_OPERATOR,
    RENEW_PRESENCE,
    RESERVE_OPERATOR,
    SET_OWN_STATUS,
    GetOperator,
    JoinOperator,
    OperatorView,
    ReleaseOperator,
    RenewPresence,
    Reservation,
    ReserveOperator,
    SetOwnStatus,
)
from bus_schemas.permissions import Action
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.runtime.sharded import Life, Site

SETTINGS = Operators(wrap_up_seconds=30, presence_seconds=60)
AS_OPERATOR = frozenset({Action.OPERATOR_SET, Action.OPERATOR_VIEW, Action.CALL_START})


class OperatorSite(Site):
    """A broker, hosts that come and go, and somebody who asks."""

    def __init__(self, loop: SimLoop, settings: Operators = SETTINGS) -> None:
        super().__init__(loop)
        self.settings = settings
        self._asked = 0

    async def _live(self, life: Life, number: int) -> None:
        async with AsyncExitStack() as stack:
            process = Parts(bus=life.bus, clock=self.clock, ids=CountedIds(f"{life.name}{number}-"))
            settings = Settings(host=life.name)
            parts = await start_host(process, stack, settings=settings, on_lost=life.over.set, problems=list)
            await start_operators(parts, stack, settings=self.settings, timezone="Europe/Kyiv")
            await serve(parts, stack)
            life.host = parts.host
            await life.over.wait()

    def owner_of(self, user: str) -> Life:
        """Who has the operator's shard."""
        [life] = [life for life in self.lives if shard_of(user) in life.serves]
        return life

    # --- what is asked

    def context(self, user: str = "core", command: str = "") -> Context:
        self._asked += 1
        return Context(command_id=command or f"k{self._asked}", user=user, actions=AS_OPERATOR)

    async def be(self, user: str, status: str, reason: str = "") -> OperatorView:
        wanted = SetOwnStatus(status=status, reason=reason)  # type: ignore[arg-type]
        return await ask(self.asker, SET_OWN_STATUS, wanted, self.context(user))

    async def see(self, user: str) -> OperatorView:
        """How an operator is, asked by nobody whose presence counts."""
        context = Context(command_id="look", user="boss", actions=frozenset(Action))
        return await ask(self.asker, GET_OPERATOR, GetOperator(user=user), context)

    async def renew(self, user: str) -> None:
        await ask(self.asker, RENEW_PRESENCE, RenewPresence(user=user), self.context())

    async def reserve(self, user: str, campaign: str, command: str) -> Reservation:
        request = ReserveOperator(user=user, campaign_id=campaign)
        return await ask(self.asker, RESERVE_OPERATOR, request, self.context(command=command))

    async def release(self, user: str, reservation: str) -> OperatorView:
        request = ReleaseOperator(user=user, reservation=reservation)
        return await ask(self.asker, RELEASE_OPERATOR, request, self.context())

    async def join(self, user: str, call: str, campaign: str) -> OperatorView:
        request = JoinOperator(user=user, call_id=call, campaign_id=campaign, lead="l1")
        return await ask(self.asker, JOIN_OPERATOR, request, self.context())

    # --- calls

    def answer(self, call: str, user: str, slot_of: str | None = None, campaign: str | None = None) -> None:
        """A call of a user's, or of their campaign, is answered, on a slot of the pool or of somebody's."""
        now = moment(self.clock)
        self._write(CALL_CONNECTED, CallConnected(
            line="slot-44", call_id=call, slot=44, user=user, at=now.at, mono=now.mono, boot=now.boot, ref="r",
            campaign=campaign,
        ), user, slot_of)  # fmt: skip

    def hang_up(self, call: str, user: str, slot_of: str | None = None) -> None:
        now = moment(self.clock).at
        self._write(CALL_ENDED, CallEnded(
            line="slot-44", call_id=call, slot=44, user=user, number="+380991234567", at=now, state=CallState.ENDED,
            reason=EndReason.HANGUP_REMOTE, cause="", duration=1, ring_seconds=1, start_time=now, ring_time=None,
            answer_time=now,
        ), user, slot_of)  # fmt: skip

    def _write(self, topic: AnyTopic, event: CallConnected | CallEnded, user: str, slot_of: str | None) -> None:
        subject = topic.subject_for(event)
        scope = f"ottb.v1.evt.call.*.{event.call_id}.*"
        last = self.broker.last(scope)
        headers = {"Nats-Msg-Id": subject, **owners_header({"call": (user,), "slot": (slot_of,)})}
        self.broker.write(subject, msgspec.json.encode(event), headers, scope=scope, expect=last.seq if last else 0)

    # --- what is on record

    def story(self, user: str) -> list[str]:
        """What has happened to an operator, but for who owned them."""
        found = [verb_of(entry.subject) for entry in self.broker.entries(f"ottb.v1.evt.operator.{user}.*")]
        return [verb for verb in found if verb != "activated"]


async def soon(look: Callable[[], Awaitable[OperatorView]], wanted: str, within: float = 10.0) -> OperatorView:
    """Look until somebody is at what is wanted; nobody may answer meanwhile."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + within
    while True:
        try:
            seen = await look()
            if seen.status == wanted:
                return seen
            said = repr(seen)
        except Refusal as refusal:
            said = repr(refusal)
        assert loop.time() < give_up, said
        await asyncio.sleep(0.05)


def play(test: Callable[[OperatorSite], Awaitable[None]], seed: int = 1, settings: Operators = SETTINGS) -> None:
    """A test on a site, in simulated time."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        site = OperatorSite(loop, settings)
        await test(site)
        await site.end()
        await asyncio.sleep(0.1)

    run(main, seed)


def simulated(test: Callable[[OperatorSite], Awaitable[None]]) -> Callable[[], None]:
    def run_it() -> None:
        play(test)

    return run_it
