"""Campaigns and leads in the ledger are those of the machine, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.campaign import machine
from actors.campaign.places import each
from actors.ledger.campaign import all_campaigns, one, report_of
from actors.ledger.lead import OfHour, attempts_on, by_hour, leads_of, one_lead
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry, Store
from actors.runtime.clock import utc
from actors.runtime.wire import ask
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    GET_CAMPAIGN,
    LIST_CAMPAIGNS,
    REPORT_CAMPAIGN,
    CampaignSettings,
    CampaignStatus,
    GetCampaign,
    ListCampaigns,
    Mode,
    ReportCampaign,
    StopMode,
)
from bus_schemas.campaign_telemetry import CampaignTelemetry
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import (
    EXPORT_LEADS,
    LIST_ALL_LEADS,
    LIST_LEADS,
    PAST_LEAD,
    ExportLeads,
    GetLead,
    Lead,
    LeadStatus,
    ListAllLeads,
    ListLeads,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.campaign.played import ID, NOON, Played, lead_at, number_at
from tests.ledger.journals import seen, write
from tests.ledger.places import Place

OTHER = Lead(id="l-olena", numbers=(number_at(8), number_at(9)), name="Olena", source="spring", custom={"city": "Kyiv"})
RETRY = utc(NOON + timedelta(minutes=15))


def folded(store: Store) -> Played:
    played = a_day()
    assert store.fold([JournalEntry(seq=seq, event=event) for seq, event in enumerate(played.events, 5)]) == []
    return played


def a_day() -> Played:
    """A campaign in which much happens."""
    played = Played()
    played.run(lead_at(1), lead_at(2), lead_at(3), OTHER)
    played.over(played.claim()[0], EndReason.BUSY)
    played.over(played.claim()[0], EndReason.HANGUP_REMOTE, answered=True, talk_seconds=40, call_id="c_7")
    played.over(played.claim()[0], EndReason.HANGUP_LOCAL, answered=True, abandoned=True)
    played.do(machine.mark, 2, LeadStatus.CALLBACK, callback=RETRY, operator="op7", disposition="later")
    played.claim()
    played.do(machine.configure, CampaignSettings(hours="09:00-18:00"))
    played.do(machine.stop, StopMode.DRAIN)
    return played


def test_a_campaign_has_the_counts_of_its_machine(place: Place) -> None:
    with closing(place.store()) as store:
        played = folded(store)
        [found] = store.read(one(ID))
        assert (found.status, found.settings) == (played.status, played.state.settings)
        assert (found.leads, found.attempts, found.in_progress) == (4, 4, played.state.open)
        assert (found.answered, found.abandoned, found.talk_seconds) == (2, 1, 40)
        wanted = ListCampaigns(status=CampaignStatus.DRAINING)
        [(key, listed)] = store.read(all_campaigns(wanted, before=None, user=None))
        assert store.read(all_campaigns(wanted, before=None, user="nobody")) == []
        assert listed == found and key == 5
        for status, before in ((CampaignStatus.RUNNING, None), (None, key)):
            assert store.read(all_campaigns(ListCampaigns(status=status), before=before, user=None)) == []


def test_what_reached_no_phone_is_no_call_that_was_not_answered(place: Place) -> None:
    with closing(place.store()) as store:
        played = Played()
        played.run(lead_at(1), lead_at(2), lead_at(3))
        played.not_begun(played.claim()[0])
        played.over(played.claim()[0], EndReason.BUSY)
        played.over(played.claim()[0], EndReason.HANGUP_REMOTE, answered=True)
        store.fold([JournalEntry(seq=seq, event=event) for seq, event in enumerate(played.events, 5)])
        [found] = store.read(one(ID))
        assert (found.attempts, found.not_dialed, found.in_progress, found.answer_rate) == (3, 1, 0, 0.5)


def test_leads_are_as_the_machine_has_them_and_as_they_were_given(place: Place) -> None:
    with closing(place.store()) as store:
        played = folded(store)
        found = [lead for _, lead in store.read(leads_of(ListLeads(campaign_id=ID), after=None))]
        assert [lead.lead for lead in found] == [lead_at(1), lead_at(2), lead_at(3), OTHER]
        assert [lead.status for lead in found] == [entry.status for entry in each(played.state.leads)]
        assert [lead.last_outcome for lead in found] == ["busy", "answered", "abandoned", None]
        wish = found[2]
        assert (wish.callback, wish.operator, wish.disposition) == (RETRY, "op7", "later")
        assert store.read(one_lead(ID, OTHER.id)) == [found[3]] and store.read(one_lead("c2", OTHER.id)) == []


def test_leads_are_found_by_what_is_asked_for(place: Place) -> None:
    with closing(place.store()) as store:
        folded(store)

        def places(after: int | None = None, **wanted: Any) -> list[int]:
            numbers = wanted.pop("numbers", None)
            query = leads_of(ListLeads(campaign_id=ID, **wanted), after=after, numbers=numbers)
            return [place for place, _ in store.read(query)]

        assert places(status=LeadStatus.DONE) == [1] and places(outcome="abandoned") == [2]
        assert places(numbers={number_at(9)}) == [3] == places(source="spring")
        assert places(numbers={"+3809"}) == [0, 1, 2, 3] and places(numbers={"0009", "0001"}) == [0, 3]
        assert places(numbers={"%"}) == [] and places(limit=2) == [0, 1, 2] and places(1, limit=2) == [2, 3]


def test_an_attempt_is_on_record_with_its_end(place: Place) -> None:
    with closing(place.store()) as store:
        played = folded(store)
        [made] = store.read(attempts_on(ID, lead_at(2).id))
        assert (made.attempt, made.number, made.outcome, made.call_id) == (1, number_at(2), "answered", "c_7")
        assert made.talk_seconds == 40 and made.at == made.ended == played.moment().at
        [open_one] = store.read(attempts_on(ID, OTHER.id))
        assert open_one.ended is None and open_one.outcome is None


@pytest.fixture
async def bus(place: Place) -> AsyncIterator[MemoryBus]:
    """With a ledger, and the day on record."""
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    ledger = Ledger(bus=bus, store=place.store(), region="UA")
    await ledger.start()
    for event in a_day().events:
        await write(bus, event)
    yield bus
    await ledger.stop()


async def test_the_records_answer_for_campaigns_and_leads(bus: MemoryBus) -> None:
    context = seen(await bus.last_seq())
    found = await ask(bus, GET_CAMPAIGN, GetCampaign(campaign_id=ID), context)
    assert found.by_status == {LeadStatus.IN_PROGRESS: 2, LeadStatus.DONE: 1, LeadStatus.CALLBACK: 1}
    assert await ask(bus, LIST_CAMPAIGNS, ListCampaigns(), context) == [found]
    for written in ("0990000009", " 380990000009", "(099) 000-00-09"):
        asked = ListLeads(campaign_id=ID, number=written)
        assert [each.lead for each in await ask(bus, LIST_LEADS, asked, context)] == [OTHER], written
    with pytest.raises(Refusal, match="no phone number"):
        await ask(bus, LIST_LEADS, ListLeads(campaign_id=ID, number="Ann"), context)
    assert len(await ask(bus, LIST_LEADS, ListLeads(campaign_id=ID, number="0000"), context)) == 4
    leads = await ask(bus, LIST_LEADS, ListLeads(campaign_id=ID, limit=2), context)
    assert [each.lead for each in leads] == [lead_at(1), lead_at(2)]
    history = await ask(bus, PAST_LEAD, GetLead(campaign_id=ID, lead=lead_at(2).id), context)
    assert history.lead == leads[1] and [made.outcome for made in history.attempts] == ["answered"]


async def test_one_that_runs_has_the_mode_that_it_dials_in(place: Place) -> None:
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    ledger = Ledger(bus=bus, store=place.store(), region="UA")
    await ledger.start()
    played = Played()
    played.create(mode=Mode.PREDICTIVE)
    played.run(lead_at(1))

    async def said() -> list[tuple[Mode | None, str | None]]:
        context = seen(await bus.last_seq())
        asked = await ask(bus, GET_CAMPAIGN, GetCampaign(campaign_id=ID), context)
        listed = await ask(bus, LIST_CAMPAIGNS, ListCampaigns(), context)
        return [(view.mode, view.fallback) for view in (asked, *listed)]

    async def tell(status: CampaignStatus) -> None:
        await bus.publish(f"ottb.v1.tel.campaign.{ID}", msgspec.json.encode(CampaignTelemetry(
            campaign=ID, at=utc(NOON), status=status, leads=1, attempts=0, in_progress=0, answered=0, abandoned=0,
            abandoned_cap=0.03, dials=Mode.PROGRESSIVE, fallback="own_lines",
        )), {})  # fmt: skip
        await asyncio.sleep(0.05)

    for event in played.events:
        await write(bus, event)
    assert await said() == [(None, None)] * 2  # nobody has said it yet
    await tell(CampaignStatus.RUNNING)
    assert await said() == [(Mode.PROGRESSIVE, "own_lines")] * 2
    played.do(machine.stop, StopMode.DRAIN)
    await write(bus, played.events[-1])
    assert await said() == [(None, None)] * 2  # what it has said before is over
    await tell(CampaignStatus.STOPPED)
    assert await said() == [(None, None)] * 2
    await ledger.stop()


async def test_what_is_not_on_record_is_not_found(bus: MemoryBus) -> None:
    context = seen(await bus.last_seq())
    for rpc, request in (
        (GET_CAMPAIGN, GetCampaign(campaign_id="c2")),
        (LIST_LEADS, ListLeads(campaign_id="c2")),
        (PAST_LEAD, GetLead(campaign_id="c2", lead=lead_at(1).id)),
        (PAST_LEAD, GetLead(campaign_id=ID, lead="nobody")),
    ):
        with pytest.raises(Refusal) as refusal:
            await ask(bus, rpc, request, context)
        assert refusal.value.code is ErrorCode.NOT_FOUND


def test_a_report_has_a_line_for_each_hour_with_the_same_columns() -> None:
    nobody = {f"operators_{what}_seconds": 0 for what in ("talk", "wrap_up", "idle")}
    lines = report_of([
        OfHour("2026-11-26T09", "answered", 3, 60), OfHour("2026-11-26T09", "busy", 2, 0),
        OfHour("2026-11-26T10", "", 1, 0), OfHour("2026-11-26T10", "abandoned", 1, 4),
    ])  # fmt: skip
    assert lines == [
        {"hour": "2026-11-26T09:00:00Z", "attempts": 5, "contacts": 3, "abandoned": 0, "talk_seconds": 60,
         "in_progress": 0, "busy": 2, **nobody},
        {"hour": "2026-11-26T10:00:00Z", "attempts": 2, "contacts": 0, "abandoned": 1, "talk_seconds": 4,
         "in_progress": 1, "busy": 0, **nobody},
    ]  # fmt: skip


def test_the_attempts_of_a_day_are_counted_by_hour_and_end(place: Place) -> None:
    with closing(place.store()) as store:
        folded(store)
        day, hour = NOON.date().isoformat(), utc(NOON)[:13]
        found = store.read(by_hour(ID, day))
        assert found == [
            OfHour(hour, "", 1, 0), OfHour(hour, "abandoned", 1, 0), OfHour(hour, "answered", 1, 40),
            OfHour(hour, "busy", 1, 0),
        ]  # fmt: skip
        assert store.read(by_hour(ID, "2026-11-24")) == [] == store.read(by_hour("c", day))


async def test_who_was_abandoned_is_no_contact_of_the_report(bus: MemoryBus) -> None:
    context, asked = seen(await bus.last_seq()), ReportCampaign(campaign_id=ID, day=NOON.date().isoformat())
    [line] = await ask(bus, REPORT_CAMPAIGN, asked, context)
    assert (line["attempts"], line["contacts"], line["abandoned"], line["busy"], line["in_progress"]) == (4, 1, 1, 1, 1)
    found = await ask(bus, GET_CAMPAIGN, GetCampaign(campaign_id=ID), context)
    assert line["contacts"] == found.answered - found.abandoned == 1


async def test_an_outcome_that_there_is_not_is_refused(bus: MemoryBus) -> None:
    context, asked = seen(await bus.last_seq()), dict[Any, Any]()
    for outcome in ("not_dialed", "bogus"):
        asked[LIST_LEADS] = ListLeads(campaign_id=ID, outcome=outcome)
        asked[EXPORT_LEADS] = ExportLeads(campaign_id=ID, outcome=outcome)
        asked[LIST_ALL_LEADS] = ListAllLeads(outcome=outcome)
        for rpc, request in asked.items():
            if outcome == "bogus":
                with pytest.raises(Refusal, match="no attempt ends so"):
                    await ask(bus, rpc, request, context)
            else:
                assert await ask(bus, rpc, request, context) == []
