"""Campaigns with operators, on two hosts: who is ready is dialled for, who answers is theirs, and nobody is kept."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from actors.leads.lead import id_of
from actors.runtime.clock import utc
from bus_schemas.call import END_CALL, GET_CALL, PAST_CALL, START_CALL, EndCall, GetCall, StartCall
from bus_schemas.campaign import MARK_LEAD, CampaignStatus, Mode, Operators
from bus_schemas.carriers import Carriers, TrunkCarrier
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import LeadStatus, MarkLead, Meaning
from bus_schemas.operator import (
    DISPOSE_CALL,
    GET_OPERATOR,
    LIST_DISPOSITIONS,
    LIST_OPERATORS,
    DisposeCall,
    GetOperator,
    ListDispositions,
    ListOperators,
    OperatorStatus,
)
from bus_schemas.permissions import Action
from bus_schemas.preview import (
    BEGIN_PREVIEWED,
    PREVIEW_LEAD,
    SKIP_PREVIEWED,
    BeginPreviewed,
    PreviewLead,
    SkipPreviewed,
)
from simulators.carrier.rules import mobile
from tests.campaign.crowd import OWNERS, Crowd, owned
from tests.campaign.world import Campaigns, play

S = CampaignStatus
BUSY, TALKS, LONG, RINGS_THEN_TALKS, AT_ONCE = "0001", "2003", "9999", "1005", "0007"
TEAM = {"operators": Operators.TEAM, "attempts_per_lead": 1}


def numbers(count: int, ending: str, first: int = 0) -> list[str]:
    return [mobile(place, ending) for place in range(first, first + count)]


def test_answered_calls_are_those_of_operators_who_were_ready() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann", "bob", "cid")
        await site.create("c1", **TEAM)
        working = asyncio.ensure_future(crowd.work())
        await site.run("c1", [*numbers(8, TALKS), *numbers(4, BUSY, 100)])
        found = await site.until_over("c1")
        working.cancel()
        assert (found.status, found.attempts, found.answered, found.abandoned) == (S.FINISHED, 12, 8, 0)
        assert {claim.operator for claim in crowd.claims()} == {"ann", "bob", "cid"}
        slots = {user: slot for slot, user in OWNERS}
        for claim in crowd.claims():
            assert claim.number in site.world.phone(slots[claim.operator or ""]).dials
        assert len(crowd.joins()) == 8
        crowd.check()

    play(story, change=owned(*OWNERS))


def test_an_operator_is_on_the_call_with_its_campaign_and_lead() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(1, TALKS), name="Ann Lee")
        call_id, [claim] = await crowd.on_a_call("ann"), crowd.claims()
        [told] = (await crowd.see("ann")).calls
        assert (told.call_id, told.campaign_id, told.lead) == (call_id, "c1", claim.lead)
        assert (told.number, told.name) == (claim.number, "Ann Lee")
        seen = await crowd.ask("boss", GET_OPERATOR, GetOperator(user="ann"), frozenset(Action))
        [listed] = await crowd.ask("boss", LIST_OPERATORS, ListOperators(), frozenset(Action))
        assert seen.calls == listed.calls == [replace(told, number=None, name="")]  # nobody else is told

    play(story, change=owned(*OWNERS))


def test_who_has_begun_a_call_by_hand_is_told_the_number() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await crowd.ask("ann", START_CALL, StartCall(number=mobile(700, LONG), slot=1))
        while not (calls := (await crowd.see("ann")).calls):
            await asyncio.sleep(0.1)
        assert (calls[0].number, calls[0].name, calls[0].lead) == (mobile(700, LONG), "", None)

    play(story, change=owned(*OWNERS))

    play(story, change=owned(*OWNERS))


def test_a_call_and_its_lead_are_also_the_operators_for_whom_they_are() -> None:
    """And nobody else's but the maker's."""

    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await crowd.be("bob", "ready")
        await crowd.be("bob", "break")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(2, LONG))
        call_id = await crowd.on_a_call("ann")
        one, end = GetCall(call_id=call_id), EndCall(call_id=call_id)
        for rpc, request in ((GET_CALL, one), (PAST_CALL, one), (END_CALL, end)):
            with pytest.raises(Refusal) as unknown:
                await crowd.ask("bob", rpc, request)
            assert unknown.value.code is ErrorCode.NOT_FOUND
        for rpc in (GET_CALL, PAST_CALL):
            assert (await crowd.ask("ann", rpc, one)).operator == "ann"
        assert (await crowd.ask("ann", END_CALL, end)).ending
        dialled, other = [claim.lead for claim in crowd.claims()], id_of(mobile(1, LONG))
        assert dialled == [id_of(mobile(0, LONG))]
        for user, lead, seen in (("ann", dialled[0], True), ("ann", other, False), ("bob", dialled[0], False)):
            assert await crowd.sees_lead(user, "c1", lead) is seen, (user, lead)

    play(story, change=owned(*OWNERS))


def test_an_operator_s_words_are_those_of_the_campaign_whose_call_it_was() -> None:
    async def story(site: Campaigns) -> None:
        crowd, words = Crowd(site), {"later": Meaning.CALLBACK, "visit": Meaning.DONE}
        await crowd.all_ready("ann", "bob")
        await crowd.work_for("bob", "c2")
        await site.create("c1", **TEAM, dispositions=words)
        await site.run("c1", numbers(1, TALKS), timezone="Asia/Tokyo")
        give_up = site.world.now + 30.0
        while not (seen := await crowd.see("ann")).calls or seen.calls[0].lead is None:
            assert site.world.now < give_up, seen
            await asyncio.sleep(0.1)
        local = DisposeCall(call_id=seen.calls[0].call_id, disposition="later", callback="2026-07-01T10:00:00")
        assert (await crowd.ask("ann", DISPOSE_CALL, local)).callback == "2026-07-01T01:00:00.000Z"
        asked = ListDispositions(campaign_id="c1")
        assert {one.disposition for one in await crowd.ask("ann", LIST_DISPOSITIONS, asked)} == {*words}
        await crowd.work_for("ann", "c2")  # whose call it is still, and whom they wrap up after that
        while (seen := await crowd.see("ann")).status is not OperatorStatus.WRAP_UP:
            assert {one.disposition for one in await crowd.ask("ann", LIST_DISPOSITIONS, asked)} == {*words}
            await asyncio.sleep(0.5)
        assert {one.disposition for one in await crowd.ask("ann", LIST_DISPOSITIONS, asked)} == {*words}
        assert seen.wrap_up_call is not None and seen.wrap_up_call.call_id == local.call_id
        await crowd.be("ann", "ready")
        for user in ("ann", "bob", "eve"):  # who works for another one, or for none
            with pytest.raises(Refusal) as unknown:
                await crowd.ask(user, LIST_DISPOSITIONS, asked)
            assert unknown.value.code is ErrorCode.NOT_FOUND

    play(story, change=owned(*OWNERS))


def test_nobody_is_dialled_for_who_is_not_ready() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann", "bob")
        await crowd.be("bob", "break")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(9, BUSY))
        await asyncio.sleep(20.0)
        assert {claim.operator for claim in crowd.claims()} == {"ann"}
        await crowd.be("ann", "offline")
        await asyncio.sleep(5.0)
        begun = len(crowd.claims())
        explained = await site.explain("c1")
        assert explained.reasons[0].reason == "no_operators" or begun == 9, explained
        crowd.check()

    play(story, change=owned(*OWNERS))


def test_an_operator_works_for_the_campaigns_that_were_said_and_no_others() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann", "bob")
        await crowd.work_for("ann", "c2")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(6, BUSY))
        await asyncio.sleep(20.0)
        assert {claim.operator for claim in crowd.claims()} == {"bob"}

    play(story, change=owned(*OWNERS))


def test_modes_that_need_calls_for_whoever_is_ready_say_that_they_fall_back() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready()
        await site.create("c1", **TEAM, mode=Mode.PREDICTIVE)
        await site.run("c1", numbers(6, LONG))
        await asyncio.sleep(10.0)
        assert len(crowd.claims()) == 3
        explained = await site.explain("c1")
        assert (explained.mode, explained.fallback) == (Mode.PROGRESSIVE, "own_lines")
        assert {group.reason: group.leads for group in explained.reasons}["no_operator_ready"] == 3

    play(story, change=owned(*OWNERS))


def test_without_a_team_another_mode_is_progressive_and_says_so() -> None:
    async def story(site: Campaigns) -> None:
        for campaign, mode in (("c1", Mode.POWER), ("c2", Mode.PROGRESSIVE)):
            await site.create(campaign, mode=mode)
            await site.run(campaign, numbers(6, LONG, int(campaign[1]) * 10))
        await asyncio.sleep(10.0)
        for campaign, fallback in (("c1", "own_lines"), ("c2", None)):
            explained, shown = await site.explain(campaign), await site.view(campaign)
            assert (explained.mode, explained.fallback) == (Mode.PROGRESSIVE, fallback)
            assert (shown.mode, shown.fallback) == (Mode.PROGRESSIVE, fallback)

    play(story)


def test_an_answered_call_whose_operator_is_gone_is_ended_and_abandoned() -> None:
    """The operator has begun a call on a second phone while the first one was ringing."""

    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **TEAM, quiet_hours=72)
        await site.run("c1", numbers(1, RINGS_THEN_TALKS))
        while not crowd.claims():
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        other = 2 if site.world.phone(1).dials else 1
        await crowd.ask("ann", START_CALL, StartCall(number=mobile(700, AT_ONCE), slot=other))
        found = await site.until_over("c1")
        [end] = crowd.ends()
        assert (end.outcome, end.talk_seconds, found.abandoned, found.answered) == ("abandoned", 0, 1, 1)
        [call] = [call for call in site.world.book.ordered() if call.number == crowd.claims()[0].number]
        assert call.ended is not None and call.answered is not None and call.ended - call.answered < 3.0
        crowd.check()

    play(story, change=owned((1, "ann"), (2, "ann")))


PREVIEW = {**TEAM, "mode": Mode.PREVIEW}


def test_in_preview_an_operator_sees_a_lead_and_begins_or_skips_it() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await site.create("c1", **PREVIEW)
        await site.run("c1", numbers(3, TALKS))
        for status, code in ((None, ErrorCode.NOT_FOUND), ("break", ErrorCode.CONFLICT)):  # who never was an operator
            await asyncio.gather(*([crowd.be("ann", status)] if status else []))
            await asyncio.sleep(1.0)
            with pytest.raises(Refusal) as not_ready:
                await crowd.ask("ann", PREVIEW_LEAD, PreviewLead(campaign_id="c1"))
            assert not_ready.value.code is code
        await crowd.all_ready("ann", "bob")
        shown = {user: await crowd.ask(user, PREVIEW_LEAD, PreviewLead(campaign_id="c1")) for user in ("ann", "bob")}
        assert shown["ann"].lead != shown["bob"].lead and not shown["ann"].begun
        for user, one in ((user, one) for user in ("ann", "bob", "cid") for one in shown):
            assert await crowd.sees_lead(user, "c1", shown[one].lead) is (user == one)
        assert await crowd.ask("ann", PREVIEW_LEAD, PreviewLead(campaign_id="c1")) == shown["ann"]
        await asyncio.sleep(5.0)
        assert not site.dials()
        explained = await site.explain("c1")
        assert {group.reason for group in explained.reasons} == {"operators_decide"}
        with pytest.raises(Refusal):
            await crowd.ask("ann", BEGIN_PREVIEWED, BeginPreviewed(campaign_id="c1", lead=shown["bob"].lead))
        for _ in range(2):  # a repeat is not another dial
            answer = await crowd.ask("ann", BEGIN_PREVIEWED, BeginPreviewed(campaign_id="c1", lead=shown["ann"].lead))
            assert answer.begun and answer.until >= shown["ann"].until
            await asyncio.sleep(1.0)
        await crowd.ask("bob", SKIP_PREVIEWED, SkipPreviewed(campaign_id="c1", lead=shown["bob"].lead))
        other = await crowd.ask("bob", PREVIEW_LEAD, PreviewLead(campaign_id="c1"))
        assert other.lead not in {one.lead for one in shown.values()}
        await asyncio.sleep(15.0)
        assert dict(site.dials()) == {shown["ann"].number: 1}
        [claim], [join] = crowd.claims(), crowd.joins()
        assert (claim.operator, join.operator) == ("ann", "ann")
        assert await crowd.sees_lead("ann", "c1", claim.lead) and not await crowd.sees_lead("bob", "c1", claim.lead)
        assert not await crowd.sees_lead("bob", "c1", shown["bob"].lead)  # who has skipped it
        crowd.check()

    play(story, change=owned(*OWNERS))


@pytest.mark.parametrize("status", ["ready", "break"])
def test_who_is_taken_off_leaves_the_lead_they_look_at_to_others(status: str) -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann", "bob")
        await site.create("c1", **PREVIEW)
        await site.run("c1", numbers(1, TALKS))
        lead = (await crowd.ask("ann", PREVIEW_LEAD, PreviewLead(campaign_id="c1"))).lead
        await crowd.be("ann", status)
        await crowd.work_for("ann", "c2")
        await asyncio.sleep(1.0)
        assert not await crowd.sees_lead("ann", "c1", lead)
        assert (await crowd.ask("bob", PREVIEW_LEAD, PreviewLead(campaign_id="c1"))).lead == lead

    play(story, change=owned(*OWNERS))


def test_a_campaign_in_preview_finishes_when_nobody_is_left() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **PREVIEW)
        await site.run("c1", numbers(1, BUSY))
        lead = (await crowd.ask("ann", PREVIEW_LEAD, PreviewLead(campaign_id="c1"))).lead
        await crowd.ask("ann", BEGIN_PREVIEWED, BeginPreviewed(campaign_id="c1", lead=lead))
        found = await site.until_over("c1", within=30.0)
        assert (found.status, found.attempts) == (S.FINISHED, 1)

    play(story, change=owned(*OWNERS))


def test_only_a_campaign_in_preview_shows_leads() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **TEAM)
        for request in (PreviewLead(campaign_id="c1"), PreviewLead(campaign_id="c2")):
            with pytest.raises(Refusal) as refused:
                await crowd.ask("ann", PREVIEW_LEAD, request)
            assert refused.value.code is (ErrorCode.CONFLICT if request.campaign_id == "c1" else ErrorCode.NOT_FOUND)

    play(story, change=owned(*OWNERS))


def test_a_callback_to_an_operator_is_made_by_that_one_within_a_minute() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready()
        await site.create("c1", **TEAM)
        [number] = numbers(1, TALKS)
        await site.run("c1", [number])
        while not crowd.claims():
            await asyncio.sleep(0.1)
        wish = utc(site.world.clock.now() + timedelta(seconds=30))
        await site.configure("c1", attempts_per_lead=2)
        await site.until_done(MARK_LEAD, MarkLead(
            campaign_id="c1", lead=id_of(number), status=LeadStatus.CALLBACK, callback=wish, operator="cid"
        ))  # fmt: skip
        working = asyncio.ensure_future(crowd.work())
        while (await crowd.see("cid")).status != "ready":
            await asyncio.sleep(1.0)
        await crowd.be("cid", "break")
        await asyncio.sleep(40.0)
        assert {group.reason for group in (await site.explain("c1")).reasons} == {"operator_not_ready"}
        [_] = crowd.claims()
        await crowd.be("cid", "ready")
        await asyncio.sleep(15.0)
        working.cancel()
        assert [claim.operator for claim in crowd.claims()[1:]] == ["cid"]

    play(story, change=owned(*OWNERS))


def test_a_break_asked_for_while_the_phone_rings_comes_after_the_call() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(1, RINGS_THEN_TALKS))
        while not site.dials():
            await asyncio.sleep(0.05)
        seen = await crowd.be("ann", "break")
        assert (seen.status, seen.next, seen.reserved_by) == ("ready", "break", "c1")
        await asyncio.sleep(10.0)
        assert (await crowd.see("ann")).status == "on_call"
        found = await site.until_over("c1")
        assert (found.answered, found.abandoned) == (1, 0)
        crowd.check()

    play(story, change=owned(*OWNERS))


def test_an_operator_is_free_again_when_nobody_answers() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready("ann")
        await site.create("c1", **TEAM)
        await site.run("c1", numbers(3, BUSY))
        found = await site.until_over("c1", within=60.0)
        seen = await crowd.see("ann")
        assert (found.attempts, seen.status, seen.reserved_by) == (3, "ready", None)

    play(story, change=owned(*OWNERS))


def test_calls_through_a_trunk_are_joined_to_extensions_of_operators() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready()
        carriers = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))
        await site.create("c1", **TEAM, carriers=carriers)
        working = asyncio.ensure_future(crowd.work())
        await site.run("c1", [*numbers(6, TALKS), *numbers(2, BUSY, 100)])
        found = await site.until_over("c1")
        working.cancel()
        assert (found.attempts, found.answered, found.abandoned) == (8, 6, 0) and not site.dials()
        slots = {user: slot for slot, user in OWNERS}
        extensions = {call.number: call.slot for call in site.trunk_calls()}
        assert extensions == {claim.number: slots[claim.operator or ""] for claim in crowd.claims()}
        crowd.check()

    play(story, change=owned(*OWNERS))


def test_an_operator_whose_extension_is_off_abandons_one_call() -> None:
    async def story(site: Campaigns) -> None:
        crowd = Crowd(site)
        await crowd.all_ready()
        site.world.switch.dead.add("1")
        carriers = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1, 2, 3)))
        await site.create("c1", **TEAM, carriers=carriers)
        working = asyncio.ensure_future(crowd.work())
        await site.run("c1", numbers(9, TALKS))
        found = await site.until_over("c1")
        working.cancel()
        assert (found.attempts, found.answered, found.abandoned) == (9, 9, 1)
        crowd.check()

    play(story, change=owned(*OWNERS))
