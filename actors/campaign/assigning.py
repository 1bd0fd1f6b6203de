"""Leads of whatever campaigns are assigned to a user: those that the records find, by whoever owns their campaigns."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec.structs import replace

from actors.campaign.crm import must_be_a_user
from actors.runtime.bus import Bus, BusError
from actors.runtime.context import Context
from actors.runtime.ids import derived
from actors.runtime.pace import Pace
from actors.runtime.shards import NOT_NOW
from actors.runtime.wire import Page, ask, forward
from bus_schemas.crm import (
    ASSIGN_IN_CAMPAIGN,
    COUNTED,
    FIND_ASSIGNABLE,
    Assignable,
    AssignedInCampaign,
    AssignInCampaign,
    AssignLeads,
    FindAssignable,
    LeadsAssigned,
)
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import Share

FOUND = 1000  # leads of one question to the records
BATCH = 500  # leads of one event: some 20 kB
LONGEST = 12.0  # seconds after which no batch is begun: one takes 10 at most, and whoever asks waits for 25
MOST_BATCHES = 100  # of one request: each is a question to an owner, and an event
PER_SECOND = 1000  # leads of one user through one host: each is two rows of the records, and others read meanwhile
LEAST = 20  # leads that an event counts as, however few it has
GONE = (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND)  # the campaign was archived meanwhile, and is for the records alone

UNDER_WAY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "An assignment of yours is under way.", rule="assignments", retry_after=2
)


class Assigning:
    """What users ask, taken to the records and the owners, at a pace and one request of a user at a time. Whoever is
    cut off asks again: what was done stays done. `now`: monotonic seconds."""

    def __init__(self, *, bus: Bus, now: Callable[[], float]) -> None:
        self._bus = bus
        self._now = now
        self._pace = Pace(per_second=PER_SECOND, at_once=1, now=now)
        self._under_way = set[Share]()

    async def assign(self, request: AssignLeads, context: Context) -> Page:
        share = context.share
        if share in self._under_way:
            raise UNDER_WAY()
        self._under_way.add(share)
        try:
            return await self._assign_all(request, context)
        finally:
            self._under_way.discard(share)

    async def _assign_all(self, request: AssignLeads, context: Context) -> Page:
        if request.assigned_seller is not None:
            await must_be_a_user(self._bus, request.assigned_seller, context)
        try:  # what is on record by now counts, whichever gateway has written it
            context = replace(context, after=max(context.after, await self._bus.last_seq()))
        except BusError:
            raise NOT_NOW() from None
        found = await self._find(request, context)
        changed = seq = taken = batches = 0
        until = self._now() + LONGEST
        while True:
            taken += len(found.leads)
            left = [*_batches(found.leads, request.assigned_seller)]
            while left and batches < MOST_BATCHES and await self._turn(left[0], context, until):
                batches += 1
                done, at = await self._assign(left.pop(0), context, batches, changed)
                changed, seq = changed + done, max(seq, at)
            if left or found.cursor is None or taken >= request.limit:
                break
            found = await self._find(request, context, taken, found)
        more = bool(left) or found.cursor is not None
        said = LeadsAssigned(matched=min(found.matched, COUNTED), changed=changed, more=more)
        return Page(body=said, seq=seq, changed=changed > 0)

    async def _turn(self, wanted: AssignInCampaign, context: Context, until: float) -> bool:
        """Wait for the next one. False: that would be too late."""
        wait = self._pace.turn(context.share, patience=until - self._now(), weight=max(len(wanted.leads), LEAST))
        if wait is None:
            return False
        await asyncio.sleep(wait)
        return True

    async def _find(
        self, request: AssignLeads, context: Context, taken: int = 0, before: Assignable | None = None
    ) -> Assignable:
        wanted = FindAssignable(
            filter=request.filter, assigned_seller=request.assigned_seller, limit=min(request.limit - taken, FOUND),
            cursor=before.cursor if before is not None else None,
            matched=before.matched if before is not None else None,
        )  # fmt: skip
        return await ask(self._bus, FIND_ASSIGNABLE, wanted, context)

    async def _assign(self, wanted: AssignInCampaign, context: Context, batch: int, before: int) -> tuple[int, int]:
        """How many were changed, and where the journal says so. Raises Refusal, which says how many were before."""
        asking = replace(context, command_id=derived("assign", context.command_id, str(batch)), fresh=False)
        try:
            page = await forward(self._bus, ASSIGN_IN_CAMPAIGN, wanted, asking)
        except Refusal as refusal:
            if refusal.code in GONE:
                return 0, 0
            raise Refusal(refusal.code, refusal.message, **{**(refusal.details or {}), "changed": before}) from None
        assert isinstance(page.body, msgspec.Raw)
        return msgspec.json.decode(page.body, type=AssignedInCampaign).changed, page.seq


def _batches(leads: Iterable[tuple[str, str]], seller: str | None) -> Iterator[AssignInCampaign]:
    """Of each campaign on its own."""
    by_campaign = defaultdict[str, list[str]](list)
    for campaign, lead in leads:
        by_campaign[campaign].append(lead)
    for campaign, its in by_campaign.items():
        for first in range(0, len(its), BATCH):
            some = tuple(its[first : first + BATCH])
            yield AssignInCampaign(campaign_id=campaign, leads=some, assigned_seller=seller)
