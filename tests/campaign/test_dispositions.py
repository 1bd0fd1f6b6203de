"""What operators say of a campaign's calls, on two hosts: each word is on its lead once, whatever dies in between."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from actors.leads.lead import id_of
from actors.operator.settings import DISPOSITIONS
from actors.runtime.clock import parse_utc, utc
from bus_schemas.call import CALL_DIALING, CallDialing
from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_LEAD_MARKED,
    MARK_LEAD,
    CampaignAttemptClaimed,
    CampaignStatus,
)
from bus_schemas.contract import verb_of
from bus_schemas.do_not_call import GLOBAL, REMOVE_DO_NOT_CALL, RemoveDoNotCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import CampaignLeadMarked, LeadStatus, MarkLead, Meaning
from bus_schemas.operator import (
    DISPOSE_CALL,
    LIST_DISPOSITIONS,
    OPERATOR_DISPOSED,
    SET_OWN_STATUS,
    DisposeCall,
    ListDispositions,
    SetOwnStatus,
)
from simulators.carrier.rules import mobile
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

S, L = CampaignStatus, LeadStatus
TALKS, LONG, BUSY = "2003", "9999", "0001"
TAKEOVERS = plays(20)


def on_record(site: Campaigns, verb: str, type: Any) -> list[Any]:
    found = (entry for entry in site.world.broker.journal if verb_of(entry.subject) == verb)
    return [msgspec.json.decode(entry.data, type=type) for entry in found]


def marks(site: Campaigns) -> list[CampaignLeadMarked]:
    return on_record(site, CAMPAIGN_LEAD_MARKED.verb, CampaignLeadMarked)


async def called(site: Campaigns, number: str, within: float = 60.0) -> str:
    """The call to a number, once it was made."""
    give_up = site.world.now + within
    while True:
        found = [one for one in on_record(site, CALL_DIALING.verb, CallDialing) if one.number == number]
        if found:
            return found[-1].call_id
        assert site.world.now < give_up, number
        await asyncio.sleep(0.1)


async def dispose(site: Campaigns, call_id: str, disposition: str, within: float = 60.0, **more: Any) -> None:
    """Say what came of a call, as soon as it is known as one of ours."""
    give_up = site.world.now + within
    while True:
        try:
            request = DisposeCall(call_id=call_id, disposition=disposition, **more)
            await site.until_done(DISPOSE_CALL, request)
            return
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND or site.world.now > give_up:
                raise
            await asyncio.sleep(0.2)


async def until_marked(site: Campaigns, times: int, within: float = 60.0) -> list[CampaignLeadMarked]:
    give_up = site.world.now + within
    while len(found := marks(site)) < times:
        assert site.world.now < give_up, found
        await asyncio.sleep(0.1)
    return found


async def operator(site: Campaigns) -> None:
    await site.until_done(SET_OWN_STATUS, SetOwnStatus(status="ready"))


def test_a_word_marks_the_lead_that_nobody_joined_anybody_to() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        wanted = [mobile(place, TALKS) for place in range(3)]
        await site.run("c1", wanted, timezone="Europe/Kyiv")
        for number, word in zip(wanted, ("sale", "no_decision", "do_not_call"), strict=True):
            await dispose(site, await called(site, number), word)
        found = {mark.disposition: (mark.status, mark.by) for mark in await until_marked(site, 3)}
        assert found == {
            "sale": (L.DONE, "op"), "no_decision": (L.IN_PROGRESS, "op"), "do_not_call": (L.DO_NOT_CALL, "op")
        }  # fmt: skip
        await asyncio.sleep(20.0)
        assert len(marks(site)) == 3

    play(story, owned=True)


def test_who_said_not_to_be_called_is_called_by_no_campaign() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        number = mobile(0, TALKS)
        await site.run("c1", [number])
        await dispose(site, await called(site, number), "do_not_call")
        await until_marked(site, 1)
        await site.run("c2", [number, mobile(1, TALKS)])
        await site.until_over("c2")
        assert site.dials() == {number: 1, mobile(1, TALKS): 1}
        [held] = [one for one in (await site.explain("c2")).reasons if one.reason == L.DO_NOT_CALL]
        assert held.leads == 1

    play(story, owned=True)


def test_who_said_so_stays_so_when_the_entry_is_taken_off() -> None:
    """The entry is one thing, and the lead's word in this campaign another: that is taken back by a mark."""

    async def story(site: Campaigns) -> None:
        await operator(site)
        number, busy = mobile(0, TALKS), mobile(1, BUSY)  # who is called again after a while: so it runs
        await site.run("c1", [number, busy])
        await dispose(site, await called(site, number), "do_not_call")
        await until_marked(site, 1)
        taken_off = RemoveDoNotCall(list=GLOBAL, entries=(number,))
        assert (await site.until_done(REMOVE_DO_NOT_CALL, taken_off)).removed == 1
        await asyncio.sleep(30.0)
        [held] = [one for one in (await site.explain("c1")).reasons if one.reason == L.DO_NOT_CALL]
        assert site.dials()[number] == 1 and held.words == "it does not want to be called"
        wish = utc(site.world.clock.now() + timedelta(seconds=5))
        mark = MarkLead(campaign_id="c1", lead=id_of(number), status=L.CALLBACK, callback=wish)
        await site.until_done(MARK_LEAD, mark)
        await asyncio.sleep(60.0)
        assert site.dials()[number] == 2

    play(story, owned=True)


