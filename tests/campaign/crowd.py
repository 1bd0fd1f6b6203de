"""Operators beside campaigns in a simulated world: each has a slot, is ready, talks, wraps up and is ready again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignAttemptEnded, CampaignAttemptJoined
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import GET_LEAD, GetLead
from bus_schemas.operator import (
    ASSIGN_OPERATOR,
    GET_OWN_STATUS,
    SET_OWN_STATUS,
    AssignOperator,
    GetOwnStatus,
    OperatorConnected,
    OperatorReserved,
    OperatorView,
    SetOwnStatus,
)
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from simulators.world.world import with_slot
from tests.campaign.world import Campaigns

OWNERS = ((1, "ann"), (2, "bob"), (3, "cid"))
MAY = frozenset(map(str, resolve(BUILT_IN_ROLES["operator"])))
PASSING = (ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT)


def owned(*owners: tuple[int, str]) -> Callable[[Settings], Settings]:
    """Settings of a host in which slots are these users'."""

    def change(settings: Settings) -> Settings:
        for slot, user in owners:
            settings = with_slot(settings, slot, user=user)
        return settings

    return change


class Crowd:
    """What operators ask in a world."""

    def __init__(self, site: Campaigns) -> None:
        self.site = site
        self.world = site.world
        self._asked = 0

    async def ask(self, user: str, rpc: Rpc[Any, Any], request: Any, actions: frozenset[str] = MAY) -> Any:
        """Ask as an operator, again where nobody is there for a while."""
        self._asked += 1
        context = Context(command_id=f"{user}-{self._asked}", user=user, actions=actions)
        while True:
            try:
                return await ask(self.world.gateways[1], rpc, request, context)
            except Refusal as refusal:
                if refusal.code not in PASSING:
                    raise
            await asyncio.sleep(0.1)

    async def be(self, user: str, status: str) -> OperatorView:
        request = SetOwnStatus(status=status)  # type: ignore[arg-type]
        return await self.ask(user, SET_OWN_STATUS, request)

    async def all_ready(self, *users: str) -> None:
        for user in users or [user for _, user in OWNERS]:
            await self.be(user, "ready")

    async def see(self, user: str) -> OperatorView:
        """How they are, which also says that they are there."""
        return await self.ask(user, GET_OWN_STATUS, GetOwnStatus())

    async def sees_lead(self, user: str, campaign: str, lead: str) -> bool:
        """Whether an operator is told of a lead."""
        try:
            found = await self.ask(user, GET_LEAD, GetLead(campaign_id=campaign, lead=lead))
        except Refusal as refusal:
            assert refusal.code is ErrorCode.NOT_FOUND, refusal
            return False
        return found.lead.lead.id == lead

    async def on_a_call(self, user: str) -> str:
        """The call that they are on, once the campaign has said of whom it is."""
        give_up = self.world.now + 30.0
        while not (seen := await self.see(user)).calls or seen.calls[0].lead is None:
            assert self.world.now < give_up, seen
            await asyncio.sleep(0.1)
        return seen.calls[0].call_id

    async def work_for(self, user: str, *campaigns: str) -> None:
        request = AssignOperator(user=user, campaigns=list(campaigns))
        await self.ask("admin", ASSIGN_OPERATOR, request, frozenset(map(str, resolve(BUILT_IN_ROLES["admin"]))))

    async def work(self, *, gone: bool = False) -> None:
        """Be there, and end each wrap-up after a second, until cancelled. `gone`: be ready again also after having
        been taken for gone."""
        while True:
            for _, user in OWNERS:
                status = (await self.see(user)).status
                if status == "wrap_up" or (gone and status == "offline"):
                    await self.be(user, "ready")
            await asyncio.sleep(1.0)

    # --- what is on record

    def said(self, *kinds: type) -> Iterator[Any]:
        return (one.event for one in self.world.stored if isinstance(one.event, kinds))

    def claims(self) -> list[CampaignAttemptClaimed]:
        return list(self.said(CampaignAttemptClaimed))

    def ends(self) -> list[CampaignAttemptEnded]:
        return list(self.said(CampaignAttemptEnded))

    def joins(self) -> list[CampaignAttemptJoined]:
        return list(self.said(CampaignAttemptJoined))

    def talks(self, *, joined: bool) -> Counter[str]:
        """Calls by how many operators have them on their record, or were joined to them."""
        found = {
            (one.call_id, one.user) for one in self.said(OperatorConnected) if one.lead is not None or not joined
        }
        return Counter(call for call, _ in found)

    def check(self) -> None:
        """Every attempt has one end; every answered call was taken once, by one operator, or abandoned; and nobody was
        kept twice for one."""
        ends, joins = self.ends(), Counter((one.campaign, one.place, one.attempt) for one in self.joins())
        assert not joins or max(joins.values()) == 1, joins
        assert len({(one.campaign, one.place, one.attempt) for one in ends}) == len(ends) == len(self.claims())
        joined, on_record = self.talks(joined=True), self.talks(joined=False)
        assert not on_record or max(on_record.values()) == 1, on_record
        for one in ends:
            if one.outcome == "answered":
                assert (joins[one.campaign, one.place, one.attempt], on_record[one.call_id or ""]) == (1, 1), one
            elif one.call_id is not None and not one.why.startswith("The extension"):  # to which it was taken in vain
                assert (joins[one.campaign, one.place, one.attempt], joined[one.call_id]) == (0, 0), one
        kept = Counter(one.reservation for one in self.said(OperatorReserved))
        assert not kept or max(kept.values()) == 1, kept
