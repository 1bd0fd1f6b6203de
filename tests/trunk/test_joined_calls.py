"""Calls that wait on the PBX until somebody is joined to them, through the trunks of two hosts, in simulated time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from actors.runtime.clock import utc
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.trunk.settings import Ami
from bus_schemas.call import (
    CALL,
    CALLS_FEED,
    END_CALL,
    GET_CALL,
    GET_CDR,
    JOIN_CALL,
    LIST_CDRS,
    PAST_CALL,
    CallJoined,
    CallsFeed,
    CallView,
    EndCall,
    EndReason,
    GetCall,
    GetCdr,
    JoinCall,
    ListCdrs,
)
from bus_schemas.carriers import TrunkCarrier
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import OFFER_LINES, START_OFFERED, Line, OfferLines, StartOffered
from bus_schemas.kinds import owners_in
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from simulators.carrier.rules import mobile
from simulators.pbx.switch import WAITS
from tests.campaign.world import Campaigns, play

LONG = "9999"
SEES = frozenset(map(str, resolve(BUILT_IN_ROLES["admin"])))
PBX = {"main": Ami(operators_context="operators")}


def joining(settings: Settings) -> Settings:
    """The PBX takes answered calls to the extensions of operators."""
    return replace(settings, ami=PBX)


class Calls:
    """Calls that wait, as somebody asks for them who joins."""

    def __init__(self, site: Campaigns) -> None:
        self.site = site
        self.world = site.world
        self._asked = 0

    async def ask(self, rpc: Any, request: Any, context: Context | None = None) -> Any:
        self._asked += 1
        context = context or Context(command_id=f"t{self._asked}", user="op", actions=SEES)
        return await ask(self.world.gateways[0], rpc, request, context, retry=False)

    async def lines(self, most: int, host: str = "a") -> tuple[Line, ...]:
        request = OfferLines(
            host=host, asker="test", user="op", most=most, trunks=TrunkCarrier(extensions=(1,)), joins=True
        )
        found: tuple[Line, ...] = (await self.ask(OFFER_LINES, request)).lines
        return found

    async def begin(self, line: Line, number: str) -> str:
        until = utc(self.world.clock.now() + timedelta(seconds=10))
        request = StartOffered(host="a", asker="test", line=line, number=number, until=until)
        call_id: str = (await self.ask(START_OFFERED, request)).call_id
        return call_id

    async def view(self, call_id: str) -> CallView:
        found: CallView = await self.ask(GET_CALL, GetCall(call_id=call_id))
        return found

    async def answered(self) -> str:
        """One that was answered."""
        [line] = await self.lines(1)
        call_id = await self.begin(line, mobile(1, LONG))
        while (await self.view(call_id)).phase != "connected":
            await asyncio.sleep(0.05)
        return call_id

    async def join(self, call_id: str, operator: str = "ann", extension: str = "601") -> CallView:
        request = JoinCall(call_id=call_id, operator=operator, extension=extension)
        found: CallView = await self.ask(JOIN_CALL, request)
        return found

    def joins(self) -> list[CallJoined]:
        return [one.event for one in self.world.stored if isinstance(one.event, CallJoined)]


    async def seen_by(self, user: str, call_id: str) -> list[bool]:
        """Whether an operator sees a call, each time that it is asked for."""
        one = GetCall(call_id=call_id)
        asked = ((GET_CALL, one), (PAST_CALL, one), (GET_CDR, GetCdr(call_id=call_id)))
        lists = ((CALLS_FEED, CallsFeed()), (CALLS_FEED, CallsFeed(all=1)), (LIST_CDRS, ListCdrs()))
        found = list[bool]()
        for rpc, request in asked:
            with contextlib.suppress(Refusal):
                found.append((await self.as_operator(user, rpc, request)).call_id == call_id)
        for rpc, request in lists:
            found += [view.call_id == call_id for view in await self.as_operator(user, rpc, request)]
        return found

    async def as_operator(self, user: str, rpc: Any, request: Any) -> Any:
        actions = frozenset(map(str, resolve(BUILT_IN_ROLES["operator"])))
        self._asked += 1
        return await self.ask(rpc, request, Context(command_id=f"{user}{self._asked}", user=user, actions=actions))


def told(story: Callable[[Calls], Awaitable[None]], **more: Any) -> None:
    play(lambda site: story(Calls(site)), change=joining, **more)


def test_a_channel_is_offered_without_an_extension_each_one_once() -> None:
    async def story(calls: Calls) -> None:
        lines = await calls.lines(5)
        assert [(line.trunk, line.slot) for line in lines] == [("trunk-1", None)] * 2  # its channels
        assert len({line.offer for line in lines}) == 2

    told(story)


def test_trunks_of_a_pbx_that_joins_nobody_are_not_offered() -> None:
    async def story(site: Campaigns) -> None:
        assert await Calls(site).lines(1) == ()

    play(story)


def test_who_answers_waits_and_is_taken_to_the_operator_on_record() -> None:
    async def story(calls: Calls) -> None:
        call_id = await calls.answered()
        view = await calls.view(call_id)
        assert (view.slot, view.trunk, view.operator) == (None, "trunk-1", None)
        view = await calls.join(call_id)
        assert (view.operator, view.extension) == ("ann", "601")
        await asyncio.sleep(2 * WAITS)
        [device] = calls.site.trunk_calls()
        assert [extension for _, extension in device.joined] == ["601"] and device.ended is None
        with pytest.raises(Refusal) as refused:
            await calls.join(call_id, "bob", "602")
        assert refused.value.code is ErrorCode.CONFLICT
        await calls.join(call_id)  # a repeat by another command
        assert len(calls.joins()) == len(device.joined) == 1
        await asyncio.sleep(30.0)  # the longest that a call lasts here
        past = await calls.view(call_id)
        assert (past.phase, past.operator, past.extension, past.slot) == ("ended", "ann", "601", None)

    told(story)


def test_a_call_is_also_the_operators_to_whom_it_was_joined() -> None:
    """They see it from then on, and end it; before that, and to anybody else, it is not there."""

    async def story(calls: Calls) -> None:
        call_id = await calls.answered()
        assert await calls.seen_by("ann", call_id) == []
        await calls.join(call_id)
        await asyncio.sleep(1.0)
        assert await calls.seen_by("ann", call_id) == [True] * 4  # there is no record of it yet
        end = EndCall(call_id=call_id)
        with pytest.raises(Refusal) as refused:
            await calls.as_operator("bob", END_CALL, end)
        assert refused.value.code is ErrorCode.NOT_FOUND
        ended = await calls.as_operator("ann", END_CALL, end)
        assert ended.ending
        await asyncio.sleep(10.0)
        assert await calls.seen_by("ann", call_id) == [True] * 5  # it is no longer up
        assert (await calls.as_operator("ann", GET_CDR, GetCdr(call_id=call_id))).ended_by == "ann"
        assert await calls.seen_by("bob", call_id) == []
        journal = [entry for entry in calls.world.broker.journal if f".{call_id}." in entry.subject]
        whose = {verb_of(entry.subject): owners_in(entry.headers, CALL) for entry in journal}
        assert whose["connected"] == ("op",)
        assert whose["joined"] == whose["ending"] == whose["ended"] == ("op", "ann")

    told(story)


def test_who_waits_for_nobody_is_let_go() -> None:
    async def story(calls: Calls) -> None:
        call_id = await calls.answered()
        await asyncio.sleep(WAITS + 1.0)
        view = await calls.view(call_id)
        assert (view.phase, view.reason, view.operator) == ("ended", EndReason.EXTENSION_FAILED, None)

    told(story)


def test_an_extension_that_nobody_answers_is_said() -> None:
    async def story(calls: Calls) -> None:
        calls.world.switch.dead.add("601")
        call_id = await calls.answered()
        await calls.join(call_id)
        await asyncio.sleep(1.0)
        view = await calls.view(call_id)
        assert (view.reason, view.operator) == (EndReason.EXTENSION_FAILED, "ann")

    told(story)


@pytest.mark.parametrize("where", ["before append", "after append", "after redirect"])
def test_whoever_dies_while_joining_joins_nobody_twice(where: str) -> None:
    """The host that has the trunk is killed; the next one finds the call, and takes it nowhere again."""

    async def story(calls: Calls) -> None:
        world, call_id = calls.world, await calls.answered()
        life = world.machines[0].life
        assert life is not None
        step = life.bus._step

        async def dies(name: str) -> None:
            await step(name)
            if name.startswith(where) and life.process.runs and ("append" not in where or name.endswith(".joined")):
                world.crash(life)
                await asyncio.sleep(0.0)

        life.bus._step = dies
        with contextlib.suppress(Refusal):
            await calls.join(call_id)
        await asyncio.sleep(60.0)
        [device] = calls.site.trunk_calls()
        assert len(device.joined) <= 1 and len(calls.joins()) <= 1 and device.ended is not None
        assert bool(device.joined) == (where == "after redirect")
        assert device.joined or device.ended - (device.answered or 0.0) < WAITS + 0.1  # nobody is left waiting

    told(story, keep=True)