def test_a_callback_is_made_within_a_minute_of_its_time() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        number = mobile(0, TALKS)
        await site.run("c1", [number])
        call = await called(site, number)
        at = site.world.clock.now() + timedelta(minutes=10)
        await dispose(site, call, "callback", callback=utc(at))
        await until_marked(site, 1)
        await asyncio.sleep(700.0)
        again = on_record(site, CAMPAIGN_ATTEMPT_CLAIMED.verb, CampaignAttemptClaimed)
        assert len(again) == 2 and timedelta() <= parse_utc(again[1].at) - at < timedelta(minutes=1)

    play(story, owned=True)


LOCAL = "2026-07-01T10:00:00"


@pytest.mark.parametrize(
    ("number", "timezone", "wanted"),
    [
        (mobile(0, TALKS), None, "2026-07-01T07:00:00.000Z"),  # in Kyiv
        (mobile(0, TALKS), "Asia/Tokyo", "2026-07-01T01:00:00.000Z"),
        ("+19075550100", None, None),  # it may ring in three zones
    ],
)
def test_a_time_without_an_offset_is_on_the_callee_s_clock(
    number: str, timezone: str | None, wanted: str | None
) -> None:
    async def story(site: Campaigns) -> None:
        await site.create("c1", hours="00:00-00:01")
        await site.run("c1", [number], timezone=timezone)
        mark = MarkLead(campaign_id="c1", lead=id_of(number), status=L.CALLBACK, callback=LOCAL)
        if wanted is None:
            with pytest.raises(Refusal, match="offset"):
                await site.until_done(MARK_LEAD, mark)
            return
        await site.until_done(MARK_LEAD, mark)
        assert [one.callback for one in marks(site)] == [wanted]

    play(story)


def test_a_callback_is_to_an_operator_that_there_is() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        await site.create("c1", hours="00:00-00:01")
        number = mobile(0, TALKS)
        await site.run("c1", [number])
        for name in ("nobody", "op"):
            mark = MarkLead(
                campaign_id="c1", lead=id_of(number), status=L.CALLBACK, callback=LOCAL, operator=name
            )
            if name == "op":
                await site.until_done(MARK_LEAD, mark)
                continue
            with pytest.raises(Refusal) as refused:
                await site.until_done(MARK_LEAD, mark)
            assert (refused.value.code, (refused.value.details or {})["field"]) == (
                ErrorCode.INVALID_PARAMS, "operator"
            )  # fmt: skip
        assert [one.operator for one in marks(site)] == ["op"]

    play(story)


def test_an_operator_s_time_without_an_offset_is_on_the_callee_s_clock() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        numbers = [mobile(place, TALKS) for place in range(2)]
        await site.run("c1", numbers[:1])
        await site.run("c1", numbers[1:], timezone="Asia/Tokyo")
        for number in numbers:
            await dispose(site, await called(site, number), "callback", callback=LOCAL)
        found = sorted(one.callback or "" for one in await until_marked(site, 2))
        assert found == ["2026-07-01T01:00:00.000Z", "2026-07-01T07:00:00.000Z"]

    play(story, owned=True)


def test_a_campaign_has_words_of_its_own() -> None:
    async def story(site: Campaigns) -> None:
        await operator(site)
        own = {"visit": Meaning.DONE, "not_home": Meaning.IN_PROGRESS}
        await site.create("c1", dispositions=own)
        number = mobile(0, TALKS)
        await site.run("c1", [number])
        call = await called(site, number)
        with pytest.raises(Refusal) as caught:
            await dispose(site, call, "sale")
        assert caught.value.code is ErrorCode.INVALID_PARAMS
        assert caught.value.details is not None and caught.value.details["known"] == ["not_home", "visit"]
        await dispose(site, call, "not_home")
        [mark] = await until_marked(site, 1)
        assert (mark.disposition, mark.status) == ("not_home", L.IN_PROGRESS)
        for campaign, wanted in (("c1", own), (None, DISPOSITIONS)):
            listed = await site.until_done(LIST_DISPOSITIONS, ListDispositions(campaign_id=campaign))
            assert {one.disposition: one.meaning for one in listed} == wanted
        await site.configure("c1", dispositions=None)
        listed = await site.until_done(
            LIST_DISPOSITIONS, ListDispositions(campaign_id="c1"), after=len(site.world.broker.journal)
        )
        assert {one.disposition for one in listed} == {*DISPOSITIONS}

    play(story, owned=True)


@pytest.mark.parametrize("seed", range(TAKEOVERS))
def test_a_word_is_on_its_lead_once_whoever_has_the_campaign(seed: int) -> None:
    """It is given while the campaign's host dies, or is dead; corrected now and then."""

    async def story(site: Campaigns) -> None:
        world = site.world
        await operator(site)
        wanted = [mobile(place, TALKS) for place in range(4)]
        await site.run("c1", wanted)
        for number in wanted:
            call = await called(site, number, 200.0)
            for word in ("no_decision", "sale")[: world.random.randrange(1, 3)]:
                owner = site.owner("c1")
                if owner is not None and world.random.random() < 0.5:
                    world.loop.call_later(world.random.uniform(0.0, 0.2), world.crash, owner)
                try:
                    await dispose(site, call, word, 30.0)
                except Refusal as refusal:  # the wrap-up was over by then, or nobody has answered
                    assert refusal.code in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND)
        given = len({
            entry.data for entry in world.broker.journal if verb_of(entry.subject) == OPERATOR_DISPOSED.verb
        })  # fmt: skip
        found = await until_marked(site, given, 100.0)
        await asyncio.sleep(15.0)
        assert Counter(mark.heard for mark in marks(site)).most_common(1)[0][1] == 1 and len(marks(site)) == given
        assert [mark.heard for mark in found] == sorted(mark.heard for mark in found)
        assert given > 1 and (await site.view("c1")).leads == 4

    play(story, seed=seed, keep=True, owned=True)
